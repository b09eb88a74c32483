"""Checks from outside whether an iRODS server runs."""

from __future__ import annotations

import socket

ASKED = b"<MsgHeader_PI><type>HEARTBEAT</type></MsgHeader_PI>"
ANSWER = b"HEARTBEAT"
"""lib/core/include/irods/rodsDef.h, RODS_HEARTBEAT_T: no login is needed."""


def answers(host: str, port: int, seconds: float = 5.0) -> bool:
    """Whether an iRODS server answers at this host and port within `seconds`."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(len(ASKED).to_bytes(4, "big") + ASKED)
            return connection.recv(256) == ANSWER
    except OSError:
        return False

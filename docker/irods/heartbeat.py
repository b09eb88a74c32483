"""Status 0 when the iRODS server of this container answers its heartbeat (rodsDef.h, RODS_HEARTBEAT_T) and the files
given exist.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

ASKED, ANSWER = b"<MsgHeader_PI><type>HEARTBEAT</type></MsgHeader_PI>", b"HEARTBEAT"

with socket.create_connection(("localhost", 1247), timeout=5) as server:
    server.sendall(len(ASKED).to_bytes(4, "big") + ASKED)
    answers = server.recv(256) == ANSWER
sys.exit(0 if answers and all(Path(file).exists() for file in sys.argv[1:]) else 1)

"""Checksums as iRODS writes them (`sha2:<base64>`), and as everybody else does: SHA-256 in hexadecimal."""

from __future__ import annotations

import base64

from policy.zone import ZoneError

_SHA2 = "sha2:"


def hexadecimal(path: str, checksum: str) -> str:
    """iRODS's text of a SHA-256 (`sha2:<base64>`) in hexadecimal."""
    if not checksum.startswith(_SHA2):
        raise ZoneError(
            f"{path}: the checksum {checksum!r} is not a SHA-256; set the zone's default hash scheme to SHA256"
        )
    return base64.b64decode(checksum.removeprefix(_SHA2)).hex()


def irods_checksum(sha256_hex: str) -> str:
    """A SHA-256 in hexadecimal as iRODS writes it."""
    return _SHA2 + base64.b64encode(bytes.fromhex(sha256_hex)).decode()

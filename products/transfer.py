"""Objects of the zone as local files, and back, compared with the zone's checksums."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Protocol

from policy.zone import Zone, ZoneError

PIECE = 4 << 20
"""Bytes read at once."""


class Client(Zone, Protocol):
    """A zone from outside, which takes files."""

    def put(self, file: str, path: str) -> None:
        """Uploads a local file; Exists where there is something already."""

    def close(self) -> None: ...


def fetch(zone: Zone, path: str, file: Path) -> Path:
    """Downloads an object as a new file, which is returned.

    ZoneError where its bytes do not have the zone's checksum.
    """
    digest, offset = hashlib.sha256(), 0
    with open(file, "xb") as out:
        while piece := zone.read(path, offset, PIECE):
            out.write(piece)
            digest.update(piece)
            offset += len(piece)
    # Who only reads may not have a checksum computed.
    stat = zone.stat(path)
    _compare(path, digest.digest(), stat.checksum if stat and stat.checksum else zone.checksum(path))
    return file


def upload(zone: Client, file: Path, path: str) -> None:
    """Uploads a file as a new object. ZoneError where the zone's checksum is not that of its bytes."""
    zone.put(str(file), path)
    with open(file, "rb") as content:
        _compare(path, hashlib.file_digest(content, "sha256").digest(), zone.checksum(path))


def _compare(path: str, digest: bytes, checksum: str) -> None:
    ours = "sha2:" + base64.b64encode(digest).decode()
    if ours != checksum:
        raise ZoneError(f"{path}: the zone's checksum is {checksum}, its bytes have {ours}")

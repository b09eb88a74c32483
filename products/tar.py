"""Packs a series as one tar file with an index: it is one object, and each member can still be read alone.

The tar is uncompressed, in the ustar format with pax extensions (POSIX.1-2001), and the same for the same members. Its
index is a JSON object next to it: `{"tar": name, "size": bytes, "sha256": hex, "members": [{"name", "offset", "size",
"sha256"}, ...]}`, where `offset` is that of the member's own bytes in the tar.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from policy.zone import NotFound, Zone, ZoneError
from products.transfer import PIECE

ENDING = ".index.json"
_LARGEST_INDEX = 1 << 28


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar: `offset` and `size` of its bytes, and their SHA-256 in hexadecimal digits."""

    name: str
    offset: int
    size: int
    sha256: str


def pack(files: Sequence[Path], tar: Path) -> Path:
    """Packs the files under their names, and writes the index next to the tar; returns the index's path.

    The index is made from the content of the finished tar. ValueError if that differs from the files.
    """
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
        for file in files:
            info = tarfile.TarInfo(file.name)
            info.size, info.mode = file.stat().st_size, 0o444
            with open(file, "rb") as source:
                out.addfile(info, source)
    members = list(_members(tar))
    packed = {member.name: member.sha256 for member in members}
    for file in files:
        with open(file, "rb") as source:
            if packed.get(file.name) != hashlib.file_digest(source, "sha256").hexdigest():
                raise ValueError(f"{file.name} is not in {tar.name} as it was packed; is the disk in order?")
    with open(tar, "rb") as whole:
        digest = hashlib.file_digest(whole, "sha256").hexdigest()
    index = {
        "tar": tar.name,
        "size": tar.stat().st_size,
        "sha256": digest,
        "members": [asdict(member) for member in members],
    }
    path = tar.with_name(tar.name + ENDING)
    path.write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def members(zone: Zone, tar: str) -> list[Member]:
    """Returns the members of a tar in the zone, from its index. NotFound without an index."""
    index = json.loads(zone.read(tar + ENDING, 0, _LARGEST_INDEX))
    return [Member(**member) for member in index["members"]]


def read_member(zone: Zone, tar: str, name: str) -> Iterator[bytes]:
    """Yields one member's bytes, reading nothing else of the tar.

    NotFound; ZoneError after the last piece when its SHA-256 differs.
    """
    member = next((m for m in members(zone, tar) if m.name == name), None)
    if member is None:
        raise NotFound(f"{tar} has no member {name!r}; its index {tar}{ENDING} lists them")
    digest, offset, end = hashlib.sha256(), member.offset, member.offset + member.size
    while offset < end and (piece := zone.read(tar, offset, min(PIECE, end - offset))):
        digest.update(piece)
        offset += len(piece)
        yield piece
    if digest.hexdigest() != member.sha256:
        raise ZoneError(f"{tar}: the member {name} is not what was packed: its SHA-256 differs from the index")


def _members(tar: Path) -> Iterator[Member]:
    with tarfile.open(tar, "r:") as archive:
        for info in archive:
            content = archive.extractfile(info)
            if content is None:
                raise ValueError(f"{info.name} in {tar.name} is not a file")
            yield Member(info.name, info.offset_data, info.size, hashlib.file_digest(content, "sha256").hexdigest())  # type: ignore[arg-type]

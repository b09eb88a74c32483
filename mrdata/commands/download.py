"""What `mrdata get` does: copies objects to this machine, and leaves only files whose bytes are those that the catalog
tells of.

<file>                 is there only when it is whole
<file>.mrdata-part     what came before the download was interrupted; the next one goes on with it
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mrdata.commands.listing import entries
from policy.zone import GOOD, Condition, Damaged, Zone, ZoneError, data_object
from policy.zone.layout import parent

PIECE = 4 << 20
"""Bytes read at once."""
PART = ".mrdata-part"


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of an object:

    `fault` says why there is no file; `is_compared` is False where the catalog has no checksum of it.
    """

    path: str
    file: Path
    fault: str = ""
    was_there: bool = False
    is_compared: bool = True


def download(zone: Zone, path: str, target: Path) -> Iterator[Copy]:
    """Gets an object, or a collection with all below it. What is there and equal is left as it is, what is there and
    other is a fault.

    NotFound where there is no such object or collection; one object that fails does not keep the others from coming.
    """
    base, known = parent(path), _checksums(zone, path)
    for entry in entries(zone, path, recursive=True):
        if entry.is_collection:
            continue
        file = target / entry.path.removeprefix(base + "/") if target.is_dir() or entry.path != path else target
        try:
            yield _get(zone, entry.path, file, *known.get(entry.path, (entry.size, "")))
        except (ZoneError, OSError) as error:
            fault = (
                f"{error.filename or file}: {error.strerror}"
                if isinstance(error, OSError) and error.strerror
                else str(error)
            )
            yield Copy(entry.path, file, fault)


def _checksums(zone: Zone, path: str) -> dict[str, tuple[int, str]]:
    """Path -> size and checksum of a good replica, of an object or of all below a collection."""
    columns, good = ["COLL_NAME", "DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM"], Condition("DATA_REPL_STATUS", "=", GOOD)
    rows = zone.query(columns, *data_object(path), good) or [
        *zone.query(columns, Condition("COLL_NAME", "=", path), good),
        *zone.query(columns, Condition("COLL_NAME", "like", path + "/%"), good),
    ]
    return {f"{collection}/{name}": (int(size), checksum) for collection, name, size, checksum in sorted(rows)}


def _get(zone: Zone, path: str, file: Path, size: int, checksum: str) -> Copy:
    digest = _digest(checksum)
    if file.exists():
        with open(file, "rb") as there:
            is_equal = file.stat().st_size == size and (
                digest.of(there) == digest.wanted if digest else _is_same(zone, path, there, size)
            )
        fault = (
            ""
            if is_equal
            else (
                f"{file} is there already with other bytes, and nothing is overwritten; move it, or give another TARGET"
            )
        )
        return Copy(path, file, fault, was_there=is_equal, is_compared=digest is not None)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + PART)
    with open(part, "a+b") as out:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError where another download is at work on it
        for is_resumed in (digest is not None and 0 < out.tell() <= size, False):
            _copy(zone, path, out, size, out.tell() if is_resumed else 0)
            if out.tell() == size and (digest is None or digest.of(out) == digest.wanted):
                os.fsync(out.fileno())
                _name(part, file)
                return Copy(path, file, is_compared=digest is not None)
            if not is_resumed:  # else what was there may be another object's beginning: once more, from the first byte
                break
        part.unlink()
    raise Damaged(
        f"{path}: what was read is not what its checksum and size tell of, and was not kept; try again, or tell a data"
        " steward"
    )


def _name(part: Path, file: Path) -> None:
    """Gives the whole file its name, never over another one: not every file system has links."""
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:
        if file.exists():
            raise
        part.rename(file)
    else:
        part.unlink()


def _copy(zone: Zone, path: str, out: IO[bytes], size: int, offset: int) -> None:
    """Writes what comes from `offset` on; what `out` has after it is nothing."""
    out.truncate(offset)
    out.seek(offset)
    while offset < size and (piece := zone.read(path, offset, min(PIECE, size - offset))):
        out.write(piece)
        offset += len(piece)
    out.flush()


def _is_same(zone: Zone, path: str, there: IO[bytes], size: int) -> bool:
    """Whether a file has the object's bytes, of which there is no checksum."""
    return all(zone.read(path, offset, PIECE) == there.read(PIECE) for offset in range(0, size, PIECE))


@dataclass(frozen=True, slots=True)
class _Digest:
    wanted: bytes
    new: Callable[[], hashlib._Hash]

    def of(self, file: IO[bytes]) -> bytes:
        file.seek(0)
        whole = self.new()
        while piece := file.read(PIECE):
            whole.update(piece)
        return whole.digest()


def _digest(checksum: str) -> _Digest | None:
    """What iRODS's text of a checksum says; None where it is none that can be computed here."""
    scheme, _, encoded = checksum.rpartition(":")
    algorithms = {"sha2": hashlib.sha256, "sha512": hashlib.sha512, "sha1": hashlib.sha1}
    if scheme in algorithms:
        return _Digest(base64.b64decode(encoded), algorithms[scheme])
    if not scheme and len(checksum) == 32:
        return _Digest(bytes.fromhex(checksum), hashlib.md5)
    return None

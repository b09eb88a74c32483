"""The restore drill.

Objects that chance picks are read back whole, as a user would, and compared with their checksums.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from policy.zone import Condition, Zone, ZoneError

_PIECE = 1 << 22
_TRIES = 5
_NEXT = 16


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one object: `size` bytes; `fault` is empty where all was well."""

    path: str
    size: int
    fault: str = ""


def drill(
    zone: Zone,
    root: str,
    count: int,
    largest: int | None = None,
    *,
    progress: Callable[[int], None] = lambda size: None,
) -> list[Result]:
    """Reads back `count` objects below `root` (fewer if there are fewer), none larger than `largest` bytes."""
    results = []
    for path, size, checksum in sample(zone, root, count, largest):
        results.append(Result(path, size, fault(zone, path, size, checksum)))
        progress(size)
    return results


def sample(zone: Zone, root: str, count: int, largest: int | None = None) -> list[tuple[str, int, str]]:
    """Path, size and checksum of objects that chance picks: of many, those near random numbers of the catalog."""
    wanted = [
        Condition("COLL_NAME", "like", root + "/%"),
        Condition("DATA_REPL_STATUS", "=", "1"),
        Condition("DATA_CHECKSUM", "like", "sha2:%"),
    ]
    wanted += [] if largest is None else [Condition("DATA_SIZE", "<=", str(largest))]
    columns = ["DATA_ID", "COLL_NAME", "DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM"]
    few = zone.select(columns, *wanted, order="DATA_ID", limit=count * _NEXT + 1)
    if len(few) <= count * _NEXT:
        few = [row for row in few if row[1].startswith(root + "/")]
        return [_picked(row) for row in random.sample(few, min(count, len(few)))]
    ((low, high),) = zone.select(["min(DATA_ID)", "max(DATA_ID)"], *wanted)
    picked: dict[str, tuple[str, int, str]] = {}
    for _ in range(count * _TRIES):
        start = Condition("DATA_ID", ">=", str(random.randint(int(low), int(high))))
        # One of several: numbers have gaps, and the object behind a large gap would come too often.
        if rows := zone.select(columns, *wanted, start, order="DATA_ID", limit=_NEXT):
            row = random.choice(rows)
            if row[1].startswith(root + "/"):
                picked[row[0]] = _picked(row)
        if len(picked) == count:
            break
    return list(picked.values())


def _picked(row: tuple[str, ...]) -> tuple[str, int, str]:
    _, collection, name, size, checksum = row
    return f"{collection}/{name}", int(size), checksum


def fault(zone: Zone, path: str, size: int, checksum: str) -> str:
    """Why the object cannot be read back as it was; empty where it can. `checksum` as iRODS writes it, of SHA-256."""
    whole, offset = hashlib.sha256(), 0
    try:
        while offset < size:
            piece = zone.read(path, offset, _PIECE)
            if not piece:
                return f"ends after {offset} of {size} bytes"
            whole.update(piece)
            offset += len(piece)
    except ZoneError as error:
        return str(error)
    return (
        ""
        if f"sha2:{base64.b64encode(whole.digest()).decode()}" == checksum
        else "other bytes than those that were archived"
    )

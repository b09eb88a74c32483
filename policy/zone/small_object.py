"""Reads and replaces small data objects as a whole: a reader never gets half an object, even if its writer is killed.

<path>        what counts
<path>.new    is written first; it counts in the moment in which the one before is gone and it has not got its name yet
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from policy.zone import GOOD, Among, Condition, NotFound, Zone, ZoneError, data_object, durability
from policy.zone.log import Level, tell

_LARGEST = 1 << 24
_LOOKS = 5
_PAUSE_SECONDS = 0.05


def write(zone: Zone, path: str, content: bytes) -> None:
    """Creates or replaces the object. Raises NotFound if its collection is not there."""
    draft = _draft(path)
    is_there = zone.stat(path) is not None
    if _is_torn(zone, draft):
        zone.erase(draft)
    elif not is_there and _is_whole(zone, draft):  # its writer was killed before it got its name
        zone.move(draft, path)
        is_there = True
    durability.write(zone, draft, content)
    if is_there:
        zone.erase(path)
    durability.move(zone, draft, path)


def load(zone: Zone, path: str) -> dict[str, Any] | None:
    """The JSON object that it holds; None if the object is not there. Raises ZoneError."""
    for _ in range(_LOOKS):
        for candidate in (path, _draft(path)):
            with suppress(ZoneError):  # the last look tells, if it is one that lasts
                if (found := _read(zone, candidate)) is not None:
                    return found
        if not _is_there(zone, path):
            return None
        time.sleep(_PAUSE_SECONDS)  # it got its name between the two looks
    return _read(zone, path)


def _is_there(zone: Zone, path: str) -> bool:
    """Under either name: one query sees one moment."""
    collection, _, name = path.rpartition("/")
    return bool(
        zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", collection), Among("DATA_NAME", (name, _draft(name))))
    )


def _is_torn(zone: Zone, draft: str) -> bool:
    """Whether its writer was killed: it has no good replica, and perhaps no file that could be written over."""
    statuses = {status for (status,) in zone.query(["DATA_REPL_STATUS"], *data_object(draft))}
    return bool(statuses) and GOOD not in statuses


def _is_whole(zone: Zone, draft: str) -> bool:
    """Whether its writer came to the end: then it counts."""
    try:
        return _read(zone, draft) is not None
    except ZoneError as error:
        if error.code != durability.NO_FILE:
            raise
        return False


def _read(zone: Zone, path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(zone.read(path, 0, _LARGEST))
    except NotFound:
        return None
    except ValueError as error:
        tell(zone, "read", f"{path} is not JSON, and counts as not there: {error}", level=Level.WARNING)
        return None
    return found if isinstance(found, dict) else None


def _draft(path: str) -> str:
    return f"{path}.new"

"""Names of a new zone and of its scanners, before anything is made: they become collections and folders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_SCANNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}")
_ZONE = re.compile(r"[A-Za-z0-9]{1,63}")


def zone_fault(name: str) -> str:
    """What is wrong with a zone's name; empty where nothing is.

    >>> zone_fault("tempZone"), zone_fault("my zone")
    ('', "'my zone' cannot name a zone: use 1 to 63 letters and digits, like myZone")
    """
    return "" if _ZONE.fullmatch(name) else f"{name!r} cannot name a zone: use 1 to 63 letters and digits, like myZone"


def scanners_fault(names: Sequence[str]) -> str:
    """What is wrong with the names of scanners; empty where nothing is.

    >>> scanners_fault(["94T", "3T"]), scanners_fault(["94T", "94T"])
    ('', "scanner '94T' is named twice: give each scanner a name of its own")
    """
    for name in names:
        if not _SCANNER.fullmatch(name):
            allowed = "1 to 50 letters, digits, `_`, `.` or `-`, beginning with a letter or digit, like 94T"
            return f"{name!r} cannot name a scanner: use {allowed}"
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    first = next((name for name in names if name.casefold() in twice), "")
    return f"scanner {first!r} is named twice: give each scanner a name of its own" if first else ""

"""What the catalog knows of the files of a landing folder: the memory that no kill takes away.

A file is registered already when a replica has its physical path, or when an object carries its `LandingPath`: the
policies trim the landing replica once the archive has the file, and merge identical files into one object.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from policy.zone import Condition, Zone

LANDING_PATH = "LandingPath"
"""Attribute of an archived object: `<scanner>/<branch>/<relative path>` of the file that it came from."""

_FEW = 16
"""So many names are asked for one by one (an index look-up each); more, with one query for their folder."""

_COLUMNS = ("COLL_NAME", "DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM", "DATA_CREATE_TIME")


@dataclass(frozen=True, slots=True)
class Known:
    """A file that is registered. `sizes` (bytes) and `checksums` (`sha2:<base64>`) are those of its replicas."""

    path: str
    sizes: frozenset[int]
    described: bool
    """The object (the one in place, if there is one) carries its LandingPath: the policy that describes it has run to its end."""
    in_place: str = ""
    """The object with a replica that is this very file; empty once the archive has it, and only has it."""
    checksums: frozenset[str] = frozenset()
    made: int = 0
    """When the youngest of its replicas was made (seconds since 1970, the catalog's clock)."""

    def may_be_another(self, size: int, changed: float) -> bool:
        """Whether a file of this size that changed last at this time (seconds since 1970) need not be what is registered."""
        return size not in self.sizes or changed > self.made + 1


_UNKNOWN = Known("", frozenset(), described=False)


def known(zone: Zone, folder: str, relative: str, names: Iterable[str]) -> tuple[dict[str, Known], bool]:
    """What is registered of the landing folder `<folder>/<relative>`, by file name; and whether that is all of the folder.

    With few `names` only these are asked for. The cost follows from what is, or was, in this folder, never from the archive's size.
    """
    physical = os.path.join(folder, relative)
    names = list(names)
    found: dict[str, Known] = {}
    if len(names) > _FEW:
        _merge(found, physical, _below(zone, (), "DATA_PATH", physical), False)
        _merge(found, relative, _below(zone, (_landing_path(),), "META_DATA_ATTR_VALUE", relative), True)
        return found, True
    for name in names:
        _merge(found, physical, _exactly(zone, (), "DATA_PATH", f"{physical}/{name}"), False)
        _merge(found, relative, _exactly(zone, (_landing_path(),), "META_DATA_ATTR_VALUE", f"{relative}/{name}"), True)
    return found, False


def _landing_path() -> Condition:
    return Condition("META_DATA_ATTR_NAME", "=", LANDING_PATH)


def _exactly(zone: Zone, conditions: tuple[Condition, ...], column: str, value: str) -> list[tuple[str, ...]]:
    return zone.query((column, *_COLUMNS), *conditions, Condition(column, "=", value))


def _below(zone: Zone, conditions: tuple[Condition, ...], column: str, prefix: str) -> list[tuple[str, ...]]:
    # A backslash escapes in PostgreSQL's LIKE: `_` stands for it, as for any character; `_merge` compares exactly.
    pattern = prefix.replace("\\", "_") + "/%"
    return zone.query((column, *_COLUMNS), *conditions, Condition(column, "like", pattern))


def _merge(found: dict[str, Known], prefix: str, rows: list[tuple[str, ...]], described: bool) -> None:
    for value, collection, data_name, size, checksum, made in rows:
        head, _, name = value.rpartition("/")
        if head != prefix:
            continue
        path, before = f"{collection}/{data_name}", found.get(name, _UNKNOWN)
        found[name] = Known(
            path,
            before.sizes | {int(size)},
            (described and before.in_place in ("", path)) or before.described,
            before.in_place if described else path,
            before.checksums | ({checksum} if checksum else set()),
            max(before.made, int(made)),
        )

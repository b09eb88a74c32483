"""Removes files of the landing zone that the archive has had for long: only those whose every byte it holds, everywhere it should.

A file goes when it has not changed for so many days, no replica is the file itself any more, and an archived object that came from
it has good replicas with its checksum on the archive resource and on each resource for copies. All else stays, and is counted.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from landing.disk import Signature
from landing.known import LANDING_PATH
from landing.names import Reason, told, unfit
from landing.register import unchanged_checksum
from landing.tree import RENAMED, second_name, tree_of
from policy import layout
from policy.settings import Settings
from policy.zone import GOOD, Condition, Zone

DAY = 86400.0


@dataclass(slots=True)
class Tidied:
    """What was removed (with `dry_run`: what would be), and why how many other files stay. `bytes`: of what was removed."""

    removed: int = 0
    bytes: int = 0
    stay: Counter[str] = field(default_factory=Counter)
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        verb = "would be removed" if self.dry_run else "removed"
        parts = [f"{self.removed} files ({self.bytes / 1e9:.3f} GB) {verb}"]
        return ", ".join([*parts, *(f"{count} stay: {why}" for why, count in sorted(self.stay.items()))])


def tidy(zone: Zone, settings: Settings, days: float, *, dry_run: bool = False) -> Tidied:
    """Looks at every file of the scanners' folders. Raises ZoneError, and OSError where the landing folder cannot be listed."""
    done = Tidied(dry_run=dry_run)
    folder = os.path.abspath(settings.landing.folder)
    before = time.time() - days * DAY
    for relative in _files(folder, settings):
        try:
            _tidy_one(zone, settings, folder, relative, before, done)
        except FileNotFoundError:
            continue
        except OSError as error:
            done.stay[f"{Reason.UNREADABLE} ({told(error)})"] += 1
    if not dry_run:
        _remove_empty(folder, settings, before)
    return done


def _files(folder: str, settings: Settings) -> Iterator[str]:
    """Below the scanners' branches; a second name (`landing.tree`) goes with the first."""
    for top in _branches(folder, settings):
        for where, folders, names in os.walk(top):
            relative = os.path.relpath(where, folder)
            if RENAMED in folders and tree_of(f"{relative}/x") == relative:
                folders.remove(RENAMED)
            yield from (f"{relative}/{name}" for name in sorted(names))


def _branches(folder: str, settings: Settings) -> list[str]:
    return [f"{folder}/{scanner}/{branch}" for scanner in settings.scanners or sorted(os.listdir(folder)) for branch in layout.Branch]


def _tidy_one(zone: Zone, settings: Settings, folder: str, relative: str, before: float, done: Tidied) -> None:
    status = os.lstat(f"{folder}/{relative}")
    if max(status.st_mtime, status.st_ctime) > before:
        done.stay["not old enough"] += 1
        return
    registered = second_name(relative) if unfit(relative) and tree_of(relative) else relative
    if not stat.S_ISREG(status.st_mode) or unfit(registered):
        done.stay["not registered"] += 1
        return
    if reason := _why_not(zone, settings, f"{folder}/{registered}", registered, Signature.of(status)):
        done.stay[reason] += 1
        return
    if not done.dry_run:
        os.unlink(f"{folder}/{relative}")
        if registered != relative:
            os.unlink(f"{folder}/{registered}")
    done.removed += 1
    done.bytes += status.st_size


def _why_not(zone: Zone, settings: Settings, file: str, relative: str, signature: Signature) -> str:
    """Why the file has to stay; empty where nothing is lost with it."""
    if zone.query(["DATA_ID"], Condition("DATA_PATH", "=", file)):
        return "not archived yet, or in quarantine"
    columns = ["COLL_NAME", "DATA_NAME", "DATA_RESC_NAME", "DATA_CHECKSUM"]
    came_from = Condition("META_DATA_ATTR_NAME", "=", LANDING_PATH), Condition("META_DATA_ATTR_VALUE", "=", relative)
    there: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for collection, name, resource, checksum in zone.query(columns, *came_from, Condition("DATA_REPL_STATUS", "=", GOOD)):
        if collection.startswith(layout.studies(settings) + "/"):
            there[collection, name, checksum].add(resource)
    if not there:
        return "not registered"
    wanted = {settings.archive.resource, *settings.archive.copies}
    checksums = {checksum for (_, _, checksum), resources in there.items() if checksum and wanted <= resources}
    if not checksums:
        return "not on all resources of the archive"
    return "" if unchanged_checksum(file, signature) in checksums else "other bytes than the archive has"


def _remove_empty(folder: str, settings: Settings, before: float) -> None:
    """Folders below the branches that are empty, and have been for as long."""
    for top in _branches(folder, settings):
        for where, *_ in os.walk(top, topdown=False):
            with suppress(OSError):  # it is not empty, or not there any more
                if where != top and os.lstat(where).st_mtime <= before:
                    os.rmdir(where)

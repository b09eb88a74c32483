"""Power loss: at the n-th change of anything, the power fails.

The catalog has what it committed, the disk what was forced to it.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedded.catalog.database import Catalog
from landing import exchange, vault
from policy.zone import host_files
from tests.faults import children
from tests.faults.checker import Finding, Wrong
from tests.faults.disk import Disk, Loss
from tests.faults.machine import Bench, Case, scenario_of
from tests.faults.site import Site

NAMES = (
    "scan",
    "elsewhere",
    "late",
    "finalize",
    "time",
    "withdraw",
    "restore",
    "erase",
    "quarantine",
    "refile",
    "tidy",
    "register",
)
"""Scenarios. What users upload iRODS itself forces nowhere."""
_TOPS = ("landing", "vault")
_CHANGING = ("rename", "replace", "link", "unlink", "rmdir", "mkdir", "fsync", "write")
_LEFT = "no object names "
"""A file comes back that was removed from a vault: verify tells of it after an hour."""
Function = Callable[..., Any]


class Recorder:
    """Counts the changes, knows what was forced, and ends the process before the n-th."""

    def __init__(self, zone: Path, number: int, told: Path) -> None:
        self._left, self._told = number, told
        self._disks = [Disk(zone / top) for top in _TOPS]
        for disk in self._disks:
            disk.look(is_forced=True)

    def changes(self, name: str, whole: Function) -> Function:
        """A call that changes something."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._count(name)
            answer = whole(*arguments, **named)
            if name == "fsync":
                for disk in self._disks:
                    disk.force(arguments[0])
            return answer

        return call

    def opens(self, whole: Function) -> Function:
        """open(2), where it makes a file."""

        def call(path: Any, flags: int, *arguments: Any, **named: Any) -> Any:
            if flags & os.O_CREAT:
                self._count("open")
            return whole(path, flags, *arguments, **named)

        return call

    def commits(self, whole: Function) -> Function:
        """A transaction of the catalog."""

        def call(catalog: Catalog) -> Any:
            if not catalog._depth:
                self._count("transaction")
            return whole(catalog)

        return call

    def _count(self, name: str) -> None:
        self._left -= 1
        if self._left == 0:
            for disk in self._disks:
                disk.look()
            self._told.write_bytes(pickle.dumps((name, self._disks)))
            children.die()


def record(zone: Path, number: int, told: Path) -> None:
    """From now on, this process ends before its n-th change."""
    recorder = Recorder(zone, number, told)
    system: Any = os
    for name in _CHANGING:
        setattr(system, name, recorder.changes(name, getattr(os, name)))
    system.open = recorder.opens(os.open)
    exchange._renameat2 = recorder.changes("renameat2", exchange._renameat2)
    host_files.rename_without_replacing = recorder.changes("renameat2", host_files.rename_without_replacing)
    vault._write = recorder.changes("write", vault._write)
    catalog: Any = Catalog
    catalog.writing = recorder.commits(Catalog.writing)


def fails(bench: Bench, name: str, loss: Loss, number: int) -> Case:
    """The power fails at the n-th change of a scenario."""
    scenario, told = scenario_of(name), bench.folder / "told"
    case = bench.lay(scenario)
    told.unlink(missing_ok=True)

    def act() -> None:
        site = Site(case)
        record(case / "zone", number, told)
        scenario.act(site)

    ended = children.run(act)
    title = f"{name}:{loss}:{number}"
    if not told.exists():
        return Case(title, "")
    if ended.hangs:
        return Case(title, "power", [Finding(Wrong.DISORDER, "hangs")])
    where, disks = pickle.loads(told.read_bytes())
    for disk in disks:
        disk.fail(loss, random.Random(title))
    found = [one for one in bench.settle(case) if not one.what.startswith(_LEFT)]
    return Case(title, f"power fails at {where}", found)

"""The n-th call fails: system calls, verbs of the zone that clients ask, microservices that rules ask.

A fault is set up in a forked child, which ends with it: nothing is ever put back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from embedded.catalog.database import Catalog
from embedded.client.embedded_zone import EmbeddedZone
from embedded.engine import callback
from landing import exchange, vault
from policy.zone import ZoneError, host_files
from tests.faults.children import die

Function = Callable[..., Any]


class Fault(StrEnum):
    """What happens at the n-th call."""

    KILL = "kill"
    """The process is killed before it changes something."""
    TORN = "torn"
    """It is killed when half of what it writes is written."""
    FULL = "disk full"
    """ENOSPC, with half of it written."""
    EIO = "i/o error"
    CUT = "cut before"
    """The connection is lost before the request reaches the zone. It stays lost."""
    LATE = "cut after"
    """It is lost with the answer: the request was done."""
    AGENT = "agent killed"
    """The agent of the connection is killed within a rule; the client lives."""
    CATALOG = "catalog before"
    """The catalog's database refuses a microservice."""
    UNSURE = "catalog after"
    """It does it, and says that it did not."""


_ENDS = (Fault.KILL, Fault.TORN)
_DISK = (Fault.KILL, Fault.FULL, Fault.EIO)
_NEEDS_ROOM = ("rename", "replace", "link", "mkdir", "fsync")
_OURS = ("landing", "policy", "microservices", "mrdata", "embedded.objects.objects", "embedded.objects.replication")
"""Whose system calls fail; those of the embedded zone's own bookkeeping stand for a database's."""
_BETWEEN = ("os", "pathlib", "shutil", "contextlib", "tempfile", "posixpath", "genericpath", __name__)
_CHANGING = (
    "rename",
    "replace",
    "link",
    "unlink",
    "rmdir",
    "mkdir",
    "fsync",
    "utime",
    "chmod",
    "fchmod",
    "fchown",
    "chown",
)
_LOOKING = ("stat", "lstat", "fstat", "listdir", "scandir", "pread", "read")
_ASKED = (
    "query",
    "select",
    "stat",
    "read",
    "write",
    "put",
    "make_collection",
    "_rename",
    "remove",
    "erase",
    "annotate",
    "permit",
)
_ASKED_TOO = (
    "inherit",
    "checksum",
    "replicate",
    "trim",
    "register",
    "register_all",
    "relocate",
    "rule",
    "give_up",
    "prune",
    "group",
)


class _Killed(BaseException):
    """Goes through a rule as its agent's end: nothing that the rule still asks is done."""


class Striker:
    """Counts the calls at which its fault can happen, and lets it happen at the n-th.

    Writes into `note` where it did.
    """

    def __init__(self, fault: Fault, number: int, note: Path) -> None:
        self._fault, self._left, self._note = fault, number, note
        self._dead: set[int] = set()
        """Agents and connections that are of no use any more, by id()."""

    def strikes(self, name: str, *possible: Fault) -> Fault | None:
        """The fault, if it is to happen at this call."""
        if self._fault not in possible or self._left <= 0:
            return None
        self._left -= 1
        if self._left:
            return None
        self._note.write_text(f"{self._fault} at {name}")
        if self._fault is Fault.KILL:
            die()
        return self._fault

    # System calls

    def system(self, name: str, whole: Function, *possible: Fault) -> Function:
        """A system call that fails."""

        def call(*arguments: Any, **named: Any) -> Any:
            ours = _OURS[:4] if possible == (Fault.EIO,) else _OURS
            possible_here = possible if _is_ours(ours) else tuple(one for one in possible if one in _ENDS)
            if possible_here:
                _fail(self.strikes(name, *possible_here), name)
            return whole(*arguments, **named)

        return call

    def opening(self, whole: Function) -> Function:
        """open(2): a file that is made needs room."""

        def call(path: Any, flags: int, *arguments: Any, **named: Any) -> Any:
            makes = bool(flags & os.O_CREAT)
            possible = (*((Fault.KILL, Fault.FULL) if makes else ()), Fault.EIO)
            if not _is_ours():
                possible = (Fault.KILL,) if makes else ()
            if possible:
                _fail(self.strikes("open", *possible), "open")
            return whole(path, flags, *arguments, **named)

        return call

    def writing(self, whole: Function) -> Function:
        """write(2), of which half may be done."""

        def call(target: Any, piece: Any) -> Any:
            possible = (*_ENDS, Fault.FULL, Fault.EIO) if _is_ours() else _ENDS
            fault = self.strikes("write", *possible)
            if fault in (Fault.TORN, Fault.FULL):
                whole(target, memoryview(piece)[: len(piece) // 2])
            if fault is Fault.TORN:
                die()
            _fail(fault, "write")
            return whole(target, piece)

        return call

    def reading(self, whole: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
        """A file that is read piece by piece."""

        def pieces(*arguments: Any) -> Iterator[bytes]:
            for piece in whole(*arguments):
                _fail(self.strikes("read", Fault.EIO), "read")
                yield piece

        return pieces

    # The zone

    def transaction(self, whole: Function) -> Function:
        """A transaction of the catalog: it is not begun."""

        def call(catalog: Catalog) -> Any:
            if not catalog._depth:
                self.strikes("transaction", Fault.KILL)
            return whole(catalog)

        return call

    def asked(self, verb: str, whole: Function) -> Function:
        """A request of a client."""

        def call(zone: EmbeddedZone, *arguments: Any, **named: Any) -> Any:
            name = str(arguments[0]) if verb == "rule" else verb
            if id(zone) in self._dead:
                raise ZoneError(f"cannot {name}: the connection is lost")
            fault = self.strikes(f"the client's {name}", Fault.CUT, Fault.LATE)
            if fault is Fault.CUT:
                self._lose(zone, name)
            try:
                answer = whole(zone, *arguments, **named)
            except _Killed:
                _end(zone)
                self._lose(zone, name)
            if fault is Fault.LATE:
                self._lose(zone, name)
            return answer

        return call

    def _lose(self, zone: EmbeddedZone, name: str) -> None:
        self._dead.add(id(zone))
        raise ZoneError(f"cannot {name}: the connection is lost")

    def closing(self, whole: Function) -> Function:
        """The end of a connection, which a lost one has behind it."""

        def call(zone: EmbeddedZone) -> None:
            if id(zone) not in self._dead:
                whole(zone)
            elif not zone.agent.session.catalog._depth:
                with suppress(Exception):
                    whole(zone)

        return call

    def microservice(self, whole: Function) -> Function:
        """A microservice that a rule asks."""

        def call(agent: Any, name: str, arguments: tuple[Any, ...]) -> Any:
            if id(agent) in self._dead:
                raise _Killed
            if not name.startswith("msi"):
                return whole(agent, name, arguments)
            fault = self.strikes(name, Fault.AGENT, Fault.CATALOG, Fault.UNSURE)
            if fault is Fault.AGENT:
                self._dead.add(id(agent))
                raise _Killed
            if fault is Fault.CATALOG:
                raise callback.failure(-806000, f"{name}: the catalog's database does not answer")
            answer = whole(agent, name, arguments)
            if fault is Fault.UNSURE:
                raise callback.failure(-806000, f"{name}: the catalog's database does not answer any more")
            return answer

        return call


def strike(fault: Fault, number: int, note: Path) -> None:
    """From now on, the fault happens at the n-th call of this process at which it can."""
    striker = Striker(fault, number, note)
    system: Any = os
    for name in _CHANGING:
        possible = _DISK if name in _NEEDS_ROOM else (Fault.KILL, Fault.EIO)
        setattr(system, name, striker.system(name, getattr(os, name), *possible))
    for name in _LOOKING:
        setattr(system, name, striker.system(name, getattr(os, name), Fault.EIO))
    system.open = striker.opening(os.open)
    system.write = striker.writing(os.write)
    exchange._renameat2 = striker.system("renameat2", exchange._renameat2, *_DISK)
    host_files.rename_without_replacing = striker.system("renameat2", host_files.rename_without_replacing, *_DISK)
    vault._write = striker.writing(vault._write)
    vault._pieces = striker.reading(vault._pieces)
    connection: Any = EmbeddedZone
    for verb in (*_ASKED, *_ASKED_TOO):
        setattr(connection, verb, striker.asked(verb, getattr(connection, verb)))
    connection.close = striker.closing(EmbeddedZone.close)
    catalog: Any = Catalog
    catalog.writing = striker.transaction(Catalog.writing)
    callback._call = striker.microservice(callback._call)


def _is_ours(ours: tuple[str, ...] = _OURS) -> bool:
    """Whether the call is MrData's, or of the vaults' files."""
    frame: Any = sys._getframe(2)
    while frame is not None and (name := frame.f_globals.get("__name__", "")).startswith(_BETWEEN):
        if name in ("importlib._bootstrap_external", "importlib._bootstrap"):
            return False
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name.startswith(ours)


def _fail(fault: Fault | None, name: str) -> None:
    if fault in (Fault.FULL, Fault.EIO):
        number = errno.ENOSPC if fault is Fault.FULL else errno.EIO
        ctypes.set_errno(number)
        raise OSError(number, os.strerror(number), name)


def _end(zone: EmbeddedZone) -> None:
    """What the system does with a killed agent.

    Its transaction is rolled back, its files are closed, its lock is free.
    """
    session = zone.agent.session
    for descriptor in session.descriptors.values():
        with suppress(OSError):
            os.close(descriptor.file)
    session.descriptors.clear()
    session.catalog.close()
    with suppress(OSError):
        os.close(zone.agent._connection._lock)


__all__ = ["Fault", "Striker", "strike"]

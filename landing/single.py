"""Registers a file of the landing zone that somebody else's scanner found: one call, one file, no memory.

Many processes may do this at once, on several hosts that mount the landing zone. The rules are those of `landing.scanner`:
names, standing still, the end of raw data, and that the catalog is asked before anything is registered.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from landing.comparison import Verdict, compare
from landing.connections import Connections
from landing.disk import Pending, Signature
from landing.known import Known, known
from landing.lock import LOCK
from landing.names import ADVICE, LONGEST_PATH, ODD_NAMES, Reason, is_temporary, shown, told, unfit
from landing.register import Outcome, register
from landing.tree import RENAMED, WAITS, Trees, tree_of
from microservices.settings import load_settings
from policy import layout
from policy.settings import Settings
from policy.zone import Zone, ZoneError

TURNS = ".mrdata-ingest.lock"
"""File in the landing folder: a process locks one byte of it, by the file's name, while it registers a file."""


class NotYet(Exception):
    """The file is not registered, and is to be tried again; the message says why, and what a person can do."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A registered file: the logical path where the object is, and what a person should know of it (empty when all is well)."""

    path: str
    alarm: str = ""


class Single:
    """`zones` opens a connection; it is kept, and opened again when it was lost. For processes, not for threads."""

    def __init__(self, settings: Settings, zones: Callable[[], Zone]) -> None:
        self._settings = settings
        self._folder = os.path.abspath(settings.landing.folder)
        self._zones = Connections(zones, 0.0)
        self._trees = Trees(self._folder, settings.expanded.quiet_seconds, settings.expanded.marker)

    def take(self, file: str, size: int, mtime: float) -> Taken:
        """Registers the file that a scan saw with this size (bytes) and mtime (seconds since 1970), unless it is registered already.

        Returns only when the catalog has the file. NotYet for everything else.
        """
        relative = self._relative(file)
        with _turn(self._folder, relative) as clock:
            still = self._still(relative, size, mtime, clock)
            try:
                zone = self._zones.get()
                there = self._known(zone, relative)
                return self._settle(zone, relative, still, there, clock) if there else self._register(zone, relative, still, clock)
            except (ZoneError, OSError) as error:
                # Perhaps only this file's fault; a new connection costs little beside a lost file.
                self._zones.lose(str(error))
                raise NotYet(f"{shown(relative)}: {shown(str(error))}") from error

    def _relative(self, file: str) -> str:
        """The path below the landing folder; NotYet when iRODS cannot hold it, or it is not in a scanner's folder."""
        real = os.path.realpath(self._folder)
        relative = file.removeprefix(f"{real}/" if file.startswith(f"{real}/") else f"{self._folder}/")
        collection = layout.landing(self._settings)
        parts = relative.split("/")
        reason = unfit(relative)
        if reason in ODD_NAMES and self._trees.rename(relative):
            raise NotYet(f"{shown(relative)}: {reason}; it is registered under a second name, in {RENAMED}")
        if any(is_temporary(part) for part in parts) and not tree_of(relative):
            reason = Reason.TEMPORARY
        elif layout.landed(self._settings, f"{collection}/{relative}") is None or not self._is_scanner(parts[0]):
            reason = Reason.PLACE
        elif len(os.fsencode(relative)) > LONGEST_PATH - max(len(os.fsencode(self._folder)), len(os.fsencode(collection))) - 1:
            reason = Reason.TOO_LONG
        if reason:
            raise _refused(relative, reason)
        return relative

    def _is_scanner(self, name: str) -> bool:
        return not self._settings.scanners or name in self._settings.scanners

    def _still(self, relative: str, size: int, mtime: float, clock: int) -> Pending:
        """What is seen of it, when it is a file, the same as at the scan, and has stood still long enough by the file server's clock."""
        try:
            status = os.lstat(f"{self._folder}/{relative}")
        except OSError as error:
            raise NotYet(f"{shown(relative)}: {told(error)}") from error
        if stat.S_ISLNK(status.st_mode):
            raise _refused(relative, Reason.SYMLINK)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(relative, Reason.SPECIAL)
        # Every write sets the change time, and no program can set it back.
        quiet = (clock - status.st_ctime_ns) / 1e9
        if (status.st_size, status.st_mtime) != (size, mtime) or quiet < self._settings.landing.quiet_seconds:
            raise NotYet(f"{shown(relative)}: still changing, or has not stood still for {self._settings.landing.quiet_seconds:g} s")
        if (tree := tree_of(relative)) and not self._trees.released(tree, clock):
            raise NotYet(f"{shown(relative)}: waits for {WAITS}")
        return Pending(Signature.of(status), time.monotonic(), from_start=True, changed_ns=status.st_ctime_ns)

    def _known(self, zone: Zone, relative: str) -> Known | None:
        head, _, name = relative.rpartition("/")
        return known(zone, self._folder, head, [name])[0].get(name)

    def _settle(self, zone: Zone, relative: str, still: Pending, there: Known, clock: int) -> Taken:
        """The catalog has something under its name: finishes what a kill left undone, and sees whether it is this file."""
        other = False
        changed = (still.changed_ns - clock + time.time_ns()) / 1e9  # by this host's clock
        if there.may_be_another(still.signature.size, changed):
            compared = compare(zone, self._settings, relative, still.signature, there)
            if compared.verdict in (Verdict.AGAIN, Verdict.ANOTHER):
                still.is_another = True
                taken = self._register(zone, relative, still, clock)
                if compared.verdict is Verdict.ANOTHER or tree_of(relative):
                    return taken
                return Taken(taken.path, f"{Reason.OVERWRITTEN}: it was {there.in_place}; {ADVICE[Reason.OVERWRITTEN]}")
            if compared.verdict not in (Verdict.SAME, Verdict.OTHER):
                raise NotYet(f"{shown(relative)}: {compared.verdict.name.lower()} {shown(compared.detail)}".rstrip())
            other = compared.verdict is Verdict.OTHER
        path = there.in_place or there.path
        if not there.described and path.startswith(layout.studies(self._settings) + "/"):
            reply = json.loads(zone.rule("mrdata_describe", json.dumps({"path": path})))
            if "error" in reply:
                raise NotYet(f"{shown(relative)}: {shown(path)} is not described: {shown(str(reply['error']))}")
        sizes = " or ".join(map(str, sorted(there.sizes)))
        alarm = f"{Reason.CHANGED}: {still.signature.size} bytes; {path} has {sizes}; {ADVICE[Reason.CHANGED]}"
        return Taken(path, alarm if other else "")

    def _register(self, zone: Zone, relative: str, still: Pending, clock: int) -> Taken:
        result = register(zone, self._settings, relative, still, clock)
        match result.outcome:
            case Outcome.REGISTERED:
                return Taken(result.path)
            case Outcome.REFUSED if result.reason:
                raise _refused(relative, result.reason, result.detail)
            case Outcome.LOST:
                self._zones.lose(result.detail)
        # KNOWN too: somebody's request got through meanwhile, and may lack its description.
        raise NotYet(f"{shown(relative)}: {result.outcome.name.lower()} {shown(result.detail)}".rstrip())


@cache
def here() -> Single:
    """This process's, over the settings that MRDATA_SETTINGS names and the iRODS login of this account. SettingsError."""
    from microservices.client import IrodsZone
    from microservices.client_session import open_session

    settings = load_settings(os.environ.get("MRDATA_SETTINGS", "/etc/irods/mrdata.yaml"))
    return Single(settings, lambda: IrodsZone(open_session()))


def _refused(relative: str, reason: Reason, detail: str = "") -> NotYet:
    return NotYet(f"{shown(relative)}: {reason}{f' ({shown(detail)})' if detail else ''}; {ADVICE[reason]}")


@contextmanager
def _turn(folder: str, relative: str) -> Iterator[int]:
    """This process alone has the file, and no `mrdata scan` is at work. Gives the file server's clock in ns since 1970.

    The kernel (on NFS, the server) releases the locks however the process ends. NotYet when another process has it; OSError.
    """
    place = int.from_bytes(hashlib.blake2b(os.fsencode(relative), digest_size=7).digest(), "big")
    with _opened(f"{folder}/{LOCK}") as scanner, _opened(f"{folder}/{TURNS}") as turns:
        try:
            fcntl.flock(scanner, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotYet(f"{folder}: `mrdata scan` is at work; let one of the two register") from error
        try:
            fcntl.lockf(turns, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError) as error:
            raise NotYet(f"{shown(relative)}: another process is registering it") from error
        os.utime(turns)
        yield os.fstat(turns).st_mtime_ns


@contextmanager
def _opened(file: str) -> Iterator[int]:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o664)
    except OSError as error:
        raise NotYet(f"{file}: cannot be opened: {told(error)}; the workers need to write this file") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)

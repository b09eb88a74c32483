"""The intake: complete files leave the mailbox by a rename into a folder that only MrData may enter.

    <landing folder>/.intake/<batch>/<scanner>/<branch>/<path>    taken files
    <landing folder>/.intake/<batch>/.done                        every file of the batch is registered
    <landing folder>/.intake/.clock                               its mtime tells the file server's time

A rename is atomic: one process gets the file, and a new file under the old name is a new file. A batch belongs to one process, which its
name tells; who finds a batch of a process that is gone goes on with it.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from landing import exchange
from landing.errors import LandingError, NotYet
from landing.mailbox import Ready
from landing.names import another, fitted, folder_key, is_leftover, told
from landing.signature import Signature
from policy.layout import INTAKE, Branch
from policy.settings import Settings

DONE = ".done"
_CLOCK = ".clock"
LARGEST_BATCH = 1000
"""Files of a batch."""
OLDEST_BATCH = 60.0
"""Seconds for which files are added to a batch."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of the intake. `landing_path` is its path below the batch; `resumed`: a process that is gone may have registered it."""

    intake: str
    batch: str
    landing_path: str
    signature: Signature
    resumed: bool = False

    @property
    def file(self) -> str:
        """Where it is."""
        return f"{self.intake}/{self.batch}/{self.landing_path}"


@dataclass(slots=True)
class _Batch:
    """A batch of this process. `open`: its files that are not registered yet; `broken`: it holds files that nobody counts."""

    name: str
    since: float
    files: int = 0
    open: int = 0
    broken: bool = False
    names: set[str] = field(default_factory=set)


class Intake:
    """Of one landing folder and one process; its threads may share it."""

    def __init__(self, settings: Settings, *, of_tasks: bool = False) -> None:
        """`of_tasks`: of a process that may never work on what it leaves: another goes on when it gives no sign of life."""
        self._owner = f"task-{owner()}" if of_tasks else owner()
        self.landing = os.path.abspath(settings.landing.folder)
        self.folder = f"{self.landing}/{INTAKE}"
        self._settings = settings
        self._batch: _Batch | None = None
        self._batches: dict[str, _Batch] = {}
        self._number = 0
        self._lock = threading.Lock()
        self.reports: list[tuple[str, str]] = []
        """What a person should know of files of the landing zone: of which, and what. Whoever prints a path escapes it."""

    def check(self) -> None:
        """Makes the intake, and sees that it serves. Raises LandingError with what to do."""
        try:
            if not os.path.isdir(self.landing):
                raise LandingError(f"{self.landing}: there is no such folder; set landing.folder in mrdata.yaml")
            with suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
            status = os.lstat(self.folder)
            if not stat.S_ISDIR(status.st_mode):
                raise LandingError(f"{self.folder}: is not a folder; remove it, and MrData makes one")
            if status.st_mode & stat.S_IRWXO or (status.st_mode & stat.S_IWGRP and status.st_uid != os.geteuid()):
                raise LandingError(f"{self.folder}: others may enter it; run `chmod o= {self.folder}` as its owner")
            if status.st_dev != os.stat(self.landing).st_dev:
                raise LandingError(f"{self.folder}: is on another file system than {self.landing}; files are taken by a rename within one")
            self._check_branches(status.st_dev)
            self.clock()
        except OSError as error:
            raise LandingError(f"{self.folder}: cannot be used: {told(error)}; let this account write in {self.landing}") from error

    def _check_branches(self, device: int) -> None:
        for scanner in self._settings.scanners or sorted(os.listdir(self.landing)):
            for branch in Branch:
                folder = f"{self.landing}/{scanner}/{branch}"
                try:
                    status = os.stat(folder)
                except OSError:
                    continue
                if status.st_dev != device:
                    raise LandingError(f"{folder}: is on another file system than {self.folder}; mount the landing zone as one")
                is_sticky = status.st_mode & stat.S_ISVTX and status.st_uid != os.geteuid() and os.geteuid() != 0
                if is_sticky or not os.access(folder, os.W_OK | os.X_OK):
                    raise LandingError(
                        f"{folder}: MrData may not rename files here; give the account of `mrdata scan` write permission on this "
                        "folder and all below it, and take the sticky bit away"
                    )

    def clock(self) -> int:
        """The file server's time in ns since 1970, by which it dates changes: a share's clock may differ from this host's. OSError."""
        descriptor = os.open(f"{self.folder}/{_CLOCK}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.utime(descriptor)
            return os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)

    # Taking

    def take(self, ready: Ready) -> list[Taken]:
        """Takes a file, or all files of a tree. Empty where it is gone. Raises NotYet where it may not be taken."""
        try:
            if ready.signature is None:
                return self._take_tree(ready.relative)
            taken = self._rename(ready.relative, fitted(ready.relative))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise NotYet(told(error)) from error
        status = os.lstat(taken.file)
        if not stat.S_ISREG(status.st_mode):
            self._give_back(taken.file, ready.relative)
            self.settle(taken)
            raise NotYet("it is no regular file any more")
        return [replace(taken, signature=Signature.of(status))]

    def _rename(self, relative: str, name: str) -> Taken:
        batch = self._join(name)
        target = f"{self.folder}/{batch.name}/{name}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            folder, own = os.path.split(relative)
            with exchange.opened(self.landing, folder) as source:
                os.rename(own, target, src_dir_fd=source)
        except BaseException:
            self._leave(batch)
            raise
        return Taken(self.folder, batch.name, name, Signature(0, 0, 0))

    def _take_tree(self, tree: str) -> list[Taken]:
        name = fitted(tree)
        batch = self._join(name, alone=True)
        target = f"{self.folder}/{batch.name}/{name}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            above, own = os.path.split(tree)
            with exchange.opened(self.landing, above) as folder:
                exchange.take_folder(own, folder, target)
            return self._files_of_tree(batch, name, tree)
        finally:
            self._leave(batch)

    def _files_of_tree(self, batch: _Batch, name: str, tree: str) -> list[Taken]:
        """Its files, under names that iRODS can hold; what is no data goes back. What fails is found again, as an abandoned batch's."""
        base, found = f"{self.folder}/{batch.name}", []
        for where, _, files in os.walk(f"{base}/{name}", topdown=False):
            for one in sorted(files):
                below = os.path.relpath(f"{where}/{one}", f"{base}/{name}")
                try:
                    taken = self._file_of_tree(batch, f"{where}/{one}", f"{name}/{below}", f"{tree}/{below}")
                except OSError as error:
                    batch.broken = True
                    self.reports.append((f"{tree}/{below}", told(error)))
                    continue
                found += [taken] if taken else []
        return found

    def _file_of_tree(self, batch: _Batch, file: str, name: str, relative: str) -> Taken | None:
        status = os.lstat(file)
        if is_leftover(os.path.basename(file)) or not stat.S_ISREG(status.st_mode):
            self._give_back(file, relative)
            return None
        landing_path = self._fit(f"{self.folder}/{batch.name}", name)
        with self._lock:
            batch.files += 1
            batch.open += 1
        return Taken(self.folder, batch.name, landing_path, Signature.of(status))

    def _fit(self, base: str, path: str) -> str:
        """Renames a file of the intake to a name that iRODS can hold; nothing is written over."""
        wanted = fitted(path)
        if wanted == path:
            return path
        os.makedirs(os.path.dirname(f"{base}/{wanted}"), exist_ok=True)
        target, attempt = wanted, 1
        while not exchange.move(f"{base}/{path}", f"{base}/{target}"):
            attempt += 1
            target = another(wanted, attempt)
        return target

    def _give_back(self, file: str, relative: str) -> None:
        """Back into the mailbox; where its place is taken it stays in the intake, and a person is told."""
        above, own = os.path.split(relative)
        try:
            with exchange.opened(self.landing, above, make=True) as folder:
                if exchange.move(file, own, folder=folder):
                    os.fsync(folder)  # back in a batch that is done, nothing would account for it
                    return
        except OSError as error:
            self.reports.append((relative, f"is no data, and could not be put back: {told(error)}; it stays in the intake"))
            return
        self.reports.append((relative, "is no data, and its place is taken meanwhile; it stays in the intake"))

    # Batches

    def settle(self, taken: Taken) -> None:
        """A file is registered, or is not in the intake any more."""
        with self._lock:
            self._batches[taken.batch].open -= 1

    def beat(self) -> None:
        """Shows that this process lives, and marks the batches that are done."""
        with self._lock:
            batches = list(self._batches.values())
        for batch in batches:
            is_full = batch is not self._batch or time.monotonic() - batch.since > OLDEST_BATCH
            if batch.open or not is_full:
                with suppress(OSError):
                    os.utime(f"{self.folder}/{batch.name}")
            else:
                self._finish(batch)

    def close(self) -> None:
        """Marks what is done; what is not is gone on with by the next process."""
        for batch in [batch for batch in self._batches.values() if not batch.open]:
            self._finish(batch)

    def abandon(self) -> None:
        """Gives all batches up, as they are."""
        with self._lock:
            self._batches.clear()
            self._batch = None

    def _finish(self, batch: _Batch) -> None:
        with self._lock:
            if batch.open:
                return
            if self._batch is batch:
                self._batch = None
            self._batches.pop(batch.name, None)
        if not batch.broken:
            mark_done(f"{self.folder}/{batch.name}")

    def _join(self, name: str, *, alone: bool = False) -> _Batch:
        """A batch in which this name is free, with the file counted as open."""
        with self._lock:
            batch = self._batch
            if batch is None or alone or name in batch.names or batch.files >= LARGEST_BATCH:
                batch = self._new_batch()
                if not alone:
                    self._batch = batch
            batch.names.add(name)
            batch.files += 1
            batch.open += 1
            return batch

    def _leave(self, batch: _Batch) -> None:
        with self._lock:
            batch.open -= 1

    def _new_batch(self) -> _Batch:
        while True:
            self._number += 1
            batch = _Batch(f"{self._owner}.{self._number}", time.monotonic())
            try:
                os.mkdir(f"{self.folder}/{batch.name}", 0o750)
            except FileExistsError:
                continue
            self._batches[batch.name] = batch
            return batch

    # What processes that are gone have left

    def abandoned(self, clock: int) -> list[str]:
        """Batches that are not done, and whose process is gone."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in self._batches or not entry.is_dir(follow_symlinks=False):
                    continue
                if not os.path.lexists(f"{entry.path}/{DONE}") and not self._lives(entry, clock):
                    found.append(entry.name)
        return sorted(found)

    def _lives(self, entry: os.DirEntry[str], clock: int) -> bool:
        host, _, process = entry.name.rpartition(".")[0].partition(".")
        if f"{host}.{process}" == owner():  # this process has given it up
            return False
        if host == owner().partition(".")[0] and process.count(".") == 1:
            number, _, started = process.partition(".")
            return _started(number) == started
        return clock - entry.stat(follow_symlinks=False).st_mtime_ns < self._settings.landing.take_over_seconds * 1e9

    def files(self, batch: str) -> Iterator[str]:
        """The paths below a batch."""
        base = f"{self.folder}/{batch}"
        for where, _, names in os.walk(base):
            for name in sorted(names):
                path = os.path.relpath(f"{where}/{name}", base)
                if path != DONE:
                    yield path

    def take_over(self, batch: str, landing_path: str) -> Taken | None:
        """Takes a file out of an abandoned batch into one of this process; None where another process was quicker."""
        source, name = f"{self.folder}/{batch}/{landing_path}", fitted(landing_path)
        mine = self._join(name)
        target = f"{self.folder}/{mine.name}/{name}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(source, target)
            status = os.lstat(target)
        except FileNotFoundError:
            self._leave(mine)
            return None
        if is_leftover(os.path.basename(name)) or not stat.S_ISREG(status.st_mode):
            self._give_back(target, landing_path)
            self._leave(mine)
            return None
        return Taken(self.folder, mine.name, name, Signature.of(status), resumed=True)


def mark_done(batch: str, *, keep: bool = False) -> None:
    """Every file of the batch is registered, or there is none: then it goes, unless `keep` says that its retention has work to do."""
    for where, *_ in os.walk(batch, topdown=False):
        if keep and where == batch:
            break
        with suppress(OSError):  # it is not empty
            os.rmdir(where)
    with suppress(FileNotFoundError):
        os.close(os.open(f"{batch}/{DONE}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def owner() -> str:
    """`<host>.<process>.<start>`: the host with the namespace in which its processes are numbered."""
    space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return f"{folder_key(socket.gethostname())}-{space}.{os.getpid()}.{_started(str(os.getpid()))}"


def _started(process: str) -> str:
    """When a process of this host was started (ticks since the host was); empty where there is none. References: proc(5), stat"""
    try:
        with open(f"/proc/{int(process)}/stat", "rb") as opened_file:
            return opened_file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, ValueError, IndexError):
        return ""

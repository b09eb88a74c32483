"""The batches of the intake: each belongs to the process in its name; only that process puts files into it.

    <landing folder>/.intake/<host>.<process>.<start>.<time>-<number>/

The process touches its batches while it works. A process that finds a batch without `.done` whose process is gone
continues with it.
"""

from __future__ import annotations

import itertools
import os
import socket
import stat
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from landing import exchange
from landing.names import folder_key

DONE = ".done"
"""The file that says of a batch: every file in it is registered."""
_numbers = itertools.count(1)
"""With the time, never twice: the vault may hold files of a batch that the intake has forgotten, and process numbers
come again.
"""
LARGEST = 1000
"""Files of a batch."""
OLDEST = 60.0
"""Seconds for which files are added to a batch."""


@dataclass(slots=True)
class Batch:
    """`taken`: the paths of what was taken into it. `open`: how many of them are not registered yet."""

    name: str
    since: float
    open: int = 0
    taken: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


class Batches:
    """Those of one process, and what it finds of others. Its threads may share it."""

    def __init__(self, intake: str, take_over_seconds: float, *, of_tasks: bool = False) -> None:
        """`of_tasks`: of a process that may never work on what it leaves: another goes on when it gives no sign of
        life.
        """
        self._owner = f"task-{owner()}" if of_tasks else owner()
        self._intake = intake
        self._take_over = take_over_seconds
        self._current: Batch | None = None
        self._mine: dict[str, Batch] = {}
        self._done: set[str] = set()
        """Batches that were found to be done."""
        self._beat_due = 0.0
        self._lock = threading.Lock()

    def join(self, path: str, *, alone: bool = False) -> Batch:
        """A batch in which this path is free, with it counted as open; with `alone`, a new one for it only. OSError.

        Nothing is added to a batch that another process could already take for one whose process is gone.
        """
        with self._lock:
            batch = self._current
            if batch is None or alone or self._is_full(batch) or _clashes(batch, path):
                batch = self._new()
                if not alone:
                    self._current = batch
            _count(batch, path)
            return batch

    def add(self, batch: Batch, path: str) -> None:
        """One more file of a batch; a path that is counted already is counted once."""
        with self._lock:
            if path not in batch.taken:
                _count(batch, path)

    def leave(self, batch: Batch, path: str) -> None:
        """Nothing was taken. If something was, after all, the batch is not done, and it is found when it is gone on
        with.
        """
        with self._lock:
            batch.open -= 1
            batch.taken.discard(path)

    def settle(self, name: str) -> None:
        """Notes that a file of this batch is registered, or is gone."""
        with self._lock:
            if batch := self._mine.get(name):
                batch.open -= 1

    def beat(self) -> None:
        """Shows that this process lives: often enough, however often it is called."""
        if time.monotonic() < self._beat_due:
            return
        self._beat_due = time.monotonic() + self._take_over / 4
        with self._lock:
            names = list(self._mine)
        for name in names:
            with suppress(OSError):
                os.utime(f"{self._intake}/{name}")

    def finish(self, *, at_once: bool = False) -> None:
        """Marks the batches that are done: to which nothing is added any more; `at_once`: to none."""
        with self._lock:
            full = [
                batch
                for batch in self._mine.values()
                if not batch.open and (at_once or batch is not self._current or self._is_full(batch))
            ]
            for batch in full:
                del self._mine[batch.name]
                if self._current is batch:
                    self._current = None
        for batch in full:
            with suppress(OSError):  # it is found again
                self.close(batch.name, batch.taken)

    def abandon(self) -> None:
        """Gives up all batches as they are."""
        with self._lock:
            self._mine.clear()
            self._current = None

    def _is_full(self, batch: Batch) -> bool:
        return len(batch.taken) >= LARGEST or time.monotonic() - batch.since > min(OLDEST, self._take_over / 2)

    def _new(self) -> Batch:
        while True:
            batch = Batch(f"{self._owner}.{int(time.time()):x}-{next(_numbers)}", time.monotonic())
            try:
                os.mkdir(f"{self._intake}/{batch.name}", 0o750)
            except FileExistsError:
                continue
            self._mine[batch.name] = batch
            return batch

    # Of any process

    def files(self, name: str) -> Iterator[str]:
        """The paths of what lies in a batch. OSError where a folder cannot be listed."""
        for path, status in exchange.walk(self._intake, name):
            if not stat.S_ISDIR(status.st_mode) and path != f"{name}/{DONE}":
                yield path.removeprefix(f"{name}/")

    def close(self, name: str, registered: Collection[str], *, keep: bool = False) -> None:
        """Marks a batch as done, unless something is in it that is not registered. OSError.

        One in which nothing is goes, unless `keep` says that the retention has work to do for it.
        """
        found = dict(exchange.walk(self._intake, name))
        folders = [path for path, status in found.items() if stat.S_ISDIR(status.st_mode)]
        files = (path.removeprefix(f"{name}/") for path in found.keys() - set(folders))
        if any(file != DONE and file not in registered for file in files):
            return
        for folder in sorted(folders, reverse=True):  # what is in a folder comes before it
            above, own = os.path.split(folder)
            if keep and folder == name:
                break
            with suppress(OSError), exchange.opened(self._intake, above) as opened:  # it is not empty
                os.rmdir(own, dir_fd=opened)
        with suppress(FileNotFoundError):
            os.close(os.open(f"{self._intake}/{name}/{DONE}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def abandoned(self, clock: int) -> list[str]:
        """Batches that are not done, and whose process is gone.

        `clock`: the file server's time, ns since 1970. OSError.
        """
        found, done = [], set()
        with os.scandir(self._intake) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in self._mine:
                    continue
                if entry.name in self._done or os.path.lexists(f"{entry.path}/{DONE}"):
                    done.add(entry.name)
                elif entry.is_dir(follow_symlinks=False) and not self._lives(entry, clock):
                    found.append(entry.name)
        self._done = done
        return sorted(found)

    def _lives(self, entry: os.DirEntry[str], clock: int) -> bool:
        host, _, process = entry.name.rpartition(".")[0].partition(".")
        if f"{host}.{process}" == owner():  # this process has given it up
            return False
        if host == owner().partition(".")[0] and process.count(".") == 1:
            number, _, started = process.partition(".")
            return _started(number) == started
        try:
            return clock - entry.stat(follow_symlinks=False).st_mtime_ns < self._take_over * 1e9
        except FileNotFoundError:  # it was empty, and another process has removed it
            return True


def owner() -> str:
    """`<host>.<process>.<start>`: the host with the namespace in which its processes are numbered."""
    space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return f"{folder_key(socket.gethostname())}-{space}.{os.getpid()}.{_started(str(os.getpid()))}"


def _started(process: str) -> str:
    """When a process of this host was started (ticks since the host was); empty where it has ended.

    References: proc(5), stat
    """
    try:
        with open(f"/proc/{int(process)}/stat", "rb") as opened_file:
            state, *values = opened_file.read().rpartition(b")")[2].split()
            return "" if state in b"ZX" else values[18].decode()
    except (OSError, ValueError, IndexError):
        return ""


def _clashes(batch: Batch, path: str) -> bool:
    """Whether the batch has something else at this path, or a file where it needs a folder."""
    return path in batch.taken or path in batch.folders or not batch.taken.isdisjoint(_folders(path))


def _count(batch: Batch, path: str) -> None:
    batch.open += 1
    batch.taken.add(path)
    batch.folders.update(_folders(path))


def _folders(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path

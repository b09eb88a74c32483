"""Looks at the landing zone's mailbox: which files are complete, which change, which need a person.

A look costs one scandir for each folder and one stat for each file. It decides nothing. It reads no content except the
end of raw data, which shows that a file is complete. It never skips a folder because of an old mtime: that does not
change when a file in the folder grows.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from landing.exchange import walk
from landing.names import LONGEST_PATH, Reason, is_leftover, is_temporary, is_too_long, told
from landing.signature import Signature
from landing.tree import Trees
from microservices.twix import twix_header
from policy.zone.layout import INTAKE, Branch
from policy.zone.settings import Settings

STALE_SECONDS = 86400.0
"""Seconds after which a file that still has a temporary name is reported."""
GROWING, QUIET, END, TREE = "still changing", "a time without a change", "its end", "the rest of its tree"
"""What a file waits for."""
_LONGEST_WAIT = 300.0
_TWIX_HEAD = 160
"""Bytes that suffice to recognize a TWIX file."""


@dataclass(slots=True)
class Pending:
    """A file that is not complete yet."""

    signature: Signature
    since: float
    """When it was first seen like this (time.monotonic)."""
    from_start: bool
    """It was there at the first look."""
    changes: int = 0
    note: str = QUIET
    wait: float = 0.0
    due: float = 0.0
    """Its end is not looked for before (time.monotonic)."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A complete file, or (without a signature) a whole tree. `relative` is the path below the landing folder."""

    relative: str
    signature: Signature | None


@dataclass(slots=True)
class Look:
    """What one look found. Paths are relative to the landing folder; `files`: how many of each scanner wait."""

    ready: list[Ready] = field(default_factory=list)
    problems: dict[str, Reason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    trees: int = 0
    """Files of trees that are not released."""
    finished: int = 0
    """Trees that are said to be finished, and have changed recently."""
    temporary: int = 0


class Mailbox:
    """The scanners' folders over many looks. Holds nothing that further looks do not give again."""

    def __init__(self, settings: Settings, *, stale_seconds: float = STALE_SECONDS) -> None:
        self.folder = os.path.abspath(settings.landing.folder)
        self.pending: dict[str, Pending] = {}
        self.took = 0.0
        """Seconds of the last look."""
        self._settings = settings
        self._scanners = settings.scanners
        self._trees = trees_of(settings)
        self._longest = longest(settings)
        self._stale_ns = int(stale_seconds * 1e9)
        self._looks = 0
        self._clock = 0
        self._look = Look()
        self._seen: set[str] = set()
        self._unseen: list[str] = []

    def look(self, clock: int) -> Look:
        """Looks at everything once.

        `clock`: the file server's time, ns since 1970. OSError when the landing folder cannot be listed.
        """
        self._look, self._seen, self._unseen, self._clock = Look(), set(), [], clock
        began = time.monotonic()
        for branch in self._branches():
            self._walk(branch)
        hidden = tuple(f"{path}/" for path in self._unseen)
        self.pending = {
            path: one for path, one in self.pending.items() if path in self._seen or path.startswith(hidden)
        }
        for path in self.pending:
            self._look.files[path.split("/")[0]] += 1
        self._looks += 1
        self.took = time.monotonic() - began
        return self._look

    def forget(self, relative: str) -> None:
        """A file was taken, or has to be looked at as if it were new."""
        self.pending.pop(relative, None)

    def _branches(self) -> Iterator[str]:
        for scanner in self._folders("", self._scanners or None):
            yield from self._folders(scanner, set(Branch))

    def _folders(self, relative: str, expected: Collection[str] | None) -> Iterator[str]:
        """The expected folders of a level that holds nothing else."""
        for entry in self._list(relative):
            path = f"{relative}/{entry.name}".lstrip("/")
            if is_temporary(entry.name) or path == INTAKE:
                continue
            if entry.is_symlink():
                self._problem(path, Reason.SYMLINK)
            elif not entry.is_dir(follow_symlinks=False) or (expected is not None and entry.name not in expected):
                self._problem(path, Reason.PLACE)
            else:
                yield path

    def _list(self, relative: str) -> list[os.DirEntry[str]]:
        """What a folder holds. What cannot be listed now is remembered as it was; the landing folder itself has to be
        listed.
        """
        try:
            with os.scandir(os.path.join(self.folder, relative)) as entries:
                return list(entries)
        except FileNotFoundError:
            if not relative:
                raise
        except OSError as error:
            if not relative:
                raise
            self._unseen.append(relative)
            self._problem(relative, Reason.UNREADABLE, told(error))
        return []

    def _walk(self, top: str) -> None:
        stack = [top]
        while stack:
            relative = stack.pop()
            before = time.monotonic()
            for entry in sorted(self._list(relative), key=lambda entry: entry.name):
                path = f"{relative}/{entry.name}"
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self._seen.add(path)
                    self._problem(path, Reason.UNREADABLE, told(error))
                    continue
                if stat.S_ISDIR(status.st_mode):
                    if self._is_temporary(path, status):
                        continue
                    if relative == top and top.endswith(f"/{Branch.EXPDATA}"):
                        self._tree(path)
                    else:
                        stack.append(path)
                elif not self._is_temporary(path, status) and self._serves(path, status):
                    self._file(path, status, before)

    def _tree(self, tree: str) -> None:
        if self._trees.released(tree, self._clock):
            self._look.ready.append(Ready(tree, None))
            return
        self._look.finished += self._trees.is_marked(tree)
        try:
            for path, status in walk(self.folder, tree):
                if stat.S_ISDIR(status.st_mode):
                    continue
                if is_leftover(os.path.basename(path)):
                    self._temporary(path, status)
                elif self._serves(path, status):
                    self._look.trees += 1
        except OSError as error:
            self._problem(os.fsdecode(error.filename), Reason.UNREADABLE, told(error))

    def _is_temporary(self, path: str, status: os.stat_result) -> bool:
        if not is_temporary(path.rpartition("/")[2]):
            return False
        self._temporary(path, status)
        return True

    def _temporary(self, path: str, status: os.stat_result) -> None:
        self._look.temporary += 1
        if self._clock - status.st_ctime_ns > self._stale_ns:
            self._problem(path, Reason.TEMPORARY)

    def _serves(self, path: str, status: os.stat_result) -> bool:
        """Whether it is a file that can be taken (later)."""
        reason = why_not(path, status, self._longest)
        if reason:
            self._problem(path, reason)
        return reason is None

    def _file(self, path: str, status: os.stat_result, before: float) -> None:
        """Whether the file has been the same for long enough; `before` is not later than this stat."""
        self._seen.add(path)
        signature = Signature.of(status)
        one = self.pending.get(path)
        if one is None:
            self.pending[path] = Pending(signature, time.monotonic(), from_start=self._looks == 0)
        elif one.signature != signature:
            self.pending[path] = Pending(signature, time.monotonic(), one.from_start, one.changes + 1, GROWING)
        elif before - one.since >= self._settings.landing.quiet_seconds and before >= one.due:
            self._complete(path, one, status, before)

    def _complete(self, path: str, one: Pending, status: os.stat_result, before: float) -> None:
        still = max(before - one.since, (self._clock - status.st_ctime_ns) / 1e9)
        try:
            is_complete = still >= self._settings.landing.incomplete_seconds or has_end(self.folder, path)
        except OSError as error:
            self._problem(path, Reason.UNREADABLE, told(error))
            return
        if is_complete:
            self._look.ready.append(Ready(path, one.signature))
        else:
            one.note = END
            one.wait = min(_LONGEST_WAIT, self._settings.landing.incomplete_seconds, one.wait * 2 or 1.0)
            one.due = before + one.wait

    def _problem(self, path: str, reason: Reason, detail: str = "") -> None:
        self._look.problems[path] = reason
        if detail:
            self._look.details[path] = detail


def trees_of(settings: Settings) -> Trees:
    """The trees of the site's landing folder."""
    expanded = settings.expanded
    still = min(settings.landing.quiet_seconds, expanded.quiet_seconds)
    folder = os.path.abspath(settings.landing.folder)
    return Trees(folder, expanded.quiet_seconds, expanded.marker, still_seconds=still, longest=longest(settings))


def why_not(path: str, status: os.stat_result, most: int) -> Reason | None:
    """Why what lies at a path below the landing folder can never be taken as it is.

    `most`: bytes of a path (`longest`).
    """
    if stat.S_ISLNK(status.st_mode):
        return Reason.SYMLINK
    if not stat.S_ISREG(status.st_mode):
        return Reason.SPECIAL
    return Reason.TOO_LONG if is_too_long(path, most) else None


def longest(settings: Settings) -> int:
    """Bytes of the longest path below the landing folder that MrData can hold: with the names of a batch and of its
    folders before it.
    """
    before = max(
        len(os.fsencode(os.path.abspath(settings.landing.folder))), len(settings.archive.vault), len(settings.home) + 40
    )
    return LONGEST_PATH - before - 120


def has_end(folder: str, path: str) -> bool:
    """Whether nothing is to come.

    Only TWIX files tell; what they are their first bytes tell, which a broken-off copy may still lack.
    """
    descriptor = os.open(f"{folder}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        return not stat.S_ISREG(status.st_mode) or _has_end(opened, status.st_size, path)


def _has_end(opened: BinaryIO, size: int, path: str) -> bool:
    head = opened.read(_TWIX_HEAD)
    if twix_header.is_twix(head):
        return twix_header.has_end(opened, size)
    begun = len(head) == _TWIX_HEAD and any(head)
    return begun or path.split("/", 2)[1] != Branch.TWIX

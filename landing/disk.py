"""Looks at the landing zone: which files stand still, which change, which need a person. Reads names and sizes, never content.

A look costs one scandir for each folder and one stat for each file. Folders are never skipped for an old mtime: a folder's
mtime does not change when a file in it grows or is written over.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from landing.known import Known
from landing.names import LONGEST_PATH, ODD_NAMES, Reason, is_temporary, told, unfit
from landing.tree import WAITS, Trees, tree_of
from policy.layout import Branch


class Signature(NamedTuple):
    """What tells that a file is still the same. Only values of the file's own server are compared with each other."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """The signature that a stat gives."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(slots=True)
class Pending:
    """A file that is not registered yet."""

    signature: Signature
    since: float
    """When it was first seen like this (time.monotonic)."""
    from_start: bool
    """It was there at the first look."""
    changes: int = 0
    tries: int = 0
    """How often registering it was tried."""
    delay: float = 0.0
    due: float = 0.0
    """Not tried again before (time.monotonic)."""
    problem: Reason | None = None
    note: str = ""
    """Why it still waits, beside standing still."""
    again: bool = False
    """It was registered, and has changed since."""
    is_another: bool = False
    """The archive has what came under this name before: this is not it."""
    changed_ns: int = 0
    """Its change time by the file server's clock, ns since 1970: every write sets it, and no program can set it back."""

    def postpone(self, first: float, most: float) -> float:
        """Tries again later, in doubling steps; the seconds from now."""
        self.delay = min(most, self.delay * 2 or first)
        self.due = time.monotonic() + self.delay
        return self.delay


@dataclass(slots=True)
class Folder:
    """What is known of the files of one folder, by name."""

    done: dict[str, Signature] = field(default_factory=dict)
    """Registered, as they were then."""
    pending: dict[str, Pending] = field(default_factory=dict)
    catalog: dict[str, Known] | None = None
    """All that the catalog knows of this folder; None when it has to be asked."""


@dataclass(slots=True)
class Look:
    """What one look found. Paths are relative to the landing folder."""

    ready: list[tuple[str, list[str]]] = field(default_factory=list)
    """Folders with the names of files that stand still and are due."""
    problems: dict[str, Reason] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    changed: list[tuple[str, Signature]] = field(default_factory=list)
    """Registered files that are no regular files any more, with what they were."""
    renamed: list[tuple[str, str]] = field(default_factory=list)
    """New name and the name under which the file is registered."""
    pending: int = 0
    temporary: int = 0


class Disk:
    """The landing folder over many looks. Holds nothing that a new look and the catalog do not give again."""

    def __init__(
        self, folder: str, collection: str, scanners: Collection[str], quiet: float, stale: float, trees: Trees | None = None
    ) -> None:
        """`quiet` and `stale` in seconds: how long a complete file stands still, and a temporary name is nobody's concern.

        `trees` tells which trees of Expanded Data may be registered; without it, all.
        """
        self.folder = folder
        self.folders: dict[str, Folder] = {}
        self.took = 0.0
        """Seconds of the last look."""
        self._scanners = scanners
        self._quiet = quiet
        self._trees = trees or Trees(folder, 0.0, "")
        self._stale_ns = int(stale * 1e9)
        self._longest = LONGEST_PATH - max(len(os.fsencode(folder)), len(os.fsencode(collection))) - 1
        self._looks = 0
        self._clock = 0
        self._look = Look()
        self._unseen: list[str] = []
        self._visited: set[str] = set()
        self._gone: list[dict[Signature, str]] = [{}, {}]

    def look(self, clock: int) -> Look:
        """Looks at everything once. `clock`: the file server's time, ns since 1970. OSError when the landing folder cannot be listed."""
        self._look, self._unseen, self._visited, self._clock = Look(), [], set(), clock
        self._gone = [self._gone[1], {}]
        began = time.monotonic()
        for relative in self._branches():
            self._walk(relative)
        self._forget()
        self._find_renamed()
        self._looks += 1
        self.took = time.monotonic() - began
        return self._look

    def doubt(self) -> None:
        """Forgets what the catalog said."""
        for folder in self.folders.values():
            folder.catalog = None

    def _branches(self) -> Iterator[str]:
        for scanner in self._folders("", self._scanners or None):
            yield from self._folders(scanner, set(Branch))

    def _folders(self, relative: str, expected: Collection[str] | None) -> Iterator[str]:
        """The expected folders of a level that holds nothing else."""
        for entry in self._list(relative):
            path = f"{relative}/{entry.name}".lstrip("/")
            if is_temporary(entry.name):
                continue
            if reason := unfit(entry.name):
                self._problem(path, reason)
            elif entry.is_symlink():
                self._problem(path, Reason.SYMLINK)
            elif not entry.is_dir(follow_symlinks=False) or (expected is not None and entry.name not in expected):
                self._problem(path, Reason.PLACE)
            else:
                yield path

    def _list(self, relative: str) -> list[os.DirEntry[str]]:
        """What a folder holds. What cannot be listed now is remembered as it was; the landing folder itself has to be listed."""
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
            if tree_of(f"{relative}/") == relative and relative != top:
                first = len(self._look.ready)
                self._walk(relative)
                self._withhold(relative, first)
                continue
            before = time.monotonic()
            entries = self._list(relative)
            stack += sorted((f"{relative}/{name}" for name in self._files(relative, entries, before)), reverse=True)

    def _withhold(self, tree: str, first: int) -> None:
        """Files of a tree that is not released wait for it, though they stand still. `first`: where they begin in `ready`."""
        ready = self._look.ready[first:]
        released = not ready or self._trees.released(tree, self._clock)
        for relative, names in ready:
            for pending in (self.folders[relative].pending[name] for name in names):
                if not released or pending.note == WAITS:
                    pending.note = "" if released else WAITS
        if not released:
            del self._look.ready[first:]

    def _files(self, relative: str, entries: list[os.DirEntry[str]], before: float) -> list[str]:
        """Looks at a folder's files; the names of the folders in it. `before`: when the listing began (time.monotonic)."""
        folder = self.folders.get(relative)
        inside: list[str] = []
        seen: set[str] = set()
        ready: list[str] = []
        if folder is None and entries:
            folder = Folder()
        if folder is None or relative in self._unseen:
            return inside
        done = folder.done
        for entry in entries:
            name = entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                if name in done or name in folder.pending:
                    seen.add(name)
                self._problem(f"{relative}/{name}", Reason.UNREADABLE, told(error))
                continue
            if (was := done.get(name)) is not None:
                if status.st_size != was.size or status.st_mtime_ns != was.mtime_ns:
                    self._changed(folder, relative, name, was, status)
                if name in done or name in folder.pending:
                    seen.add(name)
                else:
                    inside.append(name)
            elif self._fits(relative, name, status):
                if stat.S_ISDIR(status.st_mode):
                    inside.append(name)
                    continue
                seen.add(name)
                if self._stands(folder, name, status, before):
                    ready.append(name)
        if len(seen) < len(done) + len(folder.pending):
            self._vanished(folder, relative, seen)
        if done or folder.pending:
            self.folders[relative] = folder
            self._visited.add(relative)
            self._look.pending += len(folder.pending)
        if ready:
            self._look.ready.append((relative, sorted(ready)))
        return inside

    def _fits(self, relative: str, name: str, status: os.stat_result) -> bool:
        """Whether it is a file or a folder that can be registered (later)."""
        path = f"{relative}/{name}"
        # A tree is copied as it is: whoever finished it, or left it alone for so long, means these names.
        if is_temporary(name) and not tree_of(path):
            self._look.temporary += 1
            if self._clock - status.st_ctime_ns > self._stale_ns:
                self._problem(path, Reason.TEMPORARY)
            return False
        reason = unfit(path)
        if stat.S_ISLNK(status.st_mode):
            reason = Reason.SYMLINK
        elif not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
            reason = Reason.SPECIAL
        elif reason is None and len(os.fsencode(path)) > self._longest:
            reason = Reason.TOO_LONG
        if reason and not (reason in ODD_NAMES and self._trees.rename(path)):
            self._problem(path, reason)
        return reason is None

    def _stands(self, folder: Folder, name: str, status: os.stat_result, before: float) -> bool:
        """Whether the file has been the same for long enough; `before` is not later than this stat."""
        signature = Signature.of(status)
        pending = folder.pending.get(name)
        if pending is None:
            folder.pending[name] = Pending(signature, time.monotonic(), from_start=self._looks == 0, changed_ns=status.st_ctime_ns)
            return False
        if pending.signature != signature:
            folder.pending[name] = Pending(
                signature,
                time.monotonic(),
                pending.from_start,
                pending.changes + 1,
                pending.tries,
                again=pending.again,
                changed_ns=status.st_ctime_ns,
            )
            return False
        pending.changed_ns = status.st_ctime_ns
        return before - pending.since >= self._quiet and before >= pending.due

    def _changed(self, folder: Folder, relative: str, name: str, was: Signature, status: os.stat_result) -> None:
        """A file is looked up again when it stands still. What is no file any more is reported once, and its place is remembered."""
        now = Signature.of(status)
        if stat.S_ISREG(status.st_mode):
            del folder.done[name]
            folder.catalog = None
            folder.pending[name] = Pending(now, time.monotonic(), from_start=False, again=True, changed_ns=status.st_ctime_ns)
            return
        if stat.S_ISDIR(status.st_mode):
            del folder.done[name]
            folder.catalog = None
        else:
            folder.done[name] = now
        self._look.changed.append((f"{relative}/{name}", was))

    def _vanished(self, folder: Folder, relative: str, seen: set[str]) -> None:
        for name in [name for name in folder.pending if name not in seen]:
            del folder.pending[name]
        for name in [name for name in folder.done if name not in seen]:
            self._gone[1][folder.done.pop(name)] = f"{relative}/{name}"
            # Another file may come under this name: the catalog is asked again.
            folder.catalog = None

    def _forget(self) -> None:
        """Folders that are gone; not those that only could not be listed."""
        hidden = tuple(f"{path}/" for path in self._unseen)
        for relative in [relative for relative in self.folders if relative not in self._visited]:
            if not f"{relative}/".startswith(hidden):
                self._vanished(self.folders[relative], relative, set())
                del self.folders[relative]

    def _find_renamed(self) -> None:
        """A new name for a registered file that has just gone is that file, when inode, size and mtime agree."""
        gone = self._gone[0] | self._gone[1]
        if not gone:
            return
        for relative, folder in self.folders.items():
            for name in [name for name, pending in folder.pending.items() if pending.signature in gone]:
                signature = folder.pending.pop(name).signature
                folder.done[name] = signature
                if gone[signature] != f"{relative}/{name}":  # the same name is back when a share was unmounted for a moment
                    self._look.renamed.append((f"{relative}/{name}", gone[signature]))
        self._look.ready = [
            (relative, [name for name in names if name in self.folders[relative].pending]) for relative, names in self._look.ready
        ]

    def _problem(self, path: str, reason: Reason, detail: str = "") -> None:
        self._look.problems[path] = reason
        if detail:
            self._look.details[path] = detail

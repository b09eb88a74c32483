"""Expanded Data: a tree, `<scanner>/expdata/<ExperimentID>/`, that is taken whole and archived as it is.

It is released when nothing in it has changed for long, or when a marker file at its top says that it is finished.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from landing.names import is_leftover
from policy.layout import Branch


def tree_of(relative: str) -> str:
    """The tree of a file or folder of the landing zone; empty for what is in none.

    >>> tree_of("94T/expdata/Z4KQ-STAS/a/b"), tree_of("94T/expdata/b"), tree_of("94T/dicom/a/b")
    ('94T/expdata/Z4KQ-STAS', '', '')
    """
    parts = relative.split("/", 3)
    return "/".join(parts[:3]) if len(parts) == 4 and parts[1] == Branch.EXPDATA else ""


class Trees:
    """The trees of a landing folder. Times are the file server's, ns since 1970: change times, which no program can set back."""

    def __init__(self, folder: str, quiet_seconds: float, marker: str, still_seconds: float = 0.0) -> None:
        """`quiet_seconds` without a change release a tree; with the marker, `still_seconds` do."""
        self._folder, self._marker = folder, marker
        self._quiet_ns, self._still_ns = int(quiet_seconds * 1e9), int(still_seconds * 1e9)
        self._due: dict[str, int] = {}

    def released(self, tree: str, clock: int) -> bool:
        """Whether it may be taken: it holds a file, and is finished. Looks at the whole tree only when it may be due."""
        is_marked = bool(self._marker) and os.path.lexists(f"{self._folder}/{tree}/{self._marker}")
        if clock >= self._due.get(tree, 0) or is_marked:
            newest, files = _newest(f"{self._folder}/{tree}")
            if not files:
                self._due.pop(tree, None)
                return False
            self._due[tree] = newest + (self._still_ns if is_marked else self._quiet_ns)
        is_due = clock >= self._due[tree]
        if is_due:
            del self._due[tree]
        return is_due


def _newest(folder: str) -> tuple[int, int]:
    """The newest change of the folder or anything in it, and how many files it holds; what cannot be looked at is reported elsewhere."""
    newest, files, stack = 0, 0, [folder]
    while stack:
        here = stack.pop()
        with suppress(OSError):
            newest = max(newest, os.lstat(here).st_ctime_ns)
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    newest = max(newest, status.st_ctime_ns)
                    files += stat.S_ISREG(status.st_mode) and not is_leftover(entry.name)
    return newest, files

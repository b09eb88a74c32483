"""Expanded Data: a tree, `<scanner>/expdata/<ExperimentID>/`, that is taken whole and archived as it is.

It is released when nothing in it has changed for long, or when a marker file at its top says that it is finished.
"""

from __future__ import annotations

import os
import stat

from landing.exchange import walk
from landing.names import is_leftover, is_too_long
from policy.zone.layout import Branch


def tree_of(relative: str) -> str:
    """The tree of a file or folder of the landing zone; empty for what is in none.

    >>> tree_of("94T/expdata/Z4KQ-STAS/a/b"), tree_of("94T/expdata/b"), tree_of("94T/dicom/a/b")
    ('94T/expdata/Z4KQ-STAS', '', '')
    """
    parts = relative.split("/", 3)
    return "/".join(parts[:3]) if len(parts) == 4 and parts[1] == Branch.EXPDATA else ""


class Trees:
    """The trees of a landing folder.

    Times are the file server's, ns since 1970: change times, which no program can set back.
    """

    def __init__(self, folder: str, quiet_seconds: float, marker: str, *, still_seconds: float, longest: int) -> None:
        """`quiet_seconds` without a change release a tree; with the marker, `still_seconds` do.

        `longest`: bytes of a path.
        """
        self._folder, self._marker, self._longest = folder, marker, longest
        self._quiet_ns, self._still_ns = int(quiet_seconds * 1e9), int(still_seconds * 1e9)
        self._due: dict[str, int] = {}

    def released(self, tree: str, clock: int) -> bool:
        """Whether it may be taken: it is finished, and holds a file, and nothing that could not be taken with it.

        Looks at the whole tree only when it may be due.
        """
        is_marked = self.is_marked(tree)
        if clock >= self._due.get(tree, 0) or is_marked:
            newest = self._newest(tree)
            if newest is None:
                self._due.pop(tree, None)
                return False
            self._due[tree] = newest + (self._still_ns if is_marked else self._quiet_ns)
        is_due = clock >= self._due[tree]
        if is_due:
            del self._due[tree]
        return is_due

    def is_marked(self, tree: str) -> bool:
        """Whether somebody says that it is finished."""
        return bool(self._marker) and os.path.lexists(f"{self._folder}/{tree}/{self._marker}")

    def _newest(self, tree: str) -> int | None:
        """The newest change of the tree or anything in it;

        None where it holds no file, or what is reported elsewhere.
        """
        newest, files = 0, 0
        try:
            for path, status in walk(self._folder, tree):
                newest = max(newest, status.st_ctime_ns)
                if stat.S_ISREG(status.st_mode) and not is_leftover(os.path.basename(path)):
                    files += 1
                    if is_too_long(path, self._longest):
                        return None
        except OSError:
            return None
        return newest if files else None

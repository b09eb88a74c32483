"""Expanded Data: a tree, `<scanner>/expdata/<ExperimentID>/`, that is copied as it is.

It is released when nothing in it has changed for long, or when a marker file in it says that it is finished. From then on
its files are registered as each stands still, whatever their names are. A name that iRODS cannot hold gets a second one, a hard
link below `renamed-for-irods/` in the tree, in which the bytes that are in the way are written as `%XX` (RFC 3986, 2.1).
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from policy.layout import Branch

RENAMED = "renamed-for-irods"
WAITS = "the rest of its tree"
"""What a file of a tree that is not released waits for."""
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff%'\\\\|&\ud800-\udfff]")


def tree_of(relative: str) -> str:
    """The tree of a file or folder of the landing zone; empty for what is in none.

    >>> tree_of("94T/expdata/Z4KQ-STAS/a/b"), tree_of("94T/expdata/b"), tree_of("94T/dicom/a/b")
    ('94T/expdata/Z4KQ-STAS', '', '')
    """
    parts = relative.split("/", 3)
    return "/".join(parts[:3]) if len(parts) == 4 and parts[1] == Branch.EXPDATA else ""


def escaped(name: str) -> str:
    """A path that iRODS can hold, from which the first can be told: what is in the way as `%XX`.

    >>> escaped("it's 100%\\n")
    'it%27s 100%25%0A'
    """
    return _ODD.sub(lambda match: "".join(f"%{byte:02X}" for byte in os.fsencode(match[0])), name)


def second_name(relative: str) -> str:
    """Where the second name of a file of a tree is, relative to the landing folder."""
    tree = tree_of(relative)
    return f"{tree}/{RENAMED}/{escaped(relative.removeprefix(tree + '/'))}"


class Trees:
    """The trees of a landing folder. Times are the file server's, ns since 1970: change times, which no program can set back."""

    def __init__(self, folder: str, quiet_seconds: float, marker: str) -> None:
        self._folder, self._marker = folder, marker
        self._quiet_ns = int(quiet_seconds * 1e9)
        self._due: dict[str, int] = {}

    def released(self, tree: str, clock: int) -> bool:
        """Whether its files may be registered. Looks at the whole tree only when it may be due."""
        if self._marker and os.path.lexists(f"{self._folder}/{tree}/{self._marker}"):
            return True
        if clock >= self._due.get(tree, 0):
            self._due[tree] = _newest(f"{self._folder}/{tree}") + self._quiet_ns
        return clock >= self._due[tree]

    def rename(self, relative: str) -> bool:
        """Gives a file, or all files of a folder, names that iRODS can hold; False where that cannot be done."""
        if not tree_of(relative):
            return False
        path = f"{self._folder}/{relative}"
        if not os.path.isdir(path):
            return self._link(relative)
        files = (f"{where}/{name}" for where, _, names in os.walk(path) for name in names)
        done = [self._link(file.removeprefix(self._folder + "/")) for file in files]
        return all(done)

    def _link(self, relative: str) -> bool:
        source = f"{self._folder}/{relative}"
        target = f"{self._folder}/{second_name(relative)}"
        try:
            status = os.lstat(source)
            if not stat.S_ISREG(status.st_mode):
                return False
            if os.path.lexists(target):
                if os.path.samestat(status, os.lstat(target)):
                    return True
                os.unlink(target)  # of a file that has been replaced
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(source, target, follow_symlinks=False)
        except OSError:
            return False
        return True


def _newest(folder: str) -> int:
    """The newest change of the folder or anything in it; what cannot be looked at is reported elsewhere."""
    newest, stack = 0, [folder]
    while stack:
        here = stack.pop()
        with suppress(OSError):
            newest = max(newest, os.lstat(here).st_ctime_ns)
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        newest = max(newest, entry.stat(follow_symlinks=False).st_ctime_ns)
    return newest

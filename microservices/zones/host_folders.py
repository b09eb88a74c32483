"""Walks through a folder in an order that is always the same, so that a walk that was interrupted can go on.

No link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes


@dataclass(slots=True)
class Folder:
    """What is in one folder; paths are relative to where the walk began (empty: there). `problem`: why it could not be
    listed.

    `files` are those that are regular, `others` links and special files, each with its status; all sorted by name.
    """

    relative: str
    files: list[tuple[str, os.stat_result]] = field(default_factory=list)
    others: list[tuple[str, os.stat_result]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def position(self) -> str:
        """Where a walk goes on after this folder; any name, in ASCII."""
        return position(self.relative)

    def path(self, name: str) -> str:
        """The relative path of what is in it."""
        return f"{self.relative}/{name}" if self.relative else name


def walk(root: str, after: str = "") -> Iterator[Folder]:
    """The folder and those below it, each before what is in it; with `after`, those that come after this position."""
    done = _parts(after) if after else None
    stack = [""]
    while stack:
        relative = stack.pop()
        key = tuple(relative.split("/")) if relative else ()
        if done is not None and key < done and done[: len(key)] != key:
            continue
        folder = _listed(root, relative)
        stack += [folder.path(name) for name in reversed(folder.folders)]
        if done is None or key > done:
            yield folder


def position(relative: str) -> str:
    """A relative path as a position, which is never empty."""
    return "/" + quote_from_bytes(os.fsencode(relative), safe="/ ")


def shown(path: str) -> str:
    """A path that may not be UTF-8, as text."""
    return path.encode("utf-8", "backslashreplace").decode()


def changed(status: os.stat_result) -> float:
    """When a file was changed or renamed last (seconds since 1970): no program can set this back."""
    return max(status.st_ctime, status.st_mtime)


def _parts(after: str) -> tuple[str, ...]:
    relative = os.fsdecode(unquote_to_bytes(after[1:]))
    return tuple(relative.split("/")) if relative else ()


def _listed(root: str, relative: str) -> Folder:
    folder = Folder(relative)
    where = os.path.join(root, relative) if relative else root
    try:
        with os.scandir(where) as entries:
            names = sorted(entry.name for entry in entries)
    except FileNotFoundError as error:
        folder.problem = "" if relative else _told(error)  # removed meanwhile
        return folder
    except OSError as error:
        folder.problem = _told(error)
        return folder
    for name in names:
        try:
            status = os.lstat(os.path.join(where, name))
        except FileNotFoundError:
            continue
        except OSError as error:
            folder.problem = _told(error)
            continue
        if stat.S_ISDIR(status.st_mode):
            folder.folders.append(name)
        else:
            (folder.files if stat.S_ISREG(status.st_mode) else folder.others).append((name, status))
    return folder


def _told(error: OSError) -> str:
    return error.strerror or str(error)

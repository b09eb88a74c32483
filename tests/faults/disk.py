"""A disk that keeps only what was forced to it: a model of the folders below a zone, kept while a process works on
them.

- The content of a file survives as it was when it was forced (fsync of the file); else nothing of it does, or a part. -
The entries of a folder survive as they were when it was forced (fsync of the folder). What was not may survive all the
same. - A rename survives as a whole or not at all.

References: fsync(2), rename(2); "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014)
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_listdir, _lstat, _fstat = os.listdir, os.lstat, os.fstat


class Loss(StrEnum):
    """What a power failure does with what was not forced."""

    ALL = "all"
    """It is lost."""
    DATA = "data"
    """Names survive, as a journal keeps them; files are empty."""
    SOME = "some"
    """Each folder and each file by chance."""


@dataclass(slots=True)
class Node:
    """A file or a folder. `entries`: name -> inode, as they are and as they were forced;

    None for a file. `content` likewise.
    """

    mode: int
    mtime_ns: int
    entries: dict[str, int] | None = None
    forced_entries: dict[str, int] | None = None
    content: bytes = b""
    forced_content: bytes | None = None


@dataclass(slots=True)
class Disk:
    """Everything below `top`. Inodes are never given twice there: a temporary file system's are not."""

    top: Path
    nodes: dict[int, Node] = field(default_factory=dict)
    root: int = 0

    def look(self, *, is_forced: bool = False) -> None:
        """Takes note of all there is now."""
        self.root = self._look(str(self.top), is_forced)

    def _look(self, path: str, is_forced: bool) -> int:
        status = _lstat(path)
        is_folder = stat.S_ISDIR(status.st_mode)
        node = self.nodes.setdefault(status.st_ino, Node(status.st_mode, status.st_mtime_ns))
        node.mode, node.mtime_ns = status.st_mode, status.st_mtime_ns
        if is_folder:
            node.entries = {name: self._look(f"{path}/{name}", is_forced) for name in _listdir(path)}
            node.forced_entries = dict(node.entries) if is_forced else node.forced_entries
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as opened:
                node.content = opened.read()
            node.forced_content = node.content if is_forced else node.forced_content
        return status.st_ino

    def force(self, descriptor: int) -> None:
        """fsync of an open file or folder."""
        status = _fstat(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if not path.startswith(f"{self.top}/"):
            return
        self._look(path, False)
        node = self.nodes[status.st_ino]
        if node.entries is None:
            node.forced_content = node.content
        else:
            node.forced_entries = dict(node.entries)

    def fail(self, loss: Loss, chance: random.Random) -> None:
        """The power fails: makes of the folder what it holds when it is looked at next. `look` came before."""
        trees = {inode: _entries(node, loss, chance) for inode, node in self.nodes.items() if node.entries is not None}
        self._whole_renames(trees)
        for name in _listdir(self.top):
            path = self.top / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self._make(self.root, self.top, trees, loss, chance)

    def _whole_renames(self, trees: dict[int, dict[str, int]]) -> None:
        """What has moved is in one place: where it is now if that survives, else where it was."""
        now = {
            inode: (folder, name) for folder, node in self.nodes.items() for name, inode in (node.entries or {}).items()
        }
        for inode, new in now.items():
            was = [
                (folder, name)
                for folder, node in self.nodes.items()
                for name, one in (node.forced_entries or {}).items()
                if one == inode
            ]
            if not was:
                continue
            reached = self._reached(trees)
            stays = next(
                (one for one in (new, *was) if one[0] in reached and trees[one[0]].get(one[1], inode) == inode), new
            )
            if stays == new and trees.get(new[0], {}).get(new[1]) != inode:
                stays = next((one for one in was if one[0] in reached and one != new), new)
            for folder, name in {new, *was}:
                if (folder, name) != stays and trees.get(folder, {}).get(name) == inode:
                    del trees[folder][name]
            trees.setdefault(stays[0], {})[stays[1]] = inode

    def _reached(self, trees: dict[int, dict[str, int]]) -> set[int]:
        """Folders to which names lead."""
        found, due = set(), [self.root]
        while due:
            folder = due.pop()
            if folder in trees and folder not in found:
                found.add(folder)
                due += trees[folder].values()
        return found

    def _make(
        self, inode: int, path: Path, trees: dict[int, dict[str, int]], loss: Loss, chance: random.Random
    ) -> None:
        for name, one in trees.get(inode, {}).items():
            node, where = self.nodes[one], path / name
            if where.exists():
                continue
            if node.entries is not None:
                where.mkdir()
                self._make(one, where, trees, loss, chance)
            elif stat.S_ISREG(node.mode):
                where.write_bytes(_content(node, loss, chance))
                os.utime(where, ns=(node.mtime_ns, node.mtime_ns))
            where.chmod(stat.S_IMODE(node.mode))


def _entries(node: Node, loss: Loss, chance: random.Random) -> dict[str, int]:
    forced, now = node.forced_entries or {}, node.entries or {}
    survive = loss is Loss.DATA or (loss is Loss.SOME and chance.random() < 0.5)
    return dict(now if survive else forced)


def _content(node: Node, loss: Loss, chance: random.Random) -> bytes:
    if node.forced_content is not None and (loss is not Loss.SOME or node.forced_content == node.content):
        return node.forced_content
    if loss is Loss.SOME:
        return node.content[: chance.choice((0, len(node.content) // 2, len(node.content)))]
    return b""

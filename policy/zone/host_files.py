"""Files of this host, opened so that nothing else is opened in their place.

No symbolic link below a given folder is followed, and nothing but a regular file is opened: what was registered may
have been replaced by a link to any file that the service account can read, or by a pipe that nobody writes into.
References: open(2) O_NOFOLLOW, O_NONBLOCK, O_PATH; rename(2) RENAME_NOREPLACE.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE = 1 << 20
_NO_REPLACE = 1
"""RENAME_NOREPLACE (linux/fs.h)."""


class NotRegular(OSError):
    """A symbolic link, a folder, a pipe or a device where a regular file is expected."""

    def __init__(self) -> None:
        super().__init__(errno.ELOOP, "a symbolic link, or not a regular file")


class Seen(NamedTuple):
    """What tells whether a file is still the same one with the same content. `changed`: seconds since 1970 (ctime)."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    changed: float

    @classmethod
    def of(cls, status: os.stat_result) -> Seen:
        """From stat(2)."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime)

    def is_same(self, other: Seen) -> bool:
        """Whether nothing has changed. A rename and a chmod change `changed` only, and do not count."""
        return self[:4] == other[:4]


def is_here(host: str) -> bool:
    """Whether a resource's host (RESC_LOC) is this one."""
    return host in _names()


@cache
def _names() -> set[str]:
    return {"localhost", socket.gethostname(), socket.getfqdn()}


@contextmanager
def folder(root: str, relative: str, *, mode: int | None = None) -> Iterator[int]:
    """Opens the folder `root/relative` for `dir_fd`, and follows no symbolic link below `root`.

    Raises NotRegular if a link is on the way. With `mode`, makes folders that are missing, with this mode.
    """
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in relative.split("/") if relative else ():
            if name in ("", ".", ".."):
                raise NotRegular
            descriptor = _below(descriptor, name, mode)
        yield descriptor
    finally:
        os.close(descriptor)


def _below(descriptor: int, name: str, mode: int | None) -> int:
    """The descriptor of a folder in a folder, instead of that of the outer one."""
    if mode is not None:
        try:
            os.mkdir(name, 0o700, dir_fd=descriptor)
            os.chmod(name, mode, dir_fd=descriptor)
        except FileExistsError:
            pass
    try:
        inner = os.open(name, _FOLDER, dir_fd=descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and is_link(name, descriptor):
            raise NotRegular from error
        raise
    os.close(descriptor)
    return inner


def is_link(name: str, descriptor: int) -> bool:
    """Whether a name in a folder is a symbolic link."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def look(name: str, descriptor: int | None = None) -> Seen:
    """Looks at the regular file of a name in a folder, without opening it. Raises NotRegular for anything else."""
    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular
    return Seen.of(status)


def open_regular(name: str, descriptor: int | None = None) -> int:
    """Opens a regular file for reading.

    Raises NotRegular for anything else, FileNotFoundError if nothing is there.
    """
    look(name, descriptor)  # opening a device may do something; what takes the name now is looked at below
    try:
        opened = os.open(name, _FILE, dir_fd=descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotRegular from error
        raise
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise NotRegular
    return opened


@contextmanager
def opened(root: str, relative: str) -> Iterator[int]:
    """A descriptor for reading the regular file `root/relative`; see `folder` and `open_regular`."""
    parent, _, name = relative.rpartition("/")
    with folder(root, parent) as where:
        descriptor = open_regular(name, where)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sha256(descriptor: int, length: int | None = None) -> str | None:
    """SHA-256 of an open file, or of its first `length` bytes, in hexadecimal; None where it changed meanwhile."""
    before, digest, done = Seen.of(os.fstat(descriptor)), hashlib.sha256(), 0
    end = before.size if length is None else length
    while piece := os.pread(descriptor, min(_PIECE, end - done), done):
        digest.update(piece)
        done += len(piece)
    return digest.hexdigest() if before.is_same(Seen.of(os.fstat(descriptor))) else None


def rename_without_replacing(name: str, source: int, destination: int) -> None:
    """Moves `name` from one folder into another. Raises FileExistsError if that folder has something of this name.

    On a file system that cannot do that in one step, makes a second link and removes the first.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        if library.renameat2(source, os.fsencode(name), destination, os.fsencode(name), _NO_REPLACE) == 0:
            return
        failed = ctypes.get_errno()
        if failed not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(failed, os.strerror(failed))
    os.link(name, name, src_dir_fd=source, dst_dir_fd=destination, follow_symlinks=False)
    os.unlink(name, dir_fd=source)

"""Renames in folders that others own: no link is followed on the way, and nothing is written over."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_CANNOT = (errno.EINVAL, errno.ENOSYS)
"""A file system that knows no such renames: NFS."""
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def opened(top: str, relative: str, *, make: bool = False) -> Iterator[int]:
    """A folder below `top`, opened step by step: whoever owns a folder on the way could turn it into a link. With `make`, made."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(top, flags)
    try:
        for part in filter(None, relative.split("/")):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def move(source: str, target: str, *, folder: int = AT_FDCWD) -> bool:
    """Renames a file or a link to `target` (in an opened folder), unless something has the name; whether it did. OSError else."""
    try:
        _renameat2(AT_FDCWD, source, folder, target, _NOREPLACE)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return _link(source, target, folder)
    return True


def take_folder(name: str, folder: int, target: str) -> None:
    """Renames the folder `name` of an opened folder to `target` (absolute), and leaves an empty one with its mode and owner.

    At once, where the file system can. NotADirectoryError for anything but a folder, OSError else.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    os.mkdir(target)
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    try:
        _renameat2(folder, name, AT_FDCWD, target, _EXCHANGE)
    except OSError as error:
        if error.errno not in _CANNOT:
            os.rmdir(target)
            raise
        empty = f"{target}.{uuid.uuid4().hex}"
        os.rename(target, empty)
        os.rename(name, target, src_dir_fd=folder)
        with suppress(OSError):  # somebody has made it meanwhile
            os.mkdir(name, stat.S_IMODE(status.st_mode), dir_fd=folder)
        os.rmdir(empty)


def _link(source: str, target: str, folder: int) -> bool:
    try:
        os.link(source, target, dst_dir_fd=None if folder == AT_FDCWD else folder, follow_symlinks=False)
    except FileExistsError:
        return False
    os.unlink(source)
    return True


def _renameat2(from_folder: int, source: str, to_folder: int, target: str, flags: int) -> None:
    """References: renameat2(2)"""
    if _LIBC.renameat2(from_folder, os.fsencode(source), to_folder, os.fsencode(target), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source, None, target)

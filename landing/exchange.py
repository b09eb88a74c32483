"""Lists and renames files in folders that other accounts own. Follows no link and overwrites nothing."""

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
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of a file system without such renames, such as NFS."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def opened(top: str, relative: str, *, make: bool = False) -> Iterator[int]:
    """Opens a folder below `top` one level at a time: the owner of a folder on the way could replace it with a link.

    With `make`, makes missing folders.
    """
    descriptor = os.open(top, _FOLDER)
    try:
        for part in filter(None, relative.split("/")):
            inner = _entered(part, descriptor, os.fstat(descriptor) if make else None)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def walk(top: str, relative: str) -> Iterator[tuple[str, os.stat_result]]:
    """Walks a folder below `top`: yields it and everything in it, with paths below `top`.

    Leaves out a folder that is gone or replaced when its turn comes. Raises OSError, with the path, for a folder that
    cannot be listed.
    """
    stack = [relative]
    while stack:
        here = stack.pop()
        try:
            with opened(top, here) as folder:
                found = [(here, os.fstat(folder)), *_listed(folder, here)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise OSError(error.errno, error.strerror, here) from error
        yield found[0]
        for path, status in found[1:]:
            if stat.S_ISDIR(status.st_mode):
                stack.append(path)
            else:
                yield path, status


def _listed(folder: int, path: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield f"{path}/{entry.name}", entry.stat(follow_symlinks=False)


def move(name: str, source: int, target: str, folder: int) -> bool:
    """Moves anything but a folder from one opened folder to another; False if the new name is taken.

    OSError for any other failure.
    """
    try:
        _renameat2(source, name, folder, target, _NOREPLACE)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        try:
            os.link(name, target, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
        os.unlink(name, dir_fd=source)
    return True


def take_folder(name: str, folder: int, target: str) -> None:
    """Renames the folder `name` of an opened folder to `target` (absolute), and leaves an empty one with its mode and
    owner.

    Both happen in one step if the file system can do it. NotADirectoryError for anything but a folder, OSError for any
    other failure.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    os.mkdir(target)
    _liken(target, status)
    try:
        _renameat2(folder, name, AT_FDCWD, target, _EXCHANGE)
    except OSError as error:
        if error.errno not in _CANNOT:
            os.rmdir(target)
            raise
        empty = f"{target}.{uuid.uuid4().hex}"
        os.rename(target, empty)
        os.rename(name, target, src_dir_fd=folder)
        with suppress(OSError):  # somebody has made something else of that name meanwhile
            os.close(_entered(name, folder, status))
        os.rmdir(empty)


def _entered(name: str, folder: int, model: os.stat_result | None) -> int:
    """Opens a folder inside an opened one. With `model`, makes a missing folder like the model."""
    is_new = False
    if model:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            is_new = True
    inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    if model and is_new:
        _liken(inner, model)
    return inner


def _liken(folder: int | str, model: os.stat_result) -> None:
    """Gives a folder the mode of another and, as far as this account may, its owner and group.

    Accounts that could write there can then still write.
    """
    with suppress(PermissionError):
        os.chown(folder, model.st_uid if os.geteuid() == 0 else -1, model.st_gid)
    os.chmod(folder, stat.S_IMODE(model.st_mode))


def _renameat2(from_folder: int, source: str, to_folder: int, target: str, flags: int) -> None:
    """References: renameat2(2)"""
    if _LIBC.renameat2(from_folder, os.fsencode(source), to_folder, os.fsencode(target), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source, None, target)

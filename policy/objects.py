"""Data objects as files: what readers of headers read from."""

from __future__ import annotations

import io
import os
import stat

from policy.context import Context
from policy.header import Header
from policy.zone import Access, NotFound, ZoneError


def read_object(context: Context, path: str) -> Header:
    """Reads the header of an object in the zone, whoever put it there. NotFound where the object is gone."""
    found = context.zone.stat(path)
    if found is None or found.is_collection:
        raise NotFound(f"{path} is no data object")
    if found.owner != context.settings.account:
        context.zone.permit(path, context.settings.account, Access.OWN)
    return context.read_header(open_object(context, path, found.size), found.size)


def read_file(context: Context, file: str, size: int | None = None) -> Header:
    """Reads the header of a regular file of this host. Raises ZoneError for any other, and where its size is not `size`."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ZoneError("it is not a regular file")
        if size is not None and status.st_size != size:
            raise ZoneError(f"it has {status.st_size} bytes, not {size}")
        return context.read_header(opened, status.st_size)


def open_object(context: Context, path: str, size: int) -> io.BufferedReader:
    """An object of the zone as a file, for readers of headers: 256 KiB at a time, which holds most headers."""
    return io.BufferedReader(_ObjectFile(context, path, size), buffer_size=1 << 18)


class _ObjectFile(io.RawIOBase):
    def __init__(self, context: Context, path: str, size: int) -> None:
        self._zone, self._path, self._size, self._at = context.zone, path, size, 0
        self.name = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._zone.read(self._path, self._at, len(buffer)) if self._at < self._size else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

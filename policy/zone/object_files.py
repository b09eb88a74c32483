"""Data objects as files: what readers of headers read from."""

from __future__ import annotations

import io
import os

from policy.zone import Access, NotFound, ZoneError
from policy.zone.context import Context
from policy.zone.header import Header
from policy.zone.host_files import NotRegular, open_regular


def read_object(context: Context, path: str, *, replica: str = "") -> Header:
    """Reads the header of an object in the zone, whichever user put it there. Raises NotFound if the object is gone.

    With `replica`, reads the replica with this number.
    """
    stat = context.zone.stat(path)
    if stat is None or stat.is_collection:
        raise NotFound(f"{path} is not a data object")
    if stat.owner != context.settings.account:
        context.zone.permit(path, context.settings.account, Access.OWN)
    return context.read_header(open_object(context, path, stat.size, replica), stat.size)


def read_file(context: Context, file: str, size: int | None = None) -> Header:
    """Reads the header of a regular file of this host.

    Raises ZoneError if it is not a regular file, or if its size is not `size`.
    """
    try:
        descriptor = open_regular(file)
    except NotRegular as error:
        raise ZoneError("it is not a regular file") from error
    return read_open(context, descriptor, size)


def read_open(context: Context, descriptor: int, size: int | None = None) -> Header:
    """Reads the header of an open file, and closes it. Raises ZoneError if its size is not `size`."""
    with open(descriptor, "rb") as opened:
        found = os.fstat(descriptor).st_size
        if size is not None and found != size:
            raise ZoneError(f"it has {found} bytes, not {size}")
        return context.read_header(opened, found)


def open_object(context: Context, path: str, size: int, replica: str = "") -> io.BufferedReader:
    """An object of the zone as a file, for readers of headers: 256 KiB at a time, which holds most headers."""
    return io.BufferedReader(_ObjectFile(context, path, size, replica), buffer_size=1 << 18)


class _ObjectFile(io.RawIOBase):
    def __init__(self, context: Context, path: str, size: int, replica: str) -> None:
        self._zone, self._path, self._size, self._replica, self._at = context.zone, path, size, replica, 0
        self.name = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = (
            self._zone.read(self._path, self._at, len(buffer), replica=self._replica) if self._at < self._size else b""
        )
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

"""Reads the header of a landed file: what kind it is, told by its content, and what its head says.

Whatever a file holds, `read_header` answers with a Header: policies judge it, they do not handle exceptions.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from microservices.budget import Budget
from policy.zone.header import Header, Kind

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 128 * 1024
"""One read of this size covers most headers; a read of a remote object costs a round trip."""
_SNIFF_BYTES = 1024


class Source(io.RawIOBase):
    """A seekable file for the parsers: never reads beyond `size`, counts what it reads, and remembers a failure of the
    file.

    The parsers raise OSError for damaged content too; `failure` tells the one from the other.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._position = 0
        self.failure: Exception | None = None
        self.reads = 0
        self.bytes_read = 0
        self.ends_early = False
        """The file has fewer bytes than it should."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence])
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), self._size - self._position)
        if wanted <= 0:
            return 0
        got = 0
        try:
            self._file.seek(self._position)
            while got < wanted and (piece := self._file.read(wanted - got)):
                target[got : got + len(piece)] = piece
                got += len(piece)
                self.reads += 1
        except Exception as failure:
            self.failure = failure
            raise
        self.ends_early |= got < wanted
        self.bytes_read += got
        self._position += got
        return got


def read_header(file: BinaryIO, size: int) -> Header:
    """The header of a file of `size` bytes, which need not stand at its beginning.

    Never raises for what the file holds: `Header.problem` says what is wrong and where. Only what the file itself
    raises (OSError, ZoneError) passes.
    """
    source = Source(file, size)
    try:
        header = _read(io.BufferedReader(source, _BUFFER_BYTES), size)
    finally:
        if source.failure is not None:
            raise source.failure
    if source.ends_early and header.kind is not Kind.OTHER:
        return replace(header, problem=f"has fewer than its {size} bytes", incomplete=True)
    return header


def _read(file: io.BufferedReader, size: int) -> Header:
    head = file.peek(_SNIFF_BYTES)[:_SNIFF_BYTES]
    if kind_of(head) is Kind.TWIX:
        from microservices.twix import twix_header

        return twix_header.read(file, size)
    if kind_of(head) is Kind.DICOM:
        from microservices.dicom import dicom_header

        return dicom_header.read(file, size)
    from microservices.headers import text_header

    return text_header.read(file, size, Budget(), kind_of)


def kind_of(head: bytes) -> Kind:
    """The kind of a file by its first kilobyte.

    DICOM may lack the preamble (PS3.10 7.1); then its first elements tell.
    """
    from microservices.dicom import dicom_sniff
    from microservices.twix import twix_layout

    if dicom_sniff.is_dicom(head):
        return Kind.DICOM
    return Kind.TWIX if twix_layout.is_twix(head) else Kind.OTHER

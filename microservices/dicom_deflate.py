"""Deflated data sets (PS3.5 A.5), without letting one fill the memory."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

KEPT_BYTES = 64 << 20
_MAX_INFLATED_BYTES = 4 << 30
_CHUNK_BYTES = 1 << 20


def inflate(stream: BinaryIO) -> tuple[BinaryIO, int, str, bool]:
    """Inflates from where the stream stands: the first 64 MiB, the whole length, what is wrong, and whether bytes are missing.

    All of it is inflated, piece by piece, because only the deflated stream's own end tells that it is whole.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    kept, size = io.BytesIO(), 0
    try:
        while not inflater.eof and (deflated := stream.read(_CHUNK_BYTES)):
            while deflated and not inflater.eof:
                inflated = inflater.decompress(deflated, _CHUNK_BYTES)
                deflated = inflater.unconsumed_tail
                size += len(inflated)
                if kept.tell() < KEPT_BYTES:
                    kept.write(inflated)
                if size > _MAX_INFLATED_BYTES:
                    return kept, size, f"its data set inflates to more than {_MAX_INFLATED_BYTES >> 30} GiB", False
    except zlib.error:
        return kept, size, "its deflated data set is damaged", False
    return kept, size, "" if inflater.eof else "its deflated data set is cut off", not inflater.eof

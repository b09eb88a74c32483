"""Deflated data sets (PS3.5 A.5), without letting one fill the memory or take all the time."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

from microservices.budget import MAX_BYTES, Budget, OverBudget

_MAX_INFLATED_BYTES = 512 << 20
_CHUNK_BYTES = 1 << 20


def inflate(stream: BinaryIO, budget: Budget) -> tuple[io.BytesIO, int, str, bool]:
    """Inflates from where the stream stands: what a header may hold, the whole length, what is wrong, and whether bytes
    are missing.

    All of it is inflated, piece by piece, because only the deflated stream's own end tells that it is whole. Raises
    OverBudget.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    kept, size = io.BytesIO(), 0
    try:
        while not inflater.eof and (deflated := stream.read(_CHUNK_BYTES)):
            while deflated and not inflater.eof:
                budget.look()
                inflated = inflater.decompress(deflated, _CHUNK_BYTES)
                deflated = inflater.unconsumed_tail
                size += len(inflated)
                if size > _MAX_INFLATED_BYTES:
                    raise OverBudget(f"its data set inflates to more than {_MAX_INFLATED_BYTES >> 20} MiB")
                if kept.tell() < MAX_BYTES:
                    kept.write(inflated)
    except zlib.error:
        return kept, size, "its deflated data set is damaged", False
    return kept, size, "" if inflater.eof else "its deflated data set is cut off", not inflater.eof

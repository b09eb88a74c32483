"""Limits the cost of reading one header: elements, bytes in memory, processor time.

A hostile or broken file of a few kilobytes can stand for millions of elements or gigabytes of zeros. Each reader counts
what it reads in a `Budget`. When the budget is used up, `OverBudget` stops the reader, and the file goes to quarantine
with its own reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

MAX_ELEMENTS = 500_000
"""Elements and items of a DICOM header, in all its sequences; values of a TWIX header.

An enhanced image has about 150 for each frame.
"""
MAX_BYTES = 48 << 20
"""Bytes of a header that are held in memory at the same time."""
MAX_SECONDS = 1.5
"""Processor time. The largest real headers take a tenth of it."""
MAX_DEPTH = 100
"""Sequences within sequences; beyond any real file, and below Python's own limit."""
_LOOK_EVERY = 2048
"""Elements between two looks at the clock."""


class OverBudget(Exception):
    """Reading the header costs more than its budget. The message says which limit is exceeded."""


@dataclass(slots=True)
class Budget:
    """What is left for one file."""

    elements: int = MAX_ELEMENTS
    bytes: int = MAX_BYTES
    seconds: float = MAX_SECONDS
    _end: float = field(init=False)
    _look: int = field(init=False)
    _most_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self._end = 0.0
        self._look = self.elements - _LOOK_EVERY
        self._most_bytes = self.bytes

    def count(self, elements: int = 1) -> None:
        """Counts further elements. Raises OverBudget if they are too many or took too long."""
        self.elements -= elements
        if self.elements < self._look:
            self._look = self.elements - _LOOK_EVERY
            if self.elements < 0:
                raise OverBudget("its header has too many elements")
            self.look()

    def look(self) -> None:
        """Raises OverBudget if the time is over."""
        now = time.thread_time()  # the kernel's answer takes as long as thirty elements: small headers do not ask
        self._end = self._end or now + self.seconds
        if now > self._end:
            raise OverBudget(f"its header takes more than {self.seconds:g} s to read")

    def hold(self, size: int) -> None:
        """Counts further bytes in memory. Raises OverBudget if they are too many."""
        self.bytes -= size
        if self.bytes < 0:
            raise OverBudget(f"its header is longer than {self._most_bytes >> 20} MiB")

    def release(self, size: int) -> None:
        """Takes back bytes that are no longer in memory."""
        self.bytes += size

"""Progress of what takes long: a bar on a terminal; elsewhere nothing, or (`shown`) a line from time to time."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_OBJECT_COST = 1 << 20
"""Bytes that take about as long as what an object takes besides its own bytes."""


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to call with how many are done, and of how many; the bar is on stderr."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@contextmanager
def line() -> Iterator[Callable[[str], None]]:
    """Gives a function to call with what is being waited for: a line on stderr.

    On a terminal the line changes where it stands; elsewhere a new one is printed when more than its numbers has
    changed.
    """
    if not sys.stderr.isatty():
        before = [""]

        def tell(text: str) -> None:
            if (words := re.sub(r"\d+", "", text)) != before[0]:
                print(text, file=sys.stderr, flush=True)
            before[0] = words

        yield tell
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(Text(text))


class Meter:
    """Counts objects, bytes and files of a run; tells how many are done of how many, how fast, and what is left."""

    def __init__(self, title: str) -> None:
        self.title, self._began = title, time.monotonic()
        self.objects = self.size = self.files = 0
        """Done in this run."""
        self._earlier = (0, 0)
        self._expected = (0, 0)

    def expect(self, objects: int, size: int, earlier: tuple[int, int] = (0, 0)) -> None:
        """How many objects and bytes there are; `earlier`: those that an earlier run has done."""
        self._expected, self._earlier = (objects, size), earlier

    def add(self, objects: int, size: int, files: int) -> None:
        """So many more are done."""
        self.objects, self.size, self.files = self.objects + objects, self.size + size, self.files + files

    @property
    def done(self) -> tuple[int, int]:
        """Objects that are done, and how many there are, as far as is known."""
        done = self._earlier[0] + self.objects
        return done, max(done, self._expected[0])

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    def __str__(self) -> str:
        objects, of = self.done
        size = self._earlier[1] + self.size
        parts = [f"{objects:,} of {of:,} objects", f"{amount(size)} of {amount(max(size, self._expected[1]))}"]
        parts += [f"{self.files:,} files"] if self.files else []
        left = duration(self._left()) + " left" if objects < of else "all objects done"
        return f"{self.title}: {', '.join(parts)}; {self.rate}; {left}"

    @property
    def rate(self) -> str:
        """Objects and bytes a second."""
        return rate(self.objects, self.size, self.seconds)

    def _left(self) -> float:
        """Seconds: an object costs its bytes, and something more."""
        done = self.size + _OBJECT_COST * self.objects
        left = self._expected[1] - self._earlier[1] + _OBJECT_COST * (self._expected[0] - self._earlier[0]) - done
        return self.seconds * max(0, left) / done if done else 0.0


@contextmanager
def shown(meter: Meter, every: float = 10.0) -> Iterator[Callable[[], None]]:
    """Shows how far it is: a bar on a terminal, else a line on stderr each `every` seconds.

    Gives a function to call after each step.
    """
    if sys.stderr.isatty():
        with bar(meter.title) as progress:
            yield lambda: progress(*meter.done)
        return
    end = threading.Event()

    def tell() -> None:
        while not end.wait(every):
            print(f"mrdata: {meter}", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield lambda: None
    finally:
        end.set()
        teller.join()


def rate(objects: int, size: int, seconds: float) -> str:
    """Objects and bytes a second."""
    each = max(seconds, 0.001)
    return f"{objects / each:,.0f} objects/s, {amount(size / each)}/s"


def amount(size: float) -> str:
    """Bytes for people.

    >>> amount(999), amount(25_300_000)
    ('999 bytes', '25.3 MB')
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 1000 or unit == "TB":
            break
    return f"{size:,.1f} {unit}"


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(4), duration(150), duration(7300), duration(200_000)
    ('4 s', '2 min', '2 h', '2 days')
    """
    for unit, length, least in (("days", 86400, 2), ("h", 3600, 2), ("min", 60, 2)):
        if seconds >= least * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

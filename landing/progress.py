"""Shows a scanner's progress: a bar on a terminal, log lines elsewhere, and a summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

from landing.names import counted, place, shown
from policy.zone.log import Level, timed_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a run, and how the landing zone stood at its end."""

    registered: int = 0
    bytes: int = 0
    """Size of what was registered."""
    same: int = 0
    """Files whose bytes the archive had already."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Files that will be registered later, by what they wait for."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Files and folders that need a person, by reason."""
    alarms: int = 0
    """What could not be put back into the landing zone: a person has to look."""
    failed: int = 0
    """Files that the zone did not take yet, though it answered."""
    error: str = ""
    """Why the zone cannot be reached, if it cannot."""

    @property
    def ok(self) -> bool:
        """Nothing needs a person; files may still be waiting."""
        return not (self.refused or self.alarms or self.failed or self.error)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        parts = [f"{self.registered} registered ({_size(self.bytes)})", f"{self.same} archived before"]
        parts += [f"{count} waiting: {why}" for why, count in self.waiting.items()]
        parts += [f"{count} refused: {why}" for why, count in self.refused.items()]
        parts += [f"{self.alarms} in the intake for a person to look at"] * bool(self.alarms)
        parts += [f"{self.failed} failed"] * bool(self.failed) + [f"zone not reached: {self.error}"] * bool(self.error)
        return ", ".join(parts)


class Progress(Protocol):
    """Who wants to know. `file` is relative to the landing folder and may hold any character; `message` is safe to
    print.

    What goes into a log names no file: names may be people's. A terminal shows them.
    """

    def looked(self, ready: int, waiting: int) -> None:
        """After each look: how many files will be registered now, and how many later."""

    def registered(self, file: str, path: str, size: int) -> None:
        """`path`: the logical path where the object is now; `size` in bytes."""

    def already(self, files: int) -> None:
        """Files turned out to be archived already, with the same bytes."""

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        """Something that a person should know; with `alarm`, should do something about.

        `file`: what it is about. `detail`: more, which may name files too; neither goes into a log.
        """

    def close(self) -> None: ...


class Lines:
    """Log lines: one for each report, and one for each look that registered something."""

    def __init__(self, stream: IO[str], scanners: Collection[str] = ()) -> None:
        self._stream, self._scanners = stream, scanners
        self._files = self._bytes = self._already = 0

    def looked(self, ready: int, waiting: int) -> None:
        self._registered()
        if ready:
            self._line(f"{counted(ready, 'file')} complete, {waiting} waiting")

    def registered(self, file: str, path: str, size: int) -> None:
        self._files, self._bytes = self._files + 1, self._bytes + size

    def already(self, files: int) -> None:
        self._already += files

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        text = (f"{place(file, self._scanners)}: " if file else "") + message
        self._line(text, Level.ERROR if alarm else Level.WARNING)

    def close(self) -> None:
        self._registered()

    def _registered(self) -> None:
        if self._already:
            self._line(f"archived before, with the same bytes: {counted(self._already, 'file')}")
            self._already = 0
        if self._files:
            self._line(f"registered {counted(self._files, 'file')}, {_size(self._bytes)}")
            self._files = self._bytes = 0

    def _line(self, text: str, level: Level = Level.INFO) -> None:
        print(timed_line("scan", text, level), file=self._stream, flush=True)


class Bar:
    """A progress bar of rich; reports stand above it."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[waiting]} waiting"),
        )
        self._bar: RichProgress = RichProgress(*columns, TimeRemainingColumn(), console=Console(file=stream))
        self._task = self._bar.add_task("registering", total=None, waiting=0)
        self._done = 0
        self._bar.start()

    def looked(self, ready: int, waiting: int) -> None:
        self._bar.update(self._task, total=self._done + ready + waiting, waiting=waiting)

    def registered(self, file: str, path: str, size: int) -> None:
        self._advance(1)

    def already(self, files: int) -> None:
        self._advance(files)

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        message = (f"{shown(file)}: " if file else "") + message + (f": {shown(detail)}" if detail else "")
        self._bar.console.print(
            message, style="bold red" if alarm else "yellow", markup=False, highlight=False, soft_wrap=True
        )

    def close(self) -> None:
        self._bar.stop()

    def _advance(self, files: int) -> None:
        self._done += files
        self._bar.update(self._task, completed=self._done)


def progress_to(stream: IO[str] | None = None, scanners: Collection[str] = ()) -> Progress:
    """A bar when the stream (default: standard error) is a terminal, else lines, which name these scanners.

    Close it at the end.
    """
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream, scanners)


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

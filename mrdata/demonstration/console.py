"""A pretend scanner console: writes a demonstration's files into a landing zone the way real consoles and their helpers
do.

Images come during the scan, several sessions mixed (an export runs on while the next session has begun); raw data come
at night, few and large. Some exports write under the final name and grow, some under a temporary name that is changed
at the end.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from policy.ingest.decision import Reason
from policy.zone.layout import Branch, DataType

Content = bytes | Callable[[BinaryIO], object]
"""A file's bytes, or what writes them into a new binary file."""


class Fate(StrEnum):
    """What shall become of a delivered file."""

    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    ONE_COPY = "one-copy"
    """It is in the archive already, byte for byte: one copy stays."""


class Manner(StrEnum):
    """How a program writes a file into the landing zone."""

    GROWING = "growing"
    """Under its final name from the first byte."""
    SUFFIX = "suffix"
    """As `name.tmp`, renamed when complete."""
    HIDDEN = "hidden"
    """As `.name.Xk3f2a`, renamed when complete, as rsync does."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file: its path below the scanner's folder, what is in it, and what shall become of it."""

    path: str
    content: Content = field(repr=False)
    fate: Fate
    session: str
    """Files of one session are written one after the other; sessions run side by side."""
    experiment: str = ""
    data_type: DataType | None = None
    reason: Reason | None = None
    manner: Manner = Manner.GROWING
    at_night: bool = False
    note: str = ""
    """What the file is there for, for a report."""


@dataclass(frozen=True, slots=True)
class Progress:
    """So many bytes of a delivery are written; `complete` once it stands under its final name."""

    delivery: Delivery
    file: Path
    written: int
    complete: bool


class Console:
    """Writes deliveries below `<landing folder>/<scanner>/`. Never overwrites: FileExistsError.

    `bytes_per_second` paces the writing (None: as fast as the disk); files are written in pieces of `piece` bytes.
    """

    def __init__(
        self, landing_folder: Path, scanner: str, *, bytes_per_second: float | None = None, piece: int = 256 * 1024
    ) -> None:
        if piece < 1 or (bytes_per_second is not None and bytes_per_second <= 0):
            raise ValueError("piece and bytes_per_second must be positive")
        self.folder = Path(landing_folder) / scanner
        self.bytes_per_second = bytes_per_second
        self.piece = piece

    def deliver(self, deliveries: Sequence[Delivery]) -> Iterator[Progress]:
        """Writes the files piece by piece as the iterator is drawn: the day's first, sessions side by side, then the
        night's.
        """
        for at_night in (False, True):
            sessions: dict[str, list[Delivery]] = {}
            for delivery in deliveries:
                if delivery.at_night is at_night:
                    sessions.setdefault(delivery.session, []).append(delivery)
            streams = [self._write_all(files) for files in sessions.values()]
            while streams:
                for stream in list(streams):
                    progress = next(stream, None)
                    if progress is None:
                        streams.remove(stream)
                    else:
                        yield progress

    def _write_all(self, deliveries: Sequence[Delivery]) -> Iterator[Progress]:
        for delivery in deliveries:
            yield from self._write(delivery)

    def _write(self, delivery: Delivery) -> Iterator[Progress]:
        parts = PurePosixPath(delivery.path).parts
        if ".." in parts or len(parts) < 2 or parts[0] not in set(Branch):
            raise ValueError(f"{delivery.path!r} does not begin with one of {', '.join(Branch)}")
        final = self.folder.joinpath(*parts)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            raise FileExistsError(final)
        now = {
            Manner.GROWING: final,
            Manner.SUFFIX: final.with_name(final.name + ".tmp"),
            Manner.HIDDEN: final.with_name(f".{final.name}.Xk3f2a"),
        }[delivery.manner]
        written = 0
        with now.open("xb") as file:
            for piece in self._pieces(delivery.content, file):
                file.write(piece)
                file.flush()
                written = file.tell()
                yield Progress(delivery, final, written, complete=False)
                if self.bytes_per_second:
                    time.sleep(len(piece) / self.bytes_per_second)
            written = file.tell()
        if now != final:
            now.rename(final)
        yield Progress(delivery, final, written, complete=True)

    def _pieces(self, content: Content, file: BinaryIO) -> Iterator[bytes]:
        if isinstance(content, bytes):
            for start in range(0, len(content), self.piece):
                yield content[start : start + self.piece]
        else:
            content(file)
            file.seek(0, io.SEEK_END)

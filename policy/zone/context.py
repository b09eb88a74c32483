"""What a policy works with: the zone, the site's settings, a reader of headers, and what this agent remembers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Protocol

from policy.zone import AVU, Zone
from policy.zone.error_kinds import ErrorKind, MrDataError
from policy.zone.experiment import Experiment
from policy.zone.header import Header
from policy.zone.settings import Settings


class Refused(MrDataError):
    """A request is refused: what is wrong and what to do, in words for the person who asked."""

    def __init__(self, text: str, kind: ErrorKind = ErrorKind.BAD_REQUEST) -> None:
        super().__init__(text)
        self.kind = kind


class HeaderReader(Protocol):
    """Reads a file's header. Never raises for what the file holds: `Header.problem` tells."""

    def __call__(self, file: BinaryIO, size: int) -> Header: ...


@dataclass(slots=True)
class Series:
    """A series collection, with the AVUs that it has; `expires` on the monotonic clock."""

    path: str
    avus: set[AVU]
    expires: float


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about a file that is about to be registered: the AVUs that its object gets then."""

    file: str
    avus: list[AVU]


@dataclass(slots=True)
class Memory:
    """What an agent remembers between two calls, so that the next object of a series costs few catalog calls.

    Experiments and series are believed for a minute: a steward may close or re-file them meanwhile.
    """

    SECONDS: ClassVar[float] = 60.0

    experiments: dict[str, tuple[float, Experiment]] = field(default_factory=dict)
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    """Quarantine collections that this agent has made and described."""
    decided: dict[str, Decided] = field(default_factory=dict)
    """Path -> what was decided about the file that is about to be registered there."""
    locks: set[str] = field(default_factory=set)
    """What this agent has locked just now (`policy.zone.lock`)."""
    audit_end: tuple[int, str] | None = None
    """Number and hash of the audit log's last entry, when this agent wrote there last."""


@dataclass(frozen=True, slots=True)
class Context:
    """Travels through the policies of one call."""

    zone: Zone
    settings: Settings
    read_header: HeaderReader
    memory: Memory = field(default_factory=Memory)
    now: Callable[[], float] = time.time

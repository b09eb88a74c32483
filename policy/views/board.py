"""The operator's board, for people and monitors: what each scanner sends, what waits, what is stuck, what is wrong.

`policy.views.board_data` collects its data. Nothing on it tells who a person is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from policy.schedule import delay_rules
from policy.zone.settings import Settings

MINUTE, HOUR = 60, 3600
LATE = 5
"""Periods (plus two minutes) without a report after which a part of MrData stands still."""


class Level(StrEnum):
    """How bad it is. Alarms make the health address say 503."""

    ALARM = "alarm"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should look at.

    `code` is for monitors, `text` for people; `scanner` where it is one's own.
    """

    level: Level
    code: str
    text: str
    scanner: str = ""


@dataclass(slots=True)
class Scanner:
    """`last`: when its experiment got something last (seconds since 1970, 0: not known);

    `recent`: objects of that in the last minutes.
    """

    name: str
    experiment: str = ""
    last: float = 0.0
    recent: int = 0
    files: int = 0
    """Of its landing folder, not registered yet."""
    resting: int = 0
    """Objects in landing that are not placed yet."""
    held: int = 0
    """Of these, on hold with an error."""
    without_raw: list[str] = field(default_factory=list)
    """Experiments of yesterday without raw data."""
    state: str = "idle"
    """`receiving`, `waiting` (an experiment is under way), `silent` (for too long), or `idle`."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Sizes in bytes."""

    names: list[str]
    total: int
    free: int

    @property
    def percent_free(self) -> float:
        """Of the whole."""
        return 100.0 * self.free / self.total if self.total else 0.0


@dataclass(slots=True)
class Board:
    """All of it at one moment. Times are seconds since 1970, 0 where nothing is known."""

    now: float
    scanners: list[Scanner] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    """Reason -> objects on hold."""
    quarantine: dict[str, int] = field(default_factory=dict)
    """Reason -> objects."""
    reviews: int = 0
    disks: list[Disk] = field(default_factory=list)
    landing_told: float = 0.0
    server_told: float = 0.0
    castellum: dict[str, Any] | None = None
    """`last_good` (seconds) and `error`; None where none is configured."""
    fixity: dict[str, Any] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    """Hook -> events that wait."""
    rules: dict[str, float] = field(default_factory=dict)
    """Delay rule -> when it ran last."""
    volume: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    """The last days -> scanner -> bytes."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is an alarm."""
        return all(problem.level is not Level.ALARM for problem in self.problems)


def problems(settings: Settings, board: Board) -> list[Problem]:
    """Lists what is wrong, alarms first."""
    found = [
        *_of_parts(settings, board),
        *_of_scanners(board),
        *_of_disks(settings, board),
        *_of_archive(settings, board),
    ]
    return sorted(found, key=lambda problem: problem.level is not Level.ALARM)


def _of_parts(settings: Settings, board: Board) -> list[Problem]:
    """Parts of MrData that stand still."""
    found, limits = [], settings.board
    if board.now - board.landing_told > LATE * limits.beat_seconds + 2 * MINUTE:
        since = f"since {_clock(board.landing_told)}" if board.landing_told else "and never has"
        found.append(
            Problem(
                Level.ALARM, "landing_silent", f"The landing host tells nothing {since}: is mrdata scan running there?"
            )
        )
    for rule, seconds in delay_rules.periods(settings).items():
        if rule not in board.rules:
            if rule in ("mrdata_sweep", "mrdata_archive"):
                found.append(
                    Problem(
                        Level.ALARM, f"{rule}_missing", f"The delay rule {rule} is not scheduled: its work is not done"
                    )
                )
        elif board.rules[rule] and board.now - board.rules[rule] > LATE * seconds + 10 * MINUTE:
            found.append(
                Problem(
                    Level.ALARM, f"{rule}_late", f"The delay rule {rule} has not run since {_clock(board.rules[rule])}"
                )
            )
    castellum = board.castellum
    if castellum and board.now - castellum["last_good"] > limits.castellum_hours * HOUR:
        since = f"since {_clock(castellum['last_good'])}" if castellum["last_good"] else "yet"
        found.append(
            Problem(
                Level.ALARM, "castellum_stale", f"Castellum has not been polled well {since}: new subjects are missing"
            )
        )
    return found


def _of_scanners(board: Board) -> list[Problem]:
    found = []
    for scanner in board.scanners:
        name = scanner.name
        if scanner.state == "silent":
            minutes = int((board.now - scanner.last) / MINUTE)
            text = (
                f"{name}: nothing for {minutes} minutes, and {scanner.experiment} is not finished: does the scanner"
                " still send?"
            )
            found.append(Problem(Level.WARNING, "scanner_silent", text, name))
        if scanner.held:
            found.append(
                Problem(
                    Level.WARNING, "objects_held", f"{name}: {scanner.held} files are stuck, and are tried again", name
                )
            )
        if scanner.without_raw:
            text = (
                f"{name}: no raw data of yesterday for"
                f" {', '.join(scanner.without_raw[:4])}{' ...' if scanner.without_raw[4:] else ''}"
            )
            found.append(Problem(Level.WARNING, "raw_missing", text, name))
    return found


def _of_disks(settings: Settings, board: Board) -> list[Problem]:
    few = [disk for disk in board.disks if disk.percent_free < settings.board.disk_percent]
    text = "Only {:.0f} % is left on the disk of {}"
    return [Problem(Level.ALARM, "disk_full", text.format(disk.percent_free, ", ".join(disk.names))) for disk in few]


def _of_archive(settings: Settings, board: Board) -> list[Problem]:
    found, fixity = [], board.fixity
    if fixity["faults"]:
        text = f"{fixity['faults']} archived objects are damaged and could not be repaired: see the reviews"
        found.append(Problem(Level.ALARM, "objects_damaged", text))
    if fixity["halted"]:
        text = f"Verification of checksums has stopped: the resource {fixity['halted']} looks damaged as a whole"
        found.append(Problem(Level.ALARM, "fixity_halted", text))
    if fixity["forecast_days"] > settings.fixity.oldest_days:
        text = f"Some checksums will not be verified for {fixity['forecast_days']:.0f} days"
        found.append(Problem(Level.WARNING, "fixity_slow", text))
    if board.reviews:
        found.append(Problem(Level.WARNING, "reviews_waiting", f"{board.reviews} questions wait for a data steward"))
    return found


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

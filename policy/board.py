"""The operator's board: what each scanner sends, what waits, what is stuck, what is amiss. The same for monitors.

No query here grows with what is archived: it asks for experiments under way, for what rests in landing and in quarantine, and for a
few small objects in which the other parts tell how they stand (`policy.bulletin`). Nothing shown tells who a person is.
"""

from __future__ import annotations

import calendar
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from policy import bulletin, delivery, fixity_state, layout, quarantine, schedule, volume
from policy.context import Context
from policy.experiment import Experiment, State
from policy.layout import DataType
from policy.registry import Registry
from policy.zone import Condition

MINUTE, HOUR, DAY = 60, 3600, 86400
UNDER_WAY = 50
"""So many experiments under way are looked at, the youngest first; a site has few scanners."""
LATE = 5
"""A part of MrData that has been silent for so many of its periods (and two minutes) stands still."""


class Level(StrEnum):
    """How bad it is. Alarms make the health address say 503."""

    ALARM = "alarm"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should look at. `code` is for monitors, `text` for people; `scanner` where it is one's own."""

    level: Level
    code: str
    text: str
    scanner: str = ""


@dataclass(slots=True)
class Scanner:
    """`last`: when it sent something last (seconds since 1970, 0: not known); `recent`: objects in the last minutes."""

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


def look(context: Context) -> Board:
    """How everything stands now, as the service account sees it."""
    board = Board(context.now())
    scanners = {name: Scanner(name) for name in context.settings.scanners}
    _sessions(context, scanners)
    _landing(context, board, scanners)
    _raw(context, scanners)
    board.scanners = list(scanners.values())
    _server(context, board)
    _waiting(context, board)
    _fixity(context, board)
    board.rules = _rules(context)
    board.volume = volume.of_days(context, context.settings.board.days)
    board.problems = _problems(context, board)
    return board


def _sessions(context: Context, scanners: dict[str, Scanner]) -> None:
    """The experiments under way: the last object of each, and how many came in the last minutes."""
    settings, now = context.settings.board, context.now()
    since = [Condition("META_COLL_ATTR_NAME", "=", "State"), Condition("META_COLL_ATTR_VALUE", "=", State.ACQUIRING)]
    mine = Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%")
    rows = context.zone.select(["COLL_CREATE_TIME", "COLL_NAME"], *since, mine, order="COLL_CREATE_TIME", descending=True, limit=UNDER_WAY)
    for _, path in rows:
        experiment = _experiment(context, path)
        if experiment is None or experiment.scanner not in scanners:
            continue
        scanner, last = scanners[experiment.scanner], _last(context, path, now - settings.session_hours * HOUR)
        if last and last >= scanner.last:
            scanner.last, scanner.experiment = last, experiment.id
            scanner.recent += _count_since(context, path, now - settings.recent_minutes * MINUTE)
    for scanner in scanners.values():
        quiet = now - scanner.last
        if scanner.recent:
            scanner.state = "receiving"
        elif scanner.last and quiet < settings.session_hours * HOUR:
            scanner.state = "silent" if quiet > settings.silent_minutes * MINUTE else "waiting"


def _experiment(context: Context, path: str) -> Experiment | None:
    return Registry(context).experiment(path.rpartition("/")[2])


def _since(path: str, since: float) -> tuple[Condition, Condition]:
    return Condition("COLL_NAME", "like", f"{path}/%"), Condition("DATA_CREATE_TIME", ">=", f"{int(since):011d}")


def _last(context: Context, path: str, since: float) -> float:
    """When the experiment's last image or file came; 0 if none came since.

    Archiving makes a replica anew, and iRODS dates it anew: an object seems as young as its archiving, a minute or two later.
    """
    rows = context.zone.select(["max(DATA_CREATE_TIME)"], *_since(path, since))
    return float(rows[0][0] or 0) if rows else 0.0


def _count_since(context: Context, path: str, since: float) -> int:
    rows = context.zone.select(["count(DATA_ID)"], *_since(path, since))
    return int(rows[0][0] or 0) if rows else 0


def _landing(context: Context, board: Board, scanners: dict[str, Scanner]) -> None:
    """What waits in the landing zone (the landing host tells) and in the landing collections."""
    told = bulletin.told(context.zone, context.settings, "landing")
    board.landing_told = float(told.get("time", 0))
    root = layout.landing(context.settings)
    columns = ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"]
    below = Condition("COLL_NAME", "like", root + "/%")
    rows = context.zone.query(columns, below, Condition("META_DATA_ATTR_NAME", "=", quarantine.ON_HOLD[2]))
    # What follows the colon may name a file; the reason before it is one of `policy.ingest.Reason`.
    board.held = dict(Counter(value.split(":")[0] for _, _, value in rows))
    for name, scanner in scanners.items():
        scanner.files = int(told.get("files", {}).get(name, 0))
        scanner.held = sum(1 for collection, _, _ in rows if f"{collection}/".startswith(f"{root}/{name}/"))
        counted = context.zone.select(["count(DATA_ID)"], Condition("COLL_NAME", "like", f"{root}/{name}/%"))
        scanner.resting = int(counted[0][0] or 0) if counted else 0


def _raw(context: Context, scanners: dict[str, Scanner]) -> None:
    """Yesterday's experiments that have images and no raw data, once the nightly export is over."""
    settings, now = context.settings.board, context.now()
    here = time.localtime(now)
    if settings.raw_hour < 0 or here.tm_hour < settings.raw_hour:
        return
    today = time.mktime((here.tm_year, here.tm_mon, here.tm_mday, 0, 0, 0, 0, 0, -1))
    yesterday = time.mktime((here.tm_year, here.tm_mon, here.tm_mday - 1, 0, 0, 0, 0, 0, -1))
    first, last = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (yesterday, today))
    rows = context.zone.query(
        ["COLL_NAME"],
        Condition("META_COLL_ATTR_NAME", "=", "Registered"),
        Condition("META_COLL_ATTR_VALUE", ">=", first),
        Condition("META_COLL_ATTR_VALUE", "<", last),
    )
    for (path,) in rows:
        experiment = _experiment(context, path) if path.startswith(layout.studies(context.settings) + "/") else None
        if experiment is None or experiment.scanner not in scanners or experiment.state in (State.REGISTERED, State.WITHDRAWN):
            continue
        if _has(context, path, DataType.DICOM) and not _has(context, path, DataType.TWIX):
            scanners[experiment.scanner].without_raw.append(experiment.id)


def _has(context: Context, path: str, data_type: DataType) -> bool:
    for where in (Condition("COLL_NAME", "=", f"{path}/{data_type}"), Condition("COLL_NAME", "like", f"{path}/{data_type}/%")):
        if context.zone.select(["DATA_ID"], where, limit=1):
            return True
    return False


def _server(context: Context, board: Board) -> None:
    """What the server tells: disks, Castellum."""
    told = bulletin.told(context.zone, context.settings, "server")
    board.server_told = float(told.get("time", 0))
    board.disks = [Disk(**disk) for disk in told.get("disks", [])]
    if context.settings.castellum.source:
        kept = told.get("castellum", {})
        board.castellum = {"last_good": _seconds(kept.get("last_good_poll", "")), "is_good": not kept.get("bad_in_a_row", 0)}


def _waiting(context: Context, board: Board) -> None:
    reasons = [Condition("META_DATA_ATTR_NAME", "=", quarantine.REASON)]
    reasons.append(Condition("COLL_NAME", "like", layout.quarantine(context.settings) + "/%"))
    board.quarantine = {reason: int(count) for reason, count in context.zone.select(["META_DATA_ATTR_VALUE", "count(DATA_ID)"], *reasons)}
    asked, judged = (_count_named(context, layout.reviews(context.settings), f"%{ending}") for ending in (".review.json", ".verdict.json"))
    board.reviews = asked - judged
    waits: Counter[str] = Counter()
    for found in delivery.waiting(context):
        waits[found.hook] += len(found.names)
    board.events = {hook: waits[hook] for hook in context.settings.events.hooks}


def _count_named(context: Context, collection: str, pattern: str) -> int:
    rows = context.zone.select(["count(DATA_ID)"], Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "like", pattern))
    return int(rows[0][0] or 0) if rows else 0


def _fixity(context: Context, board: Board) -> None:
    state = fixity_state.load(context)
    faults = context.zone.query(["COLL_NAME", "DATA_NAME"], Condition("META_DATA_ATTR_NAME", "=", fixity_state.FAULT))
    home = context.settings.home + "/"
    board.fixity = {
        "oldest": state.oldest,
        "forecast_days": state.forecast_days,
        "halted": state.halted,
        "ran": state.ran,
        "faults": sum(1 for collection, _ in faults if collection.startswith(home)),
    }


def _rules(context: Context) -> dict[str, float]:
    """Delay rule -> when it ran last (0: not yet); one that is not scheduled is not there."""
    found: dict[str, float] = {}
    for rule in schedule.periods(context.settings):
        rows = context.zone.query(["RULE_EXEC_LAST_EXE_TIME"], Condition("RULE_EXEC_NAME", "like", f"%{rule}(%"))
        if rows:
            found[rule] = max(float(last) if last.isdigit() else 0.0 for (last,) in rows)
    return found


def _seconds(moment: str) -> float:
    """ISO 8601, UTC, to seconds since 1970; 0 for none."""
    return float(calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))) if moment else 0.0


# --- what is amiss --------------------------------------------------------------------------------------------------


def _problems(context: Context, board: Board) -> list[Problem]:
    """Alarms first."""
    found = [*_of_parts(context, board), *_of_scanners(context, board), *_of_disks(context, board), *_of_archive(context, board)]
    return sorted(found, key=lambda problem: problem.level is not Level.ALARM)


def _of_parts(context: Context, board: Board) -> list[Problem]:
    """Parts of MrData that stand still."""
    found, settings = [], context.settings.board
    if board.now - board.landing_told > LATE * settings.beat_seconds + 2 * MINUTE:
        since = f"since {_clock(board.landing_told)}" if board.landing_told else "and never has"
        found.append(Problem(Level.ALARM, "landing_silent", f"The landing host tells nothing {since}: is mrdata scan running there?"))
    for rule, seconds in schedule.periods(context.settings).items():
        if rule not in board.rules:
            if rule in ("mrdata_sweep", "mrdata_archive"):
                found.append(Problem(Level.ALARM, f"{rule}_missing", f"The delay rule {rule} is not scheduled: its work is not done"))
        elif board.rules[rule] and board.now - board.rules[rule] > LATE * seconds + 10 * MINUTE:
            found.append(Problem(Level.ALARM, f"{rule}_late", f"The delay rule {rule} has not run since {_clock(board.rules[rule])}"))
    castellum = board.castellum
    if castellum and board.now - castellum["last_good"] > settings.castellum_hours * HOUR:
        since = f"since {_clock(castellum['last_good'])}" if castellum["last_good"] else "yet"
        found.append(Problem(Level.ALARM, "castellum_stale", f"Castellum has not been polled well {since}: new subjects are missing"))
    return found


def _of_scanners(context: Context, board: Board) -> list[Problem]:
    found, settings = [], context.settings.board
    for scanner in board.scanners:
        name = scanner.name
        if scanner.state == "silent":
            minutes = int((board.now - scanner.last) / MINUTE)
            text = f"{name}: nothing for {minutes} minutes, and {scanner.experiment} is not finished: does the scanner still send?"
            found.append(Problem(Level.WARNING, "scanner_silent", text, name))
        if scanner.held:
            found.append(Problem(Level.WARNING, "objects_held", f"{name}: {scanner.held} files are stuck, and are tried again", name))
        if scanner.without_raw:
            text = f"{name}: no raw data of yesterday for {', '.join(scanner.without_raw[:4])}{' ...' if scanner.without_raw[4:] else ''}"
            found.append(Problem(Level.WARNING, "raw_missing", text, name))
    return found


def _of_disks(context: Context, board: Board) -> list[Problem]:
    few = [disk for disk in board.disks if disk.percent_free < context.settings.board.disk_percent]
    text = "Only {:.0f} % are left on the disk of {}"
    return [Problem(Level.ALARM, "disk_full", text.format(disk.percent_free, ", ".join(disk.names))) for disk in few]


def _of_archive(context: Context, board: Board) -> list[Problem]:
    found, fixity = [], board.fixity
    if fixity["faults"]:
        text = f"{fixity['faults']} archived objects are damaged and could not be repaired: see the reviews"
        found.append(Problem(Level.ALARM, "objects_damaged", text))
    if fixity["halted"]:
        text = f"Verification of checksums has stopped: the resource {fixity['halted']} looks damaged as a whole"
        found.append(Problem(Level.ALARM, "fixity_halted", text))
    if fixity["forecast_days"] > context.settings.fixity.oldest_days:
        text = f"Some checksums will not be verified for {fixity['forecast_days']:.0f} days"
        found.append(Problem(Level.WARNING, "fixity_slow", text))
    if board.reviews:
        found.append(Problem(Level.WARNING, "reviews_waiting", f"{board.reviews} questions wait for a data steward"))
    return found


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

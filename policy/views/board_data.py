"""Collects the data of the operator's board.

No query here grows with what is archived: the queries ask for experiments under way, for what rests in landing and in
quarantine, and for a few small objects with the status of the other parts (`policy.records.status_report`).
"""

from __future__ import annotations

import calendar
import time
from collections import Counter, defaultdict
from datetime import date, timedelta

from policy.archive import fixity, fixity_state
from policy.ingest import quarantine
from policy.ingest.decision import Reason
from policy.records import archived_volume, event_delivery, status_report
from policy.schedule import delay_rules
from policy.views import experiment_search
from policy.views.board import HOUR, MINUTE, Board, Disk, Scanner, problems
from policy.zone import Condition, Either, layout
from policy.zone.context import Context
from policy.zone.experiment import Experiment, State
from policy.zone.layout import DataType

UNDER_WAY = 50
"""Experiments under way that are looked at, at most, the youngest first; a site has few scanners."""
_MANY = 200_000


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
    board.volume = archived_volume.of_days(context, context.settings.board.days)
    board.problems = problems(context.settings, board)
    return board


def _sessions(context: Context, scanners: dict[str, Scanner]) -> None:
    """The experiments under way: the last object of each, and how many came in the last minutes."""
    settings, now = context.settings.board, context.now()
    since = [Condition("META_COLL_ATTR_NAME", "=", "State"), Condition("META_COLL_ATTR_VALUE", "=", State.ACQUIRING)]
    mine = Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%")
    rows = context.zone.select(
        ["COLL_CREATE_TIME", "COLL_NAME"], *since, mine, order="COLL_CREATE_TIME", descending=True, limit=UNDER_WAY
    )
    paths = [path for _, path in rows if path == layout.experiment_path(context.settings, path)]
    experiments = [one for one in experiment_search.load(context, paths) if one.scanner in scanners]
    last = _grouped(context, experiments, "max(DATA_CREATE_TIME)", now - settings.session_hours * HOUR)
    recent = _grouped(context, experiments, "count(DATA_ID)", now - settings.recent_minutes * MINUTE)
    for experiment in experiments:
        scanner, latest = scanners[experiment.scanner], max(last[experiment.id], default=0)
        if latest and latest >= scanner.last:
            scanner.last, scanner.experiment, scanner.recent = latest, experiment.id, sum(recent[experiment.id])
    for scanner in scanners.values():
        quiet = now - scanner.last
        if scanner.recent:
            scanner.state = "receiving"
        elif scanner.last and quiet < settings.session_hours * HOUR:
            scanner.state = "silent" if quiet > settings.silent_minutes * MINUTE else "waiting"


def _grouped(context: Context, experiments: list[Experiment], what: str, since: float) -> dict[str, list[int]]:
    """ExperimentID -> a figure of each of its collections, of the objects that came since `since`. One query for all
    experiments.

    Archiving makes a new replica, to which iRODS gives a new date: an object seems to have come when it was archived, a
    minute or two later.
    """
    found: dict[str, list[int]] = defaultdict(list)
    if experiments:
        came = Condition("DATA_CREATE_TIME", ">=", f"{int(since):011d}")
        below = Either(tuple(Condition("COLL_NAME", "like", f"{one.path}/%") for one in experiments))
        paths = {one.path: one.id for one in experiments}
        for collection, figure in context.zone.select(["COLL_NAME", what], below, came, limit=_MANY):
            if (path := layout.experiment_path(context.settings, collection)) in paths:
                found[paths[path]].append(int(figure or 0))
    return found


def _landing(context: Context, board: Board, scanners: dict[str, Scanner]) -> None:
    """What waits in the landing zone (the landing host tells) and in the landing collections."""
    told = status_report.told(context.zone, context.settings, "landing")
    board.landing_told = float(told.get("time", 0))
    root = layout.landing(context.settings)
    columns = ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"]
    below = Condition("COLL_NAME", "like", root + "/%")
    rows = context.zone.query(columns, below, Condition("META_DATA_ATTR_NAME", "=", quarantine.ON_HOLD[2]))
    # What follows the colon may name a file; the reason before it is one of `policy.ingest.decision.Reason`.
    # The user who put the object there may have set another text.
    reasons = (value.partition(":")[0] for _, _, value in rows)
    board.held = dict(Counter(reason if reason in set(Reason) else "unknown" for reason in reasons))
    counted = context.zone.select(["COLL_NAME", "count(DATA_ID)"], below, limit=_MANY)
    for name, scanner in scanners.items():
        scanner.files = int(told.get("files", {}).get(name, 0))
        scanner.held = sum(1 for collection, _, _ in rows if f"{collection}/".startswith(f"{root}/{name}/"))
        scanner.resting = sum(
            int(count) for collection, count in counted if f"{collection}/".startswith(f"{root}/{name}/")
        )


def _raw(context: Context, scanners: dict[str, Scanner]) -> None:
    """The experiments with images of yesterday and no raw data, once the nightly export is over."""
    settings, here = context.settings.board, time.localtime(context.now())
    if settings.raw_hour < 0 or here.tm_hour < settings.raw_hour:
        return
    yesterday = date(here.tm_year, here.tm_mon, here.tm_mday) - timedelta(days=1)
    # The scanner's own date, which stands on each series.
    scanned = (
        Condition("META_COLL_ATTR_NAME", "=", "AcquisitionDate"),
        Condition("META_COLL_ATTR_VALUE", "=", f"{yesterday:%Y%m%d}"),
    )
    series = {path for (path,) in context.zone.query(["COLL_NAME"], *scanned)}
    paths = sorted({path for one in series if (path := layout.experiment_path(context.settings, one))})
    experiments = [
        one
        for one in experiment_search.load(context, paths)
        if one.scanner in scanners and one.state != State.WITHDRAWN
    ]
    if not experiments:
        return
    raw = [f"{one.path}/{DataType.TWIX}" for one in experiments]
    below = Either(
        tuple(Condition("COLL_NAME", *where) for path in raw for where in (("=", path), ("like", f"{path}/%")))
    )
    held = [collection for collection, _ in context.zone.select(["COLL_NAME", "count(DATA_ID)"], below, limit=_MANY)]
    for experiment, path in zip(experiments, raw, strict=True):
        if not any(f"{collection}/".startswith(path + "/") for collection in held):
            scanners[experiment.scanner].without_raw.append(experiment.id)


def _server(context: Context, board: Board) -> None:
    """What the server tells: disks, Castellum."""
    told = status_report.told(context.zone, context.settings, "server")
    board.server_told = float(told.get("time", 0))
    board.disks = [Disk(**disk) for disk in told.get("disks", [])]
    if context.settings.castellum.source:
        kept = told.get("castellum", {})
        board.castellum = {
            "last_good": _seconds(kept.get("last_good_poll", "")),
            "is_good": not kept.get("bad_in_a_row", 0),
        }


def _waiting(context: Context, board: Board) -> None:
    reasons = [Condition("META_DATA_ATTR_NAME", "=", quarantine.REASON)]
    reasons.append(Condition("COLL_NAME", "like", layout.quarantine(context.settings) + "/%"))
    board.quarantine = {
        reason: int(count)
        for reason, count in context.zone.select(["META_DATA_ATTR_VALUE", "count(DATA_ID)"], *reasons)
    }
    asked, judged = (
        _count_named(context, layout.reviews(context.settings), f"%{ending}")
        for ending in (".review.json", ".verdict.json")
    )
    board.reviews = asked - judged
    waits: Counter[str] = Counter()
    for found in event_delivery.waiting(context):
        waits[found.hook] += len(found.names)
    board.events = {hook: waits[hook] for hook in context.settings.events.hooks}


def _count_named(context: Context, collection: str, pattern: str) -> int:
    rows = context.zone.select(
        ["count(DATA_ID)"], Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "like", pattern)
    )
    return int(rows[0][0] or 0) if rows else 0


def _fixity(context: Context, board: Board) -> None:
    state = fixity_state.load(context)
    board.fixity = {
        "oldest": state.oldest,
        "forecast_days": state.forecast_days,
        "halted": state.halted,
        "ran": state.ran,
        "faults": len(fixity.faults(context)),
    }


def _rules(context: Context) -> dict[str, float]:
    """Delay rule -> when it ran last (0: not yet); one that is not scheduled is not there."""
    rows = context.zone.query(
        ["RULE_EXEC_NAME", "RULE_EXEC_LAST_EXE_TIME"], Condition("RULE_EXEC_NAME", "like", "%mrdata_%")
    )
    found: dict[str, float] = {}
    for rule in delay_rules.periods(context.settings):
        if times := [last for name, last in rows if f"{rule}(" in name]:
            found[rule] = max(float(last) if last.isdigit() else 0.0 for last in times)
    return found


def _seconds(moment: str) -> float:
    """ISO 8601, UTC, to seconds since 1970; 0 for none."""
    return float(calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))) if moment else 0.0

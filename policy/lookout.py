"""Looks after everything that the operator's board shows.

No query here grows with what is archived: it asks for experiments under way, for what rests in landing and in quarantine, and for a
few small objects in which the other parts tell how they stand (`policy.bulletin`).
"""

from __future__ import annotations

import calendar
import time
from collections import Counter
from datetime import date, timedelta

from policy import bulletin, delivery, fixity_state, layout, quarantine, schedule, volume
from policy.board import HOUR, MINUTE, Board, Disk, Scanner, problems
from policy.context import Context
from policy.experiment import Experiment, State
from policy.layout import DataType
from policy.registry import Registry
from policy.zone import Condition

UNDER_WAY = 50
"""So many experiments under way are looked at, the youngest first; a site has few scanners."""


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
    board.problems = problems(context.settings, board)
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
    """The experiments with images of yesterday and no raw data, once the nightly export is over."""
    settings, here = context.settings.board, time.localtime(context.now())
    if settings.raw_hour < 0 or here.tm_hour < settings.raw_hour:
        return
    yesterday = date(here.tm_year, here.tm_mon, here.tm_mday) - timedelta(days=1)
    # The scanner's own date, which stands on each series.
    scanned = Condition("META_COLL_ATTR_NAME", "=", "AcquisitionDate"), Condition("META_COLL_ATTR_VALUE", "=", f"{yesterday:%Y%m%d}")
    root = layout.studies(context.settings) + "/"
    series = {path for (path,) in context.zone.query(["COLL_NAME"], *scanned) if path.startswith(root)}
    for found in sorted({found for path in series if (found := layout.experiment_of(context.settings, path))}):
        experiment = Registry(context).experiment(found)
        if experiment is None or experiment.scanner not in scanners or experiment.state == State.WITHDRAWN:
            continue
        if not _has(context, experiment.path, DataType.TWIX):
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

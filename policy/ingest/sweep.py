"""Places what rests in landing. It needs no policy enforcement point, and settles every doubtful file."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from policy.ingest import place, quarantine
from policy.ingest.decision import Decision, Hold, Placement, Quarantine, Reason, decide
from policy.zone import AVU, Condition, NotFound, ZoneError, layout
from policy.zone.context import Context
from policy.zone.header import Header
from policy.zone.layout import Landed
from policy.zone.log import tell
from policy.zone.object_files import read_object
from policy.zone.registry import Registry

TRIES, NEXT_TRY, LAST_ERROR = quarantine.ON_HOLD
"""AVUs of an object that is on hold: tries so far, when it is due (11 digits, seconds since 1970, as iRODS writes
times), why.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object: `archived`, `quarantined`, `held` or `gone`; where it is, and why."""

    what: str
    path: str
    detail: str = ""


PAUSE_SECONDS = 0.5
"""Between two looks of a run that goes on."""


def sweep(context: Context, follow: float = 0.0) -> Counter[str]:
    """Settles every good replica in landing that is quiet and due. Counts how many were archived, quarantined, held,
    gone.

    Goes on for up to `follow` seconds while a replica is not quiet yet: what arrives now need not wait for the next
    run.
    """
    counts: Counter[str] = Counter()
    end = time.monotonic() + follow
    while True:
        counts.update(settle(context, path).what for path in due(context))
        if time.monotonic() >= end or not _arriving(context):
            return counts
        time.sleep(PAUSE_SECONDS)


def due(context: Context) -> Iterator[str]:
    """Objects in landing whose replicas are all good and quiet, and that are not waiting for their next try."""
    zone, now = context.zone, context.now()
    below = _landing(context)
    columns = ["COLL_NAME", "DATA_NAME"]
    held: dict[tuple[str, ...], str] = {}
    for *where, value in zone.query(
        [*columns, "META_DATA_ATTR_VALUE"], below, Condition("META_DATA_ATTR_NAME", "=", NEXT_TRY)
    ):
        row = tuple(where)  # killed while it was put on hold, it may have some of the AVUs, or some twice
        if value <= _longest(context):  # who put it there may have set one
            held[row] = max(held.get(row, ""), value)
    busy = set(zone.query(columns, below, Condition("DATA_REPL_STATUS", "!=", "1")))
    good = zone.query(
        columns,
        below,
        Condition("DATA_REPL_STATUS", "=", "1"),
        Condition("DATA_MODIFY_TIME", "<=", _quiet_since(context)),
    )
    for row in good:
        if row not in busy and held.get(row, "") <= f"{int(now):011d}":
            yield "/".join(row)


def _longest(context: Context) -> str:
    """The latest time for which this release schedules a try."""
    rules = context.settings.sweep
    return f"{int(context.now() + rules.retry_seconds * 2**rules.tries):011d}"


def _arriving(context: Context) -> bool:
    """Whether something was modified so recently that it is not quiet yet.

    What bears a time to come arrives later than this run.
    """
    recent = (
        Condition("DATA_MODIFY_TIME", ">", _quiet_since(context)),
        Condition("DATA_MODIFY_TIME", "<=", f"{int(context.now()):011d}"),
    )
    return bool(context.zone.query(["COLL_NAME"], _landing(context), *recent))


def _landing(context: Context) -> Condition:
    return Condition("COLL_NAME", "like", layout.landing(context.settings) + "/%")


def _quiet_since(context: Context) -> str:
    return f"{int(context.now() - context.settings.sweep.quiet_seconds):011d}"


def settle(context: Context, path: str) -> Outcome:
    """Places one object, or quarantines it, or puts it on hold.

    Passing faults put it on hold; they never leave this function.
    """
    landed = layout.landed(context.settings, path)
    if landed is None:
        return Outcome("held", path, "outside the folders dicom, twix and expdata of a scanner")
    try:
        header = read_object(context, path)
        decision: Decision | str = decide(header, landed, Registry(context), context.settings)
        if isinstance(decision, Placement):
            decision = place.carry_out(context, decision, landed, path)
        if isinstance(decision, str):
            return Outcome("archived", decision)
        if isinstance(decision, Hold):
            return _hold(context, landed, path, decision, header)
        return Outcome("quarantined", quarantine.carry_out(context, decision, landed, path, header), decision.reason)
    except NotFound as error:
        found = context.zone.stat(path)
        if found is None or found.is_collection:
            return Outcome("gone", path, "no such data object; the objects of a collection are the sweep's")
        return _fault(context, landed, path, error)
    except Exception as error:  # noqa: BLE001 - one odd object must not keep the others from being placed
        return _fault(context, landed, path, error)


def _fault(context: Context, landed: Landed, path: str, error: Exception) -> Outcome:
    # The error's own text may hold names of files, which must not be in an AVU.
    detail = (
        f"{type(error).__name__}"
        + (f" {error.code}" if isinstance(error, ZoneError) else "")
        + "; the server's log tells more"
    )
    tell(context.zone, "place", "it could not be placed", path=path, error=error)
    try:
        return _hold(context, landed, path, Hold(Reason.FAILED, detail), None)
    except ZoneError as again:
        tell(context.zone, "place", "it stays in landing, and its fault could not be noted", path=path, error=again)
        return Outcome("held", path, detail)


def _hold(context: Context, landed: Landed, path: str, hold: Hold, header: Header | None) -> Outcome:
    rules, zone = context.settings.sweep, context.zone
    old = [avu for avu in zone.metadata(path) if avu.attribute in (TRIES, NEXT_TRY, LAST_ERROR)]
    tries = 1 + max(
        (int(avu.value) for avu in old if avu.attribute == TRIES and re.fullmatch("[0-9]{1,4}", avu.value)), default=0
    )
    if tries >= rules.tries:
        verdict = Quarantine(hold.reason, f"{hold.detail} (after {tries} tries)")
        return Outcome("quarantined", quarantine.carry_out(context, verdict, landed, path, header), hold.reason)
    next_try = int(context.now() + rules.retry_seconds * 2 ** (tries - 1))
    new = [
        AVU(TRIES, str(tries)),
        AVU(NEXT_TRY, f"{next_try:011d}"),
        AVU(LAST_ERROR, f"{hold.reason}: {hold.detail}"[:2000]),
    ]
    zone.annotate(path, add=[avu for avu in new if avu not in old], remove=[avu for avu in old if avu not in new])
    return Outcome("held", path, hold.detail)

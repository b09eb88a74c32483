"""Verifies the checksums of the archive again and again: `fixity.bytes_per_day`, the oldest verification first.

The AVU `ChecksumVerified` of a collection is the date on which it was verified last: one AVU for each series, not for
each object, so that one query finds the oldest however much is archived. The first date of a collection is the day on
which it was made, since archiving compares checksums. A damaged object is repaired from a good replica, noted, and
reported to the data stewards.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict

from policy.archive import fixity_report, fixity_state, forecast, replicas, restore_drill
from policy.archive.fixity_state import DAY, FAULT, VERIFIED, State
from policy.archive.replicas import Finding, Outcome
from policy.records import audit, review
from policy.zone import AVU, Condition, NotFound, ZoneError, layout
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.log import Level, tell

LOOKS = 500
"""Collections that a run looks at, at most."""
STREAK = 25
"""Damaged objects in a row after which a run stops: the resource is damaged then, and to go on would only do harm."""
_BAD = (Outcome.REPAIRED, Outcome.DAMAGED, Outcome.LOST)


def run(context: Context, *, resume: bool = False) -> dict[str, int]:
    """Verifies as much as is allowed now. Then makes a drill, the forecast and last year's report if they are due.

    Counts the objects by outcome. Raises `Refused` after a resource was found to be damaged as a whole, until `resume`
    is given.
    """
    state, now, settings = fixity_state.load(context), context.now(), context.settings.fixity
    state.halted = "" if resume else state.halted
    if state.halted:
        raise Refused(
            f"{STREAK} objects in a row were damaged on {state.halted}: look at the resource, then resume",
            ErrorKind.CONFLICT,
        )
    # The allowance grows with time; what a large object took too much is waited for.
    # A clock that was set back earns what one period earns.
    passed = now - state.ran if 0.0 < state.ran <= now else settings.every_seconds
    earned = settings.bytes_per_day * min(1.0, passed / DAY)
    state.balance, state.ran = min(float(settings.bytes_per_day), state.balance + earned), now
    ends = time.monotonic() + settings.run_seconds
    _discover(context, state, ends)
    done = _verify_due(context, state, ends)
    if now - state.foreseen >= DAY:
        forecast.foresee(context, state)
    if now - state.drilled >= settings.drill_days * DAY:
        _drill(context, state, settings.drill_objects, settings.drill_largest_bytes)
    last_year = int(time.strftime("%Y", time.gmtime(now))) - 1
    if str(last_year) in state.years and state.reported < last_year:
        fixity_report.write(context, state, str(last_year))
        state.reported = last_year
    fixity_state.save(context, state)
    return dict(done)


def check(context: Context, path: str) -> dict[str, object]:
    """Verifies everything at or below a path of the service account's home now, however much it is.

    Raises `Refused` for other paths.
    """
    found = context.zone.stat(path)
    if found is None or not f"{path}/".startswith(context.settings.home + "/"):
        raise Refused(f"path: {path} is not a collection or object below {context.settings.home}", ErrorKind.NOT_FOUND)
    state, done, told = fixity_state.load(context), Counter[str](), list[Finding]()
    if found.is_collection:
        below = [name for (name,) in context.zone.query(["COLL_NAME"], Condition("COLL_NAME", "like", path + "/%"))]
        collections = [path, *(name for name in sorted(below) if name.startswith(path + "/"))]
    else:
        collections = [layout.parent(path)]
    for collection in collections:
        objects = replicas.of_collection(context, collection)
        findings = [
            replicas.check(context, name, objects[name])
            for name in sorted(objects)
            if found.is_collection or name == path
        ]
        _count(context, state, findings, done)
        told += [finding for finding in findings if finding.outcome is not Outcome.SOUND]
        if found.is_collection and _is_whole(findings) and "/experiments/" in collection:
            _date(context, collection)
    fixity_state.save(context, state)
    return {"objects": dict(done), "findings": [asdict(finding) for finding in told]}


def status(context: Context) -> dict[str, object]:
    """How it stands, for people and for monitors; cheap."""
    state = fixity_state.load(context)
    return {**asdict(state), "faults": faults(context)}


def faults(context: Context) -> dict[str, str]:
    """Objects of the archive and of quarantine that are damaged -> how.

    Elsewhere anybody may set AVUs, also in landing.
    """
    rows = context.zone.query(
        ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"], Condition("META_DATA_ATTR_NAME", "=", FAULT)
    )
    roots = (f"{layout.studies(context.settings)}/", f"{layout.quarantine(context.settings)}/")
    return {f"{collection}/{name}": text for collection, name, text in rows if collection.startswith(roots)}


def _verify_due(context: Context, state: State, ends: float) -> Counter[str]:
    done: Counter[str] = Counter()
    streak: Counter[str] = Counter()
    for collection in _due(context):
        findings: list[Finding] = []
        objects = replicas.of_collection(context, collection)
        after = state.after if state.collection == collection else ""
        left = [path for path in sorted(objects) if path > after]
        for path in left:
            if state.balance <= 0 or time.monotonic() > ends:
                break
            finding = replicas.check(context, path, objects[path])
            state.balance -= finding.read
            state.collection, state.after = collection, path
            findings.append(finding)
            if _is_streak(streak, finding):
                break
        _count(context, state, findings, done)
        if streak and max(streak.values()) >= STREAK:
            _halt(context, state, max(streak, key=lambda name: streak[name]))
        if len(findings) < len(left):
            break
        if _is_whole(findings):
            _date(context, collection)
        state.collection = state.after = ""
    return done


def _halt(context: Context, state: State, resource: str) -> None:
    state.halted = resource
    text = (
        f"{STREAK} objects in a row were damaged on {resource}: that is the resource (its disk, its mount), not the"
        " objects. Nothing is verified and repaired until somebody has looked at it and called mrdata_fixity with"
        " resume."
    )
    tell(context.zone, "fixity", text, level=Level.ERROR)
    review.open_review(context, "fixity", f"{_date_of(context.now())} {resource}", text)


def _is_streak(streak: Counter[str], finding: Finding) -> bool:
    """Counts objects in a row that are damaged on one resource."""
    for resource in set(streak) - set(finding.bad):
        del streak[resource]
    streak.update(finding.bad)
    return any(count >= STREAK for count in streak.values())


def _due(context: Context) -> Iterator[str]:
    """Collections that have rested long enough, what was verified longest ago first."""
    rested = _date_of(context.now() - context.settings.fixity.rest_days * DAY)
    rows = context.zone.select(
        ["META_COLL_ATTR_VALUE", "COLL_NAME"],
        Condition("META_COLL_ATTR_NAME", "=", VERIFIED),
        Condition("META_COLL_ATTR_VALUE", "<=", rested),
        Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%"),
        order="META_COLL_ATTR_VALUE",
        limit=LOOKS,
    )
    for _, collection in rows:
        if collection.startswith(layout.studies(context.settings) + "/"):
            yield collection


def _discover(context: Context, state: State, ends: float) -> None:
    """Gives each new collection of an experiment its first date. An hour is looked at twice: clocks differ."""
    since = f"{max(0, state.discovered - 3600):011d}"
    made = [
        Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%/experiments/%"),
        Condition("COLL_CREATE_TIME", ">=", since),
    ]
    dated = set(context.zone.query(["COLL_NAME"], *made, Condition("META_COLL_ATTR_NAME", "=", VERIFIED)))
    rows = context.zone.query(["COLL_NAME", "COLL_CREATE_TIME"], *made)
    for collection, created in sorted(rows, key=lambda row: row[1]):
        if time.monotonic() > ends:
            break
        if (collection,) not in dated and collection.startswith(layout.studies(context.settings) + "/"):
            context.zone.annotate(collection, add=[AVU(VERIFIED, _date_of(int(created)))])
        state.discovered = max(state.discovered, int(created))


def _date(context: Context, collection: str) -> None:
    """Verified today."""
    new = AVU(VERIFIED, _date_of(context.now()))
    try:
        old = [avu for avu in context.zone.metadata(collection) if avu.attribute == VERIFIED and avu != new]
        context.zone.annotate(collection, add=[new], remove=old)
    except NotFound as error:
        tell(context.zone, "fixity", "a collection is gone", error=error)


def _date_of(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _is_whole(findings: list[Finding]) -> bool:
    """Whether all objects were looked at; damage that was told counts as a look."""
    return all(finding.outcome is not Outcome.FAILED for finding in findings)


def _count(context: Context, state: State, findings: list[Finding], done: Counter[str]) -> None:
    """Counts what came out; damage is kept and told."""
    year = state.year(context.now())
    for finding in findings:
        done[finding.outcome] += 1
        year.objects += finding.outcome not in (Outcome.FAILED, Outcome.GONE)
        year.read += finding.read
        if finding.outcome in (*_BAD, Outcome.FAILED):
            setattr(year, finding.outcome, getattr(year, finding.outcome) + 1)
            tell(context.zone, "fixity", f"it is {finding.outcome}", path=finding.path, level=Level.WARNING)
    if bad := [finding for finding in findings if finding.outcome in _BAD]:
        _tell(context, bad)
    if findings:
        known = faults(context)
        for finding in findings:
            if finding.outcome is Outcome.SOUND and finding.path in known:
                _mark(context, finding)


def _tell(context: Context, bad: list[Finding]) -> None:
    """Notes damage in one collection: for the report, in the audit log, on the objects; and asks the stewards where it
    is not repaired.
    """
    fixity_state.note(context, bad)
    counts = Counter(finding.outcome for finding in bad)
    experiment = layout.experiment_of(context.settings, bad[0].path) or ""
    where = ", ".join(sorted({resource for finding in bad for resource in finding.bad})) or "catalog"
    audit.record(
        context,
        "replicas damaged",
        experiment=experiment,
        where=where,
        **{str(what): str(n) for what, n in counts.items()},
    )
    for finding in bad:
        _mark(context, finding)
    if open_ := [finding for finding in bad if finding.outcome is not Outcome.REPAIRED]:
        lost = counts[Outcome.LOST]
        head = (
            f"{lost} objects have no good replica left"
            if lost
            else f"{len(open_)} damaged replicas could not be repaired"
        )
        first = "; ".join(f"{finding.path} ({finding.text})" for finding in open_[:5])
        text = (
            f"{head}: {first}{' ...' if len(open_) > 5 else ''}. Look for a good copy (backup, landing zone, scanner)"
            " before anything else."
        )
        review.open_review(context, "fixity", f"{_date_of(context.now())} {open_[0].path}", text)


def _mark(context: Context, finding: Finding) -> None:
    """The AVU of what is not repaired; gone when it is sound."""
    try:
        old = [avu for avu in context.zone.metadata(finding.path) if avu.attribute == FAULT]
        new = [AVU(FAULT, finding.outcome)] if finding.outcome in (Outcome.DAMAGED, Outcome.LOST) else []
        context.zone.annotate(finding.path, add=new, remove=[avu for avu in old if avu not in new])
    except ZoneError as error:
        tell(context.zone, "fixity", "it could not be marked", path=finding.path, error=error)


def drill_now(
    context: Context, objects: int, largest: int | None, progress: Callable[[int], None] = lambda size: None
) -> list[restore_drill.Result]:
    """A drill at once, of objects of at most `largest` bytes; `progress` hears of each object's size."""
    state = fixity_state.load(context)
    results = _drill(context, state, objects, largest, progress)
    fixity_state.save(context, state)
    return results


def _drill(
    context: Context,
    state: State,
    objects: int,
    largest: int | None,
    progress: Callable[[int], None] = lambda size: None,
) -> list[restore_drill.Result]:
    results = restore_drill.drill(context.zone, layout.studies(context.settings), objects, largest, progress=progress)
    record_drill(context, state, results)
    return results


def record_drill(context: Context, state: State, results: list[restore_drill.Result]) -> None:
    """Counts a drill; what could not be read back is told."""
    faults = [result for result in results if result.fault]
    year = state.year(context.now())
    year.drills, year.drilled, year.drill_faults = (
        year.drills + 1,
        year.drilled + len(results),
        year.drill_faults + len(faults),
    )
    state.drilled = context.now()
    audit.record(context, "restore drill", objects=str(len(results)), faults=str(len(faults)))
    if faults:
        first = "; ".join(f"{result.path}: {result.fault}" for result in faults[:5])
        review.open_review(
            context,
            "fixity",
            f"drill {_date_of(context.now())}",
            f"{len(faults)} objects could not be read back: {first}",
        )

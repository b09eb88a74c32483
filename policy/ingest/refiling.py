"""Re-files under the right ExperimentID: from quarantine, or from an experiment whose ID was typed by mistake."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from policy.ingest import origin, place, quarantine
from policy.ingest.decision import Quarantine, Reason, admit, place_of
from policy.records import audit
from policy.zone import AVU, Condition, ZoneError, experiment_id, layout, lock
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType, Landed
from policy.zone.lock import Busy
from policy.zone.object_files import read_object
from policy.zone.registry import Registry
from policy.zone.vocabulary import UNITS

REASSIGNED = "Reassigned"
"""AVU of an object that was re-filed: when, by whom, from where.

From which experiment tells the audit log: everybody can read AVUs.
"""
MADE_HERE = {
    *UNITS,
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    *quarantine.OF_OBJECT,
    *quarantine.ON_HOLD,
    origin.LANDING_BATCH,
}
"""AVUs of an object that follow from its header or its stay in quarantine; all others travel with it."""

REFILING, REFILED = "re-filing", "re-filed"
TAKING_BACK, TAKEN_BACK = "taking back", "taken back"
"""Acts in the audit log: before, with how many objects were `asked` for, and after, with how many `objects` were moved.
"""
_FROM_QUARANTINE = re.compile(r" from quarantine (?P<session>[^:]+): (?P<reason>[\w-]+)$")


@dataclass(frozen=True, slots=True)
class Move:
    """One object's way. `note` says what is special about it, or why it stays where it is (then `target` is empty)."""

    source: str
    target: str
    note: str = ""


def reassign(
    context: Context, source: str, to: str, *, dry_run: bool = False, accept_personal_data: bool = False, by: str = ""
) -> list[Move]:
    """Re-files all objects of `source` under the experiment `to`; with `dry_run`, says what would happen and changes
    nothing.

    `by` is the user who wants it (default: the client user). `source` is an ExperimentID, or the path of a collection
    or an object in quarantine or in the archive. Files that tell who the person is stay where they are unless a data
    steward accepts them. A second call does what the first left undone.
    """
    by = by or context.zone.whoami().name
    with _locked(context, "re-file", *(_named(context, one) for one in (to, source))):
        experiment, taken_from = _target(context, to), _origin(context, source)
        paths = _objects(context, source)
        if not paths:
            raise Refused(
                f"no object is below {source!r}; `mrdata quarantine` lists what is in quarantine", ErrorKind.NOT_FOUND
            )
        note = _Note(context, experiment, taken_from, _told(context, source), by, accept_personal_data)
        if not dry_run:
            note.begun(len(paths))
        moves = [
            _tried(path, lambda path: _refile(context, path, experiment, dry_run, accept_personal_data, by))
            for path in paths
        ]
        if not dry_run:
            note.done(moves)
    return moves


def take_back(context: Context, to: str, session: str, *, by: str = "") -> list[Move]:
    """Moves what was re-filed from a session in quarantine (`<scanner>/<session>`) under the experiment `to` back to
    that session.

    A second call does what the first left undone. Copies that were in the archive already stay as they are.
    """
    by = by or context.zone.whoami().name
    with _locked(context, "take back", _named(context, to)):
        return _taken_back(context, _target(context, to), session, by)


def _taken_back(context: Context, experiment: Experiment, session: str, by: str) -> list[Move]:
    below = Condition("COLL_NAME", "like", f"{experiment.path}/%")
    rows = context.zone.query(
        ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"],
        below,
        Condition("META_DATA_ATTR_NAME", "=", REASSIGNED),
        Condition("META_DATA_ATTR_VALUE", "like", f"% from quarantine {session}: %"),
    )
    reasons = {
        f"{collection}/{name}": found
        for collection, name, value in sorted(rows)
        if (found := _FROM_QUARANTINE.search(value))
    }
    paths = {path: found["reason"] for path, found in reasons.items() if found["session"] == session}
    if not paths:
        raise Refused(f"{experiment.id} holds nothing that was re-filed from {session}", ErrorKind.NOT_FOUND)
    told = {"experiment": experiment.id, "study": experiment.study, "by": by, "to": session}
    audit.record(context, TAKING_BACK, **told, asked=str(len(paths)))
    into = f"{layout.quarantine(context.settings)}/{session}"
    moves = [_tried(path, lambda path: _back(context, path, paths[path], into, by)) for path in paths]
    audit.record(context, TAKEN_BACK, **told, **_counted(moves))
    return moves


def _back(context: Context, path: str, reason: str, session: str, by: str) -> Move:
    """Moves one object back into quarantine. Removes the AVUs that describe it as archived last: if the process is
    killed in between, the object is described again, or found in quarantine.
    """
    avus = context.zone.metadata(path)
    landed, header = _landed(context, path), read_object(context, path)
    known = Reason(reason) if reason in set(Reason) else Reason.FAILED
    verdict = Quarantine(
        known, f"taken back by {by}"
    )  # the audit log tells from where; a detail can be read by everybody
    target = quarantine.carry_out(context, verdict, landed, path, header, session=session)
    context.zone.annotate(
        target, remove=[avu for avu in avus if avu.attribute in MADE_HERE or avu.attribute == origin.LANDING_PATH]
    )
    tidy(context, layout.parent(path))
    return Move(path, target)


def _target(context: Context, to: str) -> Experiment:
    parsed = experiment_id.parse(to)
    if parsed is None:
        raise Refused(f"{to!r} is not an ExperimentID: its check character does not fit")
    experiment = Registry(context).experiment(parsed)
    if experiment is None:
        raise Refused(f"{parsed} was never registered", ErrorKind.NOT_FOUND)
    if not experiment.is_open:
        raise Refused(f"{parsed} is {experiment.state} and accepts no files", ErrorKind.CONFLICT)
    return experiment


def _origin(context: Context, source: str) -> Experiment | None:
    """The experiment that it is taken from; None if it is in quarantine. Raises `Refused` if that one is closed."""
    named = _named(context, source)
    experiment = Registry(context).experiment(named) if named else None
    if experiment and not experiment.is_open:
        raise Refused(
            f"{experiment.id} is {experiment.state}, and nothing is taken out of it; a data steward can reopen it",
            ErrorKind.CONFLICT,
        )
    return experiment


@contextmanager
def _locked(context: Context, act: str, *experiments: str) -> Iterator[None]:
    """Within the block nobody else changes the state of these; always taken in the same order, so that two never wait
    for each other.
    """
    with ExitStack() as locks:
        for one in sorted({one for one in experiments if one}):
            locks.enter_context(lock.held(context, one, act))
        yield


def _named(context: Context, source: str) -> str:
    """The ExperimentID that it is or belongs to; empty if it is in quarantine."""
    return experiment_id.parse(source) or layout.experiment_of(context.settings, source) or ""


def _told(context: Context, source: str) -> str:
    """Of a path in quarantine only the session: what is below may tell who the person is."""
    return "/".join(source.removeprefix(layout.quarantine(context.settings) + "/").split("/")[:2])


@dataclass(frozen=True, slots=True)
class _Note:
    """Writes into the audit log that a re-filing begins, and what was done, for both experiments."""

    context: Context
    to: Experiment
    taken_from: Experiment | None
    session: str
    by: str
    accepts: bool

    def begun(self, objects: int) -> None:
        self._record(REFILING, f"{REFILING} elsewhere", {"asked": str(objects)})

    def done(self, moves: Sequence[Move]) -> None:
        self._record(REFILED, f"{REFILED} elsewhere", _counted(moves))

    def _record(self, act: str, elsewhere: str, told: dict[str, str]) -> None:
        told |= {"personal_data": "accepted"} if self.accepts else {}
        to, taken_from = self.to, self.taken_from
        source = taken_from.id if taken_from else self.session
        audit.record(self.context, act, experiment=to.id, study=to.study, by=self.by, source=source, **told)
        if taken_from and taken_from.id != to.id:
            audit.record(
                self.context, elsewhere, experiment=taken_from.id, study=taken_from.study, by=self.by, to=to.id, **told
            )


def _counted(moves: Sequence[Move]) -> dict[str, str]:
    moved = sum(bool(move.target) for move in moves)
    return {"objects": str(moved), **({"held_back": str(len(moves) - moved)} if moved < len(moves) else {})}


def _tried(path: str, act: Callable[[str], Move]) -> Move:
    """One object's way; what fails with it holds up no other."""
    try:
        return act(path)
    except Busy:
        raise
    except (Refused, ZoneError, OSError) as error:
        return Move(path, "", f"failed: {error}")


def _objects(context: Context, source: str) -> list[str]:
    zone, settings = context.zone, context.settings
    if parsed := experiment_id.parse(source):
        wrong = Registry(context).experiment(parsed)
        if wrong is None:
            raise Refused(f"{parsed} was never registered", ErrorKind.NOT_FOUND)
        return [p for data_type in DataType for p in _objects(context, f"{wrong.path}/{data_type}")]
    source = source.rstrip("/")
    inside = source.startswith(layout.quarantine(settings) + "/") or layout.experiment_of(settings, source)
    if not inside or ".." in source.split("/"):
        raise Refused(f"{source!r} is neither an ExperimentID nor a path in quarantine or in an experiment")
    stat = zone.stat(source)
    if stat and not stat.is_collection:
        return [source]
    rows = zone.query(["COLL_NAME", "DATA_NAME"], Condition("COLL_NAME", "=", source))
    rows += zone.query(["COLL_NAME", "DATA_NAME"], Condition("COLL_NAME", "like", source + "/%"))
    paths = (f"{collection}/{name}" for collection, name in rows)
    return sorted(p for p in paths if p.startswith(source + "/") and not layout.is_record(settings, p))


def _refile(
    context: Context, path: str, experiment: Experiment, dry_run: bool, accept_personal_data: bool, by: str
) -> Move:
    avus = context.zone.metadata(path)
    landed = _landed(context, path)
    header = read_object(context, path)
    verdict = admit(header, landed, experiment, context.settings)
    note = ""
    if isinstance(verdict, Quarantine):
        if not accept_personal_data:
            return Move(path, "", f"{verdict.reason}: {verdict.detail}")
        note = f"accepted by a data steward, though: {verdict.detail}"
    placement = place_of(header, landed, experiment)
    if dry_run:
        return Move(path, place.foreseen(placement), note)
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))
    is_archived = layout.experiment_of(context.settings, path) is not None
    source = "another experiment" if is_archived else _place_in_quarantine(context, path, avus)
    history = AVU(REASSIGNED, f"{when} by {by} from {source}")
    outdated = [avu for avu in avus if avu.attribute in MADE_HERE]
    placed = place.carry_out(context, placement, landed, path, history=[history], outdated=outdated)
    if not isinstance(placed, str):
        return Move(path, "", f"{placed.reason}: {placed.detail}")
    tidy(context, layout.parent(path))
    return Move(path, placed, note)


def _place_in_quarantine(context: Context, path: str, avus: list[AVU]) -> str:
    """Session and reason, by which it can be taken back; nothing below the session: that may tell who the person is."""
    session = "/".join(path.removeprefix(layout.quarantine(context.settings) + "/").split("/")[:2])
    reason = next((avu.value for avu in avus if avu.attribute == quarantine.REASON), Reason.FAILED)
    return f"quarantine {session}: {reason}"


def _landed(context: Context, path: str) -> Landed:
    """Where it landed: the path in quarantine tells, or the origin of an archived object."""
    if landed := layout.quarantined(context.settings, path):
        return landed
    for one in origin.of_object(context, path):
        if landed := layout.landed(context.settings, f"{layout.landing(context.settings)}/{one.landing_path}"):
            return landed
    raise ZoneError(f"{path}: neither its file nor an AVU LandingPath tells where it landed")


def tidy(context: Context, collection: str) -> None:
    """A series of which nothing is left would still be found by its AVUs."""
    zone = context.zone
    left = zone.query(["DATA_ID"], Condition("COLL_NAME", "=", collection))
    below = zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", collection))
    if not left and not below and layout.parent(collection).rpartition("/")[2] == DataType.DICOM:
        zone.remove(collection)
        for key in [key for key, known in context.memory.series.items() if known.path == collection]:
            del context.memory.series[key]

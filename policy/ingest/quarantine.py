"""The quarantine: what nobody could place, with the reason, what the header said, and the experiments that may be
meant.

Everything of one exam stands in one collection (a session), so that it can be re-filed with one command. What was typed
at the scanner may be a person's name, and so may the names of exported files. iRODS shows the values of AVUs to every
user of the zone, so neither is in an AVU: an object keeps its landing path as its path in quarantine, and a name is
read from its header.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from policy.ingest import origin
from policy.ingest.decision import Quarantine, folder_id
from policy.ingest.place import claim, hand_over
from policy.records import audit
from policy.zone import AVU, Condition, Exists, experiment_id, layout
from policy.zone.context import Context
from policy.zone.experiment import Experiment, State
from policy.zone.header import Header
from policy.zone.layout import Landed
from policy.zone.object_files import read_object
from policy.zone.registry import Candidate, Registry

REASON, DETAIL, SINCE = OF_OBJECT = ("Reason", "Detail", "Quarantined")
HEADER_SAYS, CANDIDATE = "HeaderSays", "Candidate"
SAYS_WITHDRAWN = "SaysWithdrawn"
"""Instead of `HeaderSays`, for a withdrawn experiment: a hash of its ID."""
ON_HOLD = ("Tries", "NextTry", "LastError")


@dataclass(frozen=True, slots=True)
class Session:
    """What lies in quarantine of one exam. `header_says` is what was typed at the scanner."""

    path: str
    scanner: str
    header_says: str
    since: str
    objects: int
    reasons: dict[str, int]
    details: list[str]
    candidates: list[Candidate] = field(default_factory=list)


def carry_out(
    context: Context, verdict: Quarantine, landed: Landed, path: str, header: Header | None, *, session: str = ""
) -> str:
    """Moves an object into the quarantine; where it is then. `session`: where it was before, if it is still there."""
    zone = context.zone
    if not session or zone.stat(session) is None:
        session = _session(context, landed, header, verdict.meant)
    # Its path tells where it landed from now on: an AVU could be read by everybody. Only the batch would be forgotten.
    foreign = claim(context, path)
    avus = zone.metadata(path) if foreign is None else []
    batches = {one.batch for one in origin.of_object(context, path, avus) if one.batch}
    old = [avu for avu in avus if avu.attribute in ON_HOLD] if foreign is None else foreign
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))
    says = [AVU(REASON, verdict.reason), AVU(DETAIL, verdict.detail[:2000]), AVU(SINCE, since)]
    says += [AVU(origin.LANDING_BATCH, batch) for batch in sorted(batches)]
    zone.annotate(path, add=says, remove=[avu for avu in old if avu not in says])
    hand_over(context, path, context.settings.stewards)
    for attempt in range(1, 1000):
        again = f"/again{attempt}" if attempt > 1 else ""
        target = f"{session}{again}/{landed.branch}/{landed.relative}"
        zone.make_collection(layout.parent(target))
        try:
            zone.move(path, target)
        except Exists:
            continue
        return target
    raise Exists(f"{target} and 998 others of its name are taken")


def sessions(context: Context) -> list[Session]:
    """All that is in quarantine, the oldest first, with the nearest experiments as they are registered now."""
    zone, root = context.zone, layout.quarantine(context.settings)
    values: dict[str, dict[str, list[str]]] = {}
    objects: dict[str, str] = {}
    below = Condition("COLL_NAME", "like", root + "/%")
    for attribute in OF_OBJECT:
        rows = zone.query(
            ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"], below, Condition("META_DATA_ATTR_NAME", "=", attribute)
        )
        for collection, name, value in rows:
            session = "/".join(collection.split("/")[: root.count("/") + 3])
            values.setdefault(session, {}).setdefault(attribute, []).append(value)
            objects[session] = f"{collection}/{name}"
    found = [_describe(context, path, values[path], objects[path]) for path in values]
    return sorted(found, key=lambda s: s.since)


def _describe(context: Context, path: str, values: dict[str, list[str]], example: str) -> Session:
    scanner = path.split("/")[-2]
    says = next((avu.value for avu in context.zone.metadata(path) if avu.attribute == HEADER_SAYS), "") or _typed(
        read_object(context, example)
    )
    return Session(
        path=path,
        scanner=scanner,
        header_says=says,
        since=min(values.get(SINCE, [""])),
        objects=len(values.get(REASON, [])),
        reasons=dict(Counter(values.get(REASON, []))),
        details=sorted(set(values.get(DETAIL, []))),
        candidates=Registry(context).nearest(says, scanner) if experiment_id.normalise(says) else [],
    )


def _typed(header: Header | None) -> str:
    return header.patient_name if header and not header.masked else ""


def _session(context: Context, landed: Landed, header: Header | None, meant: str) -> str:
    """The collection of the exam: what was typed on that day at that scanner, else the frame of reference, else the
    landing folder.

    What is typed may be masked, or be no header's at all: then it is the ExperimentID that was found another way
    (`meant`), or that of the landing folder.
    """
    typed = meant or _typed(header) or folder_id(landed)
    date = header.date if header else ""
    frame_of_reference = header.frame_of_reference_uid if header else ""
    key = (
        f"typed {experiment_id.normalise(typed)}"
        if typed
        else f"frame {frame_of_reference}"
        if frame_of_reference
        else ""
    )
    key = key or f"folder {'/'.join(landed.folders)}"
    digest = hashlib.sha256(f"{landed.scanner} {date} {key}".encode()).hexdigest()[:8]
    path = f"{layout.quarantine(context.settings)}/{landed.scanner}/{layout.safe(date) or 'undated'}_{digest}"
    if path not in context.memory.sessions:
        parsed = experiment_id.parse(typed)
        found = Registry(context).experiment(parsed) if parsed else None
        if context.zone.stat(path) is None:
            _note(context, path, found)
        context.zone.make_collection(path)
        nearest = Registry(context).nearest(typed, landed.scanner) if typed else []
        near = {c.experiment.id: c.distance for c in nearest}
        if found and found.state != State.WITHDRAWN:  # which may be closed, and then is none of the nearest
            near[found.id] = 0
        says = _says(typed, found, near) + [
            AVU(CANDIDATE, one, f"distance {distance}") for one, distance in near.items()
        ]
        context.zone.annotate(path, add=says)
        context.memory.sessions.add(path)
    return path


def _says(typed: str, found: Experiment | None, near: Mapping[str, int]) -> list[AVU]:
    """The ExperimentID as it is written, or what was typed if one that exists is meant; one that is withdrawn is not
    told to everybody.

    What only looks like an ExperimentID may be a person's name: it is read from the header when a data steward asks.
    """
    if found and found.state == State.WITHDRAWN:
        return [AVU(SAYS_WITHDRAWN, audit.about(found.id))]
    is_meant = found is not None or min(near.values(), default=experiment_id.LENGTH) <= experiment_id.MISTYPED_BY
    return [AVU(HEADER_SAYS, experiment_id.parse(typed) or typed)] if typed and is_meant else []


def _note(context: Context, session: str, meant: Experiment | None) -> None:
    """A new session in the audit log; with the ExperimentID only if there is such an experiment: names may look like
    IDs.
    """
    where = session.removeprefix(layout.quarantine(context.settings) + "/")
    audit.record(
        context,
        "session quarantined",
        experiment=meant.id if meant else "",
        study=meant.study if meant else "",
        session=where,
    )

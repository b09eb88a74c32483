"""The quarantine as a data steward's desk shows it: sessions, their objects, and previews without personal data.

The number of queries does not depend on what is in quarantine. All of it is asked as the service account or as a data
steward.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from policy.ingest.quarantine import CANDIDATE, DETAIL, HEADER_SAYS, REASON, SINCE
from policy.views.experiment_search import load
from policy.zone import Among, Condition, experiment_id, layout
from policy.zone.context import Context
from policy.zone.experiment import OPEN
from policy.zone.header import Header, Kind
from policy.zone.object_files import read_object
from policy.zone.registry import LOOKS, UNLIKE, Candidate

SHOWN = 200
"""Objects of a session on its page."""
_PREVIEW = (
    "Modality", "ProtocolName", "SeriesNumber", "SeriesDescription", "SequenceName", "RepetitionTime", "EchoTime", "FlipAngle",  # noqa: E501
    "Rows", "Columns", "NumberOfFrames", "MagneticFieldStrength", "SoftwareVersions", "AcquisitionDate",
)  # fmt: skip
_PICTURES = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1")
"""MR Image Storage and Enhanced MR Image Storage (PS3.4 B.5): their pixels are measured, not screens with text."""


@dataclass(frozen=True, slots=True)
class Line:
    """A session in the list.

    `typed` is what was typed at the scanner if it looks like an ID; `since` is UTC, ISO 8601.
    """

    path: str
    scanner: str
    name: str
    typed: str
    since: str
    objects: int
    reasons: dict[str, int]
    candidates: list[tuple[str, int]] = field(default_factory=list)
    """ExperimentIDs that it may mean and their distance, as they were when it came."""


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a session.

    Its name is not shown: it may be a person's. `id` is iRODS's number of it; `size` in bytes.
    """

    id: str
    branch: str
    size: int
    since: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an object's header says, without personal data."""

    kind: str
    problem: str
    told: dict[str, str]
    has_picture: bool


def sessions(context: Context) -> list[Line]:
    """All, the oldest first, by three queries."""
    zone, root = context.zone, layout.quarantine(context.settings)
    below = Condition("COLL_NAME", "like", f"{root}/%")
    reasons: dict[str, dict[str, int]] = {}
    for collection, reason, count in zone.select(
        ["COLL_NAME", "META_DATA_ATTR_VALUE", "count(DATA_ID)"], below, Condition("META_DATA_ATTR_NAME", "=", REASON)
    ):
        held = reasons.setdefault(_session_of(root, collection), {})
        held[reason] = held.get(reason, 0) + int(count)
    since: dict[str, str] = {}
    for collection, first in zone.select(
        ["COLL_NAME", "min(META_DATA_ATTR_VALUE)"], below, Condition("META_DATA_ATTR_NAME", "=", SINCE)
    ):
        session = _session_of(root, collection)
        since[session] = min(first, since.get(session, first))
    typed: dict[str, str] = {}
    candidates: dict[str, list[tuple[str, int]]] = {}
    for collection, name, value, unit in zone.select(
        ["COLL_NAME", "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE", "META_COLL_ATTR_UNITS"],
        below,
        Among("META_COLL_ATTR_NAME", (HEADER_SAYS, CANDIDATE)),
    ):
        distance = unit.rpartition(" ")[2]
        if name == HEADER_SAYS:
            typed[collection] = value
        elif distance.isdigit() and int(distance) < UNLIKE:
            candidates.setdefault(collection, []).append((value, int(distance)))
    lines = [
        Line(
            path=path,
            scanner=path.split("/")[-2],
            name=path.split("/")[-1],
            typed=typed.get(path, ""),
            since=since.get(path, ""),
            objects=sum(held.values()),
            reasons=dict(sorted(held.items(), key=lambda item: -item[1])),
            candidates=sorted(candidates.get(path, []), key=lambda item: item[1]),
        )
        for path, held in reasons.items()
    ]
    return sorted(lines, key=lambda line: (line.since, line.path))


def objects(context: Context, session: str) -> list[Object]:
    """The first `SHOWN` objects of a session."""
    below = Condition("COLL_NAME", "like", f"{session}/%")
    rows = context.zone.select(["DATA_ID", "COLL_NAME", "DATA_SIZE"], below, order="DATA_ID", limit=SHOWN)
    held = {number: (collection, size) for number, collection, size in rows if collection.startswith(session + "/")}
    if not held:
        return []
    told: dict[str, dict[str, str]] = {}
    for number, name, value in context.zone.select(
        ["DATA_ID", "META_DATA_ATTR_NAME", "META_DATA_ATTR_VALUE"],
        Among("DATA_ID", tuple(held)),
        Among("META_DATA_ATTR_NAME", (REASON, DETAIL, SINCE)),
    ):
        told.setdefault(number, {})[name] = value
    return [
        Object(
            number,
            _branch(context, collection),
            int(size),
            *(told.get(number, {}).get(name, "") for name in (SINCE, REASON, DETAIL)),
        )
        for number, (collection, size) in held.items()
    ]


def path_of(context: Context, session: str, number: str) -> str | None:
    """The path of an object of a session by iRODS's number of it."""
    if not number.isdigit():
        return None
    rows = context.zone.query(["COLL_NAME", "DATA_NAME"], Condition("DATA_ID", "=", number))
    return next(
        (f"{collection}/{name}" for collection, name in rows if f"{collection}/".startswith(session + "/")), None
    )


def typed_in(context: Context, session: str) -> str:
    """What was typed at the scanner; empty where it looks like no ID, since then it may be a person's name."""
    return next((avu.value for avu in context.zone.metadata(session) if avu.attribute == HEADER_SAYS), "")


def nearest(context: Context, typed: str, scanner: str, *, limit: int = 5) -> list[Candidate]:
    """Open experiments that the typed text may have meant, as `Registry.nearest`, by two queries."""
    rows = context.zone.select(
        ["COLL_NAME"],
        Condition("META_COLL_ATTR_NAME", "=", "State"),
        Among("META_COLL_ATTR_VALUE", tuple(OPEN)),
        Condition("COLL_PARENT_NAME", "like", f"{layout.studies(context.settings)}/%/experiments"),
        limit=100_000,
    )
    distances = {
        path: min(experiment_id.distance(typed, path.rpartition("/")[2]), UNLIKE) if typed else UNLIKE
        for (path,) in rows
    }
    furthest = sorted(distances.values())[:limit][-1] if distances else 0
    near = sorted(
        (path for path, distance in distances.items() if distance <= furthest), key=lambda path: distances[path]
    )
    found = [Candidate(e, distances[e.path]) for e in load(context, near[:LOOKS])]
    found.sort(key=lambda c: c.experiment.registered, reverse=True)
    found.sort(key=lambda c: (c.distance, c.experiment.scanner != scanner))
    return found[:limit]


def preview(context: Context, path: str) -> Preview:
    """How an object was acquired; of the person, nothing."""
    header = read_object(context, path)
    told = {name: header.technique[name] for name in _PREVIEW if header.technique.get(name)}
    return Preview(str(header.kind), header.problem, told, _has_picture(header))


def _has_picture(header: Header) -> bool:
    return header.kind is Kind.DICOM and not header.problem and header.sop_class_uid in _PICTURES


def _session_of(root: str, collection: str) -> str:
    return "/".join(collection.split("/")[: root.count("/") + 3])


def _branch(context: Context, collection: str) -> str:
    landed = layout.quarantined(context.settings, f"{collection}/x")
    return landed.branch if landed else ""

"""Writes events, which workflows wait for: JSON objects in the outbox, one collection for each experiment.

    <home>/outbox/<StudyID>/<ExperimentID>/<number>_<time>_<kind>_<event id>.json

Everybody who may read a study may read its events. `number` gives the order in an experiment; events of one number
happened at the same time. Before an event is written, its collection gets an AVU for each hook that wants it: a process
that is killed in between leaves either nothing to deliver or something that will be delivered.
`policy.records.event_delivery` removes the AVU when the hook has taken the event.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import time
import uuid
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from policy.zone import AVU, Access, Condition, NotFound, layout, small_object
from policy.zone.context import Context
from policy.zone.experiment import Experiment
from policy.zone.registry import Registry
from policy.zone.settings import Hook, Settings

PENDING = "EventPending"
"""AVU of an experiment's outbox: the name of an event; its unit is the hook that waits for it."""


class Kind(StrEnum):
    """What happened."""

    REGISTERED = "registered"
    """The experiment was registered."""
    SERIES_COMPLETE = "series_complete"
    """A series has all its images, and its products are made."""
    FINISHED = "finished"
    """No more files are expected."""
    FINALIZED = "finalized"
    """The experiment is read-only, with a manifest."""
    WITHDRAWN = "withdrawn"
    """The subject or the experiment was withdrawn."""
    REINSTATED = "reinstated"
    """It was restored."""
    ERASED = "erased"
    """It was erased."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an experiment. `time` is UTC, ISO 8601; `path` is the experiment's collection."""

    id: str
    number: int
    kind: Kind
    time: str
    experiment: str
    study: str
    path: str
    details: dict[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its object; names sort by number."""
        compact = self.time.replace("-", "").replace(":", "")
        return f"{self.number:06d}_{compact}_{self.kind}_{self.id}.json"

    def text(self) -> str:
        """What the object holds, and hooks get."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def outbox(settings: Settings) -> str:
    """The collection of all events."""
    return f"{settings.home}/outbox"


def collection(settings: Settings, study: str, experiment_id: str) -> str:
    """The collection of an experiment's events."""
    return f"{outbox(settings)}/{study}/{experiment_id}"


def emit(
    context: Context,
    kind: Kind | str,
    experiment: Experiment | str,
    *,
    once: str = "",
    **details: str | int | float | bool,
) -> str | None:
    """Writes an event of an experiment (or of an ExperimentID) and returns its id. `details` must not tell who the
    person is.

    With `once`, a text that tells this event from others of its kind (a SeriesInstanceUID), the event is written once
    for the experiment, however often it is emitted; returns None if it was there. A caller that emits with `once`
    before it notes that the work is done loses no event. Raises NotFound for an unknown ExperimentID, ValueError for an
    unknown kind.
    """
    found = experiment if isinstance(experiment, Experiment) else Registry(context).experiment(experiment)
    if found is None:
        raise NotFound(f"{experiment} is not a registered experiment")
    kind, base = Kind(kind), _prepared(context, found)
    own = hashlib.sha256(f"{found.id} {kind} {once}".encode()).hexdigest()[:32] if once else uuid.uuid4().hex
    there = names(context, base)
    if any(id_of(name) == own for name in there):
        return None
    event = Event(
        id=own,
        number=1 + max((int(name.split("_")[0]) for name in there), default=0),
        kind=kind,
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now())),
        experiment=found.id,
        study=found.study,
        path=found.path,
        details=details,
    )
    waiting = [name for name, hook in context.settings.events.hooks.items() if wants(hook, event)]
    context.zone.annotate(base, add=[AVU(PENDING, event.name, hook) for hook in waiting])
    small_object.write(context.zone, f"{base}/{event.name}", event.text().encode())
    return own


def wants(hook: Hook, event: Event) -> bool:
    """Whether the hook is for such events; no kinds or studies given means all."""
    return (not hook.kinds or event.kind in hook.kinds) and (not hook.studies or event.study in hook.studies)


def names(context: Context, base: str) -> list[str]:
    """The names of the events of an experiment's outbox that are written completely, in their order."""
    rows = context.zone.query(
        ["DATA_NAME"],
        Condition("COLL_NAME", "=", base),
        Condition("DATA_REPL_STATUS", "=", "1"),
        Condition("DATA_SIZE", ">", "0"),
    )
    return sorted(name for (name,) in rows if name.endswith(".json"))


def events(context: Context, experiment: Experiment) -> list[Event]:
    """An experiment's events in their order."""
    base = collection(context.settings, experiment.study, experiment.id)
    return [read(context, f"{base}/{name}") for name in names(context, base)]


def read(context: Context, path: str) -> Event:
    """The event of an object of the outbox."""
    found = json.loads(content(context, path))
    return Event(**{**found, "kind": Kind(found["kind"])})


def content(context: Context, path: str) -> bytes:
    """An event's own bytes."""
    return context.zone.read(path, 0, 1 << 20)


def id_of(name: str) -> str:
    """The event's id, which its object's name holds."""
    return name.removesuffix(".json").rpartition("_")[2]


def kind_of(name: str) -> Kind:
    """What happened, which its object's name holds."""
    return Kind(name.split("_", 2)[2].rpartition("_")[0])


def time_of(name: str) -> float:
    """When it was announced (seconds since 1970), which its object's name holds."""
    return calendar.timegm(time.strptime(name.split("_")[1], "%Y%m%dT%H%M%SZ"))


def _prepared(context: Context, experiment: Experiment) -> str:
    """The experiment's outbox; made with its study's, which the study's group may read."""
    base = collection(context.settings, experiment.study, experiment.id)
    if context.zone.stat(base) is None:
        study = layout.parent(base)
        context.zone.make_collection(study)
        context.zone.permit(study, layout.study_group(experiment.study), Access.READ)
        context.zone.inherit(study)
        context.zone.make_collection(base)
    return base

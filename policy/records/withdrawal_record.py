"""The record of what was withdrawn: all that is needed to restore it, where nobody but a data steward can read it.

    <home>/withdrawn/<key>/record.<version>.json     <key>: the ExperimentID, or `subject-<random>`
    <home>/withdrawn/<key>/kept.<digits>.json        AVUs of an object that were never set, as where it came from
    <home>/withdrawn/<key>/copies/<n>/<name>         what derives from it and lay elsewhere

A version is written whole before what it tells is taken away, and is never overwritten; the newest one counts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum

from policy.records import clock
from policy.zone import AVU, Access, Condition, durability, layout, small_object
from policy.zone.context import Context
from policy.zone.experiment import Experiment, State, experiment_from

_NAME = re.compile(r"record\.(\d+)\.json")
_KEPT = re.compile(r"kept\.[0-9a-f]{16}\.json")
_PIECE = 4 << 20


class Phase(StrEnum):
    """What is being done with it. A process that finds it half done goes on with it."""

    WITHDRAWN = "withdrawn"
    RESTORING = "restoring"
    ERASING = "erasing"


@dataclass(slots=True)
class Record:
    """`since` is UTC, ISO 8601. `avus` and `access` are by the path that something had before."""

    key: str
    path: str
    study: str
    by: str
    since: str
    before: str = ""
    """The experiment's state; empty for a subject."""
    phase: str = Phase.WITHDRAWN
    retention_end: str = ""
    avus: dict[str, list[list[str]]] = field(default_factory=dict)
    access: dict[str, dict[str, str]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    """Where a copy is kept -> where it lay."""
    shared: list[str] = field(default_factory=list)
    """Copies that derive from something else as well."""
    sessions: list[str] = field(default_factory=list)
    """What lies in quarantine and says that it belongs to it."""
    experiments: list[str] = field(default_factory=list)
    """Of a subject."""
    reason: str = ""
    restored_by: str = ""
    pruned: bool = True
    """Nothing shows the values of AVUs any more that were taken away."""
    due_seen: str = ""
    """When a run first found that it is due to be erased; UTC, ISO 8601."""
    counts: dict[str, int] = field(default_factory=dict)
    """What is being erased."""
    version: int = 0

    @property
    def is_subject(self) -> bool:
        """Whether it is a subject's; else an experiment's."""
        return not self.before

    @property
    def experiment(self) -> Experiment:
        """As it was when it was withdrawn."""
        named = {attribute: value for attribute, value, _ in self.avus.get(self.path, [])}
        return experiment_from(
            self.path, {**named, "ExperimentID": self.key, "StudyID": self.study, "State": State.WITHDRAWN}
        )

    def note_avus(self, path: str, avus: list[AVU]) -> bool:
        """Whether any is new to the record."""
        held = self.avus.get(path, [])
        new = [
            list(found) for avu in avus if (found := (avu.attribute, avu.value, avu.unit)) and list(found) not in held
        ]
        if new:
            self.avus[path], self.pruned = [*held, *new], False
        return bool(new)

    def note_access(self, path: str, access: dict[str, Access]) -> bool:
        """Whether any is new to the record; what was noted first counts."""
        held = self.access.get(path, {})
        new = {name: str(level) for name, level in access.items() if name not in held}
        if new:
            self.access[path] = {**held, **new}
        return bool(new)

    def note_copy(self, path: str, where: str, shared: bool, stat: Callable[[str], object]) -> bool:
        """Where a copy will be kept, unless a place is waiting for it already; always new to the record."""
        if shared and path not in self.shared:
            self.shared.append(path)
        if not any(was == path and stat(kept) is None for kept, was in self.kept.items()):
            self.kept[f"{where}/{len(self.kept) + 1}/{path.rpartition('/')[2]}"] = path
        return True


def base(context: Context, key: str) -> str:
    """The collection of a record."""
    return f"{layout.withdrawn(context.settings)}/{key}"


def keys(context: Context) -> list[str]:
    """All that is withdrawn and not erased."""
    root = layout.withdrawn(context.settings)
    return sorted(
        path.removeprefix(root + "/")
        for (path,) in context.zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", root))
    )


def load(context: Context, key: str) -> Record | None:
    """The newest version, with what `keep` added since; None where there is none."""
    names = _names(context, key)
    version = max(_versions(names), default=0)
    if not version:
        return None
    held = json.loads(_content(context, f"{base(context, key)}/record.{version}.json"))
    record = Record(**{f.name: held[f.name] for f in fields(Record) if f.name in held})
    for name in sorted(names):
        if _KEPT.fullmatch(name):
            with suppress(ValueError):  # it is being written
                kept = json.loads(_content(context, f"{base(context, key)}/{name}"))
                record.note_avus(kept["path"], [AVU(*avu) for avu in kept["avus"]])
    return record


def keep(context: Context, key: str, path: str, avus: list[AVU]) -> None:
    """Adds AVUs of an object to the record, which another process may be writing meanwhile: on the object, everybody
    could read them.
    """
    digits = hashlib.sha256(path.encode()).hexdigest()[:16]
    told = {"path": path, "avus": [[avu.attribute, avu.value, avu.unit] for avu in avus]}
    small_object.write(
        context.zone, f"{base(context, key)}/kept.{digits}.json", (json.dumps(told, ensure_ascii=False) + "\n").encode()
    )


def save(context: Context, record: Record) -> None:
    """As a new version, complete or not at all."""
    zone, collection = context.zone, base(context, record.key)
    if zone.stat(collection) is None:
        zone.make_collection(collection)
        for path in (layout.withdrawn(context.settings), collection):
            zone.permit(path, context.settings.stewards, Access.READ)
    record.version = max(_versions(_names(context, record.key)), default=0) + 1
    path = f"{collection}/record.{record.version}.json"
    draft = f"{collection}/draft-{record.version}.json"
    durability.write(zone, draft, (json.dumps(asdict(record), ensure_ascii=False, indent=1) + "\n").encode())
    zone.permit(draft, context.settings.stewards, Access.READ)
    durability.move(zone, draft, path)


def subjects(context: Context) -> Iterator[Record]:
    """The records of withdrawn subjects."""
    for key in keys(context):
        record = load(context, key) if key.startswith("subject-") else None
        if record:
            yield record


def of_subject(context: Context, path: str) -> Record | None:
    """The record of the subject whose collection this is."""
    return next((record for record in subjects(context) if record.path == path), None)


def _names(context: Context, key: str) -> list[str]:
    return [name for (name,) in context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", base(context, key)))]


def _versions(names: list[str]) -> list[int]:
    return [int(found[1]) for name in names if (found := _NAME.fullmatch(name))]


def _content(context: Context, path: str) -> bytes:
    stat, content = context.zone.stat(path), b""
    while stat and len(content) < stat.size and (piece := context.zone.read(path, len(content), _PIECE)):
        content += piece
    return content


def now(context: Context) -> str:
    """UTC, ISO 8601."""
    return clock.shown(context.now())


def seconds(when: str) -> float:
    """A time of a record in seconds since 1970."""
    return clock.seconds(when)

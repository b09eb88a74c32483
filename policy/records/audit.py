"""The audit log: what policies and stewards did, in an order that nobody can change unnoticed.

Each entry is a data object below `<home>/audit`, its number is its name, and it holds the hash of the entry before
(`<millions>/<thousands>/<number>.json`, so that finding the end of the log never costs more). A rename that never
overwrites puts an entry in its place: of two writers with one number the second one looks again. Data stewards may read
the log. Anyone who can write into the log can rewrite all of it. Hashes that were kept elsewhere (anchors) show that it
was rewritten.

An entry holds no personal data: it outlives the experiment. `policy.records.audit_check` reads the log without a zone.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
import uuid
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from policy.zone import AVU, Access, Condition, Exists, NotFound, ZoneError, durability, layout
from policy.zone.context import Context

FIRST = "0" * 64
"""What the first entry holds for the entry before it."""
ABOUT = "AuditOf"
"""AVU of an entry: a hash of the ExperimentID, since everybody can read the values of AVUs."""
NAME = re.compile(r"(\d{9})\.json")
_TRIES = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `time` is UTC, ISO 8601; `previous` and `hash` are SHA-256, hexadecimal."""

    number: int
    time: str
    who: str
    act: str
    experiment: str = ""
    study: str = ""
    details: dict[str, str] = field(default_factory=dict)
    previous: str = FIRST
    hash: str = ""

    @property
    def anchor(self) -> str:
        """What to keep elsewhere, so that a check finds out that a log was cut off or rewritten."""
        return f"{self.number}:{self.hash}"


def record(context: Context, act: str, *, experiment: str = "", study: str = "", by: str = "", **details: str) -> Entry:
    """Appends an act of `by` (default: the client user) to the log.

    Raises ZoneError if that cannot be done: the act must not be done then.
    """
    pen = _Pen(context, experiment)
    for attempt in range(_TRIES):
        number, previous = _end(context, look=attempt > 0)
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))
        entry = sealed(
            Entry(number + 1, when, by or context.zone.whoami().name, act, experiment, study, details, previous)
        )
        try:
            pen.write(entry)
        except Exists:
            time.sleep(random.uniform(0, 0.05))
            continue
        context.memory.audit_end = (entry.number, entry.hash)
        return entry
    pen.drop()
    raise ZoneError(f"{act}: {_TRIES} times somebody else wrote into the audit log at the same moment")


def history(context: Context, experiment: str, known: MutableMapping[str, Entry] | None = None) -> list[Entry]:
    """What was done to an experiment, in order.

    `known` remembers entries by their paths from one call to the next: they never change.
    """
    named = [Condition("META_DATA_ATTR_NAME", "=", ABOUT), Condition("META_DATA_ATTR_VALUE", "=", about(experiment))]
    rows = context.zone.query(["COLL_NAME", "DATA_NAME"], *named)
    root = layout.audit(context.settings) + "/"
    paths = sorted(
        f"{collection}/{name}"
        for collection, name in rows
        if f"{collection}/".startswith(root) and NAME.fullmatch(name)
    )
    known = {} if known is None else known
    for path in paths:
        if path not in known:
            known[path] = parsed(_content(context, path))
    return [known[path] for path in paths]


def end(context: Context) -> str:
    """The anchor of the last entry; of an empty log, that of the entry before its first."""
    number, last = _end(context, look=True)
    return f"{number}:{last}"


def newest(context: Context) -> Entry | None:
    """The last entry; None in an empty log."""
    number, _ = _end(context, look=True)
    return parsed(_content(context, path_of(layout.audit(context.settings), number))) if number >= 0 else None


def prepare(context: Context) -> None:
    """Makes the log's collection, which data stewards may read."""
    zone, path = context.zone, layout.audit(context.settings)
    zone.make_collection(path)
    zone.permit(path, context.settings.stewards, Access.READ)
    zone.inherit(path)


def sealed(entry: Entry) -> Entry:
    """The entry with its hash, which is that of all its other fields."""
    fields = {name: getattr(entry, name) for name in entry.__slots__ if name != "hash"}
    return Entry(**fields, hash=hashlib.sha256(_canonical(fields)).hexdigest())


def written(entry: Entry) -> bytes:
    """The bytes of an entry's data object: one way only to write an entry (JSON, sorted keys, ASCII, no blanks)."""
    return _canonical({name: getattr(entry, name) for name in entry.__slots__})


def parsed(content: bytes) -> Entry:
    """The entry in an object. Raises ValueError unless the object holds an entry as `written` writes it."""
    held = json.loads(content)
    if not isinstance(held, dict) or set(held) != set(Entry.__slots__):
        raise ValueError("holds other keys than an entry of the log")
    entry = Entry(**held)
    if written(entry) != content:
        raise ValueError("is not written as MrData writes it")
    return entry


def _canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def about(experiment: str) -> str:
    """What stands for an ExperimentID where everybody can read it."""
    return hashlib.sha256(f"audit of {experiment}".encode()).hexdigest()[:32]


def path_of(root: str, number: int) -> str:
    """Where the entry of a number lies below `root`."""
    digits = f"{number:09d}"
    return f"{root}/{digits[:3]}/{digits[3:6]}/{digits}.json"


def _content(context: Context, path: str) -> bytes:
    stat = context.zone.stat(path)
    if stat is None:
        raise NotFound(f"{path} is not there")
    return context.zone.read(path, 0, stat.size)


def _end(context: Context, *, look: bool) -> tuple[int, str]:
    """Number and hash of the last entry; -1 in an empty log. Without `look`, what this agent remembers may do."""
    if context.memory.audit_end and not look:
        return context.memory.audit_end
    root = layout.audit(context.settings)
    for million in _collections(context, root):
        for thousand in _collections(context, million):
            rows = context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", thousand))
            numbers = [int(found[1]) for (name,) in rows if (found := NAME.fullmatch(name))]
            if numbers:
                return max(numbers), parsed(_content(context, path_of(root, max(numbers)))).hash
    return -1, FIRST


def _collections(context: Context, path: str) -> list[str]:
    """The numbered collections in a collection, the last one first: that one may still be empty."""
    rows = context.zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", path))
    return sorted((name for (name,) in rows if name.rpartition("/")[2].isdigit()), reverse=True)


class _Pen:
    """Writes an entry under another name first: a process that is killed meanwhile leaves no half entry in the log."""

    def __init__(self, context: Context, experiment: str) -> None:
        self._context, self._experiment, self._draft = context, experiment, ""

    def write(self, entry: Entry) -> None:
        """Puts the entry into the log. Raises Exists if its number is taken."""
        zone, path = self._context.zone, path_of(layout.audit(self._context.settings), entry.number)
        if layout.parent(self._draft) != layout.parent(path):
            self.drop()
            self._begin(layout.parent(path), written(entry))
        else:
            durability.write(zone, self._draft, written(entry))
        durability.move(zone, self._draft, path)

    def _begin(self, collection: str, content: bytes) -> None:
        zone = self._context.zone
        draft = f"{collection}/draft-{uuid.uuid4().hex}"
        try:
            durability.write(zone, draft, content)
        except NotFound:
            if zone.stat(layout.audit(self._context.settings)) is None:
                prepare(self._context)
            zone.make_collection(collection)
            durability.write(zone, draft, content)
        self._draft = draft
        if self._experiment:
            zone.annotate(draft, add=[AVU(ABOUT, about(self._experiment))])

    def drop(self) -> None:
        """Takes back a draft that found no place."""
        if self._draft:
            self._context.zone.remove(self._draft)
            self._draft = ""

"""Makes replicas on the further resources (`archive.copies`) of objects that are archived when they are registered.

    <home>/uncopied/<time>.<random>.json     {"paths": [...]}: objects that need copies

A process that registers a batch leaves such a record, before or after. The delay rule makes the copies, and erases the
record when nothing in it lacks one: nobody has to search the archive for objects that lack a copy. If the process is
killed before it leaves a record, finalizing the experiment finds the objects, and so does fixity
(`policy.archive.replicas`).
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from policy.zone import (
    GOOD,
    Condition,
    NotFound,
    ZoneError,
    data_object,
    durability,
    layout,
    seal,
    small_object,
    subtree,
)
from policy.zone.context import Context
from policy.zone.layout import DataType
from policy.zone.log import tell
from policy.zone.settings import Settings

UNKNOWN_SECONDS = 3600.0
"""Seconds for which an object that is not there may still be registered. After that, it was moved, or never existed."""


def collection(settings: Settings) -> str:
    """Where the records are; the service account's alone."""
    return f"{settings.home}/uncopied"


def queue(context: Context, paths: Iterable[str]) -> None:
    """Leaves a record that these objects need copies. Does nothing if the site has no resources for copies."""
    held = list(paths)
    if not held or not context.settings.archive.copies:
        return
    record = f"{collection(context.settings)}/{int(context.now()):011d}.{uuid.uuid4().hex}.json"
    try:
        small_object.write(context.zone, record, _content(held))
    except NotFound:
        context.zone.make_collection(collection(context.settings))
        small_object.write(context.zone, record, _content(held))


def make(context: Context) -> Counter[str]:
    """Makes the copies that are queued. Counts how many objects were `copied`, and how many could not be (`uncopied`:
    tried again).
    """
    done: Counter[str] = Counter()
    for record in _records(context):
        paths = _paths(context, record)
        is_young = context.now() - _time(record) < UNKNOWN_SECONDS
        outcomes = {path: copy(context, path) for path in paths}
        done.update(outcome for outcome in outcomes.values() if outcome in ("copied", "uncopied"))
        left = [
            path for path, outcome in outcomes.items() if outcome == "uncopied" or (outcome == "unknown" and is_young)
        ]
        try:
            if not left and (paths or not is_young):
                _forget(context, record)
            elif len(left) < len(paths):
                small_object.write(context.zone, record, _content(left))
        except ZoneError as error:  # another run was here: then there is nothing left to do
            tell(context.zone, "copy", f"{record} could not be brought up to date", error=error)
    return done


def copy(context: Context, path: str) -> str:
    """Makes the copies that an archived object lacks:

    `copied`, `uncopied` (logged), `unknown` where nothing is there, else nothing.
    """
    zone, archive = context.zone, context.settings.archive
    try:
        rows = zone.query(["DATA_RESC_NAME", "DATA_REPL_STATUS"], *data_object(path))
        if not rows:
            return "unknown"
        there = {resource for resource, status in rows if status == GOOD}
        missing = [resource for resource in archive.copies if resource not in there]
        if not missing or archive.resource not in there:  # not archived yet: that makes its copies, too
            return ""
        checksum = zone.checksum(path)
        with seal.unsealed(context, path):
            for resource in missing:
                zone.replicate(path, resource)
                durability.demand_replica(context, path, resource, checksum)
    except ZoneError as error:
        if isinstance(error, NotFound) and zone.stat(path) is None:
            return "unknown"
        tell(zone, "copy", "it could not be copied", path=path, error=error)
        return "uncopied"
    return "copied"


def lacking(context: Context, experiment: str) -> list[str]:
    """The objects of an experiment (its collection's path) that are archived, and lack a copy."""
    archive = context.settings.archive
    found: set[str] = set()
    if archive.copies:
        for data_type in DataType:
            on = {name: _on(context, f"{experiment}/{data_type}", name) for name in (archive.resource, *archive.copies)}
            found |= {path for path in on[archive.resource] if not all(path in on[name] for name in archive.copies)}
    return sorted(found)


def ask(context: Context, experiment: str) -> None:
    """Queues the objects of an experiment that lack a copy, unless they are queued already."""
    if found := set(lacking(context, experiment)):
        queue(context, sorted(found - {path for record in _records(context) for path in _paths(context, record)}))


def _on(context: Context, path: str, resource: str) -> set[str]:
    good = Condition("DATA_RESC_NAME", "=", resource), Condition("DATA_REPL_STATUS", "=", GOOD)
    return {f"{collection}/{name}" for collection, name in subtree.rows(context, path, ["DATA_NAME"], *good)}


def _records(context: Context) -> list[str]:
    rows = context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", collection(context.settings)))
    return sorted({f"{collection(context.settings)}/{name.removesuffix('.new')}" for (name,) in rows})


def _paths(context: Context, record: str) -> list[str]:
    """Of studies and quarantine. Nothing for a record that is half written."""
    held = None
    with suppress(ZoneError):  # it is being written, or its writer was killed
        held = (small_object.load(context.zone, record) or {}).get("paths")
    roots = tuple(root(context.settings) + "/" for root in (layout.studies, layout.quarantine))
    return [path for path in held if isinstance(path, str) and path.startswith(roots)] if isinstance(held, list) else []


def _forget(context: Context, record: str) -> None:
    for path in (f"{record}.new", record):  # one that was being replaced when its writer was killed
        if context.zone.stat(path) is not None:
            context.zone.erase(path)


def _content(paths: list[str]) -> bytes:
    return (json.dumps({"paths": paths}, ensure_ascii=False) + "\n").encode()


def _time(record: str) -> float:
    head = record.rpartition("/")[2].partition(".")[0]
    return float(head) if head.isdigit() else 0.0

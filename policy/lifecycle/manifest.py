"""Writes the manifest of a finalized experiment: every object with its size, its SHA-256 and its AVUs.

The manifest is an object of the experiment's collection. It is never overwritten: what was accepted later is in the
next one. Its own hash is in the audit log, and the log's end at that time is in the manifest, so that each of the two
proves the other.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from policy.records import audit
from policy.zone import Condition, checksum_text, durability, layout, subtree
from policy.zone.context import Context
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType

_NAME = re.compile(r"manifest\.(\d+)\.json")
_CHANGES = {
    "State",
    "StateSince",
    "FinalizeAsked",
    "RetentionEnd",
    "ProductState",
    "ProductDetail",
    "InputsChecksum",
    "MadeBy",
    "ChecksumVerified",
}
"""AVUs that go on changing: they tell what is done with it, not what it is."""
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a manifest is, the SHA-256 (hexadecimal) of its bytes, and how many objects and bytes it lists."""

    path: str
    version: int
    sha256: str
    objects: int
    size: int


def write(context: Context, experiment: Experiment) -> Manifest:
    """Writes what the experiment holds now, unless its last manifest says the same.

    Computes checksums that are not there yet.
    """
    listed = _listed(context, experiment)
    version = last(context, experiment)
    if version:
        content = read(context, experiment, version)
        held = json.loads(content)
        if all(held.get(key) == value for key, value in listed.items()):
            return _manifest(experiment, version, content, listed)
    content = _json({"format": 1, "version": version + 1, "audit": audit.end(context), **listed})
    path = path_of(experiment, version + 1)
    draft = f"{path}.draft"
    durability.write(context.zone, draft, content)
    context.zone.checksum(draft)
    durability.move(context.zone, draft, path)
    return _manifest(experiment, version + 1, content, listed)


def path_of(experiment: Experiment, version: int) -> str:
    """Where the manifest of a version is."""
    return f"{experiment.path}/manifest.{version}.json"


def last(context: Context, experiment: Experiment) -> int:
    """The version of the newest manifest; 0 where there is none."""
    rows = context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", experiment.path))
    return max((int(found[1]) for (name,) in rows if (found := _NAME.fullmatch(name))), default=0)


def read(context: Context, experiment: Experiment, version: int) -> bytes:
    """A manifest's bytes."""
    path = path_of(experiment, version)
    stat = context.zone.stat(path)
    size, content = stat.size if stat else 0, b""
    while len(content) < size and (piece := context.zone.read(path, len(content), _PIECE)):
        content += piece
    return content


def _listed(context: Context, experiment: Experiment) -> dict[str, Any]:
    objects = _objects(context, experiment, experiment.path, Condition("DATA_NAME", "=", layout.RECORD))
    collections: dict[str, list[list[str]]] = {
        "": _collection_avus(context, experiment.path, experiment.path).get("", [])
    }
    for data_type in DataType:
        path = f"{experiment.path}/{data_type}"
        objects |= _objects(context, experiment, path)
        collections |= _collection_avus(context, experiment.path, path, deep=True)
    held = [objects[path] for path in sorted(objects)]
    return {
        "experiment": experiment.id,
        "study": experiment.study,
        "collections": dict(sorted(collections.items())),
        "objects": held,
    }


def _objects(context: Context, experiment: Experiment, path: str, *conditions: Condition) -> dict[str, dict[str, Any]]:
    """Path -> what the manifest says about the object."""
    found: dict[str, dict[str, Any]] = {}
    columns = ["DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM"]
    good = Condition("DATA_REPL_STATUS", "=", "1")
    for collection, name, size, checksum in subtree.rows(context, path, columns, good, *conditions):
        one = f"{collection}/{name}"
        checksum = checksum or context.zone.checksum(one)
        relative = one.removeprefix(experiment.path + "/")
        found[one] = {
            "path": relative,
            "size": int(size),
            "sha256": checksum_text.hexadecimal(one, checksum),
            "avus": [],
        }
    columns = ["DATA_NAME", "META_DATA_ATTR_NAME", "META_DATA_ATTR_VALUE", "META_DATA_ATTR_UNITS"]
    for collection, name, *avu in sorted(subtree.rows(context, path, columns, *conditions)):
        if avu[0] not in _CHANGES:
            found[f"{collection}/{name}"]["avus"].append(avu)
    return found


def _collection_avus(context: Context, base: str, path: str, *, deep: bool = False) -> dict[str, list[list[str]]]:
    """Path below `base` -> its AVUs that stay as they are."""
    columns = ["META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE", "META_COLL_ATTR_UNITS"]
    rows = (
        subtree.rows(context, path, columns)
        if deep
        else context.zone.query(["COLL_NAME", *columns], Condition("COLL_NAME", "=", path))
    )
    found: dict[str, list[list[str]]] = {}
    for collection, *avu in rows:
        if avu[0] not in _CHANGES:
            found.setdefault(collection.removeprefix(base).removeprefix("/"), []).append(list(avu))
    return {key: sorted(values) for key, values in found.items()}


def _manifest(experiment: Experiment, version: int, content: bytes, listed: dict[str, Any]) -> Manifest:
    objects = listed["objects"]
    digest = hashlib.sha256(content).hexdigest()
    return Manifest(path_of(experiment, version), version, digest, len(objects), sum(one["size"] for one in objects))


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()

"""Compares a finalized experiment with its newest manifest, and the manifest with what the audit log says of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

from policy.archive import checksum_lookup
from policy.lifecycle import manifest
from policy.records import audit, withdrawal_record
from policy.records.withdrawal_record import Phase
from policy.studies import state
from policy.verification.findings import Finding, Kind, Look
from policy.zone import GOOD, Condition, NotFound, ZoneError, checksum_text, layout, subtree
from policy.zone.context import Context
from policy.zone.experiment import Experiment, State, experiment_from
from policy.zone.layout import DataType

_LOOKS = 3
"""Looks at an experiment that is reopened or finalized meanwhile, at most."""


def looks(context: Context, path: str, compute: bool, after: str) -> Iterator[Look]:
    """One look at the experiment whose collection this is; none where it is not finalized.

    `compute`: checksums that the catalog lacks are computed, and the audit log is read.
    """
    experiment = experiment_from(path, {"ExperimentID": path.rpartition("/")[2]})
    if after or not _is_finalized(context, experiment):
        return
    findings: list[Finding] = []
    for _ in range(_LOOKS):
        before = manifest.last(context, experiment)
        findings = [
            Finding(Kind.MANIFEST, where, text) for where, text in _faults(context, experiment, before, compute)
        ]
        if not findings or not _is_finalized(context, experiment):
            findings = []
            break
        if manifest.last(context, experiment) == before:
            break
    yield Look(path, Counter({"manifests": 1}), findings)


def _is_finalized(context: Context, experiment: Experiment) -> bool:
    """Whether it is, or was when it was withdrawn: hidden objects stay as they are until they are erased."""
    try:
        states = [avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == "State"]
    except NotFound:
        return False  # erased meanwhile
    if states == [State.WITHDRAWN]:
        record = withdrawal_record.load(context, experiment.id)
        return record is not None and record.before == State.FINALIZED and record.phase != Phase.ERASING
    return states == [State.FINALIZED]


def _faults(context: Context, experiment: Experiment, version: int, compute: bool) -> Iterator[tuple[str, str]]:
    """(path, what is wrong)."""
    if not version:
        yield experiment.path, "is finalized, and has no manifest"
        return
    path = manifest.path_of(experiment, version)
    try:
        content = manifest.read(context, experiment, version)
        held = json.loads(content)["objects"]
        listed = {str(one["path"]): (int(one["size"]), checksum_text.irods_checksum(one["sha256"])) for one in held}
    except (ZoneError, ValueError, KeyError, TypeError) as error:
        yield path, f"cannot be read: {error}"
        return
    if compute:
        yield from ((path, fault) for fault in _audited(context, experiment, version, content))
    there = _held(context, experiment)
    gone = {name: checksum for name, (_, checksum) in listed.items() if name not in there}
    places = checksum_lookup.objects(context, gone.values())
    for name, checksum in gone.items():
        where = f"; {places[checksum][0]} has its bytes" if checksum in places else ""
        yield f"{experiment.path}/{name}", f"is gone; manifest.{version}.json lists it{where}"
    for name, replicas in there.items():
        one = f"{experiment.path}/{name}"
        if name not in listed:
            yield one, f"is not in manifest.{version}.json"
        elif fault := _differs(context, one, replicas, *listed[name], compute):
            yield one, f"{fault} (manifest.{version}.json)"


def _held(context: Context, experiment: Experiment) -> dict[str, set[tuple[str, str]]]:
    """Path below the experiment -> (size, checksum) of the good replicas of what a manifest lists; none for an object
    without any.
    """
    columns = ["DATA_NAME", "DATA_REPL_STATUS", "DATA_SIZE", "DATA_CHECKSUM"]
    where = [Condition("COLL_NAME", "=", experiment.path), Condition("DATA_NAME", "=", layout.RECORD)]
    rows = context.zone.query(["COLL_NAME", *columns], *where)
    for data_type in DataType:
        rows += subtree.rows(context, f"{experiment.path}/{data_type}", columns)
    found: dict[str, set[tuple[str, str]]] = {}
    for collection, name, status, size, checksum in rows:
        replicas = found.setdefault(f"{collection}/{name}".removeprefix(experiment.path + "/"), set())
        if status == GOOD:
            replicas.add((size, checksum))
    return found


def _differs(
    context: Context, path: str, replicas: set[tuple[str, str]], size: int, checksum: str, compute: bool
) -> str:
    """What is other than in the manifest; empty where nothing is."""
    for has, kept in sorted(replicas):
        if int(has) != size:
            return f"has {has} bytes, not {size}"
        try:
            kept = kept or (context.zone.checksum(path) if compute else checksum)
        except ZoneError as error:
            return f"has no checksum, and none can be computed: {error}"
        if kept != checksum:
            return "has another checksum"
    return ""


def _audited(context: Context, experiment: Experiment, version: int, content: bytes) -> Iterator[str]:
    """What the audit log says otherwise of the newest manifest."""
    try:
        entries = audit.history(context, experiment.id)
    except (ZoneError, ValueError) as error:
        yield f"the audit log's entries on it cannot be read: {error}; run `mrdata audit verify`"
        return
    told = [
        entry.details for entry in entries if entry.act == state.ACT and "manifest" in entry.details
    ]  # not those of a restoration
    if told and told[-1]["manifest"] != str(version):
        yield f"is the newest manifest, but the audit log says that manifest.{told[-1]['manifest']}.json is"
    elif told and told[-1].get("sha256") != hashlib.sha256(content).hexdigest():
        yield "is not the one that was written: it has another SHA-256 than the audit log says"

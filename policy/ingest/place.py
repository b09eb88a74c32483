"""Carries out a placement: prepares the collection, settles what is there already, describes, and moves.

An object gets its AVUs and permissions where it rests, and the rename is the last step: a process that is killed in
between leaves the object in landing, and the next sweep does it again. Nothing is overwritten, nothing is erased.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from policy.ingest import describe, landed_again, occupant, origin
from policy.ingest.decision import Hold, Placement, Quarantine, Reason
from policy.ingest.landed_again import Landing
from policy.ingest.origin import Origin
from policy.records import audit
from policy.studies import scan_day, state
from policy.studies.state import Act
from policy.zone import AVU, GOOD, Access, Condition, Exists, NotFound, data_object, layout, seal
from policy.zone.context import Context, Memory, Series
from policy.zone.experiment import State
from policy.zone.header import Header
from policy.zone.layout import DataType, Landed


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object goes and what it will carry."""

    path: str
    avus: list[AVU]
    """Without where it came from."""


def prepare(context: Context, placement: Placement) -> Place:
    """Makes the collection (and describes it, if it is a new series) and says where in it the object goes."""
    base = f"{placement.experiment.path}/{placement.data_type}"
    if placement.experiment.state in (State.REGISTERED, State.FINISHED):
        state.change(context, placement.experiment, Act.ARRIVE, State.ACQUIRING)
        if placement.experiment.state == State.FINISHED:
            seal.lift(context, placement.experiment)
    if placement.data_type is DataType.DICOM:
        series = _series(context, placement, base)
        avus = describe.data_object(placement.header, placement.data_type, series.avus)
        return Place(f"{series.path}/{placement.name}", avus)
    if placement.data_type is DataType.TWIX:
        scan_day.note(context, placement.experiment, placement.header.date)
    path = f"{base}/{placement.name}"
    if layout.parent(path) != base:
        context.zone.make_collection(layout.parent(path))
    return Place(path, describe.data_object(placement.header, placement.data_type, set()))


def foreseen(placement: Placement) -> str:
    """Where the object would go, as far as that can be told without making anything."""
    middle = f"/{series_name(placement.header)}" if placement.data_type is DataType.DICOM else ""
    return f"{placement.experiment.path}/{placement.data_type}{middle}/{placement.name}"


def carry_out(
    context: Context,
    placement: Placement,
    landed: Landed,
    path: str,
    *,
    history: Sequence[AVU] = (),
    outdated: Sequence[AVU] = (),
) -> str | Quarantine | Hold:
    """Moves an object from where it rests to its place; the path where the archive has it.

    The same bytes twice: one copy stays, the other goes to the trash, and that it landed is written down. Other bytes
    under the same name: Quarantine, but for raw data out of another folder, which get a second name. The same bytes of
    which the archive has no replica of its own yet: Hold. NotFound where somebody else has placed the object meanwhile.
    `history` is added to the object's AVUs, `outdated` ones are removed; of what rests in landing, all are.
    """
    place = prepare(context, placement)
    foreign = claim(context, path)
    origins = origin.of_object(context, path, [] if foreign is not None else None) or [Origin(landed.landing_path)]
    found = occupant.find(context, [(placement, place.path)])[0]
    there = found.path if found else None
    if there in (None, path):
        wanted = [*place.avus, *(one.avu for one in origins), *history]
        gone = outdated if foreign is None else foreign
        context.zone.annotate(path, add=wanted, remove=[avu for avu in gone if avu not in wanted])
        hand_over(context, path, layout.study_group(placement.experiment.study))
        if path == place.path:
            return path
        try:
            context.zone.move(path, place.path)
        except Exists:
            there = place.path
        else:
            return place.path
    assert there is not None
    if foreign:
        context.zone.annotate(path, remove=foreign)
    outcome = _same_again(context, path, there, origins, placement.experiment.id)
    if isinstance(outcome, Quarantine) and _has_its_name_by_chance(context, placement, landed, there):
        second = replace(placement, name=second_name(landed))
        return carry_out(context, second, landed, path, history=history, outdated=outdated)
    return outcome


def second_name(landed: Landed) -> str:
    """The name of a raw file whose own is taken by one of another folder: always the same for a landing path."""
    stem, dot, ending = landed.name.rpartition(".")
    digest = hashlib.sha256(landed.relative.encode()).hexdigest()[:8]
    return f"{stem}_{digest}.{ending}" if dot else f"{landed.name}_{digest}"


def _has_its_name_by_chance(context: Context, placement: Placement, landed: Landed, there: str) -> bool:
    """Whether it is another raw file than the one at `there`, out of another folder: consoles use short names again."""
    if placement.data_type is not DataType.TWIX or placement.name != landed.name:
        return False
    came_from = {one.landing_path for one in origin.of_object(context, there)}
    return bool(came_from) and not {path for path in came_from if path.endswith("/" + landed.relative)}


def claim(context: Context, path: str) -> list[AVU] | None:
    """Withdraws everybody's access but the service account's to an object in landing; then its AVUs, which anybody may
    have set.

    None for an object elsewhere, where only the service account writes AVUs.
    """
    if not path.startswith(layout.landing(context.settings) + "/"):
        return None
    hand_over(context, path, "")
    return context.zone.metadata(path)


def hand_over(context: Context, path: str, reader: str) -> None:
    """Withdraws everybody's access but the service account's, and lets the group read (empty: none)."""
    zone, account = context.zone, context.settings.account
    access = zone.permissions(path)
    if access.get(account) is not Access.OWN:
        zone.permit(path, account, Access.OWN)
    for name in access:
        if name not in (account, reader):
            zone.permit(path, name, Access.NULL)
    if reader and access.get(reader) is not Access.READ:
        zone.permit(path, reader, Access.READ)


def _same_again(context: Context, path: str, there: str, origins: list[Origin], meant: str) -> str | Quarantine | Hold:
    """Both are read: a copy is set aside only while the archive has a good replica of its own with the same bytes."""
    zone = context.zone
    checksum = zone.checksum(path, verify=True)
    if checksum != zone.checksum(there, verify=True):
        where = there.removeprefix(layout.studies(context.settings) + "/")
        return Quarantine(Reason.DUPLICATE_DIFFERENT, f"other bytes than what is archived as {where}", meant)
    archived = (
        Condition("DATA_RESC_NAME", "=", context.settings.archive.resource),
        Condition("DATA_REPL_STATUS", "=", GOOD),
    )
    if (checksum,) not in zone.query(["DATA_CHECKSUM"], *data_object(there), *archived):
        return Hold(Reason.FAILED, "the same bytes came before, and are not on the archive resource yet")
    stat = zone.stat(path)
    landed_again.note(context, there, [Landing.of(context, one, stat.size if stat else 0, checksum) for one in origins])
    zone.remove(path)
    return there


def series_name(header: Header) -> str:
    """The name of a series' collection, which also people outside the study may come to see."""
    description = layout.safe(header.series_description) if describe.is_harmless(header.series_description) else ""
    return f"{layout.safe(header.series_number) or '0'}_{description or 'series'}"


def _series(context: Context, placement: Placement, base: str) -> Series:
    """The series' collection, made at the first object.

    SeriesInstanceUID tells it: numbers start again after a restart of the console.
    """
    header, memory = placement.header, context.memory.series
    key = (base, header.series_instance_uid)
    known = memory.get(key)
    if known is None or known.expires < time.monotonic():
        path = _series_path(context, placement, base)
        wanted = describe.series(header)
        has = set(context.zone.metadata(path))
        if not any(avu.attribute == "SeriesInstanceUID" for avu in has):
            experiment = placement.experiment
            scan_day.note(context, experiment, header.date)
            series = path.removeprefix(experiment.path + "/")
            audit.record(context, "series begun", experiment=experiment.id, study=experiment.study, series=series)
            context.zone.annotate(path, add=[avu for avu in wanted if avu not in has])
            has |= set(wanted)
        known = memory[key] = Series(path, has, time.monotonic() + Memory.SECONDS)
    return known


def _series_path(context: Context, placement: Placement, base: str) -> str:
    zone, uid = context.zone, placement.header.series_instance_uid
    wanted = [Condition("META_COLL_ATTR_NAME", "=", "SeriesInstanceUID"), Condition("META_COLL_ATTR_VALUE", "=", uid)]
    for (path,) in zone.query(["COLL_NAME"], *wanted) if uid else ():
        if path.startswith(base + "/"):
            return path
    path = f"{base}/{series_name(placement.header)}"
    try:
        others = [avu.value for avu in zone.metadata(path) if avu.attribute == "SeriesInstanceUID"]
    except NotFound:
        others = []
    if others and uid not in others:
        path += "_" + hashlib.sha256(uid.encode()).hexdigest()[:8]
    zone.make_collection(path)
    return path

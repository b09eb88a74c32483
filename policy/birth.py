"""Placed at birth: a file that the landing host registers is registered where it belongs, and never needs a move."""

from __future__ import annotations

import os

from policy import layout, place
from policy.context import Context
from policy.ingest import Placement, decide, place_of
from policy.layout import DataType
from policy.objects import read_object
from policy.registry import Registry
from policy.zone import NotFound, data_object


def before(context: Context, path: str, file: str) -> str | None:
    """The path under which the file is to be registered, or None: then it is registered in landing as asked, and the sweep takes it.

    `path` is in landing, `file` is on this host. What is in doubt, or in the archive already, is the sweep's; but where the archive
    has this very file, as after a request whose sender was killed, its path there is returned, and iRODS refuses to register it twice.
    """
    landed = layout.landed(context.settings, path)
    if landed is None:
        return None
    size = os.stat(file).st_size
    with open(file, "rb") as opened:
        header = context.read_header(opened, size)
    decision = decide(header, landed, Registry(context), context.settings)
    if not isinstance(decision, Placement):
        return None
    target = place.prepare(context, decision, landed)
    # An instance's name holds its UID: its path is taken by itself alone, undescribed yet. Then iRODS refuses, and the scanner asks again.
    named_by_uid = decision.data_type is DataType.DICOM and layout.safe(header.sop_instance_uid) == header.sop_instance_uid
    there = place.same_instance(context, header) if named_by_uid else place.occupant(context, decision, target)
    if there is not None:
        return there if file in _files(context, there) else None
    context.memory.born[target.path] = target.avus
    return target.path


def after(context: Context, path: str) -> None:
    """Describes an object that `before` had placed."""
    avus = context.memory.born.pop(path, None)
    if avus:
        context.zone.annotate(path, add=avus)


def describe(context: Context, path: str) -> bool:
    """Describes an archived object whose registration was interrupted before `after`; False where there was nothing to do.

    The path in the landing zone is taken from where the file lies: it has not been archived elsewhere yet.
    """
    if any(avu.attribute == "LandingPath" for avu in context.zone.metadata(path)):
        return False
    folder = context.settings.landing.folder.rstrip("/") + "/"
    inside = [file.removeprefix(folder) for file in _files(context, path) if file.startswith(folder)]
    landed = layout.landed(context.settings, f"{layout.landing(context.settings)}/{inside[0]}") if inside else None
    if landed is None:
        raise NotFound(f"{path}: none of its replicas lies in the landing zone, so nothing tells how it landed")
    experiment = Registry(context).experiment(layout.experiment_of(context.settings, path) or "")
    if experiment is None:
        raise NotFound(f"{path} is in no registered experiment")
    header = read_object(context, path)
    context.zone.annotate(path, add=place.prepare(context, place_of(header, landed, experiment), landed).avus)
    return True


def _files(context: Context, path: str) -> list[str]:
    """The files of an object's replicas."""
    return [file for (file,) in context.zone.query(["DATA_PATH"], *data_object(path))]

"""Registers a file of the landing host where it belongs in the archive, so that it never needs a move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from policy.ingest import expanded_data, occupant, origin, place
from policy.ingest.decision import Placement, decide, place_of
from policy.ingest.origin import Origin
from policy.zone import AVU, NotFound, data_object, layout
from policy.zone.context import Context, Decided
from policy.zone.experiment import State
from policy.zone.header import Header
from policy.zone.layout import DataType, Landed
from policy.zone.object_files import read_file, read_object
from policy.zone.registry import Registry


def before(context: Context, path: str, file: str) -> str | None:
    """Returns the path under which the file is to be registered. None: it is registered in landing as asked, and the
    sweep takes it.

    `path` is in landing, `file` is on this host. The sweep takes files that are in doubt, or in the archive already. If
    the archive has this very file, as after a request whose sender was killed, returns its path there: iRODS refuses to
    register it twice.
    """
    landed = layout.landed(context.settings, path)
    if landed is None:
        return None
    header = read_file(context, file)
    decision = decide(header, landed, Registry(context), context.settings)
    if not isinstance(decision, Placement):
        return None
    target = place.prepare(context, decision)
    there = occupant.find(context, [(decision, target.path)])[0]
    if there is not None:
        return there.path if file in _files(context, there.path) else None
    context.memory.decided[target.path] = Decided(file, target.avus + came_from(context, landed, file))
    return target.path


def after(context: Context, path: str) -> None:
    """Describes an object about which was decided."""
    decided = context.memory.decided.pop(path, None)
    if decided and decided.avus:
        context.zone.annotate(path, add=decided.avus)
    if decided and origin.of_file(context.settings, decided.file) and expanded_data.is_metadata(context, path):
        expanded_data.describe(context, path)  # what is not archived yet is described when it is


def came_from(context: Context, landed: Landed, file: str) -> list[AVU]:
    """The AVU that keeps where it landed, if its file does not tell."""
    return [] if origin.of_file(context.settings, file) else [Origin(landed.landing_path).avu]


def describe(context: Context, path: str, header: Header | None = None) -> bool:
    """Gives an archived object the AVUs that it lacks, as after a registration that was interrupted; False where it
    lacked none.

    `header`: the object's, where it has been read already. Nothing becomes of its experiment: the object is there
    already.
    """
    experiment = Registry(context).experiment(layout.experiment_of(context.settings, path) or "")
    if experiment is None:
        raise NotFound(f"{path} is in no registered experiment")
    has = context.zone.metadata(path)
    landed, kept = _landed(context, path, has)
    placement = place_of(header or read_object(context, path), landed, replace(experiment, state=State.ACQUIRING))
    wanted = [*([] if placement.data_type is DataType.EXP_DATA else place.prepare(context, placement).avus), *kept]
    missing = [avu for avu in wanted if avu not in has]
    if missing:
        context.zone.annotate(path, add=missing)
    if expanded_data.is_metadata(context, path):
        expanded_data.describe(context, path)
    return bool(missing)


def _landed(context: Context, path: str, avus: Sequence[AVU]) -> tuple[Landed, list[AVU]]:
    """Where it landed, and the AVU that keeps it if nothing else does. Raises NotFound if that is not known."""
    root = layout.landing(context.settings)
    for one in origin.of_object(context, path, avus):
        if landed := layout.landed(context.settings, f"{root}/{one.landing_path}"):
            return landed, []
    for file in _files(context, path):
        there = origin.of_mailbox(context.settings, file)
        if there and (landed := layout.landed(context.settings, f"{root}/{there.landing_path}")):
            return landed, [there.avu]
    raise NotFound(f"{path}: nothing tells where it landed")


def _files(context: Context, path: str) -> list[str]:
    """The files of an object's replicas."""
    return [file for (file,) in context.zone.query(["DATA_PATH"], *data_object(path))]

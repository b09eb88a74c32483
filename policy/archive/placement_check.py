"""Decides again about an archived object: whether the archive's bytes are still those that were placed where the object
is.

Between the decision and the archiving, somebody may have written over the file. An object that has become something
else goes to quarantine, with all its replicas. The check asks whose bytes they are and whether they identify the
person, not whether the experiment still accepts files. An object that a data steward re-filed stays where the steward
put it, unless it identifies the person and the steward did not accept that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policy.ingest import origin, place, quarantine
from policy.ingest.decision import Hold, Placement, Quarantine, Reason, admit, decide_again
from policy.ingest.refiling import MADE_HERE, REASSIGNED, tidy
from policy.records import audit, withdrawal_record
from policy.zone import AVU, layout
from policy.zone.context import Context
from policy.zone.experiment import Experiment, State
from policy.zone.header import Header
from policy.zone.layout import Branch, DataType, Landed
from policy.zone.object_files import read_object
from policy.zone.registry import Registry

ACT = "quarantined when it was archived"
_BRANCH = {DataType.DICOM: Branch.DICOM, DataType.TWIX: Branch.TWIX, DataType.EXP_DATA: Branch.EXPDATA}


@dataclass(frozen=True, slots=True)
class Checked:
    """What an archived object is: `verdict` and `landed` where it does not belong where it is."""

    header: Header
    experiment: Experiment
    landed: Landed | None = None
    verdict: Quarantine | None = None


def check(context: Context, path: str, replica: str) -> Checked | None:
    """Reads the header of the replica with this number, and decides about it; None for what never landed."""
    experiment = experiment_of(context, path)
    if experiment is None:
        return None
    header, avus = read_object(context, path, replica=replica), context.zone.metadata(path)
    found: list[Checked] = []
    for landed in _landed(context, path, experiment, avus):
        verdict = _verdict(context, path, header, landed, experiment, avus)
        if verdict is None:
            return Checked(header, experiment)
        found.append(Checked(header, experiment, landed, verdict))
    return found[0]


def experiment_of(context: Context, path: str) -> Experiment | None:
    """The experiment to whose landed data an object of the archive belongs, also a withdrawn one;

    None for records and products.
    """
    experiment_id = layout.experiment_of(context.settings, path)
    if experiment_id is None or _below(context, path)[0] not in set(DataType):
        return None
    experiment = Registry(context).experiment(experiment_id)
    if experiment and experiment.state == State.WITHDRAWN:
        record = withdrawal_record.load(context, experiment_id)
        return record.experiment if record else experiment
    return experiment


def landed_of(context: Context, path: str) -> tuple[Experiment, Landed] | None:
    """The experiment of an archived object, and how it landed; None for what never landed."""
    experiment = experiment_of(context, path)
    if experiment is None:
        return None
    return experiment, next(_landed(context, path, experiment, context.zone.metadata(path)))


def carry_out(
    context: Context, path: str, header: Header | None, experiment: Experiment, landed: Landed, verdict: Quarantine
) -> str:
    """Moves the object into the quarantine, and notes it in the experiment's history; where it is then."""
    avus = context.zone.metadata(path)
    audit.record(context, ACT, experiment=experiment.id, study=experiment.study, reason=verdict.reason)
    target = quarantine.carry_out(context, verdict, landed, path, header)
    context.zone.annotate(target, remove=[avu for avu in avus if avu.attribute in (*MADE_HERE, origin.LANDING_PATH)])
    tidy(context, layout.parent(path))
    return target


def _verdict(
    context: Context, path: str, header: Header, landed: Landed, experiment: Experiment, avus: list[AVU]
) -> Quarantine | None:
    if any(avu.attribute == REASSIGNED for avu in avus):
        refused = admit(header, landed, experiment, context.settings)
        return refused if isinstance(refused, Quarantine) and not _is_accepted(context, experiment) else None
    decision = decide_again(header, landed, experiment, Registry(context), context.settings)
    if isinstance(decision, Hold) and decision.reason is Reason.NO_ID and _was_known(header, experiment, avus):
        decision = admit(header, landed, experiment, context.settings)
    if isinstance(decision, Hold):
        return Quarantine(decision.reason, decision.detail, experiment.id)
    if isinstance(decision, Quarantine):
        return decision
    return None if _is_here(context, path, decision, landed) else _another(experiment)


def _another(experiment: Experiment) -> Quarantine:
    return Quarantine(
        Reason.CONFLICT, "its archived bytes are those of another file than the one that was placed here", experiment.id
    )


def _is_here(context: Context, path: str, placement: Placement, landed: Landed) -> bool:
    data_type, name = _below(context, path)
    name = name.rpartition("/")[2] if placement.data_type is DataType.DICOM else name
    names = {placement.name, *([place.second_name(landed)] if placement.data_type is DataType.TWIX else [])}
    return placement.data_type == data_type and name in names


def _was_known(header: Header, experiment: Experiment, avus: list[AVU]) -> bool:
    """Masked raw data: the images that told its experiment are gone or hidden, and its own description still tells the
    exam.
    """
    return experiment.state == State.WITHDRAWN or AVU("FrameOfReferenceUID", header.frame_of_reference_uid) in avus


def _is_accepted(context: Context, experiment: Experiment) -> bool:
    """Whether a data steward accepted personal data in what was re-filed under this experiment."""
    return any(entry.details.get("personal_data") == "accepted" for entry in audit.history(context, experiment.id))


def _landed(context: Context, path: str, experiment: Experiment, avus: list[AVU]) -> Iterator[Landed]:
    """How it landed; where nothing tells any more, how it would have."""
    root, origins = layout.landing(context.settings), origin.of_object(context, path, avus)
    told = [layout.landed(context.settings, f"{root}/{one.landing_path}") for one in origins]
    data_type, name = _below(context, path)
    relative = f"{experiment.id}/{name}" if data_type == DataType.EXP_DATA else name
    yield from [one for one in told if one] or [Landed(experiment.scanner, _BRANCH[DataType(data_type)], relative)]


def _below(context: Context, path: str) -> tuple[str, str]:
    """The data type's collection, and the path below it."""
    data_type, _, name = path.removeprefix(layout.experiment_path(context.settings, path) + "/").partition("/")
    return data_type, name

"""Decides where a landed file belongs.

One function, `decide`, for every way in; the ways differ only in how they carry it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from policy.privacy import guard
from policy.zone import experiment_id
from policy.zone.carriers import CARRIERS, UNREADABLE
from policy.zone.experiment import Experiment, State
from policy.zone.header import Header, Kind
from policy.zone.layout import Branch, DataType, Landed, safe
from policy.zone.settings import Settings


class Reason(StrEnum):
    """Why something could not be placed."""

    NO_ID = "no-id"
    """The ExperimentID field is empty, or holds something else."""
    MISTYPED = "mistyped"
    """It looks like an ExperimentID, and its check character does not fit."""
    UNREGISTERED = "unregistered"
    """A valid ExperimentID that was never registered."""
    CLOSED = "closed"
    """The experiment accepts no more files: it is finalized or withdrawn."""
    WRONG_SCANNER = "wrong-scanner"
    """The experiment is registered for another scanner."""
    CONFLICT = "conflict"
    """Two places name two experiments: name, folder, frame of reference, archived bytes."""
    PERSONAL_DATA = "personal-data"
    """The file carries data that may tell who the person is."""
    TRUNCATED = "truncated"
    """The end of the file is missing."""
    DAMAGED = "damaged"
    """The header cannot be read, or lacks what an image needs."""
    HEADER_TOO_LARGE = "header-too-large"
    """Reading the header needs more than its budget of elements, memory or time."""
    NOT_RECOGNISED = "not-recognised"
    """Neither DICOM nor TWIX."""
    DUPLICATE_DIFFERENT = "duplicate-different"
    """The archive has this instance with other bytes."""
    FAILED = "failed"
    """Placing it failed `sweep.tries` times. The detail says how."""


@dataclass(frozen=True, slots=True)
class Placement:
    """It belongs to this experiment.

    `name` is the path below the data type, or below the series' collection for DICOM.
    """

    experiment: Experiment
    data_type: DataType
    name: str
    header: Header


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Nobody but a data steward can tell where it belongs. `detail` says what is wrong, without personal data.

    `meant` is the ExperimentID by which it was looked up; empty where there is none, or where two contradict each other
    equally.
    """

    reason: Reason
    detail: str
    meant: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """It may be better at the next try; `reason` is that of the quarantine if it never is."""

    reason: Reason
    detail: str


Decision = Placement | Quarantine | Hold


_UNREADABLE = f"{CARRIERS[UNREADABLE]}: "


class Experiments(Protocol):
    """Where `decide` looks experiments up (`policy.zone.registry.Registry`)."""

    def experiment(self, experiment_id: str) -> Experiment | None: ...

    def sharing_frame_of_reference(self, uid: str) -> list[Experiment]: ...

    def is_subject(self, study: str, pseudonym: str) -> bool: ...


def decide(header: Header, landed: Landed, experiments: Experiments, settings: Settings) -> Decision:
    """Where the file belongs, or why nobody can tell."""
    if fault := _fault(header, landed):
        return fault
    experiment = recognise(header, landed, experiments)
    if not isinstance(experiment, Experiment):
        return experiment
    return _contradiction(header, experiment, experiments) or admit(header, landed, experiment, settings)


def decide_again(
    header: Header, landed: Landed, placed: Experiment, experiments: Experiments, settings: Settings
) -> Decision:
    """As `decide`, of bytes that are archived in the experiment `placed`, which may have been closed meanwhile."""
    if fault := _fault(header, landed):
        return fault
    found = whose(header, landed, experiments)
    if not isinstance(found, Experiment):
        return found
    if found.id != placed.id:
        return Quarantine(
            Reason.CONFLICT, f"it was placed under {_told(placed)}, its archived bytes say {_told(found)}", found.id
        )
    return admit(header, landed, placed, settings)


def _contradiction(header: Header, found: Experiment, experiments: Experiments) -> Quarantine | None:
    """Patient ID that is another experiment's, or another subject's: one of the two was typed for somebody else."""
    typed = header.personal.get("PatientID", "").strip()
    if not typed or typed == found.pseudonym:
        return None
    parsed = experiment_id.parse(typed)
    other = experiments.experiment(parsed) if parsed and parsed != found.id else None
    if other:
        detail = f"Patient Name says {_told(found)}, Patient ID says {_told(other)}"
        return Quarantine(Reason.CONFLICT, detail, found.id)
    if not parsed and experiments.is_subject(found.study, typed):
        detail = f"Patient Name says {_told(found)}, Patient ID is another subject of its study"
        return Quarantine(Reason.CONFLICT, detail, found.id)
    return None


def _fault(header: Header, landed: Landed) -> Quarantine | Hold | None:
    """What is wrong with the file itself;

    Expanded Data are kept as they are, if only their headers can be read (`policy.privacy.guard`).
    """
    if header.over_budget:
        return Quarantine(Reason.HEADER_TOO_LARGE, f"{header.problem}; nothing of the file was believed")
    if landed.branch is Branch.EXPDATA:
        return None
    if header.kind is Kind.OTHER:
        other = "neither DICOM nor TWIX; other files belong into expdata/<ExperimentID>/"
        return Quarantine(Reason.NOT_RECOGNISED, header.problem or other)
    if header.problem:
        return (
            Hold(Reason.TRUNCATED, header.problem) if header.incomplete else Quarantine(Reason.DAMAGED, header.problem)
        )
    return None


def admit(header: Header, landed: Landed, experiment: Experiment, settings: Settings) -> Placement | Quarantine:
    """The file's place in an experiment that is known, unless it tells who the person is."""
    if reasons := guard.refused(header, experiment, settings.guard):
        reason = (
            Reason.DAMAGED if reasons == [_UNREADABLE + header.carried.get(UNREADABLE, "")] else Reason.PERSONAL_DATA
        )
        return Quarantine(reason, "; ".join(reasons), experiment.id)
    return place_of(header, landed, experiment)


def place_of(header: Header, landed: Landed, experiment: Experiment) -> Placement:
    """The file's place in an experiment: by series for images, under its own name for everything else."""
    if landed.branch is not Branch.EXPDATA and header.kind is Kind.TWIX:
        return Placement(experiment, DataType.TWIX, landed.name, header)
    if landed.branch is not Branch.EXPDATA and header.kind is Kind.DICOM and header.sop_instance_uid:
        name = f"{safe(header.instance_number) or '0'}_{safe(header.sop_instance_uid)}.dcm"
        return Placement(experiment, DataType.DICOM, name, header)
    own = landed.relative.partition("/")[2] if landed.branch is Branch.EXPDATA else landed.relative
    return Placement(experiment, DataType.EXP_DATA, own or landed.name, header)


def recognise(header: Header, landed: Landed, experiments: Experiments) -> Experiment | Quarantine | Hold:
    """The experiment that the file says it belongs to: registered, open and for this scanner."""
    found = whose(header, landed, experiments)
    return _usable(found, landed) if isinstance(found, Experiment) else found


def whose(header: Header, landed: Landed, experiments: Experiments) -> Experiment | Quarantine | Hold:
    """The experiment that the file says it belongs to, whether or not it accepts files."""
    if landed.branch is Branch.EXPDATA:
        found = _by_text(landed.folders[0] if landed.folders else "", experiments, "the folder below expdata")
        named = None if header.masked else experiment_id.parse(header.patient_name)
        other = experiments.experiment(named) if named else None
        if isinstance(found, Experiment) and other and other.id != found.id:
            detail = f"the folder below expdata says {_told(found)}, Patient Name says {_told(other)}"
            return Quarantine(Reason.CONFLICT, detail, found.id)
        if isinstance(found, Experiment) and named and other is None:
            return Quarantine(
                Reason.UNREGISTERED,
                "Patient Name looks like an ExperimentID, and was never registered as one",
                found.id,
            )
        return found
    if header.kind is Kind.TWIX and (header.masked or not header.patient_name):
        return _masked(header, landed, experiments)
    found = _by_text(header.patient_name, experiments, "Patient Name")
    meant = _by_folder(landed, experiments)
    if isinstance(found, Experiment) and meant and meant.id != found.id:
        detail = f"Patient Name says {_told(found)}, the folder in the landing zone says {_told(meant)}"
        return Quarantine(Reason.CONFLICT, detail, found.id)
    return found


def folder_id(landed: Landed) -> str:
    """The ExperimentID by which a landing folder is named, the innermost one; empty where there is none."""
    return next((parsed for folder in reversed(landed.folders) if (parsed := experiment_id.parse(folder))), "")


def _told(experiment: Experiment) -> str:
    """How a detail names it: everybody can read that, and the ID of what is withdrawn is not told to everybody."""
    return "a withdrawn experiment" if experiment.state == State.WITHDRAWN else experiment.id


def _by_text(typed: str, experiments: Experiments, where: str) -> Experiment | Quarantine:
    parsed = experiment_id.parse(typed)
    if parsed is None:
        if experiment_id.looks_meant(typed):
            return Quarantine(Reason.MISTYPED, f"{where} is not an ExperimentID: its check character does not fit")
        return Quarantine(Reason.NO_ID, f"{where} is {'empty' if not typed else 'not an ExperimentID'}")
    experiment = experiments.experiment(parsed)
    if experiment is None:
        return Quarantine(Reason.UNREGISTERED, f"{where} is an ExperimentID that was never registered", parsed)
    return experiment


def _usable(experiment: Experiment, landed: Landed) -> Experiment | Quarantine:
    """The details name no ID: everybody can read them, also when it is withdrawn later; the session in quarantine tells
    it.
    """
    if not experiment.is_open:
        return Quarantine(Reason.CLOSED, f"its experiment is {experiment.state}", experiment.id)
    if experiment.scanner != landed.scanner:
        detail = f"its experiment was registered for scanner {experiment.scanner}, this came from {landed.scanner}"
        return Quarantine(Reason.WRONG_SCANNER, detail, experiment.id)
    return experiment


def _by_folder(landed: Landed, experiments: Experiments) -> Experiment | None:
    parsed = (experiment_id.parse(folder) for folder in reversed(landed.folders))
    return next((e for e in (experiments.experiment(i) for i in parsed if i) if e), None)


def _masked(header: Header, landed: Landed, experiments: Experiments) -> Experiment | Quarantine | Hold:
    """Raw data whose name the vendor masked: the exam's images share its frame of reference, else the landing folder
    tells.
    """
    uid = header.frame_of_reference_uid
    sharing = experiments.sharing_frame_of_reference(uid) if uid else []
    if len(sharing) > 1:
        return Quarantine(
            Reason.CONFLICT, "its frame of reference is shared by images of " + ", ".join(map(_told, sharing))
        )
    folder = _by_folder(landed, experiments)
    if sharing and folder and folder.id != sharing[0].id:
        detail = f"its frame of reference says {_told(sharing[0])}, the folder in the landing zone says {_told(folder)}"
        return Quarantine(Reason.CONFLICT, detail, sharing[0].id)
    hold = Hold(Reason.NO_ID, "the name is masked, and no archived image shares its frame of reference yet")
    return sharing[0] if sharing else folder or hold

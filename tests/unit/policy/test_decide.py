"""Where a landed file belongs: each rule of `policy.ingest.decision.decide`, and each reason not to place."""

from dataclasses import replace

import pytest

from policy.ingest.decision import Hold, Placement, Quarantine, Reason, decide
from policy.zone.experiment import Experiment, State
from policy.zone.header import Header, Kind
from policy.zone.layout import Branch, DataType, Landed
from policy.zone.settings import Guard, Settings

ID, OTHER_ID, UNKNOWN_ID = "Z4KQ-STAS", "1234-567P", "ABCD-EFGX"
SETTINGS = Settings(zone="z")
EXPERIMENT = Experiment(ID, f"/z/s/experiments/{ID}", "s", "P1", "alice", "94T", "pilot", "2026-01-01T00:00:00Z")
OTHER = replace(EXPERIMENT, id=OTHER_ID, path=f"/z/s/experiments/{OTHER_ID}")
IMAGE = Header(Kind.DICOM, 1000, patient_name=ID, sop_instance_uid="1.2.3", series_number="2", instance_number="7")
RAW = Header(Kind.TWIX, 1000, patient_name="xxxxxxx", masked=True, frame_of_reference_uid="1.9")
DICOM = Landed("94T", Branch.DICOM, "session/MR.1")
TWIX = Landed("94T", Branch.TWIX, "meas.dat")


class Book:
    """Experiments by ID, and by the frame of reference of their images."""

    def __init__(self, *experiments, frames=()):
        self.by_id = {e.id: e for e in experiments}
        self.frames = frames

    def experiment(self, experiment_id):
        return self.by_id.get(experiment_id)

    def sharing_frame_of_reference(self, uid):
        return [self.by_id[i] for frame, i in self.frames if frame == uid]

    def is_subject(self, study, pseudonym):
        return False


def judge(header, landed=DICOM, book=None, settings=SETTINGS):
    return decide(header, landed, book or Book(EXPERIMENT, OTHER), settings)


def test_an_image_goes_to_its_experiment_by_series_and_instance():
    placed = judge(IMAGE)
    assert isinstance(placed, Placement)
    assert (placed.experiment, placed.data_type, placed.name) == (EXPERIMENT, DataType.DICOM, "7_1.2.3.dcm")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", Reason.NO_ID),
        ("SIMPSON^HOMER", Reason.NO_ID),
        ("Z4KQ-STAP", Reason.MISTYPED),
        (UNKNOWN_ID, Reason.UNREGISTERED),
    ],
)
def test_a_name_that_is_no_registered_id_is_quarantined(name, reason):
    verdict = judge(replace(IMAGE, patient_name=name))
    assert isinstance(verdict, Quarantine)
    assert verdict.reason is reason
    assert "SIMPSON" not in verdict.detail


@pytest.mark.parametrize("state", [State.REGISTERED, State.ACQUIRING, State.FINISHED])
def test_raw_data_may_come_when_an_experiment_is_finished(state):
    assert isinstance(judge(IMAGE, book=Book(replace(EXPERIMENT, state=state))), Placement)


@pytest.mark.parametrize("state", [State.FINALIZED, State.WITHDRAWN])
def test_a_closed_experiment_takes_nothing(state):
    assert judge(IMAGE, book=Book(replace(EXPERIMENT, state=state))).reason is Reason.CLOSED


def test_an_id_of_another_scanner_is_not_believed():
    assert judge(IMAGE, Landed("3T", Branch.DICOM, "a")).reason is Reason.WRONG_SCANNER


def test_the_folder_may_not_say_another_experiment():
    assert judge(IMAGE, Landed("94T", Branch.DICOM, f"{OTHER_ID}/a")).reason is Reason.CONFLICT
    assert isinstance(judge(IMAGE, Landed("94T", Branch.DICOM, f"{ID}/a")), Placement)


def test_masked_raw_data_follow_the_images_of_their_exam():
    placed = judge(RAW, TWIX, Book(EXPERIMENT, frames=[("1.9", ID)]))
    assert (placed.experiment, placed.data_type, placed.name) == (EXPERIMENT, DataType.TWIX, "meas.dat")


def test_masked_raw_data_before_any_image_wait():
    verdict = judge(RAW, TWIX)
    assert isinstance(verdict, Hold)
    assert verdict.reason is Reason.NO_ID


def test_masked_raw_data_in_a_folder_named_by_an_id():
    assert judge(RAW, Landed("94T", Branch.TWIX, "z4kqstas/meas.dat")).experiment is EXPERIMENT


def test_a_frame_of_reference_of_two_experiments_decides_nothing():
    assert judge(RAW, TWIX, Book(EXPERIMENT, OTHER, frames=[("1.9", ID), ("1.9", OTHER_ID)])).reason is Reason.CONFLICT


def test_masked_raw_data_of_an_exam_at_another_scanner():
    assert (
        judge(RAW, Landed("3T", Branch.TWIX, "m.dat"), Book(EXPERIMENT, frames=[("1.9", ID)])).reason
        is Reason.WRONG_SCANNER
    )


def test_raw_data_with_a_plain_name_are_known_by_it():
    assert judge(replace(RAW, patient_name=ID, masked=False), TWIX).experiment is EXPERIMENT


def test_what_is_cut_waits_and_what_is_broken_does_not():
    cut = judge(replace(IMAGE, problem="truncated in (0010,0010)", incomplete=True))
    assert isinstance(cut, Hold)
    assert cut.reason is Reason.TRUNCATED
    assert judge(replace(IMAGE, problem="no SOPInstanceUID")).reason is Reason.DAMAGED


def test_other_files_belong_to_expanded_data():
    assert judge(Header(Kind.OTHER, 3)).reason is Reason.NOT_RECOGNISED


@pytest.mark.parametrize(
    "header", [Header(Kind.OTHER, 3), IMAGE, replace(IMAGE, incomplete=True, problem="cut"), replace(RAW, problem="x")]
)
def test_expanded_data_are_kept_as_they_are(header):
    placed = judge(header, Landed("94T", Branch.EXPDATA, "z4kq-stas/a b/c'd.txt"))
    assert (placed.experiment, placed.data_type, placed.name) == (EXPERIMENT, DataType.EXP_DATA, "a b/c'd.txt")


@pytest.mark.parametrize(("relative", "reason"), [("readme.txt", Reason.NO_ID), ("Z4KQ-STAP/a", Reason.MISTYPED)])
def test_expanded_data_outside_an_experiments_folder(relative, reason):
    assert judge(Header(Kind.OTHER, 3), Landed("94T", Branch.EXPDATA, relative)).reason is reason


PERSONAL = {"PatientBirthDate": "19800707", "RequestAttributesSequence.ReferringPhysicianName": "House"}


def test_personal_data_are_refused_by_name_and_never_shown():
    verdict = judge(replace(IMAGE, personal=PERSONAL))
    assert verdict.reason is Reason.PERSONAL_DATA
    assert "PatientBirthDate, RequestAttributesSequence.ReferringPhysicianName" in verdict.detail
    assert "19800707" not in verdict.detail + repr(replace(IMAGE, personal=PERSONAL))


def test_personal_data_are_refused_in_expanded_data_as_well():
    landed = Landed("94T", Branch.EXPDATA, f"{ID}/x")
    assert judge(replace(IMAGE, personal=PERSONAL), landed).reason is Reason.PERSONAL_DATA
    assert judge(replace(IMAGE, patient_name="SIMPSON^HOMER"), landed).reason is Reason.PERSONAL_DATA


def test_expanded_data_of_another_experiment():
    assert (
        judge(replace(IMAGE, patient_name=OTHER_ID), Landed("94T", Branch.EXPDATA, f"{ID}/x")).reason is Reason.CONFLICT
    )


@pytest.mark.parametrize("value", [ID, "z4kqstas", "P1"])
def test_patient_id_may_be_the_experiment_or_the_pseudonym(value):
    assert isinstance(judge(replace(IMAGE, personal={"PatientID": value})), Placement)
    assert judge(replace(IMAGE, personal={"PatientID": value + "9"})).reason is Reason.PERSONAL_DATA


def test_the_site_decides_what_else_it_accepts():
    header = replace(IMAGE, personal={"PatientWeight": "70", "PatientBirthDate": "19000101"})
    assert judge(header).reason is Reason.PERSONAL_DATA
    lenient = Settings(
        zone="z", guard=Guard(retain_patient_characteristics=True, allow={"PatientBirthDate": ["19000101"]})
    )
    assert isinstance(judge(header, settings=lenient), Placement)
    assert (
        judge(replace(header, personal={"PatientBirthDate": "190001011"}), settings=lenient).reason
        is Reason.PERSONAL_DATA
    )

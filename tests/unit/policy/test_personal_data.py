"""The data that the guard works with: complete where it must be, silent where an archive needs it."""

import pytest
from pydicom.datadict import keyword_for_tag

from policy.privacy.personal_data import CHARACTERISTICS, DIRECT, PERSONAL, TWIX, TWIX_NAMES, tells_nothing

NEWER_THAN_THE_DICTIONARY = {
    "PersonNamesToUseSequence",
    "NameToUse",
    "NameToUseComment",
    "ThirdPersonPronounsSequence",
    "PronounCodeSequence",
    "PronounComment",
    "GenderIdentitySequence",
    "GenderIdentityCodeSequence",
    "GenderIdentityComment",
    "SexParametersForClinicalUseCategoryComment",
    "SexParametersForClinicalUseCategorySequence",
    "SexParametersForClinicalUseCategoryCodeSequence",
    "SexParametersForClinicalUseCategoryReference",
    "EthnicGroups",
    "PrincipalDiagnosisCodeSequence",
    "PrimaryDiagnosisCodeSequence",
    "SecondaryDiagnosesCodeSequence",
    "HistologicalDiagnosesCodeSequence",
}


def test_keywords_are_those_of_the_dicom_dictionary():
    wrong = {
        keyword: keyword_for_tag(group << 16 | element)
        for (group, element), keyword in PERSONAL.items()
        if keyword_for_tag(group << 16 | element) != keyword and keyword not in NEWER_THAN_THE_DICTIONARY
    }
    assert not wrong


def test_each_attribute_stands_once():
    assert not DIRECT.keys() & CHARACTERISTICS.keys()
    assert len(set(PERSONAL.values())) == len(PERSONAL)


def test_twix_fields_stand_for_attributes_that_the_guard_knows():
    assert set(TWIX.values()) <= set(PERSONAL.values())
    assert not set(TWIX) & set(TWIX_NAMES)


@pytest.mark.parametrize(
    "keyword",
    ["SOPInstanceUID", "StudyDate", "AcquisitionDateTime", "InstitutionName", "DeviceSerialNumber", "SeriesDescription", "ProtocolName",
     "StudyDescription", "ImageComments", "StudyID", "PerformedProcedureStepID", "RepetitionTime", "FrameOfReferenceUID"],
)  # fmt: skip
def test_an_archive_keeps(keyword):
    assert keyword not in PERSONAL.values()


@pytest.mark.parametrize(
    "keyword",
    ["PatientName", "PatientID", "PatientBirthDate", "PatientBirthTime", "OtherPatientIDs", "OtherPatientNames", "PatientAddress",
     "PatientTelephoneNumbers", "MilitaryRank", "Occupation", "EthnicGroup", "PatientReligiousPreference", "CountryOfResidence",
     "ResponsiblePerson", "PatientComments", "AdditionalPatientHistory", "Allergies", "PregnancyStatus", "SmokingStatus", "AdmissionID",
     "ReferringPhysicianName", "PhysiciansOfRecord", "PerformingPhysicianName", "OperatorsName", "RequestingPhysician", "PersonName",
     "ContentCreatorName", "AccessionNumber", "PatientInsurancePlanCodeSequence", "ClinicalTrialSubjectID"],
)  # fmt: skip
def test_a_guard_refuses(keyword):
    assert keyword in DIRECT.values()


def test_characteristics_are_what_a_scanner_needs_for_sar():
    assert set(CHARACTERISTICS.values()) == {
        "PatientSex",
        "PatientSexNeutered",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
    }


@pytest.mark.parametrize(
    "value", ["", "  ", "\0", "^^^^", "----", "0", "0.000000", "000Y", "n.a.", "N/A", "None", "unknown", "xxxxxxx", "X"]
)
def test_placeholders_tell_nothing(value):
    assert tells_nothing(value)


@pytest.mark.parametrize(
    "value", ["Xavier", "xx1", "O", "033Y", "19700101", "80", "Last^First", "n.a. Müller", "0042-1"]
)
def test_everything_else_tells(value):
    assert not tells_nothing(value)

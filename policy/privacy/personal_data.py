"""What tells, or may tell, who a person is: the attributes that the guard refuses, and the values that tell nothing.

Source: DICOM PS3.15 2026c, Annex E, Table E.1-1 (Application Level Confidentiality Profile Attributes), and for the raw
data the TWIX fields that hold the same things. Of the table's attributes these are the ones that say something about
the patient, about another person, or about the visit and the order that lead to the patient. Two that the table does
not list are added: the birth and death dates in another calendar.

Not refused, because an archive of images is of no use without them and the standard has an option to retain each:

- UIDs (Retain UIDs Option): they join the images of an exam;
- dates and times of study, series and acquisition (Retain Longitudinal Temporal Information Options);
- the scanner and the site (Retain Device Identity Option, Retain Institution Identity Option);
- descriptors of the images: SeriesDescription, ProtocolName, StudyDescription, ImageComments... (Clean Descriptors
Option),
  which MrData takes as what the operator chose; pulse sequences write ImageComments by themselves;
- StudyID and PerformedProcedureStepID, which Siemens scanners count up by themselves.

Keys are (group, element), values DICOM keywords (PS3.6); a sequence stands for all that it holds.
"""

from __future__ import annotations

import re

DIRECT: dict[tuple[int, int], str] = {
    # The patient: name, birth, identifiers, address, insurance, history
    (0x0010, 0x0010): "PatientName",
    (0x0010, 0x0011): "PersonNamesToUseSequence",
    (0x0010, 0x0012): "NameToUse",
    (0x0010, 0x0013): "NameToUseComment",
    (0x0010, 0x0014): "ThirdPersonPronounsSequence",
    (0x0010, 0x0015): "PronounCodeSequence",
    (0x0010, 0x0016): "PronounComment",
    (0x0010, 0x0020): "PatientID",
    (0x0010, 0x0021): "IssuerOfPatientID",
    (0x0010, 0x0030): "PatientBirthDate",
    (0x0010, 0x0032): "PatientBirthTime",
    (0x0010, 0x0033): "PatientBirthDateInAlternativeCalendar",
    (0x0010, 0x0034): "PatientDeathDateInAlternativeCalendar",
    (0x0010, 0x0041): "GenderIdentitySequence",
    (0x0010, 0x0042): "SexParametersForClinicalUseCategoryComment",
    (0x0010, 0x0043): "SexParametersForClinicalUseCategorySequence",
    (0x0010, 0x0044): "GenderIdentityCodeSequence",
    (0x0010, 0x0045): "GenderIdentityComment",
    (0x0010, 0x0046): "SexParametersForClinicalUseCategoryCodeSequence",
    (0x0010, 0x0047): "SexParametersForClinicalUseCategoryReference",
    (0x0010, 0x0050): "PatientInsurancePlanCodeSequence",
    (0x0010, 0x0101): "PatientPrimaryLanguageCodeSequence",
    (0x0010, 0x0102): "PatientPrimaryLanguageModifierCodeSequence",
    (0x0010, 0x1000): "OtherPatientIDs",
    (0x0010, 0x1001): "OtherPatientNames",
    (0x0010, 0x1002): "OtherPatientIDsSequence",
    (0x0010, 0x1005): "PatientBirthName",
    (0x0010, 0x1040): "PatientAddress",
    (0x0010, 0x1050): "InsurancePlanIdentification",
    (0x0010, 0x1060): "PatientMotherBirthName",
    (0x0010, 0x1080): "MilitaryRank",
    (0x0010, 0x1081): "BranchOfService",
    (0x0010, 0x1090): "MedicalRecordLocator",
    (0x0010, 0x1100): "ReferencedPatientPhotoSequence",
    (0x0010, 0x2000): "MedicalAlerts",
    (0x0010, 0x2110): "Allergies",
    (0x0010, 0x2150): "CountryOfResidence",
    (0x0010, 0x2152): "RegionOfResidence",
    (0x0010, 0x2154): "PatientTelephoneNumbers",
    (0x0010, 0x2155): "PatientTelecomInformation",
    (0x0010, 0x2160): "EthnicGroup",
    (0x0010, 0x2161): "EthnicGroupCodeSequence",
    (0x0010, 0x2162): "EthnicGroups",
    (0x0010, 0x2180): "Occupation",
    (0x0010, 0x21A0): "SmokingStatus",
    (0x0010, 0x21B0): "AdditionalPatientHistory",
    (0x0010, 0x21C0): "PregnancyStatus",
    (0x0010, 0x21D0): "LastMenstrualDate",
    (0x0010, 0x21F0): "PatientReligiousPreference",
    (0x0010, 0x2297): "ResponsiblePerson",
    (0x0010, 0x2299): "ResponsibleOrganization",
    (0x0010, 0x4000): "PatientComments",
    (0x0012, 0x0040): "ClinicalTrialSubjectID",
    (0x0012, 0x0042): "ClinicalTrialSubjectReadingID",
    # Other persons: physicians, operators, observers, authors, who ordered
    (0x0008, 0x0090): "ReferringPhysicianName",
    (0x0008, 0x0092): "ReferringPhysicianAddress",
    (0x0008, 0x0094): "ReferringPhysicianTelephoneNumbers",
    (0x0008, 0x0096): "ReferringPhysicianIdentificationSequence",
    (0x0008, 0x009C): "ConsultingPhysicianName",
    (0x0008, 0x009D): "ConsultingPhysicianIdentificationSequence",
    (0x0008, 0x1048): "PhysiciansOfRecord",
    (0x0008, 0x1049): "PhysiciansOfRecordIdentificationSequence",
    (0x0008, 0x1050): "PerformingPhysicianName",
    (0x0008, 0x1052): "PerformingPhysicianIdentificationSequence",
    (0x0008, 0x1060): "NameOfPhysiciansReadingStudy",
    (0x0008, 0x1062): "PhysiciansReadingStudyIdentificationSequence",
    (0x0008, 0x1070): "OperatorsName",
    (0x0008, 0x1072): "OperatorIdentificationSequence",
    (0x0016, 0x004D): "CameraOwnerName",
    (0x0032, 0x1032): "RequestingPhysician",
    (0x0040, 0x0006): "ScheduledPerformingPhysicianName",
    (0x0040, 0x000B): "ScheduledPerformingPhysicianIdentificationSequence",
    (0x0040, 0x1010): "NamesOfIntendedRecipientsOfResults",
    (0x0040, 0x1011): "IntendedRecipientsOfResultsIdentificationSequence",
    (0x0040, 0x1101): "PersonIdentificationCodeSequence",
    (0x0040, 0x1102): "PersonAddress",
    (0x0040, 0x1103): "PersonTelephoneNumbers",
    (0x0040, 0x1104): "PersonTelecomInformation",
    (0x0040, 0x2008): "OrderEnteredBy",
    (0x0040, 0x2010): "OrderCallbackPhoneNumber",
    (0x0040, 0x2011): "OrderCallbackTelecomInformation",
    (0x0040, 0x4034): "ScheduledHumanPerformersSequence",
    (0x0040, 0x4035): "ActualHumanPerformersSequence",
    (0x0040, 0x4037): "HumanPerformerName",
    (0x0040, 0xA075): "VerifyingObserverName",
    (0x0040, 0xA088): "VerifyingObserverIdentificationCodeSequence",
    (0x0040, 0xA123): "PersonName",
    (0x0040, 0xA307): "CurrentObserverTrial",
    (0x0040, 0xA352): "VerbalSourceTrial",
    (0x0040, 0xA353): "AddressTrial",
    (0x0040, 0xA354): "TelephoneNumberTrial",
    (0x0040, 0xA358): "VerbalSourceIdentifierCodeSequenceTrial",
    (0x0070, 0x0084): "ContentCreatorName",
    (0x0070, 0x0086): "ContentCreatorIdentificationCodeSequence",
    (0x0088, 0x0910): "TopicAuthor",
    (0x3006, 0x004D): "ROICreatorSequence",
    (0x3006, 0x004E): "ROIInterpreterSequence",
    (0x3006, 0x00A6): "ROIInterpreter",
    (0x300E, 0x0008): "ReviewerName",
    (0x4008, 0x0102): "InterpretationRecorder",
    (0x4008, 0x010A): "InterpretationTranscriber",
    (0x4008, 0x010C): "InterpretationAuthor",
    (0x4008, 0x0111): "InterpretationApproverSequence",
    (0x4008, 0x0114): "PhysicianApprovingInterpretation",
    (0x4008, 0x0118): "ResultsDistributionListSequence",
    (0x4008, 0x0119): "DistributionName",
    (0x4008, 0x011A): "DistributionAddress",
    # The visit, the order, diagnoses, comments
    (0x0008, 0x0050): "AccessionNumber",
    (0x0008, 0x1080): "AdmittingDiagnosesDescription",
    (0x0008, 0x1084): "AdmittingDiagnosesCodeSequence",
    (0x0008, 0x1301): "PrincipalDiagnosisCodeSequence",
    (0x0008, 0x1302): "PrimaryDiagnosisCodeSequence",
    (0x0008, 0x1303): "SecondaryDiagnosesCodeSequence",
    (0x0008, 0x1304): "HistologicalDiagnosesCodeSequence",
    (0x0008, 0x4000): "IdentifyingComments",
    (0x0032, 0x1030): "ReasonForStudy",
    (0x0032, 0x1033): "RequestingService",
    (0x0032, 0x1066): "ReasonForVisit",
    (0x0032, 0x1067): "ReasonForVisitCodeSequence",
    (0x0032, 0x4000): "StudyComments",
    (0x0038, 0x0010): "AdmissionID",
    (0x0038, 0x0011): "IssuerOfAdmissionID",
    (0x0038, 0x0014): "IssuerOfAdmissionIDSequence",
    (0x0038, 0x001A): "ScheduledAdmissionDate",
    (0x0038, 0x001B): "ScheduledAdmissionTime",
    (0x0038, 0x001C): "ScheduledDischargeDate",
    (0x0038, 0x001D): "ScheduledDischargeTime",
    (0x0038, 0x001E): "ScheduledPatientInstitutionResidence",
    (0x0038, 0x0020): "AdmittingDate",
    (0x0038, 0x0021): "AdmittingTime",
    (0x0038, 0x0030): "DischargeDate",
    (0x0038, 0x0032): "DischargeTime",
    (0x0038, 0x0040): "DischargeDiagnosisDescription",
    (0x0038, 0x0050): "SpecialNeeds",
    (0x0038, 0x0060): "ServiceEpisodeID",
    (0x0038, 0x0061): "IssuerOfServiceEpisodeID",
    (0x0038, 0x0062): "ServiceEpisodeDescription",
    (0x0038, 0x0064): "IssuerOfServiceEpisodeIDSequence",
    (0x0038, 0x0300): "CurrentPatientLocation",
    (0x0038, 0x0400): "PatientInstitutionResidence",
    (0x0038, 0x0500): "PatientState",
    (0x0038, 0x4000): "VisitComments",
    (0x0040, 0x0009): "ScheduledProcedureStepID",
    (0x0040, 0x0012): "PreMedication",
    (0x0040, 0x0280): "CommentsOnThePerformedProcedureStep",
    (0x0040, 0x1001): "RequestedProcedureID",
    (0x0040, 0x1002): "ReasonForTheRequestedProcedure",
    (0x0040, 0x1004): "PatientTransportArrangements",
    (0x0040, 0x100A): "ReasonForRequestedProcedureCodeSequence",
    (0x0040, 0x1400): "RequestedProcedureComments",
    (0x0040, 0x2001): "ReasonForTheImagingServiceRequest",
    (0x0040, 0x2016): "PlacerOrderNumberImagingServiceRequest",
    (0x0040, 0x2017): "FillerOrderNumberImagingServiceRequest",
    (0x0040, 0x2400): "ImagingServiceRequestComments",
    (0x0040, 0x3001): "ConfidentialityConstraintOnPatientDataDescription",
    (0x2200, 0x0002): "LabelText",
    (0x4008, 0x0040): "ResultsID",
    (0x4008, 0x010B): "InterpretationText",
    (0x4008, 0x0115): "InterpretationDiagnosisDescription",
    (0x4008, 0x0200): "InterpretationID",
    (0x4008, 0x0300): "Impressions",
    (0x4008, 0x4000): "ResultsComments",
}
"""Refused always."""

CHARACTERISTICS: dict[tuple[int, int], str] = {
    (0x0010, 0x0040): "PatientSex",
    (0x0010, 0x1010): "PatientAge",
    (0x0010, 0x1020): "PatientSize",
    (0x0010, 0x1030): "PatientWeight",
    (0x0010, 0x2203): "PatientSexNeutered",
}
"""Refused unless the site retains patient characteristics.

Narrower than the Retain Patient Characteristics Option: an MRI archive does not need ethnic group, smoking, pregnancy
and allergies, which stay refused.
"""

PERSONAL: dict[tuple[int, int], str] = DIRECT | CHARACTERISTICS

TWIX_NAMES: tuple[str, ...] = ("tPatientName", "PatientName", "PatientsName", "tPatientsName")
"""The TWIX fields that hold Patient Name, the one to believe first."""

TWIX: dict[str, str] = {
    "PatientID": "PatientID",
    "PatientBirthDay": "PatientBirthDate",
    "PatientSex": "PatientSex",
    "lPatientSex": "PatientSex",
    "flPatientAge": "PatientAge",
    "flPatientHeight": "PatientSize",
    "flUsedPatientWeight": "PatientWeight",
    "tPerfPhysiciansName": "PerformingPhysicianName",
    "PhoneNumber": "PatientTelephoneNumbers",
    "PatientTelephoneNumber": "PatientTelephoneNumbers",
    "CommentsOnThePerformedProcedureStep": "CommentsOnThePerformedProcedureStep",
}
"""TWIX field -> the DICOM keyword of what it holds, so that one policy covers images and raw data.

Left out on purpose: PatientLOID, StudyLOID and SeriesLOID (the scanner's database numbers, as UIDs are), the address of
the institution, tStudyDescription and tImageComment (descriptors).
"""

_NOTHING = re.compile(r"[\s0.\-^=]*|n\.?/?a\.?|none|unknown|[xX]+|000[DWMY]|A[CD]_[0-9a-f]{12,}", re.IGNORECASE)


_MADE_BY_CONSOLE = re.compile(r"\d{2,4}\.\d\d\.\d{2,4}-\d\d:\d\d:\d\d-[A-Z]{2,4}-1\.3\.12\.2\.1107\.5[.\d]*")


def is_made_by_console(patient_id: str) -> bool:
    """Is this the Patient ID that a Siemens console makes up where the operator leaves it empty: date, time, serial?

    >>> is_made_by_console("2024.02.06-16:49:04-STD-1.3.12.2.1107.5.2.63"), is_made_by_console("2024.02.06")
    (True, False)
    """
    return _MADE_BY_CONSOLE.fullmatch(patient_id.strip()) is not None


def tells_nothing(value: str) -> bool:
    """Is this a placeholder: blank, zero, `n.a.`, `none`, `unknown`, or a run of `x` with which the vendor masked the
    value? `AC_` or `AD_` with a hash is what XA writes for a number that it was told to hide.

    >>> [tells_nothing(value) for value in ("^^^^", "0.000000", "000Y", "n.a.", "xxxxxxx", "Xi", "033Y")]
    [True, True, True, True, True, False, False]
    """
    return _NOTHING.fullmatch(value.strip(" \0")) is not None

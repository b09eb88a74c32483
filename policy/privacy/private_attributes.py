"""Private attributes that are known to tell who a person is.

Source: pydicom's private dictionary (`pydicom._private_dict`, from GDCM and the manufacturers' conformance statements):
every attribute of the representation Person Name, and those whose names speak of the patient, of another person, or of
the visit. A private attribute is known by its creator, its group and the last byte of its element (PS3.5 7.8.1); the
block before that byte is the file's choice.

A private attribute of the representation Person Name is refused whatever its creator. A name in any other private
attribute cannot be known.
"""

from __future__ import annotations

PRIVATE: dict[str, dict[tuple[int, int], str]] = {
    "AMI Sequence Annotations_01": {
        (0x3103, 0x80): "AMI Annotation Creator (RET)",
        (0x3103, 0x90): "AMI Annotation Modifiers (RET)",
    },
    "AMI Sequence Annotations_02": {
        (0x3103, 0x80): "AMI Annotation Creator (RET)",
        (0x3103, 0x90): "AMI Annotation Modifiers (RET)",
    },
    "Applicare/RadWorks/Version 6.0": {
        (0x4105, 0x08): "Annotation Creator",
        (0x4105, 0x0C): "Annotation Modifier",
    },
    "BRIT Systems, Inc.": {
        (0x0021, 0x00): "Person Information Sequence",
        (0x0021, 0x01): "Person ID",
        (0x0021, 0x02): "Person Name",
        (0x0021, 0x04): "Person Home Phone",
        (0x0021, 0x05): "Person Work Phone",
        (0x0021, 0x06): "Person Cell Phone",
        (0x0021, 0x07): "Person Pager Phone",
        (0x0021, 0x08): "Person Fax Phone",
        (0x0021, 0x09): "Person EMail",
        (0x0021, 0x0A): "Person Address",
        (0x0021, 0x0C): "Person Emergency Phone",
        (0x0021, 0x0D): "Physician ID",
        (0x0021, 0x11): "Original Patient ID",
        (0x0021, 0x14): "Master Accession Number",
        (0x0021, 0x16): "Patient ICN",
        (0x0021, 0x17): "Patient DFS",
    },
    "DLX_PATNT_01": {
        (0x0011, 0x01): "patient DOB",
    },
    "GEIIS": {
        (0x0905, 0x30): "Assigning Authority For Patient ID",
    },
    "GEMS_DL_STUDY_01": {
        (0x0015, 0x88): "Default Operator Name",
        (0x0015, 0x89): "Default Performing Physician Name",
    },
    "GEMS_GENIE_1": {
        (0x0009, 0x40): "Patient Object Name",
    },
    "GEMS_PETD_01": {
        (0x0009, 0x02): "PET patient_id",
        (0x0009, 0x5F): "PET patient_id",
    },
    "GEMS_RTEN_01": {
        (0x0249, 0x14): "Operator Name",
    },
    "HMC - CT - ID": {
        (0x0009, 0x00): "Image ID Information (eg Patient Name, Patient ID)",
        (0x0009, 0x01): "Image ID Information (eg Patient Comment)",
    },
    "IDEXX": {
        (0x0011, 0x02): "Owner",
    },
    "MITRA LINKED ATTRIBUTES 1.0": {
        (0x0031, 0x20): "Global Patient ID",
    },
    "MITRA OBJECT UTF8 ATTRIBUTES 1.0": {
        (0x0033, 0x02): "Patient's Name",
        (0x0033, 0x06): "Referring Physician's Name",
        (0x0033, 0x08): "Requesting Physician's Name",
        (0x0033, 0x0A): "Performing Physician's Name",
        (0x0033, 0x13): "Patient's Name Single Byte",
        (0x0033, 0x14): "Patient's Name Ideographic",
        (0x0033, 0x15): "Patient's Name Phonetic",
        (0x0033, 0x16): "Referring Physician's Name Single Byte",
        (0x0033, 0x17): "Referring Physician's Name Ideographic",
        (0x0033, 0x18): "Referring Physician's Name Phonetic",
        (0x0033, 0x19): "Requesting Physician's Name Single Byte",
        (0x0033, 0x1A): "Requesting Physician's Name Ideographic",
        (0x0033, 0x1B): "Requesting Physician's Name Phonetic",
        (0x0033, 0x1C): "Performing Physician's Name Single Byte",
        (0x0033, 0x1D): "Performing Physician's Name Ideographic",
        (0x0033, 0x1E): "Performing Physician's Name Phonetic",
    },
    "MMCPrivate": {
        (0x0009, 0x11): "ReferringPhysician",
        (0x0009, 0x12): "Radiologist",
        (0x0009, 0x32): "ReferringPhysician",
        (0x0009, 0x33): "Radiologist",
        (0x0009, 0x55): "Cms_operatorsName",
        (0x0009, 0x56): "Cms_PerformingPhysiciansName",
    },
    "Mortara_Inc": {
        (0x1455, 0x04): "Attending Physician",
    },
    "PAPYRUS": {
        (0x0041, 0x11): "Patient Folder Data Set ID",
        (0x0041, 0x40): "Owner Name",
    },
    "PHILIPS MR/PART": {
        (0x0021, 0x31): "Patient Reference ID",
    },
    "PRIVATE ORIGINAL ATTRIBUTES": {
        (0x0021, 0x70): "Original Operators' Name",
    },
    "Philips MR Imaging DD 004": {
        (0x2005, 0x91): "PersonName",
    },
    "Philips RAD Imaging DD 001": {
        (0x200B, 0x00): "PersonName",
    },
    "SCHICK TECHNOLOGIES - Change Item Creator ID": {
        (0x0021, 0x04): "User Name",
    },
    "SCHICK TECHNOLOGIES - Note Item Creator ID": {
        (0x0021, 0x03): "User Name",
    },
    "SIEMENS CM VA0  CMS": {
        (0x0011, 0x23): "PatientWeight",
        (0x0013, 0x00): "Modifying Physician",
        (0x0013, 0x20): "Patient Name",
        (0x0013, 0x22): "Patient Id",
        (0x0013, 0x30): "Patient Birthdate",
        (0x0013, 0x31): "PatientWeight",
        (0x0013, 0x32): "Patient Maiden Name",
        (0x0013, 0x33): "Referring Physician",
        (0x0013, 0x35): "PatientSex",
    },
    "SIEMENS ISI": {
        (0x0009, 0x01): "RIS Patient Info IMGEF",
        (0x0009, 0x14): "RIS Patient Info IMGEF",
        (0x0011, 0x03): "Patient UID",
        (0x0011, 0x04): "Patient ID",
        (0x0011, 0xA1): "Patient Registration Date",
        (0x0011, 0xA2): "Patient Registration Time",
        (0x0011, 0xB0): "Patient Last Name",
        (0x0011, 0xB2): "Patient First Name",
        (0x0011, 0xD0): "Patient Billing Type",
        (0x0011, 0xD2): "Patient Billing Address",
        (0x0055, 0x46): "Current Ward",
        (0x4009, 0x70): "Report Approving Physician",
        (0x4009, 0xE2): "Report Transcriber",
        (0x4009, 0xE3): "Reporting Radiologist",
    },
    "SIEMENS MED NM": {
        (0x0041, 0x40): "Folder Owner Name",
    },
    "SIEMENS RA GEN": {
        (0x0011, 0x30): "Patient DOB",
    },
    "SIEMENS RIS": {
        (0x0011, 0x10): "Patient UID",
        (0x0011, 0x11): "Patient ID",
        (0x0011, 0x20): "Patient Registration Date",
        (0x0011, 0x21): "Patient Registration Time",
        (0x0011, 0x30): "Patient NameRIS",
        (0x0011, 0x31): "Patient Prename",
        (0x0031, 0x45): "Requesting Physician",
        (0x0031, 0x50): "Requested Physician",
    },
    "SIENET": {
        (0x0091, 0x20): "Patient Name",
        (0x0095, 0x05): "Folder Reporting Radiologist",
    },
    "SPI-P Release 1": {
        (0x0011, 0x10): "Patient Entry ID",
    },
    "SPI-P-Private-DiDi Release 1": {
        (0x0019, 0x20): "SCPreName",
        (0x0019, 0x2C): "SCOperator",
        (0x0019, 0x40): "SCPreName",
    },
    "Sound Technologies": {
        (0xF001, 0x03): "Patient Sex Extended (including spay/neuter)",
        (0xF001, 0x0A): "Client Name",
        (0xF001, 0x0E): "Physician Of Record Address",
        (0xF001, 0x0F): "Physician Of Record Phone Numbers",
        (0xF001, 0x17): "Exam Created By",
    },
    "TOSHIBA_MEC_OT3": {
        (0x7019, 0x72): "ID of quality assurance reviewer",
        (0x7019, 0x73): "Name of quality assurance reviewer",
        (0x7019, 0x85): "Previous Patient ID",
    },
    "http://www.gemedicalsystems.com/it_solutions/bamwallthickness/1.0": {
        (0x3119, 0x20): "BAM WallThickness Session Creator",
    },
    "http://www.gemedicalsystems.com/it_solutions/orthoview/2.1": {
        (0x3117, 0x20): "OrthoView Session Creator",
    },
}
"""Creator -> (group, last byte of the element) -> its name; the keyword of the standard attribute for what a site may
retain.
"""

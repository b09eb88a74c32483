"""Attributes that somebody types or that a protocol is called: what they say of the images is needed, what they say of
a person is not.

Source: DICOM PS3.15 2026c, Table E.1-1, the attributes of the Clean Descriptors Option that
`policy.privacy.personal_data` does not refuse anyway. The guard refuses a file where one of them looks like personal
data (`policy.privacy.free_text`).
"""

from __future__ import annotations

DESCRIPTORS: dict[tuple[int, int], str] = {
    (0x0008, 0x1030): "StudyDescription",
    (0x0008, 0x103E): "SeriesDescription",
    (0x0008, 0x2111): "DerivationDescription",
    (0x0012, 0x0021): "ClinicalTrialProtocolName",
    (0x0012, 0x0031): "ClinicalTrialSiteName",
    (0x0012, 0x0051): "ClinicalTrialTimePointDescription",
    (0x0012, 0x0060): "ClinicalTrialCoordinatingCenterName",
    (0x0012, 0x0072): "ClinicalTrialSeriesDescription",
    (0x0018, 0x0010): "ContrastBolusAgent",
    (0x0018, 0x0024): "SequenceName",
    (0x0018, 0x1030): "ProtocolName",
    (0x0018, 0x1400): "AcquisitionDeviceProcessingDescription",
    (0x0018, 0x4000): "AcquisitionComments",
    (0x0018, 0x9005): "PulseSequenceName",
    (0x0018, 0x9424): "AcquisitionProtocolDescription",
    (0x0018, 0xA003): "ContributionDescription",
    (0x0020, 0x4000): "ImageComments",
    (0x0020, 0x9158): "FrameComments",
    (0x0028, 0x4000): "ImagePresentationComments",
    (0x0032, 0x1060): "RequestedProcedureDescription",
    (0x0032, 0x1070): "RequestedContrastAgent",
    (0x0040, 0x0007): "ScheduledProcedureStepDescription",
    (0x0040, 0x0254): "PerformedProcedureStepDescription",
    (0x0042, 0x0010): "DocumentTitle",
    (0x0050, 0x0020): "DeviceDescription",
    (0x0070, 0x0080): "ContentLabel",
    (0x0070, 0x0081): "ContentDescription",
    (0x2030, 0x0020): "TextString",
    (0x4000, 0x0010): "Arbitrary",
    (0x4000, 0x4000): "TextComments",
}

TWIX: dict[str, str] = {
    "tProtocolName": "ProtocolName",
    "ProtocolName": "ProtocolName",
    "tStudyDescription": "StudyDescription",
    "tSeriesDescription": "SeriesDescription",
    "SequenceImageComment": "ImageComments",
    "tSequenceImageComment": "ImageComments",
    "tImageComment": "ImageComments",
    "tPatientComment": "ImageComments",
}
"""TWIX field -> the DICOM keyword of what it holds."""

OF_VOCABULARY = frozenset(("ProtocolName", "SeriesDescription", "SequenceName", "PulseSequenceDetails", "BodyPart"))
"""The names of `policy.zone.vocabulary` whose values somebody types: what looks like personal data does not become an
AVU.
"""

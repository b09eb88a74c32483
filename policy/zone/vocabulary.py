"""The names under which MrData describes images and raw data: one vocabulary for DICOM and TWIX.

Names and units are those of the BIDS sidecar (BIDS 1.10, "Magnetic Resonance Imaging", and what dcm2niix writes), so
that one query finds the images and the raw data of a protocol. A number is written as the shortest decimal text that
reads back as the same float rounded to 6 significant digits (`0.00246`, `90`), so that equal settings are equal texts.
"""

from __future__ import annotations

UNITS: dict[str, str] = {
    "Manufacturer": "",
    "ManufacturersModelName": "",
    "SoftwareVersions": "",
    "DeviceSerialNumber": "",
    "MagneticFieldStrength": "T",
    "ImagingFrequency": "MHz",
    "ResonantNucleus": "",
    "Modality": "",
    "ProtocolName": "",
    "SeriesDescription": "",
    "SeriesNumber": "",
    "SequenceName": "",
    "PulseSequenceDetails": "",
    "ScanningSequence": "",
    "SequenceVariant": "",
    "ScanOptions": "",
    "MRAcquisitionType": "",
    "ImageType": "",
    "RepetitionTime": "s",
    "EchoTime": "s",
    "InversionTime": "s",
    "FlipAngle": "deg",
    "PixelBandwidth": "Hz/px",
    "SliceThickness": "mm",
    "SpacingBetweenSlices": "mm",
    "PixelSpacing": "mm",
    "Rows": "",
    "Columns": "",
    "NumberOfFrames": "",
    "EchoTrainLength": "",
    "NumberOfAverages": "",
    "ParallelReductionFactorInPlane": "",
    "MultibandAccelerationFactor": "",
    "TransmitCoilName": "",
    "ReceiveCoilName": "",
    "TxRefAmp": "V",
    "SAR": "W/kg",
    "InPlanePhaseEncodingDirectionDICOM": "",
    "BodyPart": "",
    "PatientPosition": "",
    "AcquisitionDuration": "s",
    "DiffusionBValue": "s/mm2",
    "NumberOfMeasurements": "",
    "NumberOfReceiveChannels": "",
    "MeasUID": "",
    "AcquisitionDate": "",
}
"""Name -> unit. Texts and counts have no unit."""


AT_SCAN = "AtScan"
"""Attributes of an experiment that hold what was known about its subject at the scan begin with this and a dot."""
MIXED_USE = "mixed-use"
"""Unit of every AVU that comes from Castellum. MrData recognizes these AVUs by their unit."""
MIXED_USE_COMMIT = "MixedUseCommit"
"""Of a subject: the commit that changed it last. Of the studies' collection: the commit that the zone follows."""
NOT_MIXED_USE = (MIXED_USE_COMMIT, "PseudonymList", "VanishedSince")
"""AVUs of a subject that carry the unit, and are not attributes of the person."""


def number(value: float) -> str:
    """A number as this vocabulary writes it.

    >>> number(0.0024600), number(90.0), number(297.154823)
    ('0.00246', '90', '297.155')
    """
    return f"{value:.6g}" if value != int(value) or abs(value) >= 1e15 else str(int(value))

"""Small DICOM and TWIX files for tests: real formats, few bytes."""

from __future__ import annotations

import io
import secrets
from datetime import datetime

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from mrdata.phantom import phantom_twix
from mrdata.phantom.water_phantom import Session

SESSION = generate_uid()


def _new_uid() -> str:
    """A UID of a UUID (PS3.5 B.2) that is always as long as any other, so that two files of a test have one size."""
    return f"2.25.{10**38 + secrets.randbelow(10**38)}"


def dicom(
    name: str, *, series: int = 1, instance: int = 1, sop: str = "", pixels: bytes = b"\0\0" * 16, **attributes: object
) -> bytes:
    """A classic MR image of 4 x 4 pixels.

    Images of one `name` and `series` share study, series and frame of reference.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(sop or _new_uid())
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    ds.PatientName, ds.PatientID, ds.Modality = name, "", "MR"
    ds.StudyInstanceUID = generate_uid(entropy_srcs=[SESSION, name])
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=[SESSION, name, "frame"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[SESSION, name, str(series)])
    ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription, ds.ProtocolName = series, instance, "gre", "gre"
    ds.AcquisitionDate = "20260102"
    ds.RepetitionTime, ds.EchoTime, ds.FlipAngle, ds.MagneticFieldStrength = 2000, 4.1, 90, 9.4
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel, ds.PhotometricInterpretation = 15, 0, 1, "MONOCHROME2"
    ds.PixelData = pixels
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def frame_of_reference(name: str) -> str:
    """That of all images of `dicom(name)`."""
    return generate_uid(entropy_srcs=[SESSION, name, "frame"])


def frame_of_raw_data(name: str) -> str:
    """A frame of reference for the images of an exam, of the length of the one in `twix(name)`."""
    length = len(Session(name, datetime(2026, 1, 2, 9, 0, 0, 123_000)).frame_of_reference_uid)
    return frame_of_reference(name)[:length].rstrip(".").ljust(length, "0")


def twix(name: str, *, masked: bool = False, frame: str = "") -> bytes:
    """A VE raw file with few readouts; masked as VE software does, or plain as VB does."""
    session = Session(name, datetime(2026, 1, 2, 9, 0, 0, 123_000))
    measurement = phantom_twix.gradient_echo(session, 7, size=16, channels=1)
    content = phantom_twix.ve(session, [measurement], masked=True) if masked else phantom_twix.vb(session, measurement)
    if frame:
        old = session.frame_of_reference_uid.encode()
        # Of the same length, so that no length in the file changes.
        content = content.replace(old, frame.encode().ljust(len(old), b"0")[: len(old)])
    return content

"""DICOM series of the phantom, as a Siemens console exports them.

Classic MR Image objects (PS3.3 A.4) in the manner of syngo MR E12: a localizer, a gradient echo with two echoes, an EPI
run as mosaics. There is no personal data in them: Patient Name and Patient ID are what the operator typed, the person's
Type 2 attributes are empty.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from math import ceil, sqrt

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from mrdata.phantom.water_phantom import Contrast, Picture, Plane, Session, picture

AXIAL = Plane((0.0, 0.0, 0.0))
CORONAL = Plane((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
SAGITTAL = Plane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))


@dataclass(frozen=True, slots=True)
class Series:
    """What all images of a series share. Times in ms, the flip angle in degrees, lengths in mm."""

    number: int
    description: str
    sequence: str
    repetition_time: float
    flip_angle: float
    thickness: float
    gap: float = 0.0
    bandwidth: float = 260.0
    """Hz per pixel."""
    software: str = "syngo MR E12"
    starts: int = 0
    """Seconds after the session's beginning."""

    def contrast(self, echo_time: float) -> Contrast:
        """The contrast at one echo time."""
        return Contrast(self.repetition_time, echo_time, self.flip_angle)


def localizer(session: Session, number: int = 1) -> Iterator[tuple[str, bytes]]:
    """Three orthogonal slices."""
    series = Series(number, "localizer", "*fl2d1", 40.0, 14.0, 8.0, bandwidth=320.0)
    for instance, plane in enumerate((SAGITTAL, CORONAL, AXIAL), 1):
        pixels = picture(plane, series.contrast(4.0), seed=seed_of(session, series, instance))
        yield _file(session, series, _image(session, series, instance, plane, 4.0, pixels))


def gradient_echo(
    session: Session, number: int = 2, slices: int = 5, echo_times: Sequence[float] = (4.1, 12.3)
) -> Iterator[tuple[str, bytes]]:
    """A 2-D gradient echo: `slices` axial slices at each of `echo_times` (ms)."""
    series = Series(number, "gre_2echo_axial", "*fl2d2", 300.0, 25.0, 4.0, gap=8.0, starts=40)
    instance = 0
    for echo, echo_time in enumerate(echo_times, 1):
        for index in range(slices):
            instance += 1
            plane = AXIAL.moved((index - (slices - 1) / 2) * (series.thickness + series.gap))
            pixels = picture(plane, series.contrast(echo_time), seed=seed_of(session, series, instance))
            image = _image(session, series, instance, plane, echo_time, pixels)
            image.EchoNumbers = echo
            yield _file(session, series, image)


def epi(session: Session, number: int = 3, volumes: int = 4, slices: int = 9) -> Iterator[tuple[str, bytes]]:
    """An EPI run: each volume is one mosaic, a square of tiles, one axial slice in each, from the feet upwards."""
    series = Series(
        number, "ep2d_bold_mosaic", "*epfid2d1_64", 2000.0, 70.0, 2.0, gap=10.0, bandwidth=1860.0, starts=150
    )
    side = ceil(sqrt(slices))
    first = Plane((0.0, 0.0, 0.0), rows=64, columns=64, spacing=3.5).moved(
        -(slices - 1) / 2 * (series.thickness + series.gap)
    )
    for volume in range(1, volumes + 1):
        mosaic = np.zeros((side * first.rows, side * first.columns), dtype=np.uint16)
        for index in range(slices):
            plane = first.moved(index * (series.thickness + series.gap))
            row, column = (index // side) * first.rows, (index % side) * first.columns
            seed = seed_of(session, series, volume * 100 + index)
            mosaic[row : row + first.rows, column : column + first.columns] = picture(
                plane, series.contrast(22.0), seed=seed, ghost=0.04
            )
        # a mosaic's position is that of a slice as large as the whole mosaic around the first slice's centre
        whole = Plane(first.centre, first.across, first.down, side * first.rows, side * first.columns, first.spacing)
        image = _image(session, series, volume, whole, 22.0, mosaic)
        image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        image.ScanningSequence, image.SequenceVariant = "EP", "SK"
        image.EchoTrainLength = first.rows
        image.TemporalPositionIdentifier, image.NumberOfTemporalPositions = volume, volumes
        image.AcquisitionNumber = volume
        moment = session.started + timedelta(seconds=series.starts + (volume - 1) * series.repetition_time / 1000)
        image.AcquisitionTime = image.ContentTime = f"{moment:%H%M%S.%f}"
        image.AcquisitionMatrix, image.NumberOfPhaseEncodingSteps = [first.rows, 0, 0, first.columns], first.rows
        _mosaic_header(image, series, first, slices)
        yield _file(session, series, image)


def seed_of(session: Session, series: Series, instance: int) -> int:
    """The seed of one picture's noise."""
    return session.seed * 1_000_000 + series.number * 10_000 + instance


def uid(session: Session, *parts: object) -> UID:
    """A UID that is always the same for the same session and parts."""
    return generate_uid(entropy_srcs=[session.frame_of_reference_uid, str(session.seed), *map(str, parts)])


def general(session: Session, series: Series, sop_class: str, instance: int) -> FileDataset:
    """The modules that classic and enhanced images share:

    Patient, General Study, General Series, Equipment, Frame of Reference.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = uid(session, series.number, instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    began = session.started + timedelta(seconds=series.starts)
    image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.InstanceCreationDate = image.StudyDate = image.SeriesDate = image.ContentDate = f"{session.started:%Y%m%d}"
    image.StudyTime = f"{session.started:%H%M%S.%f}"
    image.InstanceCreationTime = image.SeriesTime = image.ContentTime = f"{began:%H%M%S.%f}"
    image.AccessionNumber = image.ReferringPhysicianName = ""
    image.Modality, image.Manufacturer, image.ManufacturerModelName = "MR", "SIEMENS", session.MODEL
    image.SeriesDescription = image.ProtocolName = series.description
    image.PatientName = image.PatientID = session.patient_name
    image.PatientBirthDate = image.PatientSex = ""
    image.PatientPosition = "HFS"
    image.DeviceSerialNumber, image.SoftwareVersions = session.SERIAL, series.software
    image.MagneticFieldStrength = session.FIELD
    image.StudyInstanceUID, image.SeriesInstanceUID = uid(session, "study"), uid(session, "series", series.number)
    image.StudyID, image.SeriesNumber, image.InstanceNumber = "1", series.number, instance
    image.FrameOfReferenceUID, image.PositionReferenceIndicator = session.frame_of_reference_uid, ""
    return image


def pixels_into(image: Dataset, pixels: Picture) -> None:
    """The Image Pixel module, 12 bits in 16, and a window that shows the phantom well.

    `pixels` may have a frame axis in front.
    """
    image.Rows, image.Columns = pixels.shape[-2:]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelData = pixels.astype("<u2").tobytes()


def window(pixels: Picture) -> tuple[int, int]:
    """Window centre and width."""
    brightest = max(int(np.percentile(pixels, 99.5)), 2)
    return brightest // 2, brightest


def _image(
    session: Session, series: Series, instance: int, plane: Plane, echo_time: float, pixels: Picture
) -> FileDataset:
    image = general(session, series, MRImageStorage, instance)
    image.AcquisitionDate, image.AcquisitionTime = image.SeriesDate, image.SeriesTime
    image.BodyPartExamined = "HEAD"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "GR", "SP", "", "2D"
    image.SequenceName, image.AngioFlag = series.sequence, "N"
    image.SliceThickness, image.SpacingBetweenSlices = series.thickness, series.thickness + series.gap
    image.RepetitionTime, image.EchoTime, image.FlipAngle = series.repetition_time, echo_time, series.flip_angle
    image.NumberOfAverages, image.ImagingFrequency, image.ImagedNucleus = 1, session.FREQUENCY, "1H"
    image.EchoNumbers, image.EchoTrainLength, image.PixelBandwidth = 1, 1, series.bandwidth
    image.PercentSampling, image.PercentPhaseFieldOfView, image.NumberOfPhaseEncodingSteps = 100, 100, plane.rows
    image.TransmitCoilName, image.ReceiveCoilName = "16Tx_Head", "31Rx_Head"
    image.AcquisitionMatrix, image.InPlanePhaseEncodingDirection = [0, plane.columns, plane.rows, 0], "COL"
    image.VariableFlipAngleFlag, image.SAR = "N", round(0.002 * series.flip_angle**2 / series.repetition_time, 6)
    image.AcquisitionNumber = 1
    image.ImagePositionPatient = [round(v, 6) for v in plane.first_voxel]
    image.ImageOrientationPatient = [*plane.across, *plane.down]
    image.SliceLocation = round(float(np.dot(plane.centre, plane.normal)), 6)
    image.PixelSpacing = [plane.spacing, plane.spacing]
    pixels_into(image, pixels)
    image.SmallestImagePixelValue, image.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
    image.WindowCenter, image.WindowWidth = window(pixels)
    return image


def _mosaic_header(image: Dataset, series: Series, first: Plane, slices: int) -> None:
    """What a reader needs to take a mosaic apart:

    Siemens' private elements, and the CSA header that older tools read.
    """
    ascending = [index * series.repetition_time / slices for index in range(slices)]
    protocol = image.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    protocol.add_new(0x0A, "US", slices)
    protocol.add_new(0x29, "FD", ascending)
    medcom = image.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    medcom.add_new(0x08, "CS", "IMAGE NUM 4")
    medcom.add_new(0x09, "LO", f"{image.AcquisitionDate}")
    elements = {
        "NumberOfImagesInMosaic": ("US", [str(slices)]),
        "SliceNormalVector": ("FD", [f"{v:.8f}" for v in first.normal]),
        "MosaicRefAcqTimes": ("FD", [f"{t:.8f}" for t in ascending]),
        "PhaseEncodingDirectionPositive": ("IS", ["1"]),
        "BandwidthPerPixelPhaseEncode": ("FD", ["28.935000"]),
        "ProtocolSliceNumber": ("IS", ["0"]),
        "EchoPartitionPosition": ("IS", ["32"]),
    }
    medcom.add_new(0x10, "OB", csa_header(elements))


def csa_header(elements: dict[str, tuple[str, list[str]]]) -> bytes:
    """Siemens' CSA2 structure: name -> (VR, values)."""
    out = b"SV10\4\3\2\1" + struct.pack("<II", len(elements), 77)
    for name, (vr, values) in elements.items():
        # six items at least, the unused ones empty
        texts = [value.encode("ascii") + b"\0" for value in values] + [b""] * max(0, 6 - len(values))
        out += struct.pack("<64si4siii", name.encode("ascii"), len(values), vr.encode("ascii"), 0, len(texts), 77)
        for text in texts:
            out += struct.pack("<iiii", len(text), len(text), 77, len(text)) + text + bytes(-len(text) % 4)
    return out


def _file(session: Session, series: Series, image: FileDataset) -> tuple[str, bytes]:
    folder = f"{series.description.upper()}_{series.number:04d}"
    return f"{folder}/MR.{image.SOPInstanceUID}", encoded(image)


def encoded(image: FileDataset) -> bytes:
    """The file's bytes (PS3.10)."""
    buffer = BytesIO()
    dcmwrite(buffer, image, enforce_file_format=True)
    return buffer.getvalue()

"""The DICOM series of the phantom: valid, complete, free of personal data."""

import struct
from datetime import datetime
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID, EnhancedMRImageStorage, MRImageStorage

from mrdata.demonstration.plan import images as exam
from mrdata.phantom.phantom_dicom import csa_header, epi, gradient_echo, localizer
from mrdata.phantom.phantom_enhanced import enhanced
from mrdata.phantom.water_phantom import Session
from policy.privacy.personal_data import PERSONAL

SESSION = Session("Z4KQ-STAS", datetime(2026, 3, 12, 9, 0, 0, 123000), seed=3)


def read(files):
    return [dcmread(BytesIO(content)) for _, content in files]


@pytest.fixture(scope="module")
def files():
    return list(exam(SESSION))


@pytest.fixture(scope="module")
def images(files):
    return read(files)


def test_a_session_shares_what_an_exam_shares(images):
    assert {i.StudyInstanceUID for i in images} == {images[0].StudyInstanceUID}
    assert {i.FrameOfReferenceUID for i in images} == {SESSION.frame_of_reference_uid}
    assert len({i.SOPInstanceUID for i in images}) == len(images) == 3 + 10 + 4 + 1
    assert len({i.SeriesInstanceUID for i in images}) == 4
    assert {i.SOPClassUID for i in images} == {MRImageStorage, EnhancedMRImageStorage}
    assert all(UID(uid).is_valid for i in images for uid in (i.SOPInstanceUID, i.SeriesInstanceUID, i.StudyInstanceUID))
    assert {(i.Manufacturer, i.ManufacturerModelName, i.MagneticFieldStrength) for i in images} == {
        ("SIEMENS", "Magnetom 9.4T", 9.4)
    }
    assert {i.SoftwareVersions for i in images} == {"syngo MR E12", "syngo MR XA60"}


def test_there_is_no_personal_data_beside_the_typed_name(images):
    for image in images:
        assert str(image.PatientName) == image.PatientID == "Z4KQ-STAS"
        told = [e.keyword for e in image.iterall() if (e.tag.group, e.tag.elem) in PERSONAL and not e.is_empty]
        assert sorted(told) == ["PatientID", "PatientName"]
        assert "PatientBirthDate" in image, "Type 2: empty, not absent"


def test_equal_sessions_give_equal_bytes_and_others_give_others(files):
    assert list(exam(SESSION)) == files
    other = Session("Z4KQ-STAS", SESSION.started, seed=4)
    assert {i.SOPInstanceUID for i in read(localizer(other))}.isdisjoint({i.SOPInstanceUID for i in read(files)})


def test_file_names_are_unique_and_without_and_with_extension(files):
    names = [name for name, _ in files]
    assert len(set(names)) == len(names)
    assert any(name.endswith(".IMA") for name in names)
    assert any(name.rpartition("/")[2].startswith("MR.1.2.") for name in names)


def test_the_localizer_has_three_orientations():
    normals = [np.cross(i.ImageOrientationPatient[:3], i.ImageOrientationPatient[3:]) for i in read(localizer(SESSION))]
    assert np.linalg.matrix_rank(np.array(normals, dtype=float)) == 3


def test_the_gradient_echo_has_slices_and_two_echoes():
    images = read(gradient_echo(SESSION, slices=3, echo_times=(4.0, 12.0)))
    assert [(i.EchoNumbers, i.EchoTime, i.InstanceNumber) for i in images] == [
        (e, t, n) for e, t, n in zip([1] * 3 + [2] * 3, [4.0] * 3 + [12.0] * 3, range(1, 7), strict=True)
    ]
    assert [i.SliceLocation for i in images[:3]] == [-12.0, 0.0, 12.0]
    first, second = images[0].pixel_array, images[3].pixel_array
    assert second[first > 500].mean() < first[first > 500].mean(), "the second echo has decayed"


def test_a_mosaic_is_made_of_tiles():
    images = read(epi(SESSION, volumes=2, slices=5))
    assert len(images) == 2
    image = images[0]
    assert "MOSAIC" in image.ImageType
    assert image.pixel_array.shape == (192, 192)
    assert image[0x0019, 0x100A].value == 5
    tiles = image.pixel_array.reshape(3, 64, 3, 64).transpose(0, 2, 1, 3).reshape(9, 64, 64)
    assert all(tile.max() > 500 for tile in tiles[:5])
    assert tiles[5:].max() == 0
    # as nibabel and dcm2niix take it apart: the first slice's corner lies half the difference of the sizes inwards
    corner = np.add(image.ImagePositionPatient, (64 * 3.5, 64 * 3.5, 0))
    assert corner == pytest.approx([-31.5 * 3.5, -31.5 * 3.5, -24.0])
    assert images[1].AcquisitionTime > image.AcquisitionTime


def test_the_csa_header_has_its_documented_layout():
    raw = csa_header(
        {"NumberOfImagesInMosaic": ("US", ["9"]), "MosaicRefAcqTimes": ("FD", [f"{n}.5" for n in range(9)])}
    )
    assert raw[:8] == b"SV10\4\3\2\1"
    count, check = struct.unpack_from("<II", raw, 8)
    assert (count, check) == (2, 77)
    position, values = 16, {}
    for _ in range(count):
        name, _, _, _, items, check = struct.unpack_from("<64si4siii", raw, position)
        assert check == 77
        position += 84
        texts = []
        for _ in range(items):
            length = struct.unpack_from("<iiii", raw, position)[1]
            texts.append(raw[position + 16 : position + 16 + length].rstrip(b"\0").decode())
            position += 16 + (length + 3) // 4 * 4
        values[name.rstrip(b"\0").decode()] = [text for text in texts if text]
    assert position == len(raw)
    assert values == {"NumberOfImagesInMosaic": ["9"], "MosaicRefAcqTimes": [f"{n}.5" for n in range(9)]}


def test_an_enhanced_image_has_its_timing_in_the_functional_groups_only():
    (image,) = read(enhanced(SESSION, slices=3, echo_times=(3.0, 9.0)))
    assert image.NumberOfFrames == len(image.PerFrameFunctionalGroupsSequence) == image.pixel_array.shape[0] == 6
    assert not {"RepetitionTime", "EchoTime", "EffectiveEchoTime", "FlipAngle", "PixelSpacing"} & {
        keyword_for_tag(t)
        for t in image.keys()  # noqa: SIM118
    }
    timing = image.SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence[0]
    assert (timing.RepetitionTime, timing.FlipAngle) == (280.0, 22.0)
    echoes = [frame.MREchoSequence[0].EffectiveEchoTime for frame in image.PerFrameFunctionalGroupsSequence]
    assert echoes == [3.0] * 3 + [9.0] * 3
    positions = {
        frame.PlanePositionSequence[0].ImagePositionPatient[2] for frame in image.PerFrameFunctionalGroupsSequence
    }
    assert len(positions) == 3
    indices = [
        tuple(frame.FrameContentSequence[0].DimensionIndexValues) for frame in image.PerFrameFunctionalGroupsSequence
    ]
    assert len(set(indices)) == 6
    assert {len(i) for i in indices} == {len(image.DimensionIndexSequence)}

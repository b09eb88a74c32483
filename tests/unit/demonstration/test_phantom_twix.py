"""Raw files of the phantom, read back by twixtools."""

import re
import struct
from datetime import datetime

import numpy as np
import pytest
import twixtools

from mrdata.phantom.phantom_twix import coil_sensitivities, gradient_echo, vb, ve, write_large
from mrdata.phantom.phantom_twix_text import Version
from mrdata.phantom.water_phantom import Session, reconstruct, signal

SESSION = Session("Z4KQ-STAS", datetime(2026, 3, 12, 9, 0, 0, 123000), seed=3)


@pytest.fixture(scope="module")
def image():
    return gradient_echo(SESSION, 42, size=64, channels=4)


@pytest.fixture(scope="module")
def adjustment():
    return coil_sensitivities(SESSION, 41, channels=4)


def read(tmp_path, content):
    path = tmp_path / "meas.dat"
    path.write_bytes(content)
    return twixtools.read_twix(str(path), verbose=False, keep_acqend=True)


def samples(measurement, echo=0):
    return np.array([m.data for m in measurement["mdb"] if not m.is_flag_set("ACQEND") and m.mdh.Counter.Eco == echo])


def test_vb_reads_back_with_its_kspace(tmp_path, image):
    (measurement,) = read(tmp_path, vb(SESSION, image))
    lines = samples(measurement)
    assert np.array_equal(lines, image.echoes[0])
    assert np.array_equal(samples(measurement, echo=1), image.echoes[1])
    truth = signal(image.plane, image.contrast)
    assert np.corrcoef(reconstruct(lines).ravel(), truth.ravel())[0, 1] > 0.95
    assert measurement["mdb"][-1].is_flag_set("ACQEND")
    assert [(m.mdh.Counter.Lin, m.mdh.Counter.Eco) for m in measurement["mdb"][:3]] == [(0, 0), (0, 1), (1, 0)]


def test_ve_holds_the_adjustment_and_the_image(tmp_path, image, adjustment):
    first, second = read(tmp_path, ve(SESSION, [adjustment, image]))
    assert np.array_equal(samples(first), adjustment.lines)
    assert np.array_equal(samples(second), image.lines)
    assert [m["raidfile_hdr"]["protName_"] for m in (first, second)] == [b"AdjCoilSens", b"gre_2echo_axial"]
    assert [m["raidfile_hdr"]["measId_"] for m in (first, second)] == [41, 42]


@pytest.mark.parametrize(
    ("version", "name", "software"), [(Version.VB, "Z4KQ-STAS", "syngo MR B17"), (Version.VE, "x" * 9, "syngo MR E12")]
)
def test_the_header_says_what_a_real_one_says(tmp_path, image, version, name, software):
    (measurement,) = read(tmp_path, vb(SESSION, image) if version is Version.VB else ve(SESSION, [image]))
    header = measurement["hdr"]
    for buffer, field in (
        ("Config", "tPatientName"),
        ("Config", "PatientName"),
        ("Dicom", "tPatientName"),
        ("Meas", "tPatientName"),
        ("Spice", "PatientsName"),
    ):
        assert header[buffer][field] == name
    assert header["Config"]["FrameOfReference"] == header["Meas"]["tFrameOfReference"] == SESSION.frame_of_reference_uid
    assert header["Config"]["MeasUID"] == 42
    assert (header["Dicom"]["SoftwareVersions"], header["Dicom"]["flMagneticFieldStrength"]) == (software, 9.4)
    yaps = header["MeasYaps"]
    assert (yaps["alTR"], yaps["alTE"][:2], yaps["lContrasts"], yaps["adFlipAngleDegree"], yaps["tProtocolName"]) == (
        [300000],
        [4100, 12300],
        2,
        [25.0],
        "gre_2echo_axial",
    )
    assert header["Phoenix"]["alTR"] == [300000]
    assert len(header["Meas_raw"]) > 300_000, "what stands behind Meas must be as far away as in real files"


def test_no_characteristics_of_a_person_are_in_the_header(image):
    text = vb(SESSION, image).decode("latin-1")
    for field in ("PatientBirthDay", "PatientSex", "lPatientSex"):
        values = re.findall(rf'"{field}">\s*\{{([^}}]*)\}}', text)
        assert values
        assert not "".join(values).strip()
    assert "flPatientAge" not in text
    assert "flUsedPatientWeight" not in text


def test_a_ve_name_can_be_plain(tmp_path, image):
    (measurement,) = read(tmp_path, ve(SESSION, [image], masked=False))
    assert measurement["hdr"]["Config"]["tPatientName"] == "Z4KQ-STAS"
    assert set(measurement["raidfile_hdr"]["patName_"]) == {ord("x")}


def test_vb_ends_as_real_files_do(image):
    content = vb(SESSION, image)
    header_length, buffers = struct.unpack_from("<II", content)
    assert header_length % 32 == 0
    assert buffers == 6
    flags_and_length, *_ = struct.unpack_from("<I", content, len(content) - 256)
    (mask,) = struct.unpack_from("<Q", content, len(content) - 256 + 20)
    assert (flags_and_length & 0x1FFFFFF, mask) == (8192, 1)


def test_ve_ends_as_real_files_do(image, adjustment):
    content = ve(SESSION, [adjustment, image])
    assert len(content) % 512 == 0
    entries = [struct.unpack_from("<QQ", content, 16 + 152 * n) for n in range(2)]
    assert entries[0][0] == 10240
    for offset, length in entries:
        assert offset % 512 == 0
        end = offset + length
        (mask,) = struct.unpack_from("<Q", content, end - 352 + 40)
        assert mask & 1
        assert not any(content[end : end + (-end % 512)])
    assert content[sum(entries[1]) :] == bytes(len(content) - sum(entries[1]))


def test_the_clock_of_the_readouts_is_that_of_the_session(tmp_path, image):
    (measurement,) = read(tmp_path, vb(SESSION, image))
    seconds = measurement["mdb"][0].mdh.TimeStamp * 0.0025
    assert seconds == pytest.approx(9 * 3600 + 342.123 + 0.3, abs=0.01)


@pytest.mark.parametrize("version", list(Version))
def test_a_large_file_is_whole_but_takes_no_room(tmp_path, version):
    path = tmp_path / "large.dat"
    with path.open("wb") as file:
        size = write_large(file, SESSION, 200_000_000, version)
    stat = path.stat()
    assert 200_000_000 <= stat.st_size == size < 240_000_000
    assert stat.st_blocks * 512 < 5_000_000
    (measurement,) = twixtools.read_twix(
        str(path), verbose=False, parse_pmu=False, parse_geometry=False, keep_acqend=True
    )
    assert measurement["mdb"][-1].is_flag_set("ACQEND")
    assert [m.mdh.ScanCounter for m in measurement["mdb"][:2]] == [1, 2]

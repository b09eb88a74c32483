"""Headers of raw data, compared with twixtools on real files, and with what a small writer put in."""

import base64
import io
import random
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmwrite
from pydicom.dataelem import DataElement

from microservices.budget import Budget
from microservices.headers.header_reader import Source, read_header
from microservices.twix import twix_header
from microservices.twix.twix_text import ascconv, buffers, real, xprotocol
from policy.zone import carriers
from policy.zone.header import Kind
from policy.zone.vocabulary import number

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "twix"
REAL = sorted(CORPUS.glob("twixtools/*.dat")) + sorted(CORPUS.glob("pulseq-vb19/*.dat")) if CORPUS.is_dir() else []
needs_corpus = pytest.mark.skipif(not REAL, reason="the corpus of real scanner files is not beside the project")
FRAME = "1.3.12.2.1107.5.2.19.45385.1.20210622151635693.0.0.0"
TAIL = 65536


def read(content: bytes):
    return read_header(io.BytesIO(content), len(content))


def has_end(content: bytes) -> bool:
    return twix_header.has_end(io.BytesIO(content), len(content))


# --- a small writer -------------------------------------------------------------------------------------------------


def parameters(**values: object) -> str:
    def one(name: str, value: object) -> str:
        if isinstance(value, str):
            return f'<ParamString."{name}">  {{ "{value}"  }}'
        return f'<ParamDouble."{name}">  {{ <Precision> 6  {value}  }}'

    return (
        '<XProtocol> \n{\n  <ParamMap.""> \n  {\n'
        + "".join(f"    {one(*item)}\n" for item in values.items())
        + "  }\n}\n"
    )


def header(name: str = "0123-4567", protocol: str = "", **more: object) -> bytes:
    protocol = (
        protocol
        or 'tProtocolName\t = \t"gre"\nalTR[0]\t = \t10000\nalTE[0]\t = \t2460\nadFlipAngleDegree[0]\t = \t15.0\n'
    )
    texts = {
        "Config": parameters(tPatientName=name, FrameOfReference=FRAME, MeasUID="7"),
        "Dicom": parameters(tPatientName=name, SoftwareVersions="syngo MR E12", flMagneticFieldStrength=9.39, **more),
        "Meas": parameters(flPatientHeight=0),
        "MeasYaps": "### ASCCONV BEGIN ###\n" + protocol + "### ASCCONV END ###\n",
    }
    body = b"".join(
        key.encode() + b"\0" + struct.pack("<I", len(text.encode())) + text.encode() for key, text in texts.items()
    )
    body += bytes(-(len(body) + 8) % 32)
    return struct.pack("<II", len(body) + 8, len(texts)) + body


def vd_readout(uid: int, counter: int, flags: int, samples: int, channels: int, payload: bytes) -> bytes:
    head = (
        struct.pack("<IiIII", 192 + len(payload), uid, counter, 1000 + counter, 0)
        + bytes(20)
        + struct.pack("<QHH", flags, samples, channels)
    )
    return head.ljust(192, b"\0") + payload


def vd_measurement(uid: int = 7, readouts: int = 4, **fields: object) -> bytes:
    content = header(**fields)
    for counter in range(1, readouts + 1):
        channel = struct.pack("<IiI", (32 + 64) << 8 | 2, uid, counter).ljust(32, b"\0") + random.Random(
            counter
        ).randbytes(64)
        content += vd_readout(uid, counter, 8, 8, 1, channel)
    return content + vd_readout(uid, readouts + 1, 1, 0, 0, random.Random(0).randbytes(160))


def vd_file(*measurements: bytes, table_name: bytes = b"xxxxxxxxxxxxxxxxxx", lengths: list[int] | None = None) -> bytes:
    measurements = measurements or (vd_measurement(),)
    table, body = struct.pack("<II", 0, len(measurements)), b""
    for index, one in enumerate(measurements):
        length = len(one) if lengths is None else lengths[index]
        table += struct.pack("<IIQQ64s64s", 7 + index, 100, 10240 + len(body), length, table_name, b"gre")
        body += one + bytes(-len(one) % 512)
    return table.ljust(10240, b"\0") + body


def vb_file(uid: int = 142, readouts: int = 4, channels: int = 1, **fields: object) -> bytes:
    content = header(**fields)
    content += bytes(max(0, 10240 - len(content)))
    content = struct.pack("<I", len(content)) + content[4:]
    for counter in range(1, readouts + 2):
        flags, samples = (1, 16) if counter > readouts else (8, 10)
        for _ in range(channels):
            mdh = struct.pack(
                "<IiIIIQHH", (128 + 8 * samples) | 1 << 31, uid, counter, 1000 + counter, 0, flags, samples, channels
            )
            content += mdh.ljust(128, b"\0") + random.Random(counter).randbytes(8 * samples)
    return content


# --- beside twixtools -----------------------------------------------------------------------------------------------


@needs_corpus
@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_every_field_is_what_twixtools_reads(file):
    import twixtools

    theirs = twixtools.read_twix(str(file), parse_data=False, verbose=False)[-1]["hdr"]
    config, dicom, yaps = theirs["Config"], theirs["Dicom"], theirs["MeasYaps"]
    with open(file, "rb") as stream:
        ours = read_header(stream, file.stat().st_size)
    assert (ours.kind, ours.problem, ours.incomplete) == (Kind.TWIX, "", False)
    assert ours.patient_name == config["tPatientName"] == dicom["tPatientName"]
    assert ours.masked is (set(config["tPatientName"]) == {"x"})
    assert ours.frame_of_reference_uid == config["FrameOfReference"]
    assert ours.date == config["FrameOfReference"].split(".")[-4][:8]
    protocol = yaps["tProtocolName"].strip('"')
    nucleus = yaps["sTXSPEC"]["asNucleusInfo"][0]
    expected = {
        "Manufacturer": dicom["Manufacturer"],
        "ManufacturersModelName": dicom["ManufacturersModelName"],
        "SoftwareVersions": dicom["SoftwareVersions"],
        "DeviceSerialNumber": number(dicom["DeviceSerialNumber"]),
        "Modality": dicom["Modality"],
        "ProtocolName": protocol,
        "PulseSequenceDetails": yaps["tSequenceFileName"].strip('"'),
        "ScanningSequence": dicom["tScanningSequence"],
        "SequenceVariant": dicom["tSequenceVariant"],
        "MRAcquisitionType": dicom["tMRAcquisitionType"],
        "PatientPosition": dicom["tPatientPosition"],
        "TransmitCoilName": dicom["TransmittingCoil"],
        "MeasUID": number(config["MeasUID"]),
        "ResonantNucleus": nucleus["tNucleus"].strip('"'),
        "RepetitionTime": number(float(yaps["alTR"][0]) / 1e6),
        "EchoTime": number(float(yaps["alTE"][0]) / 1e6),
        "FlipAngle": number(float(yaps["adFlipAngleDegree"][0])),
        "ImagingFrequency": number(float(nucleus["lFrequency"]) / 1e6),
        "TxRefAmp": number(float(nucleus["flReferenceAmplitude"])),
        "AcquisitionDuration": number(float(yaps["lTotalScanTimeSec"])),
        "SliceThickness": number(float(yaps["sSliceArray"]["asSlice"][0]["dThickness"])),
        "MagneticFieldStrength": "3",
        "NumberOfMeasurements": "1",
        "AcquisitionDate": ours.date,
    }
    assert {name: ours.technique.get(name) for name in expected} == expected
    assert ours.series_description == protocol
    assert ours.personal["PatientAge"] == number(dicom["flPatientAge"])
    assert ours.personal["PatientWeight"] == number(dicom["flUsedPatientWeight"])
    assert ours.personal["PatientSex"] == {1: "F", 2: "M", 3: "O"}[int(dicom["lPatientSex"])]
    assert ("PatientBirthDate" in ours.personal) is not ours.masked


@needs_corpus
@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_channels_are_those_of_the_readouts(file):
    import twixtools

    scan = twixtools.read_twix(str(file), verbose=False)[-1]
    with open(file, "rb") as stream:
        ours = read_header(stream, file.stat().st_size)
    assert ours.technique["NumberOfReceiveChannels"] == str(max(int(mdb.mdh.UsedChannels) for mdb in scan["mdb"]))


@needs_corpus
@pytest.mark.parametrize(
    ("name", "kind", "incomplete", "ends", "problem"),
    [
        ("count0.dat", Kind.OTHER, False, False, ""),
        ("count65.dat", Kind.OTHER, False, False, ""),
        ("hdrlen_huge.dat", Kind.TWIX, True, False, "measurement 1 of 1 ends at byte 1656864, beyond the end"),
        ("length_zero.dat", Kind.TWIX, False, True, ""),
        ("multiraid_2meas.dat", Kind.TWIX, False, True, ""),
        ("offset_beyond_eof.dat", Kind.TWIX, True, False, "measurement 1 of 1 begins at byte 1152921504606846976"),
        ("text.dat", Kind.OTHER, False, False, ""),
        ("trunc_after_raid_header.dat", Kind.TWIX, True, False, "measurement 1 of 1 begins at byte 10240"),
        ("trunc_in_data.dat", Kind.TWIX, True, False, "measurement 1 of 1 ends at byte 1656864"),
        (
            "trunc_in_raid_header.dat",
            Kind.TWIX,
            True,
            False,
            "the table of measurements is cut off: 200 of 10240 bytes",
        ),
        ("trunc_in_text_header.dat", Kind.TWIX, True, False, "measurement 1 of 1 ends at byte 1656864"),
        ("vb_nbuffers_huge.dat", Kind.TWIX, False, False, "the header of measurement 1 would have 65535 text buffers"),
        ("vb_renamed_as_dcm.dcm", Kind.TWIX, False, True, ""),
        ("vb_text.dat", Kind.OTHER, False, False, ""),
        ("vb_trunc_in_data.dat", Kind.TWIX, True, False, "measurement 1 has no end"),
        ("vb_trunc_in_header.dat", Kind.TWIX, True, False, "the header of measurement 1 is cut off"),
        ("zero_bytes.dat", Kind.OTHER, False, False, ""),
    ],
)
def test_broken_files(name, kind, incomplete, ends, problem):
    content = (CORPUS / "odd-derived" / name).read_bytes()
    header = read(content)
    assert (header.kind, header.incomplete) == (kind, incomplete)
    assert header.problem.startswith(problem)
    assert bool(header.problem) is bool(problem)
    assert has_end(content) is ends


@needs_corpus
def test_what_is_there_of_a_file_that_is_cut_off_is_read():
    header = read((CORPUS / "odd-derived" / "vb_trunc_in_header.dat").read_bytes())
    assert (header.patient_name, header.frame_of_reference_uid[:12]) == ("Gel_HD_2_20240130", "1.3.12.2.110")


@needs_corpus
@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_a_real_file_has_its_end_and_no_beginning_of_it_has(file):
    content = file.read_bytes()
    assert has_end(content)
    last = len(content.rstrip(b"\0")) if content[:4] == b"\0\0\0\0" else len(content)
    cuts = [
        *range(last - 600, last),
        *range(max(10240, last - 2 * TAIL), last, 257),
        *range(0, last, 9973),
        10240,
        10241,
    ]
    ended = [cut for cut in cuts if has_end(content[:cut])]
    assert not ended
    for cut in cuts[::40]:
        header = read(content[:cut])
        assert header.kind is Kind.OTHER if cut < 160 else header.incomplete, cut


# --- made files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [vd_file(), vb_file(), vb_file(channels=4)], ids=["VD", "VB", "VB, 4 channels"])
def test_a_made_file(content):
    header = read(content)
    assert (header.kind, header.problem, header.patient_name, header.masked) == (Kind.TWIX, "", "0123-4567", False)
    assert (header.date, header.frame_of_reference_uid, header.series_description) == ("20210622", FRAME, "gre")
    wanted = {
        "RepetitionTime": "0.01",
        "EchoTime": "0.00246",
        "FlipAngle": "15",
        "MagneticFieldStrength": "9.4",
        "MeasUID": "7",
    }
    assert wanted.items() <= header.technique.items()
    assert header.personal == {}
    assert has_end(content)


@pytest.mark.parametrize("content", [vd_file(), vd_file(lengths=[0]), vb_file()], ids=["VD", "VD saved live", "VB"])
def test_no_beginning_of_a_made_file_has_an_end(content):
    last = len(content) if content[8:12] == b"Conf" else 10240 + len(vd_measurement())
    is_live = content[8:12] != b"Conf" and not struct.unpack_from("<Q", content, 24)[0]
    ends = [cut for cut in range(last) if has_end(content[:cut])]
    assert ends == ([last - 160] if is_live else []), "XA saves the last MDH without its payload"
    assert all(has_end(content[:cut]) for cut in range(last, len(content) + 1))


REPORTS = Path(__file__).parents[4] / "shared" / "reports"
reported = pytest.mark.skipif(not REPORTS.is_dir(), reason="shared/reports is not there")


@reported
@pytest.mark.parametrize(("name", "is_whole"), [("01_xa_live_acqend", True), ("01b_xa_live_no_acqend", False)])
def test_raw_data_that_xa_saves_while_it_measures(name, is_whole):
    content = (REPORTS / f"{name}.dat").read_bytes()
    assert has_end(content) is is_whole
    assert read(content).incomplete is not is_whole


@reported
def test_the_patient_registration_of_xa_is_judged_element_by_element():
    content = (REPORTS / "02_xa_registration_data_clean.dat").read_bytes()
    header = read(content)
    assert header.problem == ""
    assert header.carried == {}
    assert header.patient_name == header.personal["PatientID"] == "Z4KQ-STAS"
    assert {name: header.personal[name] for name in ("PatientBirthDate", "PatientAge", "PatientSize")} == {
        "PatientBirthDate": "19000101",
        "PatientAge": "032Y",
        "PatientSize": "1.75",
    }
    assert "OtherPatientIDs" not in header.personal


@pytest.mark.parametrize(
    ("registration", "personal", "carried"),
    [
        (DataElement("PatientName", "PN", "SIMPSON^HOMER"), {"OtherPatientNames": "SIMPSON^HOMER"}, False),
        (DataElement("PatientAddress", "LO", "742 Evergreen"), {"PatientAddress": "742 Evergreen"}, False),
        (b"no base64!", {}, True),
        (base64.b64encode(b"\x10\x00\x10\x00PN\xff\x00AB"), {}, True),
    ],
)
def test_what_a_patient_registration_tells(registration, personal, carried):
    if isinstance(registration, DataElement):
        encoded = io.BytesIO()
        dataset = Dataset()
        dataset.add(registration)
        dcmwrite(encoded, dataset, implicit_vr=False, little_endian=True)
        registration = base64.b64encode(encoded.getvalue())
    header = read(vd_file(vd_measurement(PatientRegistrationData=registration.decode())))
    assert personal.items() <= header.personal.items()
    assert (carriers.UNREADABLE in header.carried) is carried


def test_a_preallocated_file_has_no_end():
    content = vd_file()
    assert not has_end(content[:-2000].ljust(len(content), b"\0"))
    assert read(content[:-2000].ljust(len(content), b"\0")).incomplete


def test_the_last_measurement_is_described_and_all_are_searched():
    noise = vd_measurement(5, name="Doe^Jane", tPerfPhysiciansName="Dr. Who")
    header = read(vd_file(noise, vd_measurement(6)))
    assert (header.problem, header.patient_name, header.technique["NumberOfMeasurements"]) == ("", "0123-4567", "2")
    assert header.personal == {"PerformingPhysicianName": "Dr. Who", "OtherPatientNames": "Doe^Jane"}


def test_a_measurement_that_is_not_written_yet():
    content = bytearray(vd_file(vd_measurement(5), vd_measurement(6)))
    content[8 + 152 + 8 : 8 + 152 + 24] = bytes(16)
    header = read(bytes(content))
    assert header.incomplete
    assert "measurement 2 of 2" in header.problem
    assert not has_end(bytes(content))


def test_lengths_that_are_not_written_in_a_file_of_two():
    content = vd_file(vd_measurement(5), vd_measurement(6), lengths=[0, 0])
    assert has_end(content)
    assert not has_end(content[: len(content) // 2 + 6000])


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("xxxxxxx", True),
        ("XXXX", True),
        ("0012-3456", False),
        ("1e5", False),
        ("00012345", False),
        ("x7", False),
        ("", False),
    ],
)
def test_names_are_the_quoted_text(name, masked):
    header = read(vd_file(vd_measurement(name=name)))
    assert (header.patient_name, header.masked) == (name, masked)
    assert header.personal == {}


def test_a_name_in_the_table_that_the_text_does_not_have():
    assert read(vd_file(table_name=b"Doe^Jane")).personal == {"OtherPatientNames": "Doe^Jane"}
    assert read(vd_file(table_name=b"0123-4567, 19700")).personal == {}


def test_personal_fields_by_dicom_keyword_and_placeholders():
    fields = {
        "PatientID": "4711", "PatientBirthDay": "19700101", "lPatientSex": 2, "flPatientAge": 33.5, "flUsedPatientWeight": 71.25,
        "flPatientHeight": 1830.0, "tPerfPhysiciansName": "Dr. Who", "PhoneNumber": "+49 1",
    }  # fmt: skip
    assert read(vd_file(vd_measurement(**fields))).personal == {
        "PatientID": "4711", "PatientBirthDate": "19700101", "PatientSex": "M", "PatientAge": "33.5", "PatientWeight": "71.25",
        "PatientSize": "1.83", "PerformingPhysicianName": "Dr. Who", "PatientTelephoneNumbers": "+49 1",
    }  # fmt: skip
    empty = {
        "PatientID": "xxxxxxxx",
        "PatientBirthDay": "",
        "lPatientSex": 0,
        "flPatientAge": 0.0,
        "tPerfPhysiciansName": "n.a.",
    }
    assert read(vd_file(vd_measurement(**empty))).personal == {}


def test_an_inversion_time_counts_only_where_the_protocol_inverts():
    def inversion(mode: str) -> str | None:
        return read(
            vd_file(vd_measurement(protocol=f"alTI[0]\t = \t300000\nsPrepPulses.ucInversion\t = \t{mode}\n"))
        ).technique.get("InversionTime")

    assert (inversion("4"), inversion("0x4"), inversion("1"), inversion("0x2")) == (None, None, "0.3", "0.3")


def test_the_day_of_xa_is_when_the_scan_was_prepared():
    assert read(vd_file(vd_measurement(PrepareTimestamp="2024-02-06 17:01:12"))).date == "20240206"


@pytest.mark.parametrize("length", [0, 7, 2**31, 2**32 - 1])
def test_impossible_header_lengths(length):
    content = bytearray(vd_file(lengths=[0]))
    struct.pack_into("<I", content, 10240, length)
    header = read(bytes(content))
    assert header.problem
    assert not has_end(bytes(content))


def test_buffers_that_lie_about_their_length():
    content = bytearray(vd_file())
    at = content.index(b"Dicom\0") + 6
    struct.pack_into("<I", content, at, 2**31)
    header = read(bytes(content))
    assert header.problem == "measurement 1: text buffer Dicom is longer than the header"
    assert not header.incomplete
    assert header.patient_name == "0123-4567"


@given(st.data())
@settings(max_examples=300)
def test_damage_never_raises(data):
    content = bytearray(data.draw(st.sampled_from([vd_file(), vb_file()])))
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(0, 400) | st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        read(damaged)
        has_end(damaged)


def test_a_tail_of_zeros_and_a_meas_uid_of_zero_cost_little():
    content = vd_file(vd_measurement(0), lengths=[0])[:-1000] + bytes(200_000)
    start = time.perf_counter()
    assert not has_end(content)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("behind", [100, 70_000, 3_000_000])
def test_the_end_is_found_behind_blocks_of_any_size(behind):
    """Scanners write blocks behind the last readout, and a readout of many channels is large."""
    content = vd_file(lengths=[0]) + bytes(behind)
    assert has_end(content)
    assert read(content).problem == ""
    assert not has_end(content[: 10240 + len(vd_measurement()) - 400] + bytes(behind))


@pytest.mark.parametrize("vb", [False, True])
def test_a_file_of_gigabytes_costs_what_a_small_one_costs(tmp_path, vb):
    small, size = (vb_file() if vb else vd_file(vd_measurement(), lengths=[0])), 5 << 30
    end = small[-(128 + 128) :] if vb else vd_measurement()[-352:]
    file = tmp_path / "meas.dat"
    with open(file, "wb") as out:
        out.write(small[: -len(end)] if vb else small)
        out.seek(size - len(end))
        out.write(end)
    with open(file, "rb") as stream:
        source = Source(stream, size)
        header = read_header(source, size)
        assert (header.problem, header.patient_name) == ("", "0123-4567")
        assert source.bytes_read < 512 * 1024
        assert source.reads <= 8
        assert twix_header.has_end(stream, size)
        assert not twix_header.has_end(stream, size - 1)


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('<ParamString."name">  { "A}B"  }', "A}B"),
        ('<ParamString."name"> \n{\n  <Visible> "true" \n  "value" \n}', "value"),
        ('<ParamDouble."name">  { <Precision> 6  9.400000  }', "9.400000"),
        ('<ParamDouble."name"> { <Unit> "[mm]" <Precision> 6 <LimitRange> { 0 9 } 2000.5 }', "2000.5"),
        ('<ParamString."name"> { <Comment> "(0018,0091)" "1" }', "1"),
        ('<ParamLong."name">  { 3  }', "3"),
        ('<ParamLong."name">  { -1 2 3 }', "-1"),
        ('<ParamString."name">  { "00012345"  }', "00012345"),
        ('<ParamArray."name"> \n{\n <Default> <ParamString.""> \n {\n }\n { "one" }\n { }\n}', "one"),
    ],
)
def test_xprotocol_values(text, value):
    assert list(xprotocol(text.encode(), ("name",), Budget())) == [("name", value)]


@pytest.mark.parametrize(
    "text",
    [
        '<ParamString."name">  { }',
        '<ParamString."name"> { "" }',
        '<ParamString."other"> { "x" }',
        '<ParamString."name">',
        "",
    ],
)
def test_xprotocol_without_a_value(text):
    assert list(xprotocol(text.encode(), ("name",), Budget())) == []


def test_xprotocol_texts_of_both_encodings():
    assert list(xprotocol('<ParamString."n"> { "Müller" }'.encode(), ("n",), Budget())) == [("n", "Müller")]
    assert list(xprotocol('<ParamString."n"> { "Müller" }'.encode("latin-1"), ("n",), Budget())) == [("n", "Müller")]


def test_ascconv_of_vb_and_ve():
    text = (
        b'alTR[0]    = 100000\nalTE[0]\t = \t2460\ntProtocolName = "a b"\nucInv = 0x4\ntSeq\t ='
        b' \t""%SiemensSeq%\\gre""\nxalTR[1] = 3\n'
    )
    found = ascconv(text, ("alTR[0]", "alTE[0]", "tProtocolName", "ucInv", "tSeq", "alTR[1]"))
    assert found == {
        "alTR[0]": "100000",
        "alTE[0]": "2460",
        "tProtocolName": "a b",
        "ucInv": "0x4",
        "tSeq": "%SiemensSeq%\\gre",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("0x4", 4.0), ("-1.5", -1.5), ("1e3", 1000.0), ("nan", None), ("inf", None), ("", None), ("0xz", None)],
)
def test_numbers(text, value):
    assert real(text) == value


def test_buffers_keep_what_precedes_the_damage():
    found, wrong = buffers(header()[:400])
    assert list(found) == ["Config"] or "Config" in found
    assert wrong


def test_echo_times_and_b_values_that_are_used_are_all_told():
    settings = "lContrasts = 3\nalTE[0] = 4000\nalTE[1] = 8000\nalTE[2] = 12000\nalTE[3] = 99000\n"
    settings += "sDiffusion.lDiffWeightings = 2\nsDiffusion.alBValue[0] = 0\nsDiffusion.alBValue[1] = 1000\n"
    header = read(vd_file(vd_measurement(protocol=settings)))
    assert header.several == {"EchoTime": ["0.004", "0.008", "0.012"], "DiffusionBValue": ["0", "1000"]}
    assert header.technique["EchoTime"] == "0.004"

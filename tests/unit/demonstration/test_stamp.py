"""Stamping an ExperimentID into copies of real files: the name changes, nothing else does."""

import csv
import struct
from collections import Counter
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest
import twixtools
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import tag_for_keyword

from mrdata.phantom.phantom_dicom import encoded, localizer
from mrdata.phantom.phantom_twix import coil_sensitivities, gradient_echo, vb, ve
from mrdata.phantom.stamp import CannotStamp, stamp_dicom, stamp_twix
from mrdata.phantom.water_phantom import Session
from policy.privacy.personal_data import DIRECT

ID = "Z4KQ-STAS"
LONG = "A name that is longer than any that a scanner lets one type"
CORPUS = Path(__file__).parents[4] / "shared" / "corpus"
corpus_only = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not beside the project")
PLAIN = (
    "MR_small.dcm",
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_RLE.dcm",
    "image_dfl.dcm",
    "reportsi.dcm",
)


def real(name):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom comes without {name}")
    return Path(path).read_bytes()


def elements(content):
    image = dcmread(BytesIO(content), force=True)
    raw = {tag: image.get_item(tag) for tag in list(image.keys()) if tag.element}
    return {
        tag: e.value
        for tag, e in raw.items()
        if tag not in (tag_for_keyword("PatientName"), tag_for_keyword("PatientID"))
    }


@pytest.mark.parametrize("name", PLAIN)
def test_a_real_image_changes_its_name_only(name):
    source = real(name)
    stamped = stamp_dicom(source, ID)
    before, after = dcmread(BytesIO(source), force=True), dcmread(BytesIO(stamped), force=True)
    assert (str(after.PatientName), after.PatientID) == (ID, ID)
    assert after.file_meta == before.file_meta
    assert after.preamble == before.preamble
    assert elements(stamped) == elements(source)


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm"])
def test_what_has_no_preamble_stays_without(name):
    source = real(name)
    stamped = stamp_dicom(source, ID)
    assert stamped[128:132] == source[128:132]
    assert stamped[:4] == source[:4]
    assert elements(stamped) == elements(source)


def test_clearing_takes_the_direct_identifiers_and_leaves_the_characteristics():
    image = dcmread(BytesIO(real("MR_small.dcm")))
    image.PatientBirthDate, image.PatientWeight, image.OperatorsName = "19700101", 70, "Somebody"
    image.StudyDescription = "Head^Pilot"
    image.ReferencedPatientSequence = [dcmread(BytesIO(real("MR_small.dcm")), specific_tags=["PatientName"])]
    image.ReferencedPatientSequence[0].ReferringPhysicianName = "Somebody^Else"
    buffer = encoded(image)
    kept, cleared = (
        dcmread(BytesIO(stamp_dicom(buffer, ID))),
        dcmread(BytesIO(stamp_dicom(buffer, ID, clear_personal=True))),
    )
    assert (kept.PatientBirthDate, kept.OperatorsName) == ("19700101", "Somebody")
    assert str(cleared.ReferencedPatientSequence[0].PatientName) == ID, "the old name must not stay inside"
    told = {e.keyword for e in cleared.iterall() if (e.tag.group, e.tag.elem) in DIRECT and not e.is_empty}
    assert told == {"PatientName", "PatientID"}
    assert (cleared.PatientWeight, cleared.StudyDescription) == (70, "Head^Pilot")


def cut(content, n):
    return content[:n]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just text " * 100, "no DICOM file"),
        (bytes(128) + b"DICM" + b"\xfe" * 500, "no DICOM object|damaged"),
        ("MR_truncated.dcm", r"truncated in \(7FE0,0010\)"),
        ("DICOMDIR", "DICOMDIR"),
    ],
)
def test_what_cannot_be_stamped_is_refused_with_the_reason(content, reason):
    source = real(content) if isinstance(content, str) else content
    with pytest.raises(CannotStamp, match=reason):
        stamp_dicom(source, ID)


def test_every_cut_of_an_image_is_refused_or_keeps_what_it_has():
    source = next(localizer(Session("Old^Name", datetime(2026, 3, 12, 9, 0))))[1]
    outcomes = Counter()
    for length in range(0, 2500, 7):
        try:
            stamped = stamp_dicom(source[:length], ID)
        except CannotStamp:
            outcomes["refused"] += 1
        else:
            assert elements(stamped) == elements(source[:length])
            outcomes["stamped"] += 1
    assert outcomes["refused"] > 250


SESSION = Session("Gel phantom of the 12th", datetime(2026, 3, 12, 9, 0), seed=1)


@pytest.fixture(scope="module")
def raw():
    return gradient_echo(SESSION, 42, size=16, channels=2)


def reread(tmp_path, content):
    path = tmp_path / "meas.dat"
    path.write_bytes(content)
    return twixtools.read_twix(str(path), verbose=False, keep_acqend=True)


def test_a_shorter_name_keeps_the_length_and_every_other_byte(tmp_path, raw):
    source = vb(SESSION, raw)
    stamped = stamp_twix(source, ID)
    assert len(stamped) == len(source)
    assert b"Gel phantom" not in stamped
    restored = stamped.replace(
        f'"{ID}"'.encode() + b" " * (len(SESSION.patient_name) - len(ID)), f'"{SESSION.patient_name}"'.encode()
    )
    assert restored == source
    (measurement,) = reread(tmp_path, stamped)
    assert {
        measurement["hdr"][b][f]
        for b, f in (("Config", "tPatientName"), ("Meas", "PatientName"), ("Spice", "PatientsName"))
    } == {ID}


def test_a_longer_name_grows_the_header_and_nothing_else(tmp_path, raw):
    source = vb(SESSION, raw)
    stamped = stamp_twix(source, LONG)
    grown = len(stamped) - len(source)
    assert grown > 0
    assert grown % 32 == 0
    old_header, new_header = (struct.unpack_from("<I", content)[0] for content in (source, stamped))
    assert new_header - old_header == grown
    assert stamped[new_header:] == source[old_header:]
    (measurement,) = reread(tmp_path, stamped)
    assert measurement["hdr"]["Spice"]["PatientsName"] == LONG
    assert measurement["mdb"][-1].is_flag_set("ACQEND")


def test_several_measurements_move_together(tmp_path, raw):
    source = ve(SESSION, [coil_sensitivities(SESSION, 41, channels=2), raw], masked=False)
    stamped = stamp_twix(source, LONG)
    first, second = reread(tmp_path, stamped)
    assert first["hdr"]["Config"]["tPatientName"] == second["hdr"]["Config"]["tPatientName"] == LONG
    assert all((m.data == line).all() for m, line in zip(second["mdb"][::2], raw.echoes[0], strict=False))
    entries = [struct.unpack_from("<QQ", stamped, 16 + 152 * n) for n in range(2)]
    assert all(offset % 512 == 0 for offset, _ in entries)
    assert entries[0][0] + entries[0][1] <= entries[1][0]
    assert len(stamped) % 512 == 0


def test_a_masked_name_stays_masked(raw):
    source = ve(SESSION, [raw])
    assert stamp_twix(source, ID, clear_personal=True) == source


@pytest.mark.parametrize("content", [b"", b"text " * 500, bytes(12000), struct.pack("<II", 0, 65) + bytes(12000)])
def test_what_is_no_raw_file_is_refused(content):
    with pytest.raises(CannotStamp):
        stamp_twix(content, ID)


@pytest.mark.parametrize("name", ['a"b', "a}b", "müller", "a\nb"])
def test_a_name_that_would_break_the_syntax_is_refused(raw, name):
    with pytest.raises(CannotStamp, match="cannot stand"):
        stamp_twix(vb(SESSION, raw), name)


def test_every_cut_of_a_raw_header_is_refused(raw):
    source = vb(SESSION, raw)
    header = struct.unpack_from("<I", source)[0]
    for length in (0, 7, 8, 20, 2000, header // 2, header - 1):
        with pytest.raises(CannotStamp):
            stamp_twix(source[:length], ID)
    assert len(stamp_twix(source[:header], ID)) == header


@corpus_only
def test_the_real_files_that_can_be_stamped_are_not_fewer(tmp_path):
    with (CORPUS / "manifest.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    outcome, reasons = Counter(), set()
    for row in rows:
        content = (CORPUS / row["path"]).read_bytes()
        kind = "twix" if row["path"].startswith("twix/") else "dicom"
        try:
            (stamp_twix if kind == "twix" else stamp_dicom)(content, ID, clear_personal=True)
        except CannotStamp as error:
            outcome[kind, "refused"] += 1
            reasons.add(str(error))
        else:
            outcome[kind, "stamped"] += 1
    assert sum(outcome.values()) == len(rows) == 391
    assert all(reason.startswith(("it is ", "its header ", "pydicom ")) for reason in reasons)
    assert outcome["dicom", "stamped"] >= 320
    assert outcome["twix", "stamped"] >= 9


@corpus_only
@pytest.mark.parametrize("path", sorted((CORPUS / "twix/pulseq-vb19").glob("*.dat")) or [None])
def test_a_real_vb_file_says_the_name_nowhere_any_more(tmp_path, path):
    source = path.read_bytes()
    stamped = stamp_twix(source, ID, clear_personal=True)
    assert len(stamped) == len(source)
    for gone in (b"Gel_HD", b'"19700101"'):
        assert gone in source
        assert gone not in stamped
    old, new = (reread(tmp_path, content)[0] for content in (source, stamped))
    assert all((a.data == b.data).all() for a, b in zip(old["mdb"][:-1], new["mdb"][:-1], strict=True))
    for name in ("Config", "Dicom", "Meas", "MeasYaps", "Phoenix", "Spice"):
        changed = {key for key, value in old["hdr"][name].items() if new["hdr"][name].get(key) != value}
        assert changed <= {"tPatientName", "PatientName", "PatientsName", "PatientID", "PatientBirthDay"}

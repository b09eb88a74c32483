"""Inputs of `shared/reports`: files that users of similar systems reported, and what is right for each."""

from __future__ import annotations

import base64
import re
import tarfile
from pathlib import Path

import pytest

from policy.zone import layout
from tests.zone.names import PAIN, T94

REPORTS = Path(__file__).resolve().parents[4] / "shared" / "reports"
pytestmark = pytest.mark.skipif(not REPORTS.is_dir(), reason="shared/reports is not there")
PLACEHOLDER = "Z4KQ-STAS"

ARCHIVED = {
    "01_xa_live_acqend.dat": {},
    "02_xa_registration_data_clean.dat": {},
    "05_mrs_xa.dcm": {"RepetitionTime": None, "EchoTime": None, "FlipAngle": None},
    "12_decimal_comma.dcm": {
        "EchoTime": ["0.00246"],
        "RepetitionTime": ["2.0005"],
        "PixelSpacing": ["0.9375\\0.9375"],
    },
    "13_date_zero.dcm": {"AcquisitionDate": ["20240310"]},
    "14_utf8_undeclared.dcm": {"SeriesDescription": ["Übersicht"]},
    "15_control_characters.dcm": {},
    "16_enhanced_three_echoes.dcm": {"EchoTime": ["0.01", "0.02", "0.03"]},
    "18_auto_patient_id.dat": {},
    "23_private_block_moved.dcm": {"DiffusionBValue": ["1000"]},
}
"""Name -> some AVUs of the object or its series; None: any value."""
QUARANTINED = {
    "01b_xa_live_no_acqend.dat": ("truncated", "has no end"),
    "17_pixel_data_short.dcm": ("truncated", "has 100 bytes, its rows, columns, frames and bits need 512"),
    "20_uid_3000.dcm": ("damaged", "3004 characters, where 64 are allowed"),
    "24_gzipped.dcm.gz": ("not-recognised", "unpack it"),
    "25_other_id_as_patient_id.dcm": ("conflict", "Patient ID says"),
}


@pytest.fixture
def site(make_site):
    allow = {"PatientBirthDate": ["19000101"]}
    return make_site(
        guard={"retain_patient_characteristics": True, "allow": allow}, sweep={"quiet_seconds": 0, "tries": 1}
    )


def stamped(content: bytes, new: str, second: str = "") -> bytes:
    """The content with registered IDs in place of the placeholders; in base64 too."""

    def plain(text: bytes) -> bytes:
        return text.replace(PLACEHOLDER.encode(), new.encode()).replace(b"SECOND-ID", second.encode() or b"SECOND-ID")

    def encoded(match: re.Match[bytes]) -> bytes:
        return base64.b64encode(plain(base64.b64decode(match[0])))

    return re.sub(rb'(?<=")[A-Za-z0-9+/]{100,}={0,2}(?=")', encoded, plain(content))


def read(name: str, new: str, second: str = "") -> bytes:
    return stamped((REPORTS / name).read_bytes(), new, second)


def land(site, name: str, content: bytes) -> None:
    site.land(f"{T94}/{'twix' if name.endswith('.dat') else 'dicom'}/reported/{name}", content)
    site.sweep()


@pytest.mark.parametrize("name", ARCHIVED)
def test_what_is_archived_and_described(site, name):
    new = site.register()
    land(site, name, read(name, new))
    assert site.paths("quarantine") == [], [site.avus(path)["Detail"] for path in site.paths("quarantine")]
    (path,) = [one for one in site.paths(f"studies/{PAIN}/experiments/{new}") if "/DICOM/" in one or "/TWIX/" in one]
    zone, whole = site.connect(), f"{site.settings.home}/{path}"
    avus = [*zone.metadata(whole), *(zone.metadata(layout.parent(whole)) if "/DICOM/" in path else ())]
    for attribute, values in ARCHIVED[name].items():
        found = [avu.value for avu in avus if avu.attribute == attribute]
        assert found if values is None else sorted(found) == sorted(values), (attribute, found)
    assert not [avu for avu in avus if any(ord(character) < 32 for character in avu.value)]
    assert site.verify()["sound"]


@pytest.mark.parametrize("name", QUARANTINED)
def test_what_is_refused_and_why(site, name):
    new, second = site.register(pseudonym="P1"), site.register(pseudonym="P2")
    land(site, name, read(name, new, second))
    reason, says = QUARANTINED[name]
    (path,) = site.paths("quarantine")
    avus = site.avus(path)
    assert (avus["Reason"], says in avus["Detail"]) == (reason, True), avus
    if name.startswith("25"):
        assert new in avus["Detail"]
        assert second in avus["Detail"]


def test_the_pseudonym_of_another_subject_as_patient_id(site):
    new, _ = site.register(pseudonym="P1"), site.register(pseudonym="P2")
    name = "25_other_id_as_patient_id.dcm"
    land(site, name, read(name, new).replace(b"SECOND-ID\0", b"P2        ").replace(b"SECOND-ID ", b"P2        "))
    (path,) = site.paths("quarantine")
    assert (site.avus(path)["Reason"], "another subject" in site.avus(path)["Detail"]) == ("conflict", True)


def test_a_masked_raw_file_in_the_folder_of_another_experiment(site):
    new, second = site.register(pseudonym="P1"), site.register(pseudonym="P2")
    with tarfile.open(REPORTS / "04_masked_raw_folder_contradicts_frame.tar.gz") as archive:
        for member in archive:
            content = stamped(archive.extractfile(member).read(), new)
            site.land(f"{T94}/{member.name.replace('SECOND-ID', second)}", content)
            site.sweep()
    (path,) = site.paths("quarantine")
    assert site.avus(path)["Reason"] == "conflict"
    assert new in site.avus(path)["Detail"]
    assert second in site.avus(path)["Detail"]


@pytest.mark.parametrize("order", [1, -1])
def test_two_raw_files_of_one_name_in_two_folders(site, order):
    new = site.register()
    with tarfile.open(REPORTS / "22_same_raw_file_name.tar.gz") as archive:
        files = {one.name.replace(PLACEHOLDER, new): stamped(archive.extractfile(one).read(), new) for one in archive}
    for name in list(files)[::order]:
        site.land(f"{T94}/{name}", files[name])
        site.sweep()
    assert site.paths("quarantine") == []
    placed = site.paths(f"studies/{PAIN}/experiments/{new}/TWIX")
    zone = site.connect()
    content = {zone.read(f"{site.settings.home}/{path}", 0, 1 << 20) for path in placed}
    assert content == set(files.values())
    assert site.rule("archive").get("quarantined", 0) == 0
    name = next(iter(files))
    site.land(f"{T94}/{name}", files[name] + b"\0" * 512)  # the same file again with other bytes stays a doubt
    site.sweep()
    assert [site.avus(path)["Reason"] for path in site.paths("quarantine")] == ["duplicate-different"]
    assert site.verify()["sound"]

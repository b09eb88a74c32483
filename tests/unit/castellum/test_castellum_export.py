"""Castellum's export in a folder: ZIP and BIDS participants TSV; a file that is not whole is an error."""

import io
import json
import os
import time
import zipfile

import pytest

from microservices.castellum.castellum_export import FolderSource
from policy.castellum.snapshot import SeenStudy, SourceError
from policy.zone.settings import settings_from

TABLE = "participant_id\thandedness\tage_group\nsub-P1\tleft\t20-29\nsub-P2\tright\tn/a\n"
WANTED = {"P1": {"handedness": "left", "age_group": "20-29"}, "P2": {"handedness": "right", "age_group": "n/a"}}


def zipped(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return content.getvalue()


@pytest.fixture
def source(tmp_path):
    def make(**files):
        for name, content in files.items():
            file = tmp_path / name.replace("__", ".")
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            os.utime(file, (time.time() - 60,) * 2)
        return FolderSource(
            settings_from({"zone": "z", "castellum": {"source": "folder", "folder": str(tmp_path)}}).castellum
        )

    return make


@pytest.mark.parametrize(
    "files",
    [
        {"pain__tsv": TABLE},
        {"pain__zip": zipped(participants__tsv=TABLE, participants__json="{}")},
        {"pain__zip": zipped(attributes__json=json.dumps(WANTED), schema__json="{}")},
        {
            "pain__zip": zipped(
                attributes__json=json.dumps([{"pseudonym": p, "attributes": a} for p, a in WANTED.items()])
            )
        },
    ],
)
def test_each_kind_of_export_tells_the_same(source, files):
    asked = source(**files)
    assert asked.studies().studies == [SeenStudy("pain", "", None, None, True)]
    assert asked.subjects(SeenStudy("pain", "")) == WANTED
    assert not asked.lists_all


def test_a_file_beside_it_tells_of_the_study(source):
    asked = source(pain__tsv=TABLE, pain__yaml="title: Pain\nmembers: [alice]\nactive: false\n")
    assert asked.studies().studies == [SeenStudy("pain", "", "Pain", ("alice",), False)]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"pain__tsv": TABLE[:-4]}, "cut off"),
        ({"pain__tsv": TABLE.replace("\tn/a", "")}, "line 3 has 2 columns"),
        ({"pain__tsv": TABLE.replace("participant_id", "id")}, "first column must be participant_id"),
        ({"pain__tsv": TABLE.replace("sub-P2", "P1")}, "stands twice"),
        ({"pain__tsv": "participant_id\tä\n".encode("latin-1")}, "not TSV in UTF-8"),
        ({"pain__zip": zipped(participants__tsv=TABLE)[:-30]}, "not a complete, unencrypted ZIP"),
        ({"pain__zip": zipped(a__tsv=TABLE, b__tsv=TABLE)}, "must hold one .tsv"),
        ({"pain__zip": zipped()}, "holds no files"),
        ({"pain__zip": zipped(attributes__json='{"P1": ')}, "not JSON"),
        ({"pain__zip": zipped(attributes__json='[{"attributes": {}}]')}, "lacks 'pseudonym'"),
        ({"pain__tsv": TABLE, "pain__zip": zipped(participants__tsv=TABLE)}, "must be one export"),
        ({"pain__yaml": "title: Pain\n"}, "must be one export"),
    ],
)
def test_an_export_that_is_not_whole_is_an_error(source, files, says):
    with pytest.raises(SourceError, match=says):
        source(**files).subjects(SeenStudy("pain", ""))


def test_damage_inside_a_zip_is_seen(source):
    content = bytearray(zipped(participants__tsv=TABLE))
    content[content.index(b"left")] ^= 1
    with pytest.raises(SourceError, match=r"damaged|complete, unencrypted ZIP"):
        source(pain__zip=bytes(content)).subjects(SeenStudy("pain", ""))


def test_a_file_that_was_written_just_now_waits(source, tmp_path):
    asked = source(pain__tsv=TABLE)
    os.utime(tmp_path / "pain.tsv")
    with pytest.raises(SourceError, match="just now"):
        asked.subjects(SeenStudy("pain", ""))


def test_one_bad_study_is_no_other_ones_fault(source):
    listing = source(pain__tsv=TABLE, sleep__yaml="active: perhaps\n", more__yaml="titel: x\n").studies()
    assert [s.id for s in listing.studies] == ["pain"]
    assert set(listing.faults) == {"sleep", "more"}


def test_what_may_be_somebodys_name_is_in_no_message(source):
    beside = "title: Anna\nmembers: [Mueller\n"
    listing = source(**{"Anna Mueller__tsv": TABLE, "pain__yaml": beside}).studies()
    assert set(listing.faults) == {"#1", "pain"}
    inside = [
        zipped(**{"Anna Mueller__tsv": TABLE, "x__tsv": TABLE}),
        zipped(**{"Anna Mueller__tsv": TABLE}).replace(b"left", b"lEft"),
    ]
    faults = [*listing.faults.values()]
    for content in inside:
        with pytest.raises(SourceError) as caught:
            source(sleep__zip=content).subjects(SeenStudy("sleep", ""))
        faults.append(str(caught.value))
    assert not [fault for fault in faults if "Anna" in fault or "Mueller" in fault]
    assert "12 characters" in listing.faults["#1"]
    assert "line 3" in listing.faults["pain"]


def test_a_folder_that_is_missing(tmp_path):
    settings = settings_from(
        {"zone": "z", "castellum": {"source": "folder", "folder": str(tmp_path / "nowhere")}}
    ).castellum
    with pytest.raises(SourceError, match="No such file"):
        FolderSource(settings).studies()

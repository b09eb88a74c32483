"""A study as a BIDS dataset, which the BIDS validator finds without an error; what has no place in it is never lost in
silence.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from microservices.headers.header_reader import read_header
from mrdata.phantom import phantom_dicom
from policy.zone import AVU, NotFound
from policy.zone.context import Context
from products import bids
from tests.zone.names import ALICE, BOB, PAIN, SLEEP
from tests.zone.products.test_products import FAST, Scanned, _with

pytest.importorskip("bids_validator_deno", reason="the BIDS validator is not installed")


def export(site, folder, study=PAIN, user=ALICE, subjects=()):
    context = Context(site.connect(user), site.settings, read_header)
    return bids.export(context, study, folder, subjects=subjects)


def with_images(site, pseudonym="P1") -> Scanned:
    """A session with an EPI series and its products."""
    found = Scanned(site, pseudonym=pseudonym)
    found.land(found.epi())
    found.run()
    return found


def files(folder) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def two_sessions(site):
    """One subject scanned twice, one gradient echo, two EPI runs of one name."""
    found = []
    for number in range(2):
        scanned = Scanned(site)
        base = scanned.session.frame_of_reference_uid
        again = [(n, _with(c, SeriesNumber="9", SeriesInstanceUID=f"{base}.9", SOPInstanceUID=f"{base}.9.{i}"))
                 for i, (n, c) in enumerate(scanned.epi())] if number == 0 else []  # fmt: skip
        scanned.land(
            [*phantom_dicom.localizer(scanned.session), *phantom_dicom.gradient_echo(scanned.session, slices=3)]
        )
        scanned.land([*scanned.epi(), *((f"again{n}", c) for n, c in again)])
        scanned.run()
        found.append(scanned)
    return found


def test_a_study_is_a_valid_dataset(site, two_sessions, tmp_path):
    report = export(site, tmp_path / "bids")
    assert report.errors == []
    assert (report.subjects, report.sessions, report.images) == (1, 2, 7)
    first, second = (s.experiment.replace("-", "") for s in two_sessions)
    found = files(tmp_path / "bids")
    one = f"sub-P1/ses-{first}"
    assert {f"{one}/func/sub-P1_ses-{first}_task-ep2dboldmosaic_run-{run}_bold.nii.gz" for run in (1, 2)} <= set(found)
    assert f"sub-P1/ses-{second}/func/sub-P1_ses-{second}_task-ep2dboldmosaic_bold.nii.gz" in found
    assert f"{one}/anat/sub-P1_ses-{first}_echo-2_MEGRE.json" in found
    sidecar = json.loads(
        (tmp_path / f"bids/{one}/func/sub-P1_ses-{first}_task-ep2dboldmosaic_run-2_bold.json").read_text()
    )
    assert sidecar["TaskName"] == "ep2dboldmosaic"
    assert {row[2] for row in report.left_out} == {"1_localizer"}
    listed = (tmp_path / "bids/sourcedata/left_out.tsv").read_text().splitlines()
    assert len(listed) == 1 + len(report.left_out) == 7
    for _, _, _, where, _ in report.left_out:
        assert (tmp_path / "bids" / f"{where}.nii.gz").is_file()
    assert not (tmp_path / "bids.unfinished").exists()


def test_what_has_no_products_is_listed(site, tmp_path):
    scanned = Scanned(site)
    images = scanned.epi(6)
    scanned.land([*images[:2], *images[4:], *phantom_dicom.gradient_echo(scanned.session, slices=3)])
    report = export(site, tmp_path / "early")
    assert {row[2:] for row in report.left_out} == {
        ("2_gre_2echo_axial", "", "waiting: its products are not made yet"),
        ("3_ep2d_bold_mosaic", "", "waiting: its products are not made yet"),
    }
    scanned.run(replace(FAST, incomplete_seconds=0.0))
    report = export(site, tmp_path / "late")
    assert [row[2:] for row in report.left_out] == [
        ("3_ep2d_bold_mosaic", "", "incomplete: instance numbers 3-4 are missing")
    ]
    assert report.errors == []
    assert report.images == 2


def test_a_series_that_changed_since_is_left_out(site, tmp_path):
    scanned = Scanned(site)
    images = scanned.epi(5)
    scanned.land(images[:4])
    scanned.run()
    scanned.land(images[4:])
    report = export(site, tmp_path / "bids")
    assert report.images == 0
    assert [row[2] for row in report.left_out] == ["3_ep2d_bold_mosaic"]


def test_a_study_without_an_image_is_told_in_a_sentence(site, tmp_path):
    """No dataset that no validator takes, and no traceback for the folder in which one stands."""
    above = tmp_path / "above"
    here = above / "here"
    here.mkdir(parents=True)

    def told() -> tuple[int, str]:
        command = [sys.executable, "-m", "mrdata.cli", "export", "bids", PAIN, ".", "--user", ALICE]
        done = subprocess.run(command, env=site.environment(), cwd=here, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    status, text = told()
    assert (status, text.count("\n")) == (1, 1)
    assert "no image can be exported yet: its experiments hold no series" in text
    early = Scanned(site)
    early.land(early.epi())
    status, text = told()
    assert (status, text.count("\n")) == (1, 2)
    assert "no image can be exported yet. Nothing was written." in text
    assert "3_ep2d_bold_mosaic: waiting: its products are not made yet" in text
    assert list(above.iterdir()) == [here]
    assert list(here.iterdir()) == []
    early.run()
    second = Scanned(site, pseudonym="P2")
    second.land(second.epi())
    status, text = told()
    assert status == 0, text
    assert [line.split("\t")[0] for line in (here / "participants.tsv").read_text().splitlines()] == [
        "participant_id",
        "sub-P1",
    ]
    assert "1 session of 1 subject" in text
    assert "BIDS validator: 0 errors" in text


def test_withdrawn_experiments_are_not_exported(site, two_sessions, tmp_path):
    path = f"{site.settings.home}/{two_sessions[0].base}"
    zone = site.connect()
    state = next(avu for avu in zone.metadata(path) if avu.attribute == "State")
    zone.annotate(path, add=[AVU("State", "withdrawn")], remove=[state])
    report = export(site, tmp_path / "bids")
    assert report.sessions == 1
    assert not [name for name in files(tmp_path / "bids") if two_sessions[0].experiment.replace("-", "") in name]


def test_pseudonyms_become_labels_that_stay_apart(site, tmp_path):
    site.rule("study", {"study": PAIN, "members": [ALICE], "subjects": ["A-1", "A1"]})
    for pseudonym in ("A-1", "A1"):
        scanned = Scanned(site, pseudonym=pseudonym)
        scanned.land(scanned.epi())
        scanned.run()
    report = export(site, tmp_path / "bids")
    assert report.errors == []
    rows = [line.split("\t") for line in (tmp_path / "bids/participants.tsv").read_text().splitlines()]
    assert rows[0] == ["participant_id", "pseudonym"]
    assert {pseudonym for _, pseudonym in rows[1:]} == {"A-1", "A1"}
    assert len({subject for subject, _ in rows[1:]}) == 2
    assert all(subject.removeprefix("sub-").isalnum() for subject, _ in rows[1:])


def test_participants_have_the_mixed_use_metadata_that_the_site_lets_in(make_site, tmp_path):
    site = make_site(castellum={"attributes": {"Handedness": [], "Sport": []}})
    scanned = Scanned(site)
    scanned.land(scanned.epi())
    scanned.run()
    subject = f"{site.settings.home}/{scanned.study}/subjects/P1"
    site.connect().annotate(subject, add=[AVU("Handedness", "left"), AVU("ShoeSize", "43")])
    report = export(site, tmp_path / "bids")
    assert report.errors == []
    assert (
        tmp_path / "bids/participants.tsv"
    ).read_text() == "participant_id\tpseudonym\tHandedness\tSport\nsub-P1\tP1\tleft\tn/a\n"


def test_who_is_no_member_gets_nothing(site, two_sessions, tmp_path):
    with pytest.raises(NotFound, match="may not see"):
        export(site, tmp_path / "bids", user=BOB)
    with pytest.raises(NotFound, match="does not exist"):
        export(site, tmp_path / "bids", study="nothing")
    assert not (tmp_path / "bids").exists()


def test_the_command_line_writes_into_a_new_folder_only(site, tmp_path):
    scanned = Scanned(site)
    scanned.land(scanned.epi())
    scanned.run()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")

    def mrdata(folder: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "mrdata.cli", "export", "bids", PAIN, str(tmp_path / folder), "--json"]
        return subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)

    assert mrdata("full").returncode == 1
    done = mrdata("new")
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    assert (reply["images"], reply["errors"], reply["validated"]) == (1, [], True)


def subjects_of(folder) -> set[str]:
    return {path.name for path in folder.glob("sub-*")}


def test_chosen_subjects_and_those_that_are_there(site, tmp_path):
    for pseudonym in ("P1", "P2"):
        with_images(site, pseudonym)
    with pytest.raises(NotFound, match="no experiment of subject 'P9' that can be exported; it has those of P1, P2"):
        export(site, tmp_path / "bids", subjects=["P9"])
    assert not (tmp_path / "bids").exists()
    assert export(site, tmp_path / "bids", subjects=["P2"]).subjects == 1
    assert subjects_of(tmp_path / "bids") == {"sub-P2"}
    report = export(site, tmp_path / "bids", subjects=["P1"])
    assert (report.subjects, report.errors) == (2, [])
    assert subjects_of(tmp_path / "bids") == {"sub-P1", "sub-P2"}
    assert (tmp_path / "bids/participants.tsv").read_text().count("\n") == 3


def test_what_is_there_and_equal_stays(site, tmp_path, monkeypatch):
    """No image is read again, and no file is touched."""
    folder = tmp_path / "bids"
    first = with_images(site)
    export(site, folder)
    before = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    fetched = []
    fetch = bids.fetch
    monkeypatch.setattr(bids, "fetch", lambda zone, path, file: fetched.append(path) or fetch(zone, path, file))
    report = export(site, folder)
    assert (report.changes.written, report.changes.removed, report.changes.own) == (0, 0, [])
    assert report.changes.kept == len(before) - 1
    assert all(path.endswith(".json") for path in fetched)
    after = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert {name for name in after if before[name] != after[name]} == {"sourcedata/exported.json"}
    second = with_images(site, "P2")
    report = export(site, folder)
    assert report.errors == []
    assert not [path for path in fetched if first.experiment in path and not path.endswith(".json")]
    assert [path for path in fetched if second.experiment in path and path.endswith(".nii.gz")]
    assert report.changes.removed == 0
    assert not (tmp_path / "bids.unfinished").exists()


def test_what_is_withdrawn_goes_and_what_is_the_users_own_stays(site, two_sessions, tmp_path):
    folder = tmp_path / "bids"
    export(site, folder)
    (folder / "participants.tsv").write_text("participant_id\tpseudonym\tage\nsub-P1\tP1\t30\n")
    (folder / "derivatives").mkdir()
    (folder / "derivatives" / "mine").write_text("x")
    withdrawn = two_sessions[0].experiment.replace("-", "")
    image = next(folder.glob(f"sub-P1/ses-{withdrawn}/func/*.json"))
    path = f"{site.settings.home}/{two_sessions[0].base}"
    zone = site.connect()
    state = next(avu for avu in zone.metadata(path) if avu.attribute == "State")
    zone.annotate(path, add=[AVU("State", "withdrawn")], remove=[state])
    report = export(site, folder)
    assert report.changes.removed > 0
    assert report.changes.own == ["participants.tsv"]
    assert not image.exists()
    assert not (folder / f"sub-P1/ses-{withdrawn}").exists()
    assert "age" in (folder / "participants.tsv").read_text()
    assert (folder / "derivatives" / "mine").exists()
    assert export(site, folder).changes.own == ["participants.tsv"]


def test_the_list_of_another_export_names_nothing_outside(site, tmp_path):
    with_images(site)
    folder = tmp_path / "bids"
    export(site, folder)
    (tmp_path / "precious").write_text("x")
    listed = folder / "sourcedata" / "exported.json"
    told = json.loads(listed.read_text())
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of "x"
    listed.write_text(json.dumps({**told, "files": {**told["files"], "../precious": digest}}))
    assert export(site, folder).changes.removed == 0
    assert (tmp_path / "precious").exists()
    with pytest.raises(FileExistsError, match="holds the dataset of study"):
        export(site, folder, study=SLEEP, user=BOB)


def test_the_command_shows_warnings_and_what_it_did(site, tmp_path):
    with_images(site)
    command = [sys.executable, "-m", "mrdata.cli", "export", "bids", PAIN, str(tmp_path / "bids"), "--subject", "P1"]
    for part in ("1 image of 1 session of 1 subject", "files: 0 written, "):
        done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert part in done.stdout
    shown = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    number = done.stdout.splitlines()[-1].split(", ")[-1].split(" ")[0]
    assert len(shown) == len(set(shown)) > 0
    assert int(number) >= len(shown)


REPORTS = Path(__file__).resolve().parents[4] / "shared" / "reports"


@pytest.mark.skipif(not REPORTS.is_dir(), reason="shared/reports is not there")
@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        (
            "06_bids_run_pairing.tar.gz",
            {"task-rest_run-1_bold": "5", "task-rest_run-2_sbref": "6", "task-rest_run-2_bold": "7"},
        ),
        (
            "07_multiecho_no_echo_number.tar.gz",
            {f"echo-{number}_MEGRE": time for number, time in (("1", 0.005), ("2", 0.0127), ("3", 0.0204))},
        ),
    ],
)
def test_reported_pairs_of_files(make_site, tmp_path, archive, expected):
    site = make_site(guard={"retain_patient_characteristics": True, "allow": {"PatientBirthDate": ["19000101"]}})
    scanned = Scanned(site)
    with tarfile.open(REPORTS / archive) as packed:
        held = [(one.name, packed.extractfile(one).read()) for one in packed]
    scanned.land([(name, content.replace(b"Z4KQ-STAS", scanned.experiment.encode())) for name, content in held])
    assert site.paths("quarantine") == [], {site.avus(path)["Detail"] for path in site.paths("quarantine")}
    scanned.run(replace(FAST, incomplete_seconds=0.0))
    report = export(site, tmp_path / "bids")
    assert report.errors == [], report
    told = {}
    for file in (tmp_path / "bids").rglob("sub-*/**/*.json"):
        sidecar = json.loads(file.read_text())
        name = file.stem.partition("_ses-")[2].partition("_")[2]
        told[name] = sidecar["EchoTime"] if archive.startswith("07") else str(sidecar["SeriesNumber"])
    assert {name: told.get(name) for name in expected} == expected, (told, report.left_out)

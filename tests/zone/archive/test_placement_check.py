"""Decided again when it is archived: what somebody wrote over the file meanwhile never stands under another's name."""

import os
from pathlib import Path

import pytest

from microservices.zones.server_zone import ServerZone
from policy.zone import Condition, ZoneError, host_files, layout
from tests.files import dicom, frame_of_raw_data, twix
from tests.zone.archive.test_archive import ARCHIVE, file_on, replicas
from tests.zone.intake import BATCH, registered_in_place, taken
from tests.zone.names import ALICE, PAIN, T94


@pytest.fixture
def site(make_site):
    return make_site(archive={"give_up_seconds": 0}, lifecycle={"settle_seconds": 0.0})


@pytest.fixture
def experiments(site):
    """Two, whose records are archived already."""
    two = site.register(pseudonym="P1"), site.register(pseudonym="P2")
    site.rule("archive")
    return two


def quarantined(site) -> dict[str, str]:
    """Name in quarantine -> reason."""
    return {path.rpartition("/")[2]: site.avus(path)["Reason"] for path in site.paths("quarantine")}


def content(site, path: str) -> bytes:
    return site.connect().read(path, 0, 1 << 20)


def write_over(site, relative: str, new: bytes) -> None:
    (Path(site.settings.landing.folder) / relative).write_bytes(new)


def image(experiment: str) -> bytes:
    """Of the exam of `masked`."""
    return dicom(experiment, FrameOfReferenceUID=frame_of_raw_data(experiment))


def masked(experiment: str) -> bytes:
    """Raw data without a name."""
    return twix(experiment, masked=True, frame=frame_of_raw_data(experiment))


def test_another_subjects_image_under_the_same_name(site, experiments):
    """a1: the console uses its names again, before the first image was archived."""
    one, two = experiments
    first, second = dicom(one, instance=1), dicom(two, instance=1)
    assert len(first) == len(second)
    site.land(f"{T94}/dicom/export/IM0001", first)
    write_over(site, f"{T94}/dicom/export/IM0001", second)
    assert site.rule("archive") == {"quarantined": 1}
    assert [path for path in site.paths("studies") if path.endswith(".dcm")] == []
    assert quarantined(site) == {"IM0001": "conflict"}
    (path,) = site.paths("quarantine")
    assert content(site, f"{site.settings.home}/{path}") == second
    avus = site.avus(path)
    assert avus["Detail"] == f"it was placed under {one}, its archived bytes say {two}"
    assert not {"SOPInstanceUID", "LandingPath", "RepetitionTime"} & set(avus)
    assert "quarantined when it was archived" in [
        e["act"] for e in site.rule("audit_history", {"experiment": one})["entries"]
    ]
    assert (
        site.connect().query(["COLL_NAME"], Condition("COLL_NAME", "like", f"{site.settings.home}/%{one}/DICOM/%"))
        == []
    )
    assert site.rule("archive") == {}
    assert site.rule("experiment_reassign", {"source": f"{site.settings.home}/{path}", "to": two})["moves"][0]["target"]
    assert site.rule("archive") == {"archived": 1}


def test_another_image_of_the_same_experiment(site, experiments):
    """It would stand under the first one's UID."""
    site.land(f"{T94}/dicom/a", dicom(experiments[0], instance=1))
    write_over(site, f"{T94}/dicom/a", dicom(experiments[0], instance=2))
    assert site.rule("archive") == {"quarantined": 1}
    assert quarantined(site) == {"a": "conflict"}


def test_raw_data_of_another_exam(site, experiments):
    """Their names are masked: the frame of reference tells."""
    one, two = experiments
    for number, experiment in enumerate(experiments):
        site.land(f"{T94}/dicom/i{number}", image(experiment))
    site.rule("archive")
    raw = [masked(experiment) for experiment in (one, one, two)]
    site.land(f"{T94}/twix/right.dat", raw[0])
    site.land(f"{T94}/twix/wrong.dat", raw[1])
    write_over(site, f"{T94}/twix/wrong.dat", raw[2])
    assert site.rule("archive") == {"archived": 1, "quarantined": 1}
    assert quarantined(site) == {"wrong.dat": "conflict"}


def test_raw_data_whose_images_are_gone_stay(site, experiments):
    """Their own description tells still which exam it was."""
    site.land(f"{T94}/dicom/i", image(experiments[0]))
    site.land(f"{T94}/twix/m.dat", masked(experiments[0]))
    (first,) = [path for path in site.paths("studies") if path.endswith(".dcm")]
    site.connect().erase(f"{site.settings.home}/{layout.parent(first)}")
    assert site.rule("archive") == {"archived": 1}


@pytest.mark.parametrize("what", ["tells", "cut"])
def test_what_became_personal_or_damaged(site, experiments, what):
    whole = dicom(experiments[0], instance=1, PatientBirthDate="19560512")
    new = whole if what == "tells" else b"\0" * len(whole)
    site.land(f"{T94}/dicom/a", dicom(experiments[0], instance=1, ImageComments="x" * 8))
    file = Path(site.settings.landing.folder) / T94 / "dicom" / "a"
    file.write_bytes(new.ljust(file.stat().st_size, b"\0")[: file.stat().st_size])
    assert site.rule("archive") == {"quarantined": 1}
    assert quarantined(site) == {"a": "personal-data" if what == "tells" else "not-recognised"}
    assert all("/DICOM/" not in path for path in site.paths("studies"))


@pytest.mark.parametrize("rule", ["experiment_finish", "withdraw"])
def test_an_experiment_that_was_closed_meanwhile_keeps_its_own(site, experiments, rule):
    """Its images, raw data with a masked name, and Expanded Data."""
    one, two = experiments
    site.land(f"{T94}/dicom/{one}/a", image(one))
    site.land(f"{T94}/twix/m.dat", masked(one))
    site.land(f"{T94}/expdata/{one}/deep/notes.txt", b"notes")
    site.land(f"{T94}/dicom/o", dicom(one, instance=2))
    write_over(site, f"{T94}/dicom/o", dicom(two, instance=2))
    site.rule(rule, {"experiment": one, **({"dry_run": False} if rule == "withdraw" else {})})
    site.reconnect()
    assert site.rule("archive") == {"archived": 3, "quarantined": 1}
    (path,) = site.paths("quarantine")
    assert (
        site.avus(path)["Detail"]
        == f"it was placed under {'a withdrawn experiment' if rule == 'withdraw' else one}, its archived bytes say"
        f" {two}"
    )
    if rule == "withdraw":
        site.rule("lifecycle")
        assert {key for one in site.paths("studies") if "/DICOM/" in one for key in site.avus(one)} == set()
        site.rule("restore", {"experiment": one})
        (first,) = [path for path in site.paths("studies") if path.endswith(".dcm")]
        assert site.avus(first)["LandingPath"] == f"{T94}/dicom/{one}/a"


def test_where_it_came_from_is_told_by_the_record_while_it_is_withdrawn(site, experiments):
    """Everybody could read an AVU; erasing needs it all the same."""
    one, _ = experiments
    path = registered_in_place(site, f"{T94}/dicom/{one}/1", dicom(one))
    site.rule("withdraw", {"experiment": one, "dry_run": False})
    site.reconnect()
    assert site.rule("archive") == {"archived": 1}
    assert site.avus(path) == {}
    site.rule("lifecycle")
    site.rule("restore", {"experiment": one})
    told = [avu for avu in site.connect().metadata(path) if avu.attribute == "LandingPath"]
    assert [(avu.value, avu.unit) for avu in told] == [(f"{T94}/dicom/{one}/1", BATCH)]


def test_what_a_steward_refiled_stays_there(site, experiments):
    """Though its header says another ID, and though it tells who the person is, which the steward accepted."""
    wrong, right = experiments
    site.land(f"{T94}/dicom/a", dicom(wrong, instance=1))
    site.land(f"{T94}/dicom/b", dicom("SIMPSON^HOMER", instance=2, PatientBirthDate="19560512"))
    site.sweep()
    site.rule("experiment_reassign", {"source": wrong, "to": right})
    (session,) = site.quarantine_sessions()
    moves = site.rule("experiment_reassign", {"source": session["path"], "to": right, "accept_personal_data": True})[
        "moves"
    ]
    assert len(moves) == 1
    assert site.rule("archive")["archived"] == 2
    assert len([path for path in site.paths(f"studies/{PAIN}/experiments/{right}") if path.endswith(".dcm")]) == 2


def test_what_was_refiled_is_still_guarded(site, experiments):
    wrong, right = experiments
    site.land(f"{T94}/dicom/a", dicom(wrong, instance=1, ImageComments="x" * 8))
    site.rule("experiment_reassign", {"source": wrong, "to": right})
    file = Path(site.settings.landing.folder) / T94 / "dicom" / "a"
    new = dicom(right, instance=1, PatientBirthDate="19560512")
    file.write_bytes(new.ljust(file.stat().st_size, b"\0")[: file.stat().st_size])
    assert site.rule("archive") == {"quarantined": 1}
    assert quarantined(site) == {"a": "personal-data"}


def test_a_link_in_the_place_of_a_registered_file_is_not_followed(site, experiments, tmp_path):
    """a2: the service account would copy what only it may read, for a whole study to see."""
    secret = site.folder / "server_config.json"
    secret.write_bytes(b'{"zone_key": "TEMPORARY_ZONE_KEY"}')
    relative = f"{T94}/expdata/{experiments[0]}/notes.txt"
    path = site.land(relative, b"x" * secret.stat().st_size)
    file = Path(site.settings.landing.folder) / relative
    file.unlink()
    file.symlink_to(secret)
    assert site.rule("archive") == {"failed": 1}
    assert replicas(site, path)[0] == {(site.settings.landing.resource, "1")}
    file.unlink()
    folder = file.parent.rename(file.parent.with_name("aside"))
    (folder / "notes.txt").write_bytes(secret.read_bytes())
    file.parent.symlink_to(folder)
    assert site.rule("archive") == {"failed": 1}


@pytest.mark.embedded
def test_a_header_is_not_read_through_a_link(site, experiments):
    """Nor what an administrator's rule reads."""
    path = site.land(f"{T94}/dicom/x", dicom("SIMPSON^HOMER"))
    file = Path(site.settings.landing.folder) / f"{T94}/dicom/x"
    other = file.rename(site.folder / "other")
    file.symlink_to(other)
    with pytest.raises(ZoneError, match="symbolic link"):
        site.inside().read(path, 0, 10)


@pytest.mark.parametrize("other", [b"longer notes", b"other"])
def test_a_file_that_is_not_the_registered_one_does_not_block_its_experiment(site, experiments, other):
    """No later run could archive it: a data steward is told."""
    relative = f"{T94}/expdata/{experiments[0]}/notes.txt"
    path = site.land(relative, b"notes")
    site.connect().checksum(path)
    write_over(site, relative, other)
    assert site.rule("archive") == {"quarantined": 1}
    assert quarantined(site) == {"notes.txt": "damaged"}
    (held,) = site.paths("quarantine")
    assert "not the one that was registered" in site.avus(held)["Detail"]
    assert (Path(site.settings.landing.folder) / relative).read_bytes() == other
    assert site.rule("archive") == {}
    write_over(site, relative, b"notes")  # the right bytes are back: they are re-filed
    assert site.rule("experiment_reassign", {"source": f"{site.settings.home}/{held}", "to": experiments[0]})["moves"][
        0
    ]["target"]
    assert site.rule("archive") == {"archived": 1}


@pytest.mark.embedded
@pytest.mark.parametrize("how", ["written", "replaced", "linked", "removed"])
def test_a_file_that_changes_while_it_is_archived(site, experiments, monkeypatch, how):
    """The new replica goes again, the source stays; the next run looks at it anew."""
    path = registered_in_place(site, f"{T94}/expdata/{experiments[0]}/notes.txt", b"notes")
    assert "/studies/" in path
    file = file_on(site, path, site.settings.landing.resource)
    whole = ServerZone.replicate

    def replicate(zone, *arguments):
        whole(zone, *arguments)
        if how == "written":
            file.write_bytes(b"other")
            os.utime(file, (1, 1))
        else:
            aside = file.rename(site.folder / "aside")
            if how == "linked":
                file.symlink_to(aside)
            elif how == "replaced":
                file.write_bytes(b"other")

    with monkeypatch.context() as patch:
        patch.setattr(ServerZone, "replicate", replicate)
        assert site.rule("archive") == {"failed": 1}
    assert replicas(site, path)[0] == {(site.settings.landing.resource, "1")}
    assert "meanwhile" in (site.folder / "rods.log").read_text()


def test_where_it_came_from_is_told_before_the_file_that_tells_goes(site, experiments):
    path = registered_in_place(site, f"{T94}/dicom/s/1", dicom(experiments[0], instance=1))
    assert site.rule("archive") == {"archived": 1}
    assert replicas(site, path)[0] == {(ARCHIVE, "1")}
    told = [avu for avu in site.connect().metadata(path) if avu.attribute == "LandingPath"]
    assert (f"{T94}/dicom/s/1", BATCH) in [(avu.value, avu.unit) for avu in told]


def test_what_was_killed_before_its_description_is_described(site, experiments):
    """a9: the archive's replica tells no longer how it landed."""
    whole = site.land(f"{T94}/dicom/a", dicom(experiments[0], instance=1, FlipAngle=33))
    site.land(f"{T94}/dicom/b", dicom(experiments[0], instance=2, FlipAngle=34))
    before = site.avus(whole)
    zone = site.connect()
    zone.annotate(whole, remove=zone.metadata(whole))
    assert site.avus(whole) == {}
    assert site.rule("archive") == {"archived": 2}
    assert site.avus(whole) == before
    assert site.verify()["sound"]


def test_what_users_put_is_decided_about_again_as_well(site, experiments):
    """Nobody but iRODS can write there; it is looked at all the same."""
    site.upload(f"{T94}/dicom/mine", dicom(experiments[0], instance=5), ALICE)
    site.sweep()
    assert site.rule("archive") == {"archived": 1}


def test_products_and_records_are_nobodys_landing(site, experiments):
    base = f"{layout.study(site.settings, PAIN)}/experiments/{experiments[0]}"
    zone = site.connect()
    zone.make_collection(f"{base}/PRODUCTS/1_gre")
    zone.write(f"{base}/PRODUCTS/1_gre/image.nii", b"made of it")
    assert site.rule("archive") == {"archived": 1}


def test_files_are_looked_at_below_the_landing_folder_alone(site, tmp_path):
    """The landing folder itself may be reached through a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with host_files.opened(str(tmp_path / "link"), "f") as descriptor:
        assert os.read(descriptor, 9) == b"x"
    assert taken(site, f"{T94}/dicom/x", b"x").exists()

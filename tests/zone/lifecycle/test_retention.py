"""The intake's retention: what goes is what the archive has, read again; everything else stays, and is told."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from landing.intake_retention import COMPARED, DAY, retention
from policy.zone import AVU, file_removal, layout
from policy.zone import host_files as policy_files
from tests.files import dicom
from tests.zone import intake
from tests.zone.archive.test_archive import ARCHIVE, file_on
from tests.zone.intake import BATCH, archived_at_birth, done, in_vault, knows_vault, registered_in_place, taken
from tests.zone.names import ALICE, PAIN, T94

COPY = "demoResc"


@pytest.fixture
def site(make_site):
    made = make_site(archive={"give_up_seconds": 0})
    knows_vault(made)
    return made


@pytest.fixture
def new(site):
    """An experiment."""
    return site.register()


def run(site, days: float = 30, **options):
    return retention(site.connect(), site.settings, days, **options)


def left(site) -> set[str]:
    """Files of the intake, without those of MrData's own."""
    return {path for path in intake.files(site) if not path.rpartition("/")[2].startswith(".")}


def test_what_was_archived_at_birth_goes_after_its_time(site, new):
    for number in (1, 2):
        archived_at_birth(site, f"{T94}/dicom/s/{number}", dicom(new, instance=number))
    archived_at_birth(site, f"{T94}/expdata/{new}/.hidden/it%27s", b"notes")
    assert run(site).stay == {"their batch is not registered yet": 3}
    done(site, days=20)
    assert run(site).stay == {"not old enough": 3}
    told = run(site, 10, dry_run=True)
    assert (told.removed, told.bytes > 0, len(intake.files(site))) == (3, True, 5)  # with .done and .compared
    assert run(site, 10).removed == 3
    assert not (Path(site.settings.landing.folder) / ".intake" / BATCH).exists()
    assert run(site, 0).as_dict() == run(site, 0, dry_run=True).as_dict() | {"dry_run": False}
    assert site.rule("archive") == {"archived": 1}  # the experiment's record: the objects are as they were
    assert {p.rpartition("/")[2] for p in site.paths(f"studies/{PAIN}/experiments/{new}/EXP_DATA")} == {"it%27s"}


def test_what_was_registered_in_the_intake_goes_when_it_is_archived(site, new):
    path = registered_in_place(site, f"{T94}/dicom/s/1", dicom(new))
    done(site)
    assert run(site).stay == {"not archived yet": 1}
    site.rule("archive")
    moved = site.rule("experiment_reassign", {"source": path, "to": site.register()})["moves"][0]["target"]
    assert run(site).removed == 1
    assert site.connect().read(moved, 0, 1 << 16)


def test_the_archives_replica_is_read_again(site, new):
    """e3: it is rotten, and the file here is the last good copy."""
    path = archived_at_birth(site, f"{T94}/dicom/s/1", dicom(new))
    done(site)
    file = file_on(site, path, ARCHIVE)
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    found = run(site)
    assert (found.removed, list(found.stay)) == (
        0,
        ["the archive's replicas are not what they were (mrdata rule fixity_check)"],
    )
    assert left(site) == {f"{BATCH}/{T94}/dicom/s/1"}


def test_all_copies_have_to_be_there(make_site):
    site = make_site(archive={"copies": [COPY]})
    knows_vault(site)
    path = archived_at_birth(site, f"{T94}/dicom/s/1", dicom(site.register()))
    done(site)
    assert run(site).stay == {"not on all resources of the archive": 1}
    site.connect().replicate(path, COPY)
    assert run(site).removed == 1


@pytest.mark.parametrize("content", [b"other notes", b"xotes"])
def test_a_file_that_changed_after_it_was_taken_never_goes(site, new, content):
    """Its bytes are nowhere else, or under another name."""
    archived_at_birth(site, f"{T94}/expdata/{new}/notes", b"notes")
    archived_at_birth(site, f"{T94}/expdata/{new}/others", content)
    taken(site, f"{T94}/expdata/{new}/notes", content)
    done(site)
    for dry_run in (True, False):
        found = run(site, dry_run=dry_run)
        assert found.changed == [f"{BATCH}/{T94}/expdata/{new}/notes"]
        assert (found.removed, found.is_well) == (1, False)
    assert left(site) == {f"{BATCH}/{T94}/expdata/{new}/notes"}
    assert "1 file changed since" in str(found)


def test_a_file_that_changed_before_it_was_archived(site, new):
    for number in (1, 2):
        registered_in_place(site, f"{T94}/expdata/{new}/{number}", b"notes")
    site.connect().checksum(f"{layout.study(site.settings, PAIN)}/experiments/{new}/EXP_DATA/1")
    done(site)
    taken(site, f"{T94}/expdata/{new}/1", b"xotes")
    taken(site, f"{T94}/expdata/{new}/2", b"longer")
    assert run(site).changed == [f"{BATCH}/{T94}/expdata/{new}/{number}" for number in (1, 2)]


@pytest.mark.embedded
def test_what_takes_its_place_while_it_is_read_stays(site, new, monkeypatch):
    """a4, t1."""
    archived_at_birth(site, f"{T94}/dicom/s/1", dicom(new))
    done(site)
    real, file = policy_files.sha256, Path(site.settings.landing.folder) / ".intake" / BATCH / T94 / "dicom/s/1"

    def slow(descriptor):
        digest = real(descriptor)
        file.with_name("new").write_bytes(b"the only copy of a new measurement")
        os.replace(file.with_name("new"), file)
        return digest

    monkeypatch.setattr(policy_files, "sha256", slow)
    run(site)
    assert file.read_bytes() == b"the only copy of a new measurement"


def test_quarantine_landing_and_what_is_not_registered(site, new):
    """In quarantine, a good replica on the archive resource is enough."""
    known = {
        "odd": dicom("SIMPSON^HOMER", instance=1),
        "waits": dicom(new, instance=2),
        "place": dicom("SIMPSON^HOMER", instance=3),
        "unknown": dicom(new, instance=4),
    }
    archived_at_birth(site, f"{T94}/dicom/s/odd", known["odd"])
    registered_in_place(site, f"{T94}/dicom/s/place", known["place"])
    assert site.sweep() == {"quarantined": 2}
    with site.broken("policy.ingest.registration_hooks.decide"):
        path = archived_at_birth(site, f"{T94}/dicom/s/waits", known["waits"])
        assert "/landing/" in path
    taken(site, f"{T94}/dicom/s/unknown", known["unknown"])
    done(site)
    found = run(site)
    assert (found.removed, found.stay) == (1, {"not placed yet": 1, "not registered": 1, "not archived yet": 1})
    assert {path.rpartition("/")[2] for path in left(site)} == set(known) - {"odd"}


def test_what_went_through_quarantine_keeps_its_batch(site, new):
    """iRODS moves a vault's file with its object: then only AVUs tell, and none of them a name in quarantine."""
    landing_path = f"{T94}/dicom/Homer/1"
    archived_at_birth(site, landing_path, dicom("SIMPSON^HOMER", instance=1))
    assert site.sweep() == {"quarantined": 1}
    (path,) = site.paths("quarantine")
    avus = site.avus(path)
    assert (avus["LandingBatch"], "Homer" in str(avus)) == (BATCH, False)
    done(site)
    taken(site, landing_path, b"other bytes")
    assert run(site).changed == [f"{BATCH}/{landing_path}"]
    request = {"source": f"{site.settings.home}/{path}", "to": new, "accept_personal_data": True}
    target = site.rule("experiment_reassign", request)["moves"][0]["target"]
    assert [
        (avu.value, avu.unit) for avu in site.connect().metadata(target) if avu.attribute.startswith("Landing")
    ] == [(landing_path, BATCH)]
    assert run(site).changed == [f"{BATCH}/{landing_path}"]


def test_the_same_bytes_again_are_found_by_their_checksum(site, new):
    """No second object, and no AVU: also of what is withdrawn, which has none any more."""
    path = archived_at_birth(site, f"{T94}/dicom/s/1", dicom(new, instance=1, sop="1.2.3"))
    taken(site, f"{T94}/dicom/again/1", Path(file_on(site, path, ARCHIVE)).read_bytes(), "host.2.b")
    done(site, "host.2.b")
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    assert run(site).removed == 1
    assert left(site) == {f"{BATCH}/{T94}/dicom/s/1"}


def test_what_a_user_says_of_his_own_objects_counts_for_nothing(site, new):
    taken(site, f"{T94}/dicom/s/1", dicom(new))
    done(site)
    alice, path = site.connect(ALICE), f"/{site.settings.zone}/home/{ALICE}/{PAIN}copy"
    alice.write(path, dicom(new))
    alice.annotate(path, add=[AVU("LandingPath", f"{T94}/dicom/s/1", BATCH)])
    assert run(site).stay == {"not registered": 1}


def test_odd_things_stay(site, new):
    file = taken(site, f"{T94}/expdata/{new}/a", b"x")
    file.with_name("link").symlink_to("/etc/passwd")
    (file.parent / "folder").mkdir()
    file.with_name("links").symlink_to(file.parent)
    file.unlink()
    done(site)
    assert run(site).stay == {"a symbolic link, or not a regular file": 2}
    assert not (file.parent / "folder").exists()


def test_orphans_of_the_vault(site, new):
    """A process was killed between copying and registering.

    Another one did it again, or the bytes were there already.
    """
    content = dicom(new, instance=1)
    path = archived_at_birth(site, f"{T94}/dicom/s/1", content)
    twice = in_vault(site, f"{T94}/dicom/s/again", content)
    source = in_vault(site, f"{T94}/dicom/s/2", b"as in the intake")
    taken(site, f"{T94}/dicom/s/2", b"as in the intake")
    begun = in_vault(site, f"{T94}/dicom/s/4", b"a large fi")
    taken(site, f"{T94}/dicom/s/4", b"a large file", "host.2.b")
    alone = in_vault(site, f"{T94}/dicom/s/3", b"nowhere else")
    done(site, days=0.5)
    assert run(site).removed == 0
    done(site, days=2)
    assert run(site, dry_run=True).removed == 3
    found = run(site)
    assert (found.removed, found.stay["in the vault, named by no object, and nowhere else"]) == (3, 1)
    assert [one.exists() for one in (twice, source, begun, alone, file_on(site, path, ARCHIVE))] == [
        False,
        False,
        False,
        True,
        True,
    ]
    mark = Path(site.settings.landing.folder) / ".intake" / BATCH / COMPARED
    assert not mark.exists()
    alone.unlink()
    run(site)
    assert mark.exists()


def test_what_a_killed_run_left_aside_comes_back(site, new):
    archived_at_birth(site, f"{T94}/dicom/s/1", dicom(new))
    root = file_removal.landing(site.settings)
    aside = Path(root.folder) / root.aside / "random" / ".intake" / BATCH / T94 / "dicom/s"
    aside.mkdir(parents=True)
    os.rename(Path(root.folder) / ".intake" / BATCH / T94 / "dicom/s/1", aside / "1")
    done(site, days=0.5)
    run(site)
    assert left(site) == {f"{BATCH}/{T94}/dicom/s/1"}


def test_the_mailbox_is_nobodys_to_tidy(site, new):
    site.land(f"{T94}/dicom/a", dicom(new))
    site.rule("archive")
    run(site, 0)
    assert (Path(site.settings.landing.folder) / T94 / "dicom" / "a").exists()


def test_a_batch_that_was_half_removed(site):
    top = Path(site.settings.landing.folder) / ".intake"
    (top / "host.9.z").mkdir(parents=True)
    run(site)
    assert (top / "host.9.z").exists()  # somebody may be about to fill it
    then = time.time() - 2 * DAY
    os.utime(top / "host.9.z", (then, then))
    run(site)
    assert not (top / "host.9.z").exists()


def test_the_command(site, new):
    """`mrdata tidy`: exit status 1 where somebody has to look at something."""
    command = [sys.executable, "-m", "mrdata.cli", "tidy", "--json", "--days", "0"]

    def tidy(*more: str):
        told = subprocess.run([*command, *more], env=site.environment(), capture_output=True, text=True, check=False)
        assert told.stdout, told.stderr
        return told.returncode, json.loads(told.stdout)

    archived_at_birth(site, f"{T94}/expdata/{new}/notes", b"notes")
    archived_at_birth(site, f"{T94}/expdata/{new}/more", b"more")
    done(site, days=0)
    assert tidy("--dry-run")[1]["removed"] == 2
    taken(site, f"{T94}/expdata/{new}/more", b"xore")
    status, told = tidy()
    assert (status, told["removed"], told["changed"]) == (1, 1, [f"{BATCH}/{T94}/expdata/{new}/more"])
    taken(site, f"{T94}/expdata/{new}/more", b"more")
    assert tidy()[0] == 0

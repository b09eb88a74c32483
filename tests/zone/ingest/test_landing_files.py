"""Erasure and the files that landed: in the intake, in the vault, in the mailbox of earlier releases; and nothing of
anybody else's.
"""

import hashlib
import json
import time
from pathlib import Path

import pytest

from landing.archived import text_of
from policy.zone import file_removal, layout
from tests.files import dicom
from tests.zone import intake
from tests.zone.archive.test_archive import ARCHIVE, file_on
from tests.zone.intake import BATCH, archived_at_birth, in_vault, knows_vault, registered_in_place, taken
from tests.zone.names import PAIN, T94

PERSONAL = {"PatientBirthDate": "19560512"}


@pytest.fixture
def site(make_site):
    made = make_site(
        archive={"give_up_seconds": 0},
        lifecycle={"settle_seconds": 0.0, "withdrawal_days": 0.0, "due_again_hours": 0.0},
    )
    knows_vault(made)
    return made


@pytest.fixture
def two(site):
    return site.register(pseudonym="P1"), site.register(pseudonym="P2")


def erase(site, experiment: str) -> bool:
    """Whether it is erased."""
    site.rule("withdraw", {"experiment": experiment, "dry_run": False})
    site.rule("lifecycle")
    return site.connect().stat(f"{layout.receipts(site.settings)}/{experiment}.json") is not None


def landed(site, relative: str) -> Path:
    return Path(site.settings.landing.folder) / relative


def test_what_landed_for_it_goes_wherever_it_lies(site, two):
    """Archived at birth, re-filed, in place, in quarantine, landed again, copied by a killed process, in an old
    mailbox.
    """
    one, _ = two
    images = {n: dicom(one, instance=n) for n in range(1, 9)}
    archived_at_birth(site, f"{T94}/dicom/{one}/1", images[1])
    wrong = site.register(pseudonym="P1")
    archived_at_birth(site, f"{T94}/dicom/s/2", dicom(wrong, instance=2))
    site.rule("experiment_reassign", {"source": wrong, "to": one})
    registered_in_place(site, f"{T94}/dicom/{one}/3", images[3])
    site.rule("archive")
    registered_in_place(site, f"{T94}/expdata/{one}/4", b"not archived yet")
    registered_in_place(site, f"{T94}/dicom/{one}/5", dicom(one, instance=5, **PERSONAL))
    archived_at_birth(site, f"{T94}/dicom/{one}/7", dicom(one, instance=7, **PERSONAL))
    assert site.sweep() == {"quarantined": 2}
    assert {site.avus(path)["LandingBatch"] for path in site.paths("quarantine")} == {BATCH}
    in_vault(site, f"{T94}/dicom/{one}/1", images[1], "host.2.b")
    taken(site, f"{T94}/dicom/{one}/1", images[1], "host.2.b")
    site.connect().checksum(site.land(f"{T94}/dicom/{one}/6", images[6]))
    base = f"{layout.study(site.settings, PAIN)}/experiments/{one}"
    digest = text_of(hashlib.sha256(images[1]).hexdigest())
    again = {
        "landing_path": f"{T94}/dicom/{one}/1",
        "batch": "host.2.b",
        "time": "",
        "by": "",
        "size": len(images[1]),
        "checksum": digest,
    }
    again["object"] = "DICOM"
    site.inside().write(f"{base}/landed_again.host.2.b.1.json", json.dumps({"landings": [again]}).encode())
    assert len(intake.files(site)) == 7
    assert erase(site, one)
    assert intake.files(site) == set()
    assert not landed(site, f".intake/{BATCH}/{T94}/dicom/{one}").exists()
    assert landed(site, f".intake/{BATCH}").exists()
    assert not landed(site, f"{T94}/dicom/{one}").exists()
    vault = Path(site.vault(ARCHIVE)) / "landed"
    assert [path for path in vault.rglob("*") if path.is_file()] == []


def test_what_took_its_name_meanwhile_stays(site, two):
    """e2.

    Another subject's image lies where the one in quarantine lay, which was registered in place and never read.
    """
    one, other = two
    held = [dicom(one, instance=number, **PERSONAL) for number in (1, 2)]
    new = [dicom(other, instance=7), held[1][:-1] + b"x"]
    for number, content in enumerate(held):
        site.land(f"{T94}/dicom/e/{number}", content)
    assert site.sweep() == {"quarantined": 2}
    time.sleep(1.1)  # the catalog counts seconds
    for number, content in enumerate(new):
        landed(site, f"{T94}/dicom/e/{number}").unlink()
        landed(site, f"{T94}/dicom/e/{number}").write_bytes(content)
    assert erase(site, one)
    assert [landed(site, f"{T94}/dicom/e/{number}").read_bytes() for number in (0, 1)] == new


def test_what_was_archived_and_lies_elsewhere_by_now(site, two):
    """In the mailbox, another file has the landing path of an archived object; so has one in the intake."""
    one, _ = two
    site.land(f"{T94}/expdata/{one}/notes", b"notes")
    archived_at_birth(site, f"{T94}/expdata/{one}/more", b"more")
    site.rule("archive")
    landed(site, f"{T94}/expdata/{one}/notes").write_bytes(b"xotes")
    taken(site, f"{T94}/expdata/{one}/more", b"xore")
    assert erase(site, one)
    assert landed(site, f"{T94}/expdata/{one}/notes").read_bytes() == b"xotes"
    assert intake.files(site) == {f"{BATCH}/{T94}/expdata/{one}/more"}


def test_a_link_is_not_followed(site, two, tmp_path):
    one, _ = two
    archived_at_birth(site, f"{T94}/expdata/{one}/notes", b"notes")
    elsewhere = site.folder / "elsewhere"
    elsewhere.write_bytes(b"notes")
    file = landed(site, f".intake/{BATCH}/{T94}/expdata/{one}/notes")
    file.unlink()
    file.symlink_to(elsewhere)
    assert erase(site, one)
    assert elsewhere.read_bytes() == b"notes"


def test_withdrawn_files_stay_until_it_is_erased(make_site):
    """They may be the last good copy, and what is withdrawn may be restored."""
    site = make_site(lifecycle={"settle_seconds": 0.0})
    knows_vault(site)
    one = site.register()
    path = archived_at_birth(site, f"{T94}/dicom/{one}/1", dicom(one))
    site.rule("withdraw", {"experiment": one, "dry_run": False})
    site.rule("lifecycle")
    assert len(intake.files(site)) == 1
    assert site.avus(path) == {}
    site.rule("restore", {"experiment": one})
    assert site.connect().read(path, 0, 1 << 16) == file_on(site, path, ARCHIVE).read_bytes()


def test_what_a_killed_removal_left_aside_goes_too(site, two):
    one, _ = two
    archived_at_birth(site, f"{T94}/dicom/{one}/1", dicom(one))
    root = file_removal.landing(site.settings)
    aside = Path(root.folder) / root.aside / "random" / f".intake/{BATCH}/{T94}/dicom/{one}"
    aside.mkdir(parents=True)
    for folder in (aside, *aside.parents):
        if folder.is_relative_to(Path(root.folder) / root.aside):
            folder.chmod(0o777)
    landed(site, f".intake/{BATCH}/{T94}/dicom/{one}/1").rename(aside / "1")
    assert erase(site, one)
    assert intake.files(site) == set()


@pytest.mark.embedded
def test_what_was_archived_while_it_was_withdrawn(make_site):
    """Only the record tells where it came from."""
    site = make_site(lifecycle={"settle_seconds": 0.0, "withdrawal_days": 0.0001, "due_again_hours": 0.0})
    one = site.register()
    registered_in_place(site, f"{T94}/dicom/{one}/1", dicom(one))
    site.rule("withdraw", {"experiment": one, "dry_run": False})
    site.rule("archive")
    assert len(intake.files(site)) == 1
    time.sleep(9)
    site.rule("lifecycle")
    assert site.connect().stat(f"{layout.receipts(site.settings)}/{one}.json") is not None
    assert intake.files(site) == set()


def test_what_cannot_be_removed_is_waited_for(site, two):
    one, _ = two
    archived_at_birth(site, f"{T94}/dicom/{one}/1", dicom(one))
    folder = landed(site, "")
    aside = folder.rename(folder.with_name("elsewhere"))
    assert not erase(site, one)
    if (log := site.folder / "rods.log").exists():  # a server's is not the tests' to read
        assert "not on this host" in log.read_text()
        assert f"{T94}/dicom/{one}" not in log.read_text().partition("cannot be erased")[2]
    aside.rename(folder)
    site.rule("lifecycle")
    assert intake.files(site) == set()

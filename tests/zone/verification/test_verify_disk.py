"""The account of files.

Those of the vault that no object names, those of the intake, and those that are not taken yet.
"""

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from landing.progress import Lines
from landing.scanner import Scanner
from microservices.zones import host_folders, vault_files
from mrdata.verification import verify_report as verification
from mrdata.verification.verify_report import FAULTY, INCOMPLETE, report, resumable, status, text
from mrdata.verification.verify_state import file_of
from policy.verification.verification import Scope
from policy.zone import AVU, layout
from tests.files import dicom
from tests.zone.irule import irule
from tests.zone.names import PAIN, T94

BATCH = "host.1"


@pytest.fixture
def old(monkeypatch):
    """Files need not be an hour old to be missed by an object."""
    monkeypatch.setattr(vault_files, "YOUNG_SECONDS", 0.0)


@pytest.fixture
def site(site):
    """A site whose landing host has the vault."""
    site.settings = replace(
        site.settings, archive=replace(site.settings.archive, vault=site.vault(site.settings.archive.resource))
    )
    return site


def put(folder: str, relative: str, content: bytes) -> Path:
    """A new file that everybody may read, in folders that everybody may write."""
    file = Path(folder) / relative
    file.parent.mkdir(parents=True, exist_ok=True)
    for one in list(file.parents)[: relative.count("/")]:
        one.chmod(0o777)
    file.write_bytes(content)
    return file


def taken(site, relative: str, content: bytes, *, batch: str = BATCH, done: bool = True) -> Path:
    """A file of the intake."""
    base = f"{site.settings.landing.folder}/{layout.INTAKE}/{batch}"
    file = put(base, relative, content)
    if done:
        put(base, ".done", b"")
    return file


def archived_at_birth(site, relative: str, content: bytes, *, batch: str = BATCH) -> str:
    """Registers a file where it lies in the vault; the path where it is archived."""
    file = put(site.settings.archive.vault, f"{layout.LANDED}/{batch}/{relative}", content)
    path = f"{layout.landing(site.settings)}/{relative}"
    site.connect().make_collection(layout.parent(path))
    new = site.connect().register(str(file), path, site.settings.archive.resource)
    site.connect().checksum(new)
    return new


def without_avu(site, path: str) -> str:
    """As files that are archived at birth are: only their file tells where they came from."""
    zone = site.connect()
    zone.annotate(path, remove=[avu for avu in zone.metadata(path) if avu.attribute == "LandingPath"])
    return path


# The vault


def test_files_of_the_vault_that_no_object_names(site, old, server):
    new = site.register()
    named = [archived_at_birth(site, f"{T94}/dicom/{new}/{n}", dicom(new, instance=n)) for n in range(1, 12)]
    site.land(f"{T94}/dicom/one", dicom(new, instance=20))
    site.rule("archive")
    assert (found := site.verify())["orphan"] == [], found
    vault = site.settings.archive.vault
    odd = f"{layout.LANDED}/{BATCH}/{T94}/expdata/it's a\\b && c || d.txt"
    left = [put(vault, f"{layout.LANDED}/{BATCH}/{T94}/dicom/{new}/left", b"xyz"), put(vault, odd, b"xyz")]
    link = Path(vault) / layout.LANDED / BATCH / "link"
    link.symlink_to(left[0])
    latin = os.fsencode(vault) + f"/{layout.LANDED}/".encode() + b"caf\xe9"
    Path(os.fsdecode(latin)).write_bytes(b"xyz")
    found = site.verify(checksums=False)
    texts = [line.removeprefix(vault + "/") for line in found["orphan"]]
    bytes_left = "3 bytes that no object names"
    assert texts[:1] == [f"{layout.LANDED}/caf\\udce9: {bytes_left}"]
    assert set(texts[1:]) == {*(f"{str(one).removeprefix(vault + '/')}: {bytes_left}" for one in left), texts[-1]}
    assert texts[-1].startswith(f"{layout.LANDED}/{BATCH}/link: ")
    assert status(found) == FAULTY
    if server is None:  # which has waited for no hour
        assert f"IN THE VAULT, AND NO OBJECT'S: {left[0]}" in irule(site, "verify", checksums="no")
    for file in (*left, link, Path(os.fsdecode(latin))):
        file.unlink()
    assert len(named) == 11


def test_a_young_file_of_the_vault_may_be_one_that_is_being_written(site):
    before = site.verify(checksums=False)["young"]
    file = put(site.settings.archive.vault, f"{layout.LANDED}/{BATCH}/{T94}/dicom/new", b"x")
    found = site.verify(checksums=False)
    assert (found["young"] - before, found["orphan"]) == (1, [])
    file.unlink()


def test_an_object_that_is_archived_at_birth_needs_no_avu(site):
    new = site.register()
    without_avu(site, archived_at_birth(site, f"{T94}/dicom/1", dicom(new)))
    assert (found := site.verify())["sound"], found
    assert (found["archived"], found["without_origin"]) == (1, [])


def test_the_server_looks_through_the_vault_where_this_host_has_none(site, old, monkeypatch):
    whole = site.rule("verify", {"vault": {}})
    assert whole["done"]
    first, *_ = whole["looks"]
    pieces = []
    reply = {"done": False, "looks": [[""]]}
    while not reply["done"]:
        reply = site.rule("verify", {"vault": {"after": reply["looks"][-1][0], "seconds": 0}})
        pieces += reply["looks"]
    assert [position for position, *_ in pieces] == [position for position, *_ in whole["looks"]]
    assert first[0] == "/"
    elsewhere = vault_files.Vault(
        site.settings.archive.resource, "/vault", "", "the vault is on elsewhere, not on this host"
    )
    monkeypatch.setattr(verification, "vault_files", SimpleNamespace(of_archive=lambda context: elsewhere))
    found = site.verify(checksums=False)
    assert found["complete"], found["unseen"]
    assert found["files"] >= sum(counts.get("files", 0) for _, counts, _ in whole["looks"])


def test_a_vault_that_nobody_reaches_was_not_looked_at(site, monkeypatch):
    elsewhere = vault_files.Vault(
        site.settings.archive.resource, "/vault", "", "the vault is on elsewhere, not on this host"
    )
    monkeypatch.setattr(verification.vault_files, "of_archive", lambda context: elsewhere)
    if (found := site.verify(checksums=False))["unseen"]:  # on a server, the rule runs in another process
        assert "is on elsewhere, not on this host" in found["unseen"][0]
        assert status(found) == INCOMPLETE
        assert found["verdict"].startswith("Not everything was looked at")


def test_a_vault_that_is_not_mounted_was_not_looked_at(site, tmp_path, monkeypatch):
    archived_at_birth(site, f"{T94}/dicom/1", dicom(site.register()))
    monkeypatch.setattr("policy.zone.host_files.is_here", lambda host: False)
    empty = tmp_path / "empty"
    empty.mkdir()
    unmounted = replace(site.settings, archive=replace(site.settings.archive, vault=str(empty)))
    (told,) = [line for line in report(site.connect(), unmounted)["unseen"] if line.startswith(str(empty))]
    assert told.endswith("is empty, and objects have files in it: is it mounted?")


# The intake


def test_files_of_a_batch_under_way_are_taken(site):
    file = taken(site, f"{T94}/dicom/1", b"x", done=False)
    found = site.verify()
    assert found["sound"], found
    (told,) = found["taken"]
    assert told.startswith(f"{file.parents[2]}: 1 files, 1 bytes, since 20")
    assert "taken, not registered yet: " in text(
        {**found, "run": {"objects": 0, "bytes": 0, "files": 0, "seconds": 1.0}}
    )


def test_files_of_a_finished_batch_are_accounted_for_by_their_origin(site):
    new, other = site.register(), site.register()
    content = {name: dicom(new, instance=number) for number, name in enumerate(("vault", "avu", "place"), 1)}
    for name, one in content.items():
        taken(site, f"{T94}/dicom/s/{name}", one)
    without_avu(site, archived_at_birth(site, f"{T94}/dicom/s/vault", content["vault"]))
    moved = archived_at_birth(site, f"{T94}/dicom/s/avu", content["avu"], batch="host.2")
    site.connect().annotate(without_avu(site, moved), add=[AVU("LandingPath", f"{T94}/dicom/s/avu", BATCH)])
    file = f"{site.settings.landing.folder}/{layout.INTAKE}/{BATCH}/{T94}/dicom/s/place"
    in_place = site.connect().register(
        file, f"{layout.landing(site.settings)}/{T94}/dicom/s/place", site.settings.landing.resource
    )
    without_avu(site, in_place)
    for checksums in (True, False):
        assert (found := site.verify(checksums=checksums))["sound"], found
    assert (found["archived"], found["intake"], found["without_origin"]) == (3, [], [])
    for name in ("vault", "avu"):
        taken(site, f"{T94}/dicom/s/{name}", dicom(other))
    assert [line.rpartition("/")[2] for line in site.verify()["intake"]] == [
        "avu: has other bytes than the object that it became",
        "vault: has other bytes than the object that it became",
    ]
    assert status(site.verify()) == FAULTY


def test_files_of_a_finished_batch_are_accounted_for_by_their_bytes(site):
    new = site.register()
    again = dicom(new)
    site.land(f"{T94}/dicom/first", again)
    nobody = dicom("SIMPSON^HOMER")
    site.upload(f"{T94}/dicom/x/nobody", nobody)
    site.sweep()
    for path in site.paths("quarantine"):
        site.connect().checksum(f"{site.settings.home}/{path}")
    site.connect().checksum(f"{site.settings.home}/{site.paths(f'studies/{PAIN}/experiments/{new}/DICOM')[0]}")
    taken(site, f"{T94}/dicom/again", again)
    taken(site, f"{T94}/dicom/x/nobody", nobody)
    assert (found := site.verify())["sound"], found
    lost = taken(site, f"{T94}/twix/it's lost", b"nobody has this")
    link = lost.with_name("link")
    link.symlink_to(lost)
    found = site.verify(checksums=False)
    assert found["intake"] == [
        f"{lost}: its batch is done, and no object accounts for it",
        f"{link}: is no file (a link, a pipe): it is never archived",
    ]


def test_an_object_in_the_trash_accounts_for_nothing(site):
    new = site.register()
    content = dicom(new)
    site.land(f"{T94}/dicom/first", content)
    path = f"{site.settings.home}/{site.paths(f'studies/{PAIN}/experiments/{new}/DICOM')[0]}"
    site.connect().checksum(path)
    site.connect().annotate(path, add=[AVU("LandingPath", f"{T94}/dicom/first", BATCH)])
    file = taken(site, f"{T94}/dicom/first", content)
    assert site.verify()["sound"]
    site.connect().remove(path)
    assert site.verify()["intake"] == [f"{file}: its batch is done, and no object accounts for it"]


def test_a_file_whose_time_was_over_meanwhile_is_no_finding(site, monkeypatch):
    from mrdata.verification import verify_intake

    file = taken(site, f"{T94}/dicom/1", b"x")
    known = verify_intake._known
    monkeypatch.setattr(verify_intake, "_known", lambda *given: file.unlink() or known(*given))
    assert (found := site.verify())["sound"], found


def test_an_intake_that_cannot_be_read_was_not_looked_at(site, monkeypatch):
    from mrdata.verification import verify_intake

    file = taken(site, f"{T94}/dicom/1", b"x")
    checksum = verify_intake._checksum

    def refuse(what: str) -> str:
        raise PermissionError(13, "Permission denied", what)

    monkeypatch.setattr(verify_intake, "_checksum", refuse)
    found = site.verify()
    assert (found["unseen"], found["intake"]) == ([f"{file}: Permission denied"], [])
    assert status(found) == INCOMPLETE
    monkeypatch.setattr(verify_intake, "_checksum", checksum)
    scandir, intake = os.scandir, f"{site.settings.landing.folder}/{layout.INTAKE}"
    monkeypatch.setattr(
        verify_intake.os, "scandir", lambda folder: refuse(folder) if folder == intake else scandir(folder)
    )
    assert site.verify()["unseen"] == [f"{intake}: Permission denied"]


def test_what_belongs_to_no_batch(site):
    put(f"{site.settings.landing.folder}/{layout.INTAKE}", "stray", b"x")
    put(f"{site.settings.landing.folder}/{layout.INTAKE}", ".journal", b"x")
    (told,) = site.verify()["intake"]
    assert told.endswith(f"{layout.INTAKE}/stray: belongs to no batch")


def test_an_interrupted_run_goes_on_within_a_batch(site, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("mrdata.verification.verify_intake._AT_ONCE", 2)
    from mrdata.verification import verify_intake

    for number in range(7):
        taken(site, f"{T94}/dicom/{number}", str(number).encode())
    read, checksum = [], verify_intake._checksum

    def interrupted(file: str) -> str:
        if len(read) == 5:
            raise KeyboardInterrupt
        read.append(file)
        return checksum(file)

    monkeypatch.setattr(verify_intake, "_checksum", interrupted)
    with pytest.raises(KeyboardInterrupt):
        resumable(site.connect(), site.settings, {}, checksums=False, scope=Scope(), resume=False)
    assert file_of(site.settings.zone, {}).parent.is_dir()
    read_before, read[:] = list(read), []
    monkeypatch.setattr(verify_intake, "_checksum", lambda file: read.append(file) or checksum(file))
    found = resumable(site.connect(), site.settings, {}, checksums=False, scope=Scope(), resume=True)
    assert len(found["intake"]) == 7
    assert {*read_before[:4], *read} == {str(file) for file in Path(read[0]).parent.iterdir()}
    assert len(read) == 3


# The mailbox


def test_files_that_are_not_taken_yet_wait(site):
    began = time.time() - 1
    for relative in ("dicom/a/1", "twix/.2.tmp"):
        site.landing_file(f"{T94}/{relative}", b"x")
    found = site.verify()
    assert (found["waiting"], found["sound"]) == ([f"{T94}/dicom/a/1", f"{T94}/twix/.2.tmp"], True)
    assert all(began < found["waiting_since"][path] <= time.time() for path in found["waiting"])
    assert "not taken       2  (the first since " in text(report(site.connect(), site.settings, checksums=False))


def test_what_is_registered_where_it_lies_does_not_wait(site):
    site.land(f"{T94}/dicom/a", dicom(site.register()))
    assert site.verify()["waiting"] == []


def test_what_is_never_taken_is_told(site):
    folder = Path(site.settings.landing.folder)
    put(str(folder), "elsewhere/dicom/1", b"x")
    put(str(folder), f"{T94}/notes.txt", b"x")
    site.landing_file(f"{T94}/dicom/a", b"x")
    (folder / T94 / "dicom" / "link").symlink_to("a")
    os.mkfifo(folder / T94 / "dicom" / "pipe")
    found = site.verify()
    never = "and is never taken"
    assert sorted(line.removeprefix(f"{folder}/") for line in found["mailbox"]) == [
        f"{T94}/dicom/link: is a symbolic link, {never}",
        f"{T94}/dicom/pipe: is neither a file nor a folder, {never}",
        f"{T94}/notes.txt: lies outside the scanners' folders, {never}",
        f"elsewhere: lies outside the scanners' folders, {never}",
    ]
    assert status(found) == FAULTY


def test_what_cannot_be_read_was_not_looked_at(site, monkeypatch):
    site.landing_file(f"{T94}/dicom/closed/a", b"x")
    shut = site.landing_file(f"{T94}/dicom/shut", b"x")
    scandir, access = os.scandir, os.access

    def refusing(folder):
        if str(folder).endswith("/closed"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(host_folders.os, "scandir", refusing)
    monkeypatch.setattr(
        "mrdata.verification.verify_mailbox.os.access", lambda file, mode: str(file) != str(shut) and access(file, mode)
    )
    found = site.verify()
    assert found["unseen"] == [
        f"{site.settings.landing.folder}/{T94}/dicom/closed: Permission denied",
        f"{T94}/dicom/shut: may not be read by this account",
    ]
    assert (status(found), found["sound"]) == (INCOMPLETE, False)
    assert found["verdict"] == "Not everything was looked at: see above. Nothing else is wrong."


def test_a_landing_folder_that_is_missing_was_not_looked_at(site):
    found = report(site.connect(), replace(site.settings, landing=replace(site.settings.landing, folder="/nowhere")))
    assert [line for line in found["unseen"] if line.startswith("/nowhere: ") and "is this the landing host?" in line]
    assert status(found) != 0


def test_a_landing_folder_that_is_not_mounted_was_not_looked_at(site, tmp_path):
    (tmp_path / "empty").mkdir()
    found = report(
        site.connect(), replace(site.settings, landing=replace(site.settings.landing, folder=str(tmp_path / "empty")))
    )
    assert f"{tmp_path}/empty: no scanner has a folder there: is it mounted?" in found["unseen"]


# What the scanner takes


@pytest.mark.parametrize("has_vault", [True, False], ids=["archived at birth", "archived by the delay rule"])
def test_what_a_scanner_took_is_accounted_for_at_every_step(site, old, has_vault):
    if not has_vault:  # the server reads in the intake
        site.settings = replace(site.settings, archive=replace(site.settings.archive, vault=""))
        intake = Path(site.settings.landing.folder) / layout.INTAKE
        intake.mkdir(exist_ok=True)
        os.chown(intake, -1, os.stat(site.vault(site.settings.archive.resource)).st_gid)
        intake.chmod(0o2750)
    new = site.register()
    again = dicom(new, instance=1)
    session = {"s/1": again, "s/it's 2": dicom(new, instance=2), "t/1": again, "x/9": dicom("SIMPSON^HOMER")}
    for relative, content in session.items():
        site.landing_file(f"{T94}/dicom/{relative}", content)
    site.landing_file(f"{T94}/expdata/{new}/a/b.txt", b"x")
    assert len(site.verify()["waiting"]) == 5
    for step in ("taken", "swept", "archived"):
        if step == "taken":
            Scanner(site.settings, site.new_connection, Lines(sys.stderr), retry_seconds=0.02).run_once()
        elif step == "swept":
            site.sweep()
        else:
            site.rule("archive")
            site.sweep()
        for checksums in (True, False):
            assert (found := site.verify(checksums=checksums))["sound"], (step, found)
        assert (found["waiting"], found["taken"]) == ([], [])
    assert found["landed"] + found["set_aside"] >= 4
    assert found["files"] >= 5


# All of it


def test_all_that_was_looked_at_is_claimed(site, old):
    new = site.register()
    archived_at_birth(site, f"{T94}/dicom/1", dicom(new))
    found = report(site.connect(), site.settings)
    if status(found) == 0:  # a server may have had other things before
        assert found["verdict"] == "Every landed byte is accounted for."
        assert found["areas"] == ["catalog", "intake", "mailbox", "vault"]
    lines = text(found).splitlines()
    assert f"{found['objects']:,} objects" in lines[-2]
    assert "objects/s" in lines[-2]
    assert json.dumps(found)

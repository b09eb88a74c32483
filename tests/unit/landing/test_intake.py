"""Files leave the mailbox by a rename: whatever lies in their place, whoever comes at the same time, wherever a process
is killed.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from landing import batches, exchange
from landing.batches import owner
from landing.intake import Intake
from landing.landing_errors import LandingError, NotYet
from landing.mailbox import Ready
from landing.names import is_fit
from landing.signature import Signature
from tests.landing_zone import NOBODY, Folder, clock, folder, ordinary
from tests.unit.landing.test_mailbox import not_files

__all__ = ["clock", "folder", "ordinary"]

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs folders of several accounts")
IMAGE = "prisma/dicom/a/1.dcm"
TREE = "prisma/expdata/Z4KQ-STAS"


@pytest.fixture
def intake(folder):
    intake = Intake(folder.settings)
    intake.check()
    return intake


def ready(folder: Folder, path: str) -> Ready:
    """As a look sees it."""
    return Ready(path, Signature.of(os.lstat(folder.landing / path)))


def taken(intake: Intake, ready: Ready) -> list[str]:
    return sorted(one.landing_path for one in intake.take(ready))


# Whether it serves


def test_the_intake_is_made_for_this_account_alone(folder, intake):
    status = folder.intake.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, os.geteuid())
    intake.check()
    folder.intake.chmod(0o2750)  # the server's account may read it
    intake.check()


def refusal(folder: Folder) -> str:
    with pytest.raises(LandingError) as told:
        Intake(folder.settings).check()
    assert str(told.value).startswith(str(folder.landing))
    return str(told.value)


def test_there_has_to_be_a_landing_folder(folder):
    folder.landing.rename(folder.top / "away")
    assert "does not exist or is not a folder; set landing.folder" in refusal(folder)


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o704, 0o770])
def test_others_may_neither_enter_the_intake_nor_write_there(folder, mode):
    folder.intake.mkdir()
    folder.intake.chmod(mode)
    told = refusal(folder)
    assert f"run `chmod g-w,o= {folder.intake}`" in told
    subprocess.run(["/bin/sh", "-c", told.partition("`")[2].partition("`")[0]], check=True)
    Intake(folder.settings).check()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_intake_is_a_folder(folder, kind):
    if kind == "file":
        folder.intake.touch()
    else:
        (folder.top / "elsewhere").mkdir(mode=0o700)
        folder.intake.symlink_to(folder.top / "elsewhere")
    assert "is not a folder; remove it" in refusal(folder)


@root_only
def test_the_intake_belongs_to_this_account(folder):
    folder.intake.mkdir(mode=0o700)
    os.chown(folder.intake, NOBODY, NOBODY)
    assert "belongs to another account" in refusal(folder)


def test_everything_is_on_one_file_system(folder, monkeypatch):
    if os.stat("/dev/shm").st_dev == folder.landing.stat().st_dev:
        pytest.skip("needs a second file system")
    (folder.landing / "prisma/twix").rmdir()
    (folder.landing / "prisma/twix").symlink_to("/dev/shm")
    assert "prisma/twix: is on another file system" in refusal(folder)
    assert "mount the landing zone as one" in refusal(folder)
    shared = os.stat("/dev/shm")
    monkeypatch.setattr(os, "lstat", lambda path: os.stat_result((0o040700, *shared[1:4], os.geteuid(), *shared[5:])))
    assert "is on another file system than" in refusal(folder)


@contextmanager
def as_root():
    before = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_branch_in_which_nothing_can_be_renamed_is_refused_with_what_to_grant(ordinary):
    folder = Folder(ordinary)
    (folder.landing / "prisma/twix").chmod(0o555)
    told = refusal(folder)
    assert told.startswith(f"{folder.landing}/prisma/twix: MrData may not rename files here")
    assert (
        "give the account of `mrdata scan` write permission on this folder and all below it, and take the sticky bit"
        " away" in told
    )
    (folder.landing / "prisma/twix").chmod(0o755)
    Intake(folder.settings).check()


@root_only
def test_a_sticky_branch_of_another_account_is_refused(ordinary):
    folder = Folder(ordinary)
    with as_root():
        os.chown(folder.landing / "prisma/twix", 0, 0)
        (folder.landing / "prisma/twix").chmod(0o1777)
    assert "take the sticky bit away" in refusal(folder)
    with as_root():
        (folder.landing / "prisma/twix").chmod(0o777)
    Intake(folder.settings).check()


def test_a_landing_folder_that_cannot_be_written(ordinary):
    folder = Folder(ordinary)
    folder.landing.chmod(0o555)
    assert f"Permission denied; let this account write in {folder.landing}" in refusal(folder)
    folder.landing.chmod(0o755)


def test_the_clock_is_the_file_servers(folder, intake):
    before = folder.put(IMAGE).stat().st_ctime_ns
    now = intake.clock()
    assert before <= now <= folder.put("prisma/dicom/a/2.dcm").stat().st_ctime_ns


# Files


def test_a_file_is_taken_by_a_rename(folder, intake):
    file = folder.put(IMAGE)
    inode = file.stat().st_ino
    (one,) = intake.take(ready(folder, IMAGE))
    assert (one.landing_path, one.resumed, one.signature.inode) == (IMAGE, False, inode)
    assert Path(one.file) == folder.intake / one.batch / IMAGE
    assert Path(one.file).stat().st_ino == inode
    assert folder.mailbox() == []
    assert intake.take(Ready(IMAGE, one.signature)) == []


def test_what_was_replaced_since_the_look_is_told_by_its_signature(folder, intake):
    folder.put(IMAGE)
    seen = ready(folder, IMAGE)
    folder.put("prisma/dicom/new", b"y").rename(folder.landing / IMAGE)
    (one,) = intake.take(seen)
    assert one.signature != seen.signature
    assert Path(one.file).read_bytes() == b"y"


@pytest.mark.parametrize("place", ["link", "linked", "dangling", "pipe", "socket", "folder", "nothing"])
def test_what_lies_in_a_files_place_stays_in_the_mailbox(folder, intake, place):
    not_files(folder, "prisma/dicom/b")
    file = folder.put(IMAGE)
    seen = ready(folder, IMAGE)
    file.unlink()
    if place == "folder":
        folder.put(f"{IMAGE}/inside")
    elif place != "nothing":
        (folder.landing / "prisma/dicom/b" / place).rename(file)
    before, outside = folder.mailbox(), os.listdir(folder.top / "outside")
    assert intake.take(seen) == []
    intake.batches.finish(at_once=True)
    assert (folder.mailbox(), os.listdir(folder.top / "outside")) == (before, outside)
    assert (folder.in_intake(), intake.reports) == ([], [])
    assert folder.batches() == {}


@pytest.mark.parametrize("where", ["prisma/dicom/a", "prisma/dicom", "prisma"])
def test_a_folder_on_the_way_that_became_a_link(folder, intake, where):
    outside = folder.top / "outside" / Path(IMAGE).parent.relative_to(where)
    outside.mkdir(parents=True)
    (outside / "1.dcm").write_bytes(b"secret")
    folder.put(IMAGE)
    seen = ready(folder, IMAGE)
    (folder.landing / where).rename(folder.top / "was")
    (folder.landing / where).symlink_to(folder.top / "outside")
    assert intake.take(seen) == []
    assert (outside / "1.dcm").read_bytes() == b"secret"
    assert folder.in_intake() == []


def test_what_cannot_go_back_is_told_and_stays(folder, intake, monkeypatch):
    file = folder.put(IMAGE)
    seen = ready(folder, IMAGE)
    file.unlink()
    file.symlink_to("nowhere")
    monkeypatch.setattr(exchange, "move", lambda *_: bool(folder.put(IMAGE, b"new")) and False)
    assert intake.take(seen) == []
    (told,) = intake.reports
    batch = next(iter(folder.batches()))
    assert told == (
        IMAGE,
        "is not a file of data, and could not be put back (its place is taken); it stays in the intake",
    )
    assert (folder.mailbox(), folder.in_intake()) == ([IMAGE], [IMAGE])
    intake.batches.finish(at_once=True)
    assert folder.batches() == {batch: True}


def test_what_may_not_be_renamed(ordinary):
    folder = Folder(ordinary)
    intake = Intake(folder.settings)
    intake.check()
    file = folder.put(IMAGE)
    file.parent.chmod(0o555)
    with pytest.raises(NotYet, match="Permission denied"):
        intake.take(ready(folder, IMAGE))
    assert folder.mailbox() == [IMAGE]
    file.parent.chmod(0o755)
    assert taken(intake, ready(folder, IMAGE)) == [IMAGE]


def test_a_disk_that_is_full(folder, intake, monkeypatch):
    folder.put(IMAGE)

    def full(*_, **__):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", full)
        with pytest.raises(NotYet, match="No space left on device"):
            intake.take(ready(folder, IMAGE))
    assert taken(intake, ready(folder, IMAGE)) == [IMAGE]


def test_an_answer_of_the_file_server_that_got_lost(folder, intake, monkeypatch):
    """NFS: the rename was done, and sent again it finds nothing."""
    folder.put(IMAGE)
    rename = os.rename

    def twice(*names, **given):
        rename(*names, **given)
        rename(*names, **given)

    monkeypatch.setattr(os, "rename", twice)
    assert taken(intake, ready(folder, IMAGE)) == [IMAGE]


def test_a_stat_that_fails_after_the_rename_loses_nothing(folder, intake, monkeypatch):
    folder.put(IMAGE)
    seen = ready(folder, IMAGE)

    def broken(path):
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", broken)
        with pytest.raises(NotYet, match="Input/output error"):
            intake.take(seen)
    intake.batches.finish(at_once=True)
    (batch,) = intake.batches.abandoned(intake.clock())
    assert [one.landing_path for one in intake.take_over(batch, IMAGE)] == [IMAGE]


def test_two_files_of_one_name_are_in_two_batches(folder, intake):
    found = []
    for content in (b"one", b"two"):
        folder.put(IMAGE, content)
        found += intake.take(ready(folder, IMAGE))
    assert [Path(one.file).read_bytes() for one in found] == [b"one", b"two"]
    assert found[0].batch != found[1].batch


def test_a_file_where_a_folder_was_and_a_folder_where_a_file_was(folder, intake):
    paths = ("prisma/dicom/a/b/c", "prisma/dicom/a", "prisma/dicom/a/b")
    for path in paths:
        folder.put(path)
        assert taken(intake, ready(folder, path)) == [path]
        for above in ("a/b", "a"):
            if (folder.landing / "prisma/dicom" / above).is_dir():
                (folder.landing / "prisma/dicom" / above).rmdir()
    assert folder.in_intake() == sorted(paths)


def test_names_that_irods_cannot_hold_are_escaped(folder, intake):
    names = ["line\nfeed", "line%0Afeed", os.fsdecode(b"caf\xe9"), "odd\tfolder/inside"]
    found = []
    for name in names:
        folder.put(f"prisma/dicom/{name}", os.fsencode(name))
        found += intake.take(ready(folder, f"prisma/dicom/{name}"))
    wanted = ["line%0Afeed", "line%0Afeed", "caf%E9", "odd%09folder/inside"]
    assert [one.landing_path for one in found] == [f"prisma/dicom/{name}" for name in wanted]
    assert found[0].batch != found[1].batch
    assert [Path(one.file).read_bytes() for one in found] == [os.fsencode(name) for name in names]


# Trees


def test_a_tree_is_taken_whole_and_an_empty_folder_takes_its_place(folder, intake):
    names = ("FINISHED", "a/1", "a/b/2", ".bidsignore", ".git/HEAD")
    inodes = {folder.put(f"{TREE}/{name}").stat().st_ino for name in names}
    (folder.landing / TREE).chmod(0o2775)
    found = intake.take(Ready(TREE, None))
    assert sorted(one.landing_path for one in found) == sorted(f"{TREE}/{name}" for name in names)
    assert {one.signature.inode for one in found} == inodes
    assert len({one.batch for one in found}) == 1
    assert folder.mailbox() == []
    assert stat.S_IMODE((folder.landing / TREE).stat().st_mode) == 0o2775
    folder.put(f"{TREE}/again")
    assert taken(intake, Ready(TREE, None)) == [f"{TREE}/again"]
    assert intake.take(Ready(f"{TREE}X", None)) == []


def test_leftovers_and_what_is_no_file_go_back(folder, intake):
    stay = [
        f"{TREE}/a/{name}"
        for name in (".nfs0000000002c1a3f500000001", ".smbdeleteAAA1", "~$table.xlsx", "half.part", "notes.txt~")
    ]
    stay += not_files(folder, f"{TREE}/b")
    for path in (*stay[:5], f"{TREE}/a/data"):
        folder.put(path)
    assert taken(intake, Ready(TREE, None)) == [f"{TREE}/a/data"]
    assert folder.mailbox() == sorted(stay)
    assert (folder.in_intake(), intake.reports) == ([f"{TREE}/a/data"], [])
    assert os.listdir(folder.top / "outside") == ["secret"]


@root_only
def test_what_goes_back_can_still_be_worked_on_by_its_owner(folder, intake):
    folder.put(f"{TREE}/a/b/half.part")
    folder.put(f"{TREE}/data")
    for path in (TREE, f"{TREE}/a", f"{TREE}/a/b", f"{TREE}/a/b/half.part"):
        os.chown(folder.landing / path, NOBODY, NOBODY)
    intake.take(Ready(TREE, None))
    for path in (TREE, f"{TREE}/a", f"{TREE}/a/b", f"{TREE}/a/b/half.part"):
        assert (folder.landing / path).stat().st_uid == NOBODY


FIT = ["line%0Afeed", "line%0Afeed%2", "odd%0Afolder/x", "plain"]
ODD = ["line\nfeed", "it's || this", "a\\x41b", "odd\nfolder/it's && more/\x01", "v1.0/\x7f", os.fsdecode(b"caf\xe9")]


@pytest.mark.parametrize("tree", [TREE, "9.4T/expdata/Z4KQ-STAS"])
def test_odd_names_of_a_tree_are_escaped_and_nothing_is_written_over(folder, intake, tree):
    for name in (*FIT, *ODD):
        folder.put(f"{tree}/{name}", os.fsencode(name))
    found = {
        one.landing_path.removeprefix(f"{tree}/"): Path(one.file).read_bytes() for one in intake.take(Ready(tree, None))
    }
    assert {name: content for name, content in found.items() if name in FIT} == {name: name.encode() for name in FIT}
    others = {name: content for name, content in found.items() if name not in FIT}
    assert sorted(others.values()) == sorted(map(os.fsencode, ODD))
    assert all(is_fit(name) and unquote_to_bytes(name).startswith(content) for name, content in others.items())


def test_a_folder_of_a_tree_that_becomes_a_link_when_it_is_taken(folder, intake, monkeypatch):
    """Whoever has the tree open may still rename in it."""
    outside = folder.top / "outside"
    outside.mkdir()
    for name in ("secret", "odd\nname", "half.part"):
        (outside / name).write_bytes(b"secret")
    folder.put(f"{TREE}/a/secret")
    folder.put(f"{TREE}/data")
    whole = exchange.take_folder

    def take(name, opened, target):
        whole(name, opened, target)
        Path(target, "a").rename(folder.top / "was")
        Path(target, "a").symlink_to(outside)

    monkeypatch.setattr(exchange, "take_folder", take)
    assert taken(intake, Ready(TREE, None)) == [f"{TREE}/data"]
    assert sorted(os.listdir(outside)) == ["half.part", "odd\nname", "secret"]
    assert folder.mailbox() == [f"{TREE}/a"]


@pytest.mark.parametrize("step", ["take_folder", "walk", "move"])
def test_a_tree_whose_taking_breaks_off_is_gone_on_with(folder, intake, monkeypatch, step):
    names = ("a/1", "b/2", "odd\nname")
    for name in names:
        folder.put(f"{TREE}/{name}")
    whole = getattr(exchange, step)

    def broken(*given):
        if step == "take_folder":
            whole(*given)
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patch:
        patch.setattr(exchange, step, broken)
        if step == "move":
            assert taken(intake, Ready(TREE, None)) == [f"{TREE}/a/1", f"{TREE}/b/2"]
        else:
            with pytest.raises(NotYet, match="Input/output error"):
                intake.take(Ready(TREE, None))
    for _ in range(2 * (step == "move")):
        intake.batches.settle(next(iter(folder.batches())))
    intake.batches.finish()
    (batch,) = intake.batches.abandoned(intake.clock())
    left = [path for path in intake.batches.files(batch) if step != "move" or "\n" in path]
    found = [one for path in left for one in intake.take_over(batch, path)]
    assert (
        sorted(one.landing_path for one in found)
        == [f"{TREE}/{name}" for name in ("a/1", "b/2", "odd%0Aname")][2 * (step == "move") :]
    )
    assert all(one.resumed for one in found)
    assert folder.mailbox() == []


# Batches


def test_a_batch_is_done_when_all_its_files_are_registered(folder, intake):
    paths = [f"prisma/dicom/{number}" for number in range(3)]
    (batch,) = {one.batch for path in paths for one in intake.take(folder.put(path) and ready(folder, path))}
    for _ in paths[:2]:
        intake.batches.settle(batch)
    intake.batches.finish(at_once=True)
    assert folder.batches() == {batch: False}
    intake.batches.settle(batch)
    intake.batches.finish()  # more may still be added
    assert folder.batches() == {batch: False}
    intake.batches.finish(at_once=True)
    assert folder.batches() == {batch: True}


def test_batches_are_neither_large_nor_old(folder, intake, clock, monkeypatch):
    monkeypatch.setattr(batches, "LARGEST", 2)
    names = []
    for number in range(5):
        folder.put(f"prisma/dicom/{number}")
        names += [one.batch for one in intake.take(ready(folder, f"prisma/dicom/{number}"))]
        clock.now += 25 * (number == 3)
    clock.now += 31  # half of what another host waits before it takes a batch over
    folder.put("prisma/dicom/new")
    names += [one.batch for one in intake.take(ready(folder, "prisma/dicom/new"))]
    assert [names.index(name) for name in names] == [0, 0, 2, 2, 4, 5]


def test_a_batch_that_holds_more_than_was_counted_is_not_done(folder, intake):
    folder.put(IMAGE)
    (one,) = intake.take(ready(folder, IMAGE))
    unknown = folder.intake / one.batch / "prisma/dicom/unknown"
    unknown.write_bytes(b"x")
    intake.batches.settle(one.batch)
    intake.batches.finish(at_once=True)
    assert intake.batches.abandoned(intake.clock()) == [one.batch]
    intake.batches.close(one.batch, {IMAGE})
    assert folder.batches() == {one.batch: False}
    intake.batches.close(one.batch, {IMAGE, "prisma/dicom/unknown"})
    assert folder.batches() == {one.batch: True}
    assert intake.batches.abandoned(intake.clock()) == []


def test_the_name_of_a_batch_never_comes_again(folder, monkeypatch):
    """The vault may have files of a batch that the retention has removed from the intake, and a later process may have
    the same number.
    """
    names = set()
    for start in (1000.0, 2000.0):
        monkeypatch.setattr(batches, "_numbers", itertools.count(1))
        monkeypatch.setattr(batches.time, "time", lambda start=start: start)
        for _ in range(2):
            intake = Intake(folder.settings)
            intake.check()
            folder.put(IMAGE)
            (one,) = intake.take(ready(folder, IMAGE))
            names.add(one.batch)
            shutil.rmtree(folder.intake / one.batch)
    assert len(names) == 4


def test_a_batch_in_which_nothing_is_goes(folder, intake):
    assert intake.take(Ready(IMAGE, Signature(0, 0, 0))) == []
    intake.batches.finish(at_once=True)
    assert folder.batches() == {}


def batch_of(folder: Folder, name: str, path: str = IMAGE) -> None:
    file = folder.intake / name / path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")


def test_batches_of_processes_of_this_host(folder, intake):
    host = owner().partition(".")[0]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        started = batches._started(str(living.pid))
        assert started
        batch_of(folder, f"{host}.{living.pid}.{started}.1")
        batch_of(folder, f"{host}.{living.pid}.{int(started) + 1}.1")  # its number was another process's
        batch_of(folder, f"{host}.4194304.1.1")
        gone = [f"{host}.{living.pid}.{int(started) + 1}.1", f"{host}.4194304.1.1"]
        assert intake.batches.abandoned(intake.clock()) == sorted(gone)
        living.kill()
        os.waitid(os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)  # nobody has asked yet how it ended
        assert f"{host}.{living.pid}.{started}.1" in intake.batches.abandoned(intake.clock())


def test_batches_of_another_host_are_taken_over_when_they_give_no_sign_of_life(folder, intake):
    other = "other-host-1.77.88"
    batch_of(folder, f"{other}.1")
    batch_of(folder, f"{other}.2")
    now = intake.clock()
    assert intake.batches.abandoned(now) == []
    waits = int(folder.settings.landing.take_over_seconds * 1e9)
    os.utime(folder.intake / f"{other}.1", ns=(now + waits // 2, now + waits // 2))
    assert intake.batches.abandoned(now + waits + 1) == [f"{other}.2"]
    assert intake.batches.abandoned(now + 2 * waits) == [f"{other}.1", f"{other}.2"]


def test_a_process_shows_that_it_lives(folder, intake, clock):
    folder.put(IMAGE)
    (one,) = intake.take(ready(folder, IMAGE))
    os.utime(folder.intake / one.batch, (1, 1))
    intake.batches.beat()
    assert (folder.intake / one.batch).stat().st_mtime > 1
    os.utime(folder.intake / one.batch, (1, 1))
    intake.batches.beat()  # a file server has others to serve
    assert (folder.intake / one.batch).stat().st_mtime == 1
    clock.now += folder.settings.landing.take_over_seconds / 4
    intake.batches.beat()
    assert (folder.intake / one.batch).stat().st_mtime > 1


def test_what_this_process_has_given_up_is_taken_over_at_once(folder, intake):
    folder.put(IMAGE)
    (one,) = intake.take(ready(folder, IMAGE))
    assert intake.batches.abandoned(intake.clock()) == []
    intake.batches.abandon()
    assert intake.batches.abandoned(intake.clock()) == [one.batch]
    intake.batches.settle(one.batch)  # of another thread, which does not know yet


def test_a_task_leaves_its_batches_to_whoever_comes_first(folder, intake):
    tasks = Intake(folder.settings, of_tasks=True)
    folder.put(IMAGE)
    (one,) = tasks.take(ready(folder, IMAGE))
    tasks.batches.abandon()
    clock = intake.clock()
    late = clock + int(folder.settings.landing.take_over_seconds * 1e9) + 1
    for each in (tasks, intake):
        assert each.batches.abandoned(clock) == []
        assert each.batches.abandoned(late) == [one.batch]


def test_one_of_two_takes_a_file_over(folder, intake):
    batch_of(folder, "other-host-1.77.88.1")
    second = Intake(folder.settings)
    found = [one for each in (intake, second) for one in each.take_over("other-host-1.77.88.1", IMAGE)]
    assert [(one.landing_path, one.resumed) for one in found] == [(IMAGE, True)]
    assert second.take_over("other-host-1.77.88.1", "prisma/dicom/gone/1") == []
    second.batches.close("other-host-1.77.88.1", ())
    second.batches.finish(at_once=True)
    assert list(folder.batches()) == [found[0].batch]


def test_what_is_taken_over_is_data(folder, intake):
    batch = "other-host-1.77.88.1"
    batch_of(folder, batch, f"{TREE}/odd\nname")
    for path in (f"{TREE}/half.part", "prisma/dicom/#odd#"):
        file = folder.intake / batch / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (folder.intake / batch / TREE / "link").symlink_to("/etc/passwd")
    found = [one.landing_path for path in list(intake.batches.files(batch)) for one in intake.take_over(batch, path)]
    assert sorted(found) == ["prisma/dicom/#odd#", f"{TREE}/odd%0Aname"]
    assert folder.mailbox() == [f"{TREE}/half.part", f"{TREE}/link"]


def test_hosts_are_told_apart_by_their_process_numbers_namespace():
    host, process, started = owner().split(".")
    assert host.startswith(socket.gethostname()[:1])
    assert int(process) == os.getpid()
    assert started == batches._started(process)

"""Looks at real folders with a clock that stands still.

What is complete, what waits and for what, what needs a person.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime

import pytest

from landing.mailbox import END, GROWING, QUIET, Mailbox, Ready, longest
from landing.names import Reason, fitted
from mrdata.phantom import phantom_twix
from mrdata.phantom.water_phantom import Session
from tests.landing_zone import Folder, clock, folder, ordinary

__all__ = ["clock", "folder", "ordinary"]


class Eyes:
    """A mailbox, and how long ago it was looked at."""

    def __init__(self, folder: Folder, clock, **options) -> None:
        self.clock = clock
        self.mailbox = Mailbox(folder.settings, **options)

    def look(self, after: float = 0.0):
        self.clock.now += after
        return self.mailbox.look(self.clock.server)

    def ready(self, after: float = 0.0) -> list[str]:
        return [ready.relative for ready in self.look(after).ready]

    def notes(self) -> dict[str, str]:
        return {path: one.note for path, one in self.mailbox.pending.items()}


@pytest.fixture
def eyes(folder, clock):
    return Eyes(folder, clock)


# When a file is complete


def test_a_file_is_complete_when_two_looks_see_the_same_long_enough_apart(folder, eyes):
    file = folder.put("prisma/dicom/a/1.dcm")
    folder.put("9.4T/dicom/2.dcm")
    assert eyes.ready() == []
    assert eyes.ready(9.9) == []
    assert sorted(eyes.ready(0.2)) == ["9.4T/dicom/2.dcm", "prisma/dicom/a/1.dcm"]
    ready = next(ready for ready in eyes.look().ready if ready.relative == "prisma/dicom/a/1.dcm")
    assert ready == Ready("prisma/dicom/a/1.dcm", (1, file.stat().st_mtime_ns, file.stat().st_ino))


def test_one_look_is_not_enough_however_old_the_file_is(folder, eyes):
    file = folder.put("prisma/dicom/1.dcm")
    os.utime(file, (1, 1))
    assert eyes.ready(1e6) == []
    assert eyes.ready(10.1) == ["prisma/dicom/1.dcm"]


@pytest.mark.parametrize("change", ["grows", "new time", "another file"])
def test_a_file_that_changes_begins_again(folder, eyes, change):
    file = folder.put("prisma/dicom/1.dcm")
    eyes.look()
    eyes.look(9)
    before = file.stat()
    if change == "grows":
        with file.open("ab") as opened:
            opened.write(b"more")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "new time":
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    else:
        other = folder.put("prisma/dicom/.new")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.rename(file)
    assert eyes.ready(9) == []
    assert eyes.notes() == {"prisma/dicom/1.dcm": GROWING}
    assert eyes.mailbox.pending["prisma/dicom/1.dcm"].changes == 1
    assert eyes.ready(9) == []
    assert eyes.ready(1.1) == ["prisma/dicom/1.dcm"]


def test_a_file_that_grows_does_not_hold_up_others(folder, eyes):
    folder.put("prisma/dicom/still")
    grows = folder.put("prisma/dicom/grows")
    for _ in range(4):
        grows.write_bytes(grows.read_bytes() + b"more")
        look = eyes.look(11)
    assert [ready.relative for ready in look.ready] == ["prisma/dicom/still"]
    assert look.files == {"prisma": 2}


@pytest.mark.parametrize("skew", [-400 * 86400, 400 * 86400])
def test_dates_of_another_clock_do_not_matter(folder, eyes, skew):
    file = folder.put("prisma/dicom/1.dcm")
    os.utime(file, (file.stat().st_mtime + skew,) * 2)
    eyes.look()
    assert eyes.ready(10.1) == ["prisma/dicom/1.dcm"]


def test_another_file_under_the_name_of_one_that_was_taken_is_new(folder, eyes):
    file = folder.put("prisma/dicom/1.dcm")
    eyes.look()
    assert eyes.ready(11) == ["prisma/dicom/1.dcm"]
    file.unlink()
    eyes.mailbox.forget("prisma/dicom/1.dcm")
    folder.put("prisma/dicom/1.dcm")
    assert eyes.ready() == []
    assert eyes.ready(11) == ["prisma/dicom/1.dcm"]


def test_what_went_is_forgotten_and_a_new_name_is_a_new_file(folder, eyes):
    file = folder.put("prisma/dicom/first")
    eyes.look()
    file.rename(file.with_name("second"))
    assert eyes.ready(11) == []
    assert list(eyes.notes()) == ["prisma/dicom/second"]
    assert eyes.ready(11) == ["prisma/dicom/second"]


# Ends of raw data


@pytest.fixture(scope="module")
def raw() -> bytes:
    session = Session("", datetime(2026, 3, 1, 9), 1)
    return phantom_twix.ve(
        session,
        [
            phantom_twix.coil_sensitivities(session, 1, channels=2),
            phantom_twix.gradient_echo(session, 2, size=16, channels=2),
        ],
    )


@pytest.mark.parametrize(("path", "begin"), [("prisma/twix/meas.dat", 100), ("prisma/dicom/raw/meas.dat", 200)])
def test_raw_data_are_complete_when_their_end_has_come(folder, eyes, raw, path, begin):
    """Also in another branch, where its first bytes tell what it is."""
    for end in (begin, 5000, 10240, len(raw) // 2, len(raw) - 512 - 200):
        folder.put(path, raw[:end])
        eyes.look()
        assert eyes.ready(11) == []
        assert eyes.notes() == {path: END}
    folder.put(path, raw)
    eyes.look()
    assert eyes.ready(11) == [path]


def test_the_end_is_looked_for_again_ever_more_seldom(folder, eyes, raw):
    folder.put("prisma/twix/meas.dat", raw[:-1000])
    eyes.look()
    eyes.look(11)
    waits = []
    for _ in range(12):
        one = eyes.mailbox.pending["prisma/twix/meas.dat"]
        waits.append(one.wait)
        eyes.look(one.wait + 0.1)
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == 300.0


@pytest.mark.parametrize("begun", [b"", b"\0" * 1000, b"short"])
def test_in_the_branch_of_raw_data_a_file_has_to_have_begun(folder, eyes, begun):
    folder.put("prisma/twix/meas.dat", begun)
    folder.put("prisma/twix/note.txt", b"a note of the technician" * 10)
    eyes.look()
    assert eyes.ready(11) == ["prisma/twix/note.txt"]


def test_raw_data_that_never_end_are_left_to_the_policies(folder, eyes, raw, clock):
    folder.put("prisma/twix/cut.dat", raw[:-1000])
    eyes.look()
    assert eyes.ready(990) == []
    assert eyes.ready(20) == ["prisma/twix/cut.dat"]
    again = Eyes(folder, clock)  # a scanner that was started again goes by the time of the file
    again.look()
    assert again.ready(11) == ["prisma/twix/cut.dat"]


# Trees


def test_a_tree_is_taken_as_a_whole_when_nothing_in_it_changed_for_long(folder, eyes):
    folder.put("prisma/expdata/Z4KQ-STAS/a/1")
    folder.put("prisma/expdata/Z4KQ-STAS/b/c/2")
    folder.put("prisma/expdata/loose")
    look = eyes.look()
    assert (look.ready, look.trees) == ([], 2)
    assert eyes.ready(99) == ["prisma/expdata/loose"]
    look = eyes.look(2)
    assert Ready("prisma/expdata/Z4KQ-STAS", None) in look.ready
    assert look.trees == 0


def test_one_change_anywhere_holds_up_the_whole_tree(folder, eyes):
    first = folder.put("prisma/expdata/Z4KQ-STAS/a/1")
    eyes.look()
    eyes.clock.now += 50
    os.utime(first, (1, 1))  # sets the change time to now, whatever rsync -a and cp -p make of the other
    status = first.stat()
    assert eyes.ready(100 - 50 - 1) == []
    assert eyes.mailbox.look(status.st_ctime_ns + int(99.9e9)).ready == []
    assert eyes.mailbox.look(status.st_ctime_ns + int(100.1e9)).ready == [Ready("prisma/expdata/Z4KQ-STAS", None)]


def test_a_marker_releases_a_tree_that_stands_still(folder, eyes):
    folder.put("prisma/expdata/Z4KQ-STAS/a/1")
    folder.put("prisma/expdata/W2ZE-K806/b/2")
    assert eyes.ready(50) == []
    folder.put("prisma/expdata/Z4KQ-STAS/FINISHED", b"")
    eyes.clock.now = 1000.0
    assert eyes.ready(9) == []
    assert eyes.ready(2) == ["prisma/expdata/Z4KQ-STAS"]


def test_a_marker_further_down_is_none(folder, eyes):
    folder.put("prisma/expdata/Z4KQ-STAS/a/FINISHED", b"")
    assert eyes.ready(50) == []


@pytest.mark.parametrize("name", [".nfs0000000002c1a3f500000001", ".smbdeleteAAA1", "~$table.xlsx", "half.part"])
def test_leftovers_hold_nothing_up_and_are_reported_when_they_stay(folder, clock, name):
    eyes = Eyes(folder, clock, stale_seconds=500)
    folder.put(f"prisma/expdata/Z4KQ-STAS/a/{name}")
    look = eyes.look(200)
    assert (look.ready, look.trees, look.temporary, look.problems) == ([], 0, 1, {})
    assert eyes.look(400).problems == {f"prisma/expdata/Z4KQ-STAS/a/{name}": Reason.TEMPORARY}
    folder.put("prisma/expdata/Z4KQ-STAS/data")
    assert eyes.ready() == ["prisma/expdata/Z4KQ-STAS"]


def test_an_empty_tree_is_left_where_it_is(folder, eyes):
    (folder.landing / "prisma/expdata/Z4KQ-STAS/deep").mkdir(parents=True)
    assert eyes.ready(1e6) == []


def test_a_temporary_name_of_a_tree_is_not_its_last(folder, eyes):
    folder.put("prisma/expdata/Z4KQ-STAS.part/a")
    folder.put("prisma/expdata/.rsync/a")
    look = eyes.look(1e6)
    assert (look.ready, look.temporary) == ([], 2)


def test_what_is_no_file_in_a_tree_is_reported_until_the_tree_is_taken_without_it(folder, eyes):
    for path, reason in not_files(folder, "prisma/expdata/Z4KQ-STAS").items():
        assert eyes.look().problems[path] is reason
    folder.put("prisma/expdata/Z4KQ-STAS/data")
    assert eyes.look().trees == 1
    assert eyes.ready(1000) == ["prisma/expdata/Z4KQ-STAS"]


def test_a_path_that_is_too_long_holds_up_its_tree(folder, eyes):
    deep = "prisma/expdata/Z4KQ-STAS/" + "/".join(["d" * 200] * 6)
    folder.put(f"{deep}/file")
    folder.put("prisma/expdata/Z4KQ-STAS/FINISHED")
    look = eyes.look(1000)
    assert (look.ready, look.problems) == ([], {f"{deep}/file": Reason.TOO_LONG})


def test_what_cannot_be_listed_holds_up_its_tree(ordinary, clock):
    folder = Folder(ordinary)
    eyes = Eyes(folder, clock)
    folder.put("prisma/expdata/Z4KQ-STAS/FINISHED")
    locked = folder.put("prisma/expdata/Z4KQ-STAS/locked/data").parent
    locked.chmod(0)
    look = eyes.look(1000)
    assert (look.ready, look.problems) == ([], {"prisma/expdata/Z4KQ-STAS/locked": Reason.UNREADABLE})
    locked.chmod(0o700)
    assert eyes.ready() == ["prisma/expdata/Z4KQ-STAS"]


# What needs a person


def not_files(folder: Folder, where: str) -> dict[str, Reason]:
    """Links, a pipe and a socket."""
    top = folder.landing / where
    top.mkdir(parents=True, exist_ok=True)
    outside = folder.top / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (top / "link").symlink_to(outside / "secret")
    (top / "linked").symlink_to(outside)
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{os.open(top, os.O_RDONLY)}/socket")
    reasons = dict.fromkeys(("link", "linked", "dangling"), Reason.SYMLINK) | dict.fromkeys(
        ("pipe", "socket"), Reason.SPECIAL
    )
    return {f"{where}/{name}": reason for name, reason in reasons.items()}


def test_what_is_no_file_is_told_and_the_rest_goes_on(folder, eyes):
    wanted = not_files(folder, "prisma/dicom/a")
    folder.put("prisma/dicom/a/good")
    eyes.look()
    look = eyes.look(11)
    assert [ready.relative for ready in look.ready] == ["prisma/dicom/a/good"]
    assert look.problems == wanted
    assert look.files == {"prisma": 1}


def test_what_is_outside_the_scanners_folders(folder, eyes):
    for path in ("loose", "skyra/dicom/1.dcm", "prisma/loose.dcm", "prisma/dicoms/1.dcm"):
        folder.put(path)
    (folder.landing / "9.4T/dicom").rmdir()
    (folder.landing / "9.4T").rmdir()
    (folder.landing / "9.4T").symlink_to(folder.landing / "prisma")
    folder.put(".intake/batch/prisma/dicom/1.dcm")
    folder.put(".hidden/dicom/1.dcm")
    eyes.look()
    look = eyes.look(11)
    assert look.ready == []
    outside = dict.fromkeys(("loose", "skyra", "prisma/loose.dcm", "prisma/dicoms"), Reason.PLACE)
    assert look.problems == {**outside, "9.4T": Reason.SYMLINK}


def test_without_a_list_of_scanners_every_folder_is_one(folder, clock):
    from dataclasses import replace

    mailbox = Mailbox(replace(folder.settings, scanners=[]))
    folder.put("skyra/dicom/1.dcm")
    assert mailbox.look(clock.server).files == {"skyra": 1}


def test_temporary_names_are_left_alone_and_told_when_they_stay(folder, clock):
    names = (".a.dcm.X3d", "b.tmp", "c.PART", "d.partial", "e~", "f.filepart", ".partial-dir/x", "dir.tmp/x")
    for name in names:
        folder.put(f"prisma/dicom/{name}")
    eyes = Eyes(folder, clock, stale_seconds=500)
    eyes.look()
    look = eyes.look(400)
    assert (look.ready, look.temporary, look.problems) == ([], 8, {})
    look = eyes.look(200)
    assert look.problems == {f"prisma/dicom/{name.split('/')[0]}": Reason.TEMPORARY for name in names}


@pytest.mark.parametrize("letter", ["x", "é", "\n"])
def test_paths_as_long_as_the_zone_and_both_folders_hold(folder, eyes, letter):
    most, size = longest(folder.settings), len(os.fsencode(fitted(letter)))
    folders = "prisma/dicom/" + "/".join(["d" * 100] * ((most - 60) // 101))
    count = (most - len(folders) - 1) // size
    fits, longer = f"{folders}/{letter * count}", f"{folders}/{letter * (count + 1)}"
    folder.put(fits)
    folder.put(longer)
    eyes.look()
    look = eyes.look(11)
    assert [ready.relative for ready in look.ready] == [fits]
    assert look.problems == {longer: Reason.TOO_LONG}


def test_unreadable_files_and_folders(ordinary, clock):
    folder = Folder(ordinary)
    eyes = Eyes(folder, clock)
    for name in ("good", "secret", "locked/inside"):
        folder.put(f"prisma/dicom/{name}")
    secret, locked = folder.landing / "prisma/dicom/secret", folder.landing / "prisma/dicom/locked"
    eyes.look()
    secret.chmod(0)
    locked.chmod(0)
    look = eyes.look(11)
    assert [ready.relative for ready in look.ready] == ["prisma/dicom/good"]
    assert look.problems == {"prisma/dicom/secret": Reason.UNREADABLE, "prisma/dicom/locked": Reason.UNREADABLE}
    assert look.details == dict.fromkeys(look.problems, "Permission denied")
    assert set(eyes.notes()) == {"prisma/dicom/good", "prisma/dicom/secret", "prisma/dicom/locked/inside"}
    secret.chmod(0o644)
    locked.chmod(0o755)
    look = eyes.look()
    assert len(look.ready) == 3  # what was seen before it could not be listed is remembered
    assert look.problems == {}


def test_the_landing_folder_itself_has_to_be_there(folder, eyes):
    folder.landing.rename(folder.top / "away")
    with pytest.raises(FileNotFoundError):
        eyes.look()


def test_files_that_vanish_during_a_look(folder, eyes, monkeypatch):
    file, inner = folder.put("prisma/dicom/1"), folder.put("prisma/dicom/b/2")
    listed = Mailbox._list

    def lists(mailbox, relative):
        found = listed(mailbox, relative)
        if relative == "prisma/dicom":
            file.unlink()
            inner.unlink()
            inner.parent.rmdir()
        return found

    monkeypatch.setattr(Mailbox, "_list", lists)
    look = eyes.look()
    assert (look.ready, look.problems, look.files) == ([], {}, {})


def test_notes_are_words_that_complete_a_sentence():
    """`2 waiting: a time without a change` is how a summary tells them."""
    assert (QUIET, END, GROWING) == ("a time without a change", "its end", "still changing")

"""Removing what is in hand: never what took the name meanwhile, never what is no regular file; and back without
replacing.
"""

import hashlib
import os
from pathlib import Path

import pytest

from policy.zone import file_removal, host_files
from policy.zone.file_removal import Outcome, Root

CONTENT, OTHER = b"what was archived", b"something else, new"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "landing" / ".intake").mkdir(parents=True)
    (tmp_path / "landing" / "a" / "b").mkdir(parents=True)
    (tmp_path / "landing" / "a" / "b" / "f").write_bytes(CONTENT)
    return Root(str(tmp_path / "landing"), ".intake/.removing")


def file(root, relative="a/b/f"):
    return Path(root.folder) / relative


def aside(root):
    """Files that lie aside."""
    return [path for path in (Path(root.folder) / root.aside).rglob("*") if not path.is_dir()]


def remove(root, relative="a/b/f", size=17):
    return file_removal.remove(root, relative, {SHA}, size)[0]


def test_what_is_meant_goes(root):
    assert remove(root) is Outcome.REMOVED
    assert not file(root).exists()
    assert os.listdir(Path(root.folder) / root.aside) == []
    assert remove(root) is Outcome.GONE


@pytest.mark.parametrize("content", [OTHER, b"x" * len(CONTENT)])
def test_something_else_stays(root, content):
    file(root).write_bytes(content)
    assert remove(root) is Outcome.OTHER
    assert file(root).read_bytes() == content
    assert aside(root) == []


def test_what_takes_its_name_while_it_is_read_stays(root, monkeypatch):
    """t1, a4: a new file is renamed to the name of the one that is being hashed."""
    real = host_files.sha256

    def slow(descriptor):
        digest = real(descriptor)
        new = file(root).with_name("new")
        new.write_bytes(OTHER)
        os.replace(new, file(root))
        return digest

    monkeypatch.setattr(host_files, "sha256", slow)
    assert remove(root) is Outcome.REMOVED
    assert file(root).read_bytes() == OTHER


def test_what_cannot_go_back_lies_aside(root, monkeypatch):
    """Other bytes were set aside, and their name is taken again: neither is lost."""

    def slow(descriptor):
        file(root).write_bytes(OTHER)
        return "0" * 64

    with monkeypatch.context() as patch:
        patch.setattr(host_files, "sha256", slow)
        assert remove(root) is Outcome.ASIDE
    assert file(root).read_bytes() == OTHER
    assert [path.read_bytes() for path in aside(root)] == [CONTENT]
    assert file_removal.recover(root) == 1
    file(root).unlink()
    assert file_removal.recover(root) == 0
    assert file(root).read_bytes() == CONTENT


def test_what_is_exchanged_before_it_is_set_aside_goes_back(root, monkeypatch):
    """Between the look and the rename."""
    real = os.rename

    def rename(name, target, **folders):
        os.replace(Path(root.folder) / "new", file(root))
        real(name, target, **folders)

    (Path(root.folder) / "new").write_bytes(CONTENT)
    monkeypatch.setattr(os, "rename", rename)
    assert remove(root) is Outcome.OTHER
    assert file(root).read_bytes() == CONTENT
    assert aside(root) == []


def test_what_changes_while_it_is_read_stays(root, monkeypatch):
    real = os.pread

    def read(descriptor, length, offset):
        piece = real(descriptor, length, offset)
        if not offset:
            with (aside(root)[0]).open("ab") as writer:
                writer.write(b"more")
        return piece

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", read)
        assert remove(root) is Outcome.OTHER
    assert file(root).read_bytes() == CONTENT + b"more"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_are_opened(root, tmp_path, kind):
    """A pipe without a writer would be waited for."""
    file(root).unlink()
    if kind == "link":
        (tmp_path / "secret").write_bytes(CONTENT)
        file(root).symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(file(root))
    else:
        file(root).mkdir()
    assert remove(root) is Outcome.OTHER
    assert os.path.lexists(file(root))
    with pytest.raises(host_files.NotRegular):
        host_files.open_regular(str(file(root)))


def test_no_folder_on_the_way_is_a_link(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f").write_bytes(CONTENT)
    (Path(root.folder) / "link").symlink_to(tmp_path / "elsewhere")
    assert remove(root, "link/f") is Outcome.OTHER
    assert (tmp_path / "elsewhere" / "f").exists()
    assert remove(root, "a/../a/b/f") is Outcome.OTHER


def test_killed_while_it_was_aside_it_comes_back(root):
    held = Path(root.folder) / root.aside / "random" / "a" / "b"
    held.mkdir(parents=True)
    file(root).rename(held / "f")
    (Path(root.folder) / "a" / "b").rmdir()
    assert file_removal.recover(root) == 0
    assert file(root).read_bytes() == CONTENT
    assert os.listdir(Path(root.folder) / root.aside) == []


def test_two_processes_at_one_file(root):
    """One puts it back as what a killed process left; the other removes nothing then."""
    with file_removal.aside(root, "a/b/f") as in_hand:
        assert file_removal.recover(root) == 0
        with pytest.raises(OSError, match="put it back"):
            in_hand.remove()
    assert file(root).read_bytes() == CONTENT
    assert aside(root) == []


def test_a_file_system_without_rename_that_replaces_nothing(root, monkeypatch):
    """The second link instead."""
    import ctypes

    class Library:
        pass

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    with file_removal.aside(root, "a/b/f"):
        assert not file(root).exists()
    assert file(root).read_bytes() == CONTENT
    with file_removal.aside(root, "a/b/f") as in_hand:
        file(root).write_bytes(OTHER)
    assert in_hand.is_left
    assert file(root).read_bytes() == OTHER


def test_where_it_is_not_seen(tmp_path):
    outcome, why = file_removal.remove(Root(str(tmp_path / "gone"), ".intake/.removing"), "a/f", {SHA})
    assert (outcome, why) == (Outcome.FAILED, "its folder is not on this host")


def test_empty_folders_go_up_to_a_stop(root):
    (Path(root.folder) / "a" / "b" / "c").mkdir()
    file_removal.remove_folders(root, "a/b/c", "a")
    assert file(root).exists()
    assert not (Path(root.folder) / "a" / "b" / "c").exists()
    file(root).unlink()
    file_removal.remove_folders(root, "a/b/gone", "a")
    assert os.listdir(Path(root.folder) / "a") == []

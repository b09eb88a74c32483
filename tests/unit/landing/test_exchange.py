"""Looks and renames in folders of others: no link is followed, nothing is written over; also where a file system knows
no such renames.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from landing import exchange
from tests.landing_zone import NOBODY, ordinary

__all__ = ["ordinary"]

AT = exchange.AT_FDCWD


@pytest.fixture(params=["renameat2", "nfs"])
def file_system(request, monkeypatch):
    if request.param == "nfs":

        def refuse(*_):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

        monkeypatch.setattr(exchange, "_renameat2", refuse)


@pytest.fixture
def top(tmp_path) -> Path:
    for name in ("outside", "box/a/b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "box/a/b/file").write_bytes(b"x")
    return tmp_path


def test_a_folder_is_opened_without_following_a_link(top):
    with exchange.opened(str(top / "box"), "a/b") as folder:
        assert os.listdir(folder) == ["file"]
    with exchange.opened(str(top / "box"), "") as folder:
        assert os.listdir(folder) == ["a"]
    (top / "box/a").rename(top / "box/was")
    (top / "box/a").symlink_to(top / "outside")
    for path in ("a", "a/b", "was/b/file"):
        with pytest.raises(NotADirectoryError), exchange.opened(str(top / "box"), path):
            pass
    with pytest.raises(FileNotFoundError), exchange.opened(str(top / "box"), "gone/b"):
        pass


def test_no_descriptor_is_left_open(top):
    before = os.listdir("/proc/self/fd")
    test_a_folder_is_opened_without_following_a_link(top)
    list(exchange.walk(str(top), "box"))
    assert os.listdir("/proc/self/fd") == before


def test_folders_are_made_like_the_one_above(top):
    above = top / "box/a"
    above.chmod(0o2775)
    if os.geteuid() == 0:
        os.chown(above, NOBODY, NOBODY)
    with exchange.opened(str(top / "box"), "a/new/deep", make=True):
        pass
    for made in (above / "new", above / "new/deep"):
        status = made.stat()
        assert stat.S_IMODE(status.st_mode) == 0o2775
        assert status.st_uid == above.stat().st_uid
    (top / "box/link").symlink_to(top / "outside")
    with pytest.raises(NotADirectoryError), exchange.opened(str(top / "box"), "link/new", make=True):
        pass
    assert os.listdir(top / "outside") == ["secret"]


def test_a_walk_stays_inside(top):
    (top / "box/link").symlink_to(top / "outside")
    (top / "box/a/dangling").symlink_to("nowhere")
    os.mkfifo(top / "box/pipe")
    found = {path: stat.S_IFMT(status.st_mode) for path, status in exchange.walk(str(top), "box")}
    assert found == {
        "box": stat.S_IFDIR,
        "box/a": stat.S_IFDIR,
        "box/a/b": stat.S_IFDIR,
        "box/a/b/file": stat.S_IFREG,
        "box/a/dangling": stat.S_IFLNK,
        "box/link": stat.S_IFLNK,
        "box/pipe": stat.S_IFIFO,
    }
    assert list(exchange.walk(str(top), "gone")) == []
    assert list(exchange.walk(str(top), "box/link")) == []


def test_a_folder_that_becomes_a_link_during_a_walk_is_left_out(top):
    paths = []
    for path, _ in exchange.walk(str(top), "box"):
        paths.append(path)
        if path == "box":
            (top / "box/a").rename(top / "moved")
            (top / "box/a").symlink_to(top / "outside")
    assert paths == ["box"]


def test_a_walk_tells_what_it_cannot_list(ordinary):
    (ordinary / "box/locked/deep").mkdir(parents=True)
    (ordinary / "box/locked").chmod(0)
    with pytest.raises(PermissionError) as told:
        list(exchange.walk(str(ordinary), "box"))
    assert told.value.filename == "box/locked"
    (ordinary / "box/locked").chmod(0o700)


def test_trees_may_be_deeper_than_paths_are_long(tmp_path):
    depth, name = 20, "d" * 250
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    assert sum(1 for _ in exchange.walk(str(tmp_path), name)) == depth
    for _ in range(depth - 1):  # pytest cannot remove it
        (tmp_path / name / name).rename(tmp_path / "next")
        (tmp_path / name).rmdir()
        (tmp_path / "next").rename(tmp_path / name)


@pytest.mark.usefixtures("file_system")
def test_a_move_writes_nothing_over(top):
    source, target = os.open(top / "box/a/b", os.O_RDONLY), os.open(top / "outside", os.O_RDONLY)
    assert not exchange.move("file", source, "secret", target)
    assert (top / "outside/secret").read_bytes() == b"secret"
    assert (top / "box/a/b/file").read_bytes() == b"x"
    assert exchange.move("file", source, "file", target)
    assert (top / "outside/file").read_bytes() == b"x"
    assert os.listdir(source) == []
    (top / "box/a/b/link").symlink_to("/etc/passwd")
    assert exchange.move("link", source, "link", target)
    assert os.readlink(top / "outside/link") == "/etc/passwd"
    with pytest.raises(FileNotFoundError):
        exchange.move("gone", source, "gone", target)
    os.close(source)
    os.close(target)


@pytest.mark.usefixtures("file_system")
def test_a_folder_is_taken_and_an_empty_one_takes_its_place(top):
    (top / "box/a").chmod(0o2775)
    if os.geteuid() == 0:
        os.chown(top / "box/a", NOBODY, NOBODY)
    owner = (top / "box/a").stat().st_uid
    with exchange.opened(str(top), "box") as folder:
        exchange.take_folder("a", folder, str(top / "taken"))
    assert (top / "taken/b/file").read_bytes() == b"x"
    left = (top / "box/a").stat()
    assert (stat.S_IMODE(left.st_mode), left.st_uid, os.listdir(top / "box/a")) == (0o2775, owner, [])
    assert sorted(os.listdir(top)) == ["box", "outside", "taken"]


@pytest.mark.usefixtures("file_system")
def test_only_folders_are_taken(top):
    (top / "box/link").symlink_to(top / "outside")
    (top / "box/file").write_bytes(b"x")
    with exchange.opened(str(top), "box") as folder:
        for name, error in (("link", NotADirectoryError), ("file", NotADirectoryError), ("gone", FileNotFoundError)):
            with pytest.raises(error):
                exchange.take_folder(name, folder, str(top / "taken"))
    assert sorted(os.listdir(top)) == ["box", "outside"]
    assert os.listdir(top / "outside") == ["secret"]


def test_what_came_meanwhile_on_a_file_system_without_exchange_stays(top, monkeypatch):
    """Somebody makes the folder again before MrData does."""

    def refuse(*_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    rename = os.rename

    def renamed(source, target, **given):
        rename(source, target, **given)
        if source == "a":
            (top / "box/a").mkdir()
            (top / "box/a/new").write_bytes(b"new")

    monkeypatch.setattr(exchange, "_renameat2", refuse)
    monkeypatch.setattr(os, "rename", renamed)
    with exchange.opened(str(top), "box") as folder:
        exchange.take_folder("a", folder, str(top / "taken"))
    assert (top / "box/a/new").read_bytes() == b"new"
    assert (top / "taken/b/file").exists()
    assert sorted(os.listdir(top)) == ["box", "outside", "taken"]

"""`mrdata get`.

What is there afterwards is whole and as the catalog tells it, whatever happened before and meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mrdata.commands import download as module
from mrdata.commands.download import PART, download
from policy.zone import Condition, NotFound, ZoneError, data_object, layout
from tests.files import dicom
from tests.zone.names import ALICE, T94


@pytest.fixture
def placed(site) -> list[str]:
    """The paths of three images of one series."""
    new = site.register()
    paths = sorted(site.land(f"{T94}/dicom/{n}", dicom(new, instance=n, pixels=bytes(32))) for n in (1, 2, 3))
    for path in paths:
        site.connect().checksum(path)
    return paths


@pytest.fixture
def target(tmp_path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.fixture
def pieces(monkeypatch):
    """Small ones, so that a download has several."""
    monkeypatch.setattr(module, "PIECE", 500)


class Reading:
    """A zone that counts, and whose reading breaks off after so many pieces."""

    def __init__(self, zone, pieces: int = 10**9) -> None:
        self._zone, self.left, self.offsets = zone, pieces, []

    def __getattr__(self, verb):
        return getattr(self._zone, verb)

    def read(self, path, offset, length):
        if not self.left:
            raise ZoneError("the connection broke off")
        self.left -= 1
        self.offsets.append(offset)
        return self._zone.read(path, offset, length)


def flip(file: Path, at: int = -3) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.chmod(file.stat().st_mode | 0o200)
    file.write_bytes(content)


def test_a_collection_comes_with_all_below_it(site, placed, target):
    zone, collection = site.connect(ALICE), layout.parent(placed[0])
    copies = list(download(zone, collection, target))
    assert [copy.path for copy in copies] == placed
    assert all(not copy.fault and copy.is_compared and not copy.was_there for copy in copies)
    for copy in copies:
        assert copy.file.read_bytes() == zone.read(copy.path, 0, 10**6)
    again = list(download(zone, collection, target))
    assert all(copy.was_there for copy in again)
    assert sorted(file.name for file in copies[0].file.parent.iterdir()) == [Path(path).name for path in placed]


def test_what_is_there_and_equal_is_not_read_again(site, placed, target):
    list(download(site.connect(), placed[0], target))
    zone = Reading(site.connect())
    (copy,) = download(zone, placed[0], target)
    assert copy.was_there
    assert zone.offsets == []


def test_other_bytes_under_the_name_stay_and_are_an_error(site, placed, target):
    (first,) = download(site.connect(), placed[0], target)
    flip(first.file)
    changed = first.file.read_bytes()
    (second,) = download(site.connect(), placed[0], target)
    assert "nothing is overwritten" in second.fault
    assert first.file.read_bytes() == changed
    assert not list(target.rglob(f"*{PART}"))


def test_a_flipped_byte_in_the_archive_is_an_error_and_no_file(site, placed, target):
    """And the rest of the series comes all the same."""
    ((file,),) = site.connect().query(["DATA_PATH"], *data_object(placed[1]))
    before = Path(file).read_bytes()
    flip(Path(file))
    site.connect().query(["DATA_NAME"], Condition("DATA_PATH", "=", file))
    copies = list(download(site.connect(), layout.parent(placed[0]), target))
    assert [bool(copy.fault) for copy in copies] == [False, True, False]
    assert "checksum" in copies[1].fault
    assert not copies[1].file.exists()
    assert not list(target.rglob(f"*{PART}"))
    Path(file).write_bytes(before)
    assert [copy.was_there for copy in download(site.connect(), layout.parent(placed[0]), target)] == [
        True,
        False,
        True,
    ]


def test_a_shorter_file_in_the_archive_is_an_error_and_no_file(site, placed, target):
    ((file,),) = site.connect().query(["DATA_PATH"], *data_object(placed[1]))
    Path(file).chmod(Path(file).stat().st_mode | 0o200)
    os.truncate(file, Path(file).stat().st_size - 1)
    (copy,) = download(site.connect(), placed[1], target)
    assert copy.fault
    assert list(target.iterdir()) == []


def test_it_goes_on_where_it_was_interrupted(site, placed, target, pieces):
    (broken,) = download(Reading(site.connect(), 1), placed[0], target)
    assert "broke off" in broken.fault
    assert not broken.file.exists()
    zone = Reading(site.connect())
    (copy,) = download(zone, placed[0], target)
    assert not copy.fault
    assert zone.offsets[0] == 500
    assert copy.file.read_bytes() == site.connect().read(placed[0], 0, 10**6)


@pytest.mark.parametrize("left", [b"", b"x" * 700, b"x" * 10**5])
def test_what_an_earlier_download_left_of_something_else_is_begun_again(site, placed, target, pieces, left):
    part = target / (Path(placed[0]).name + PART)
    part.write_bytes(left)
    (copy,) = download(site.connect(), placed[0], target)
    assert not copy.fault
    assert copy.file.read_bytes() == site.connect().read(placed[0], 0, 10**6)
    assert not part.exists()


def test_two_downloads_of_one_object_do_not_meet(site, placed, target):
    part = target / (Path(placed[0]).name + PART)
    with open(part, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        (copy,) = download(site.connect(), placed[0], target)
    assert "Resource temporarily unavailable" in copy.fault
    assert part.exists()


def test_a_file_system_without_links_has_files_too(site, placed, target, monkeypatch):
    def link(*a):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.os, "link", link)
    (copy,) = download(site.connect(), placed[0], target)
    assert not copy.fault
    assert [file.name for file in target.iterdir()] == [copy.file.name]


def test_without_a_checksum_the_size_is_compared(site, target):
    zone, path = site.connect(ALICE), f"/{site.settings.zone}/home/{ALICE}/note"
    zone.write(path, b"hello")
    (copy,) = download(zone, path, target)
    assert not copy.fault
    assert not copy.is_compared
    assert copy.file.read_bytes() == b"hello"
    (again,) = download(zone, path, target)
    assert again.was_there
    copy.file.write_bytes(b"hallo")
    (other,) = download(zone, path, target)
    assert "nothing is overwritten" in other.fault
    zone.erase(path)


def test_what_is_not_there_is_said(site, target):
    with pytest.raises(NotFound):
        list(download(site.connect(ALICE), f"{site.settings.home}/quarantine", target))


def test_the_command_tells_and_its_status_is_zero_only_when_all_came(site, placed, target):
    def get(status: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mrdata.cli", "get", layout.parent(placed[0]), str(target)]
        done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done

    assert get(0).stdout.count("\n") == 3
    assert get(0).stdout.count("(was there)") == 3
    shutil.rmtree(target / Path(placed[0]).parent.name)
    ((file,),) = site.connect().query(["DATA_PATH"], *data_object(placed[2]))
    flip(Path(file))
    done = get(1)
    assert done.stdout.count("\n") == 2
    assert "mrdata: error: " in done.stderr
    assert "Traceback" not in done.stderr

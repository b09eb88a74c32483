"""Taken files become MrData's own: copied into the vault and hashed, or hashed in the intake; whatever happens to them
meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from landing import vault as vault_module
from landing.intake import Intake, Taken
from landing.landing_errors import Gone, LandingError, NotYet
from landing.mailbox import Ready
from landing.signature import Signature
from landing.vault import Vault
from policy.zone.settings import Archive
from tests.landing_zone import NOBODY, Folder, folder, ordinary

__all__ = ["folder", "ordinary"]

IMAGE = "prisma/dicom/a/1.dcm"
TREE = "prisma/expdata/Z4KQ-STAS"


def checksum(content: bytes) -> str:
    return "sha2:" + base64.b64encode(hashlib.sha256(content).digest()).decode()


class Owner:
    """A vault and an intake that serve."""

    def __init__(self, folder: Folder, **archive: object) -> None:
        settings = replace(folder.settings, archive=Archive(**archive)) if archive else folder.settings
        self.folder, self.vault, self.intake = folder, Vault(settings), Intake(settings)
        self.intake.check()
        self.vault.check()

    def take(self, content: bytes = b"bytes", path: str = IMAGE) -> Taken:
        self.folder.put(path, content)
        (taken,) = self.intake.take(Ready(path, Signature(0, 0, 0)))
        return taken

    def copies(self) -> list[str]:
        return [path.name for path in self.folder.vault.rglob("*") if path.is_file()]


@pytest.fixture
def owner(folder):
    return Owner(folder)


def test_a_file_is_copied_and_hashed(folder, owner):
    taken = owner.take()
    owned = owner.vault.own(taken)
    assert owned.file == f"{folder.vault}/landed/{taken.batch}/{IMAGE}"
    assert (owned.size, owned.checksum) == (5, checksum(b"bytes"))
    copy = Path(owned.file)
    assert (copy.read_bytes(), stat.S_IMODE(copy.stat().st_mode)) == (b"bytes", 0o440)
    assert copy.stat().st_mtime_ns == taken.signature.mtime_ns
    assert copy.stat().st_ino != taken.signature.inode
    assert Path(taken.file).exists()
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o2770
    assert owner.vault.force([owned]) == {}
    assert owner.vault.resource == "archiveResc"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_copies_belongs_to_the_vaults_account(folder):
    os.chown(folder.vault, NOBODY, NOBODY)
    owner = Owner(folder)
    copy = Path(owner.vault.own(owner.take()).file)
    for path in (copy, *list(copy.parents)[: len(copy.relative_to(folder.vault).parts) - 1]):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_without_a_vault_it_is_hashed_where_it_lies(folder):
    owner = Owner(folder, vault="")
    taken = owner.take()
    owned = owner.vault.own(taken)
    assert (owned.file, owned.checksum) == (taken.file, checksum(b"bytes"))
    assert owner.vault.force([owned]) == {}
    owner.vault.drop(owned)
    assert Path(taken.file).exists()
    assert owner.vault.resource == "landingResc"
    assert owner.copies() == []


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000])
@pytest.mark.parametrize("large", [1 << 60, 1 << 20])
def test_files_of_every_size(owner, monkeypatch, size, large):
    monkeypatch.setattr(vault_module, "LARGE", large)
    monkeypatch.setattr(vault_module, "_FLUSH", 2 << 20)
    content = os.urandom(size)
    owned = owner.vault.own(owner.take(content))
    assert (Path(owned.file).read_bytes(), owned.checksum, owned.size) == (content, checksum(content), size)


def test_it_shows_that_it_lives_while_it_copies(owner):
    beats = []
    owner.vault.own(owner.take(bytes(3_000_000)), lambda: beats.append(1))
    assert len(beats) == 3


# Changes


@pytest.mark.parametrize("change", ["grows", "new time", "another file"])
def test_what_is_not_what_was_taken_waits(owner, change):
    taken = owner.take()
    if change == "grows":
        Path(taken.file).write_bytes(b"longer than before")
    elif change == "new time":
        os.utime(taken.file, ns=(0, taken.signature.mtime_ns + 1))
    else:
        Path(taken.file).rename(owner.folder.top / "was")
        Path(taken.file).write_bytes(b"other")
        os.utime(taken.file, ns=(0, taken.signature.mtime_ns))
    with pytest.raises(NotYet, match="it has changed since it was taken"):
        owner.vault.own(taken)
    assert owner.copies() == []


@pytest.mark.parametrize("change", ["grows", "shrinks", "the same size and time", "mode"])
@pytest.mark.parametrize("large", [1 << 60, 1 << 20])
@pytest.mark.parametrize("vault", [True, False])
def test_what_changes_while_it_is_read_waits(folder, monkeypatch, change, large, vault):
    monkeypatch.setattr(vault_module, "LARGE", large)
    owner = Owner(folder) if vault else Owner(folder, vault="")
    taken = owner.take(bytes(3 << 20))

    def alter() -> None:
        if change == "grows":
            with open(taken.file, "ab") as opened:
                opened.write(b"more")
        elif change == "shrinks":
            os.truncate(taken.file, 1000)
        elif change == "mode":
            os.chmod(taken.file, 0o600)
        else:
            with open(taken.file, "r+b") as opened:
                opened.write(b"x")
            os.utime(taken.file, ns=(0, taken.signature.mtime_ns))

    with pytest.raises(NotYet, match="it changed while it was read"):
        owner.vault.own(taken, alter)
    assert owner.copies() == []
    now = replace(taken, signature=Signature.of(os.stat(taken.file)))
    assert owner.vault.own(now).checksum == checksum(Path(taken.file).read_bytes())


def test_a_file_that_grows_for_ever_is_not_read_for_ever(owner):
    taken = owner.take(bytes(1 << 20))
    pieces = []

    def grow() -> None:
        pieces.append(1)
        assert len(pieces) < 10
        with open(taken.file, "ab") as opened:
            opened.write(bytes(1 << 20))

    with pytest.raises(NotYet):
        owner.vault.own(taken, grow)
    assert owner.copies() == []


def test_what_a_program_has_open_for_writing_waits_until_it_is_closed(owner):
    taken = owner.take()
    with open(taken.file, "r+b"), pytest.raises(NotYet, match="a program has it open for writing"):
        owner.vault.own(taken)
    with open(taken.file, "rb"):
        assert owner.vault.own(taken).size == 5


def test_what_another_process_has_taken_over_is_gone(owner):
    taken = owner.take()
    Path(taken.file).rename(owner.folder.top / "elsewhere")
    with pytest.raises(Gone):
        owner.vault.own(taken)
    assert owner.copies() == []


@pytest.mark.parametrize("place", ["link", "pipe", "folder"])
def test_only_regular_files_are_read(owner, place):
    taken = owner.take()
    os.unlink(taken.file)
    secret = owner.folder.top / "secret"
    secret.write_bytes(b"secret")
    if place == "link":
        os.symlink(secret, taken.file)
    elif place == "pipe":
        os.mkfifo(taken.file)
    else:
        os.mkdir(taken.file)
    with pytest.raises((OSError, NotYet)):
        owner.vault.own(taken)
    assert owner.copies() == []


def test_a_folder_of_a_tree_that_became_a_link_is_not_followed(owner):
    """Whoever has the tree's folders open may still rename in them."""
    owner.folder.put(f"{TREE}/a/file", b"own")
    (taken,) = owner.intake.take(Ready(TREE, None))
    outside = owner.folder.top / "outside"
    outside.mkdir()
    Path(taken.file).rename(outside / "file")
    folder = Path(taken.file).parent
    folder.rmdir()
    folder.symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        owner.vault.own(taken)
    assert owner.copies() == []


# Disks that fail


def test_a_full_disk_leaves_nothing_half_written(owner, monkeypatch):
    taken = owner.take(bytes(3 << 20))
    write, written = vault_module._write, []

    def full(target, piece):
        if written:
            raise OSError(28, os.strerror(28))
        write(target, piece)
        written.append(piece)

    with monkeypatch.context() as patch:
        patch.setattr(vault_module, "_write", full)
        with pytest.raises(OSError, match="No space left on device"):
            owner.vault.own(taken)
    assert written
    assert owner.copies() == []
    assert owner.vault.own(taken).size == 3 << 20


def test_a_short_write_goes_on(owner, monkeypatch):
    class Short:
        def __init__(self, target):
            self._target = target

        def write(self, piece):
            return self._target.write(piece[:1000])

    write = vault_module._write
    monkeypatch.setattr(vault_module, "_write", lambda target, piece: write(Short(target), piece))
    content = os.urandom(10_001)
    assert Path(owner.vault.own(owner.take(content)).file).read_bytes() == content


def test_files_and_all_their_folders_are_forced_to_the_disk_once(owner, monkeypatch):
    owned = [owner.vault.own(owner.take(path=path)) for path in (IMAGE, "prisma/dicom/a/2.dcm", "prisma/dicom/b/3.dcm")]
    forced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: forced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    assert owner.vault.force(owned) == {}
    top = owned[0].folder
    assert forced[:3] == [one.file for one in owned]
    below = ("prisma/dicom/a", "prisma/dicom/b", "prisma/dicom", "prisma")
    taken = f"{owned[0].taken.intake}/{owned[0].taken.batch}"
    tops = [f"{one}/{path}" for one in (top, taken) for path in below] + [
        top,
        os.path.dirname(top),
        taken,
        os.path.dirname(taken),
    ]
    assert sorted(forced[3:]) == sorted(tops)


@pytest.mark.parametrize("broken", ["file", "folder"])
def test_what_cannot_be_forced_is_told_for_each_file(owner, monkeypatch, broken):
    owned = [owner.vault.own(owner.take(path=path)) for path in (IMAGE, "prisma/dicom/b/2.dcm")]
    named = owned[0].file if broken == "file" else os.path.dirname(owned[0].file)
    told = []

    def fsync(descriptor):
        """As Linux does: a fault is told once."""
        if os.readlink(f"/proc/self/fd/{descriptor}") == named and not told:
            told.append(named)
            raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", fsync)
    failed = owner.vault.force(owned)
    assert {file: error.strerror for file, error in failed.items()} == {owned[0].file: "Input/output error"}


def test_a_copy_is_dropped_once(owner):
    owned = owner.vault.own(owner.take())
    owner.vault.drop(owned)
    owner.vault.drop(owned)
    assert owner.copies() == []


# Whether it serves


def test_the_folder_of_landed_files_is_made_and_forced_to_the_disk(folder, monkeypatch):
    forced = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: forced.append(os.readlink(f"/proc/self/fd/{descriptor}")) or fsync(descriptor)
    )
    Owner(folder)
    assert forced == [str(folder.vault)]
    assert stat.S_IMODE((folder.vault / "landed").stat().st_mode) == 0o2770
    Owner(folder)
    assert len(forced) == 1


def test_a_vault_that_is_not_there(folder):
    folder.vault.rmdir()
    with pytest.raises(
        LandingError,
        match=r"No such file or directory; archive.vault in mrdata.yaml names .* or is empty where it is on",
    ):
        Vault(folder.settings).check()


def test_a_vault_in_which_nothing_can_be_written(ordinary):
    folder = Folder(ordinary)
    folder.vault.chmod(0o555)
    with pytest.raises(LandingError, match="Permission denied"):
        Vault(folder.settings).check()
    folder.vault.chmod(0o755)
    Vault(folder.settings).check()
    (folder.vault / "landed").chmod(0o555)
    with pytest.raises(LandingError, match="landed: cannot be written; let this account write there"):
        Vault(folder.settings).check()

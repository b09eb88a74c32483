"""Removes a file only after a look at what is in hand: it is renamed aside first, into a folder that only MrData
enters.

    <landing folder>/.intake/.removing/<random>/<path below the landing folder>
    <vault>/landed/.removing/<random>/<path below landed>

A file that was hashed under its name may be another one when it is removed by that name. What turns out to be something
else goes back, without replacing what has its place meanwhile. What a killed process left aside is put back by
`recover`.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from policy.zone import host_files, layout
from policy.zone.host_files import NotRegular, Seen
from policy.zone.settings import Settings

REMOVING = ".removing"


class Outcome(StrEnum):
    """What became of a file that was to be removed."""

    REMOVED = "removed"
    GONE = "gone"
    """It was not there."""
    OTHER = "other"
    """Something else has its name, and is there as before."""
    ASIDE = "aside"
    """Something else had its name, and lies aside: that name was taken again when it was to go back."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Root:
    """A folder below which files are removed, and the one below it in which they are set aside: on one file system."""

    folder: str
    aside: str

    @property
    def is_here(self) -> bool:
        """Whether this host sees the folder."""
        return os.path.isdir(self.folder)


def landing(settings: Settings) -> Root:
    """The landing folder: the intake, and the mailbox."""
    return Root(settings.landing.folder.rstrip("/"), f"{layout.INTAKE}/{REMOVING}")


def vault(settings: Settings) -> Root | None:
    """The archive resource's vault: what was copied there to be archived when it is registered.

    None where it is on another host.
    """
    return Root(settings.archive.vault.rstrip("/"), f"{layout.LANDED}/{REMOVING}") if settings.archive.vault else None


class InHand:
    """A file that lies aside: nobody else can exchange it.

    It goes back to its place at the end, unless it was removed.
    """

    def __init__(self, name: str, descriptor: int, holder: int, seen: Seen) -> None:
        self._name, self._descriptor, self._holder = name, descriptor, holder
        self.seen = seen
        """As it was before it was set aside."""
        self.is_removed = self.is_left = False
        """Removed; or left aside, since something else has its place."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.seen.size

    def sha256(self) -> str | None:
        """Of its content, in hexadecimal; None where somebody who has it open changed it meanwhile."""
        return host_files.sha256(self._descriptor)

    def remove(self) -> None:
        """Removes it; OSError where another process put it back."""
        try:
            os.unlink(self._name, dir_fd=self._holder)
        except FileNotFoundError as error:
            raise OSError(errno.EBUSY, "another process put it back") from error
        self.is_removed = True
        _force(self._holder)


@contextmanager
def aside(root: Root, relative: str) -> Iterator[InHand]:
    """Sets the regular file `root/relative` aside, and puts it back at the end unless it was removed.

    Raises FileNotFoundError if no file is there, NotRegular for anything but a regular file, OSError if it cannot be
    done: nothing has changed then.
    """
    parent, _, name = relative.rpartition("/")
    holder = f"{root.aside}/{uuid.uuid4().hex}"
    with host_files.folder(root.folder, parent) as place:
        before = host_files.look(name, place)
        mode = _mode(root)
        try:
            with host_files.folder(root.folder, f"{holder}/{parent}".rstrip("/"), mode=mode) as held:
                os.rename(name, name, src_dir_fd=place, dst_dir_fd=held)
                in_hand: InHand | None = None
                try:
                    descriptor = host_files.open_regular(name, held)
                    try:
                        if not before.is_same(Seen.of(os.fstat(descriptor))):
                            raise NotRegular  # it was exchanged in the moment before the rename
                        in_hand = InHand(name, descriptor, held, before)
                        yield in_hand
                    finally:
                        os.close(descriptor)
                finally:
                    if in_hand is None or not in_hand.is_removed:
                        is_back = _put_back(root, relative, held)
                        if in_hand is not None:
                            in_hand.is_left = not is_back
                    else:
                        _force(place)  # it does not come back after a power failure
        finally:
            _remove_empty(root, holder, parent)


def remove(root: Root, relative: str, sha256: Collection[str], size: int | None = None) -> tuple[Outcome, str]:
    """Removes `root/relative` if its content has one of these SHA-256 (hexadecimal); what became of it, and why it
    stays.

    The reason names no file: names in the landing zone may tell who a person is.
    """
    in_hand: InHand | None = None
    try:
        with host_files.folder(root.folder, relative.rpartition("/")[0]) as place:
            seen = host_files.look(relative.rpartition("/")[2], place)
        if size is not None and seen.size != size:
            return Outcome.OTHER, "other bytes"
        with aside(root, relative) as in_hand:
            if (digest := in_hand.sha256()) is not None and digest in sha256:
                in_hand.remove()
    except (FileNotFoundError, NotADirectoryError):
        return (Outcome.GONE, "") if root.is_here else (Outcome.FAILED, "its folder is not on this host")
    except NotRegular as error:
        return Outcome.OTHER, str(error.strerror)
    except OSError as error:
        return Outcome.FAILED, error.strerror or str(error)
    if in_hand.is_removed:
        return Outcome.REMOVED, ""
    return (
        (Outcome.ASIDE, "other bytes, whose name was taken again")
        if in_hand.is_left
        else (Outcome.OTHER, "other bytes")
    )


def recover(root: Root) -> int:
    """Puts back what killed processes left aside; how many files lie there still, since their places are taken.

    A process that is at work loses a file that it has set aside, and goes on with the next.
    """
    left, top = 0, f"{root.folder}/{root.aside}"
    with suppress(FileNotFoundError, NotADirectoryError):
        for holder in sorted(os.listdir(top)):
            for where, folders, names in os.walk(f"{top}/{holder}"):
                parent = os.path.relpath(where, f"{top}/{holder}")
                for name in (*names, *(one for one in folders if os.path.islink(f"{where}/{one}"))):
                    relative = name if parent == "." else f"{parent}/{name}"
                    with (
                        suppress(OSError),
                        host_files.folder(root.folder, f"{root.aside}/{holder}/{parent}".removesuffix("/.")) as held,
                    ):
                        left += not _put_back(root, relative, held)
            for where, *_ in os.walk(f"{top}/{holder}", topdown=False):
                with suppress(OSError):
                    os.rmdir(where)
    return left


def remove_folders(root: Root, relative: str, stop: str) -> None:
    """Removes the empty folder `root/relative` and those above it that become empty, up to `stop`, which stays."""
    while relative.startswith(stop + "/"):
        parent, _, name = relative.rpartition("/")
        try:
            with host_files.folder(root.folder, parent) as where:
                os.rmdir(name, dir_fd=where)
        except FileNotFoundError:
            pass  # the one above may be there
        except OSError:  # it is not empty, or no folder
            return
        relative = parent


def _put_back(root: Root, relative: str, held: int) -> bool:
    """Whether it lies where it lay; False where something else does."""
    parent, _, name = relative.rpartition("/")
    try:
        with host_files.folder(root.folder, parent, mode=_mode(root)) as place:
            host_files.rename_without_replacing(name, held, place)
    except FileNotFoundError:  # put back by another process
        return True
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENOTEMPTY):
            return False
        raise
    return True


def _force(folder: int) -> None:
    """What was removed from a folder does not come back after a power failure. References: fsync(2)"""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode(root: Root) -> int:
    """Of folders that are made: that of the folder in which the folder for files set aside is."""
    try:
        return stat.S_IMODE(os.stat(f"{root.folder}/{os.path.dirname(root.aside)}").st_mode)
    except FileNotFoundError:
        return 0o700


def _remove_empty(root: Root, holder: str, parent: str) -> None:
    remove_folders(root, f"{holder}/{parent}".rstrip("/"), root.aside)

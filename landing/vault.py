"""Makes taken files MrData's own: copied into the archive resource's vault while they are hashed, and forced to the disk.

    <archive.vault>/landed/<batch>/<landing path>

Where this host has no vault they stay in the intake, and are hashed there. Either way the source is looked at before and after.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from landing.errors import LandingError, NotYet
from landing.intake import Taken
from landing.names import told
from landing.signature import Signature, is_being_written
from policy.layout import LANDED
from policy.settings import Settings

LARGE = 64 << 20
"""Bytes from which a file is copied and hashed at once, by two threads, and its bytes are sent to the disk meanwhile."""
_PIECE = 1 << 20
_FLUSH = 64 << 20


@dataclass(frozen=True, slots=True)
class Owned:
    """A taken file whose bytes nobody else can change any more: `file` is what is registered, `folder` the batch's folder there."""

    taken: Taken
    folder: str
    size: int
    checksum: str

    @property
    def file(self) -> str:
        """Where the bytes are."""
        return f"{self.folder}/{self.taken.landing_path}"


class Vault:
    """Of one site; without a vault on this host, the intake itself."""

    def __init__(self, settings: Settings) -> None:
        self._root = f"{settings.archive.vault.rstrip('/')}/{LANDED}" if settings.archive.vault else ""
        self.resource = settings.archive.resource if self._root else settings.landing.resource
        self._owner = (-1, -1)

    def check(self) -> None:
        """Makes the folder of landed files. Raises LandingError with what to do."""
        if not self._root:
            return
        vault = os.path.dirname(self._root)
        try:
            status = os.stat(vault)
            if os.geteuid() == 0:
                self._owner = (status.st_uid, status.st_gid)
            if not os.path.isdir(self._root):
                self._make(self._root)
            if not os.access(self._root, os.W_OK | os.X_OK):
                raise LandingError(f"{self._root}: cannot be written; let this account write there, as the server's account")
        except OSError as error:
            raise LandingError(
                f"{vault}: {told(error)}; archive.vault in mrdata.yaml names the archive resource's vault as this host sees it, "
                "or is empty where it is on another host"
            ) from error

    def own(self, taken: Taken, beat: Callable[[], None] = lambda: None) -> Owned:
        """Copies and hashes a file. Raises NotYet where it is not, or does not stay, what was taken; OSError."""
        descriptor = os.open(taken.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as source:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or Signature.of(status) != taken.signature:
                raise NotYet("it has changed since it was taken")
            if is_being_written(descriptor):
                raise NotYet("a program has it open for writing")
            folder = f"{self._root or taken.intake}/{taken.batch}"
            checksum = self._copy(source, status, f"{folder}/{taken.landing_path}", beat) if self._root else _hash(source, beat)
            after = os.fstat(descriptor)
        if Signature.of(after) != taken.signature or after.st_ctime_ns != status.st_ctime_ns:
            if self._root:
                os.unlink(f"{folder}/{taken.landing_path}")
            raise NotYet("it changed while it was read")
        return Owned(taken, folder, status.st_size, checksum)

    def _copy(self, source: BinaryIO, status: os.stat_result, target: str, beat: Callable[[], None]) -> str:
        """The checksum of what was copied. The target is not there before, and is whole and read-only afterwards."""
        self._make(os.path.dirname(target))
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o440)
        try:
            with open(descriptor, "wb", buffering=0) as written:
                checksum = _copied(source, written, status.st_size, beat)
                if self._owner != (-1, -1):
                    os.fchown(descriptor, *self._owner)
                os.fchmod(descriptor, 0o440)
                os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:
            with suppress(OSError):
                os.unlink(target)
            raise
        return checksum

    def _make(self, folder: str) -> None:
        """With its parents; what the server's account is to remove files from belongs to it, or to its group."""
        if os.path.isdir(folder):
            return
        self._make(os.path.dirname(folder))
        with suppress(FileExistsError):
            os.mkdir(folder, 0o770)
            os.chmod(folder, 0o2770)
            if self._owner != (-1, -1):
                os.chown(folder, *self._owner)

    def force(self, owned: Iterable[Owned]) -> None:
        """Forces files and the entries of their folders to the disk: once for a batch, so that one journal entry serves all. OSError.

        The intake's folders too: a file that came back into the mailbox after a power failure would be taken a second time.
        """
        folders: dict[str, None] = {}
        for one in owned:
            _fsync(one.file, os.O_RDONLY)
            for file, top in ((one.file, one.folder), (one.taken.file, f"{one.taken.intake}/{one.taken.batch}")):
                folders |= dict.fromkeys(_above(file, top))
        for folder in folders:
            _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)

    def drop(self, owned: Owned) -> None:
        """Removes a copy that is not registered."""
        if self._root:
            with suppress(FileNotFoundError):
                os.unlink(owned.file)


def checksum_of(file: str) -> str:
    """`sha2:<base64 of the SHA-256>` of a regular file. NotYet for anything else, OSError."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotYet("it is no regular file")
        return _hash(opened, lambda: None)


def _hash(source: BinaryIO, beat: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
        beat()
    return _text(digest.digest())


def _copied(source: BinaryIO, target: BinaryIO, size: int, beat: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    if size < LARGE:
        while piece := source.read(_PIECE):
            digest.update(piece)
            _write(target, piece)
        return _text(digest.digest())
    hashed: Future[None] | None = None
    done = flushed = 0
    with ThreadPoolExecutor(1) as hasher:
        while piece := source.read(_PIECE):
            if hashed is not None:
                hashed.result()
            hashed = hasher.submit(digest.update, piece)
            _write(target, piece)
            done += len(piece)
            if done - flushed >= _FLUSH:
                os.posix_fadvise(target.fileno(), flushed, done - flushed, os.POSIX_FADV_DONTNEED)  # begins to write it
                flushed = done
                beat()
    return _text(digest.digest())


def _write(target: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[target.write(rest) :]


def _text(digest: bytes) -> str:
    return "sha2:" + base64.b64encode(digest).decode()


def _above(file: str, top: str) -> Iterator[str]:
    """The folders of a file up to that in which `top` is."""
    folder = os.path.dirname(file)
    while folder.startswith(top):
        yield folder
        folder = os.path.dirname(folder)
    yield folder


def _fsync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

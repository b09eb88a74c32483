"""Makes taken files MrData's own: copied into the archive resource's vault while they are hashed, and forced to the
disk.

    <archive.vault>/landed/<batch>/<landing path>

Where this host has no vault they stay in the intake, and are hashed there. Either way the source is looked at before
and after.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from landing import exchange
from landing.intake import Taken
from landing.landing_errors import Gone, LandingError, NotYet
from landing.names import told
from landing.signature import Signature, is_being_written
from policy.zone.layout import LANDED
from policy.zone.settings import Settings

LARGE = 64 << 20
"""Bytes from which a file is copied and hashed at once, by two threads, and its bytes are sent to the disk meanwhile.
"""
_PIECE = 1 << 20
_FLUSH = 64 << 20


@dataclass(frozen=True, slots=True)
class Owned:
    """A taken file whose bytes nobody else can change any more:

    `file` is what is registered, `folder` the batch's folder there.
    """

    taken: Taken
    folder: str
    size: int
    checksum: str

    @property
    def file(self) -> str:
        """Where the bytes are."""
        return f"{self.folder}/{self.taken.landing_path}"

    @property
    def on_the_way(self) -> list[str]:
        """The file, and the folders from its own up to the one of all batches; the intake's too.

        A file that came back into the mailbox after a power failure would be taken a second time.
        """
        found = [self.file]
        for file, top in ((self.file, self.folder), (self.taken.file, f"{self.taken.intake}/{self.taken.batch}")):
            while file.startswith(top):
                file = os.path.dirname(file)
                found.append(file)
        return list(dict.fromkeys(found))


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
                if error := _fsync(vault):
                    raise error
            if not os.access(self._root, os.W_OK | os.X_OK, effective_ids=True):
                raise LandingError(
                    f"{self._root}: cannot be written; let this account write there, as the server's account"
                )
        except OSError as error:
            raise LandingError(
                f"{vault}: {told(error)}; archive.vault in mrdata.yaml names the archive resource's vault as this host"
                " sees it, or is empty where it is on another host"
            ) from error

    def own(self, taken: Taken, beat: Callable[[], None] = lambda: None) -> Owned:
        """Copies and hashes a file. Raises NotYet where it is not, or does not stay, what was taken; Gone; OSError."""
        folder = f"{self._root or taken.intake}/{taken.batch}"
        with open(_opened(taken), "rb", buffering=0) as source:
            status = os.fstat(source.fileno())
            if not stat.S_ISREG(status.st_mode) or Signature.of(status) != taken.signature:
                raise NotYet("it has changed since it was taken")
            if is_being_written(source.fileno()):
                raise NotYet("a program has it open for writing")
            if self._root:
                checksum = self._copy(source, status, f"{folder}/{taken.landing_path}", beat)
            else:
                checksum = _hash(source, status.st_size, beat)
            after = os.fstat(source.fileno())
        owned = Owned(taken, folder, status.st_size, checksum)
        if Signature.of(after) != taken.signature or after.st_ctime_ns != status.st_ctime_ns:
            self.drop(owned)
            raise NotYet("it changed while it was read")
        return owned

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

    def force(self, owned: Sequence[Owned]) -> dict[str, OSError]:
        """Forces files and the entries of their folders to the disk: once for a batch, so that one journal entry serves
        all.

        File -> why it may not be on the disk; a second try would not tell. References: fsync(2)
        """
        files, folders = (one.file for one in owned), (path for one in owned for path in one.on_the_way[1:])
        tried: dict[str, OSError | None] = {}
        for path in (*files, *folders):
            if path not in tried:
                tried[path] = _fsync(path)
        failed = {one.file: [error for path in one.on_the_way if (error := tried[path])] for one in owned}
        return {file: errors[0] for file, errors in failed.items() if errors}

    def has(self, batch: str) -> bool:
        """Whether there may be copies of a batch's files: those that nobody registered are the retention's."""
        return bool(self._root) and os.path.isdir(f"{self._root}/{batch}")

    def drop(self, owned: Owned) -> None:
        """Removes a copy that is not registered, if it can be removed."""
        if self._root:
            with suppress(OSError):
                os.unlink(owned.file)


def _opened(taken: Taken) -> int:
    """Its folder's owner, who may have it open still, could turn a folder on the way into a link."""
    above, name = os.path.split(f"{taken.batch}/{taken.landing_path}")
    try:
        with exchange.opened(taken.intake, above) as folder:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError as error:
        raise Gone from error


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    """No more than a piece of what comes after `size` bytes: it changes while it is read."""
    while size >= 0 and (piece := source.read(_PIECE)):
        yield piece
        size -= len(piece)


def _hash(source: BinaryIO, size: int, beat: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(source, size):
        digest.update(piece)
        beat()
    return _text(digest.digest())


def _copied(source: BinaryIO, target: BinaryIO, size: int, beat: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    if size < LARGE:
        for piece in _pieces(source, size):
            digest.update(piece)
            _write(target, piece)
            beat()
        return _text(digest.digest())
    hashed: Future[None] | None = None
    done = flushed = 0
    with ThreadPoolExecutor(1) as hasher:
        for piece in _pieces(source, size):
            if hashed is not None:
                hashed.result()
            hashed = hasher.submit(digest.update, piece)
            _write(target, piece)
            beat()
            done += len(piece)
            if done - flushed >= _FLUSH:
                os.posix_fadvise(target.fileno(), flushed, done - flushed, os.POSIX_FADV_DONTNEED)  # begins to write it
                flushed = done
    return _text(digest.digest())


def _write(target: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[target.write(rest) :]


def _text(digest: bytes) -> str:
    return "sha2:" + base64.b64encode(digest).decode()


def _fsync(path: str) -> OSError | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return error
    return None

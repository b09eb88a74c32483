"""One scanner for one landing zone: iRODS would let two of them register the same file under two paths."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from types import TracebackType

from landing.names import told

LOCK = ".mrdata-scanner.lock"


class LandingError(Exception):
    """The landing zone cannot be scanned at all; the message says why and what to do."""


class Lock:
    """Held as a context manager: an flock on `<folder>/.mrdata-scanner.lock`, which the kernel releases however the process ends."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file = os.path.join(folder, LOCK)
        self._descriptor = -1
        self.taken = 0
        """How often the lock was taken: between two times, another scanner may have worked."""

    def __enter__(self) -> Lock:
        try:
            self._take()
        except FileNotFoundError as error:
            raise LandingError(f"{self._folder}: there is no such folder; set landing.folder in mrdata.yaml") from error
        except OSError as error:
            raise LandingError(f"{self._file}: cannot be locked: {told(error)}; the scanner needs to write this file") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._release()

    def clock(self) -> int:
        """The file server's time in ns since 1970, by which it dates changes: a share's clock may differ from this host's.

        Takes the lock again when the folder was unmounted and mounted (or the file removed) meanwhile. OSError when the
        folder cannot be written now; LandingError when another scanner has the lock.
        """
        try:
            status = os.stat(self._file)
            held = os.fstat(self._descriptor)
            same = (status.st_dev, status.st_ino) == (held.st_dev, held.st_ino)
        except OSError:
            same = False
        if not same:
            self._release()
            self._take()
        os.utime(self._descriptor)
        return os.fstat(self._descriptor).st_mtime_ns

    def _take(self) -> None:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise LandingError(f"{self._folder}: another scanner is at work ({holder or 'unknown'}); stop it first") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._descriptor = descriptor
        self.taken += 1

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

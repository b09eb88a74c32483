"""What tells that a file is still the same."""

from __future__ import annotations

import fcntl
import os
import signal
from typing import NamedTuple


class Signature(NamedTuple):
    """Size in bytes, mtime in ns since 1970, inode.

    Only values of the file's own server are compared with each other.
    """

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """The signature that a stat gives."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


def is_being_written(descriptor: int) -> bool:
    """Whether a process of this host has the file open for writing, as far as this account may know.

    A read lease is granted only while nobody has; asking for one needs the file's owner or CAP_LEASE, and a file system
    that knows leases. References: fcntl(2), Leases
    """
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # which does nothing; SIGIO would end this process
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False

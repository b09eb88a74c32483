"""Registers one complete file, and finds out what happened when that went wrong."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO

from landing.connections import answers
from landing.disk import Pending, Signature
from landing.known import known
from landing.names import Reason, told
from microservices import twix
from policy import layout
from policy.settings import Settings
from policy.zone import Exists, NotFound, Zone, ZoneError

_TWIX_HEAD = 160
"""Bytes by which a TWIX file is told."""


class Outcome(Enum):
    """What became of a file."""

    REGISTERED = auto()
    KNOWN = auto()
    """It is registered already: somebody's try, our own before a fault, got through."""
    GROWING = auto()
    INCOMPLETE = auto()
    GONE = auto()
    REFUSED = auto()
    FAILED = auto()
    LOST = auto()
    """The zone does not answer."""


@dataclass(frozen=True, slots=True)
class Result:
    """`path`: the logical path where the object is. `detail`: the error, for people."""

    outcome: Outcome
    path: str = ""
    detail: str = ""
    reason: Reason | None = None


def register(zone: Zone, settings: Settings, relative: str, pending: Pending, clock: int) -> Result:
    """Registers the file at `<scanner>/<branch>/<path>` unless it changed meanwhile or lacks its end.

    `clock`: the file server's time, ns since 1970. Raises nothing that a zone or a file system does.
    """
    folder = os.path.abspath(settings.landing.folder)
    if (obstacle := _obstacle(f"{folder}/{relative}", relative, settings, pending, clock)) is not None:
        return obstacle
    try:
        # After a fault the server may have gone on and registered it, even after we looked.
        if pending.tries and (there := _where(zone, folder, relative, pending)):
            return Result(Outcome.KNOWN, there)
        return _register(zone, settings, f"{folder}/{relative}", relative)
    except (ZoneError, OSError) as error:
        return _after_fault(zone, settings, relative, pending, error)


def unchanged_checksum(file: str, signature: Signature) -> str | None:
    """The checksum of a file as iRODS writes it (`sha2:<base64>`); None where it is not, or does not stay, what the signature says."""
    try:
        with open(file, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").digest()
            same = Signature.of(os.fstat(opened.fileno())) == signature
    except OSError:
        return None
    return "sha2:" + base64.b64encode(digest).decode() if same else None


def _obstacle(file: str, relative: str, settings: Settings, pending: Pending, clock: int) -> Result | None:
    """Opens the file: on NFS that asks the server for its true size and mtime, where a stat may tell what was a minute ago."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Result(Outcome.GONE)
    except OSError as error:
        reason = Reason.SYMLINK if error.errno == errno.ELOOP else Reason.UNREADABLE
        return Result(Outcome.REFUSED, detail=told(error), reason=reason)
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or Signature.of(status)[:2] != pending.signature[:2]:
            return Result(Outcome.GROWING)
        try:
            waits = not _overdue(settings, pending, status, clock) and not _has_end(opened, status.st_size, relative)
        except OSError as error:
            return Result(Outcome.REFUSED, detail=told(error), reason=Reason.UNREADABLE)
    return Result(Outcome.INCOMPLETE) if waits else None


def _has_end(opened: BinaryIO, size: int, relative: str) -> bool:
    """Whether nothing is to come. Only TWIX files tell; what they are their first bytes tell, which a broken-off copy may still lack."""
    head = opened.read(_TWIX_HEAD)
    if twix.is_twix(head):
        return twix.has_end(opened, size)
    begun = len(head) == _TWIX_HEAD and any(head)
    return begun or relative.split("/", 2)[1] != layout.Branch.TWIX


def _overdue(settings: Settings, pending: Pending, status: os.stat_result, clock: int) -> bool:
    """Whether it stands still for so long that it will hardly go on. The change time is the file server's own, unlike an mtime."""
    still = time.monotonic() - pending.since
    return max(still, (clock - status.st_ctime_ns) / 1e9) >= settings.landing.incomplete_seconds


def _register(zone: Zone, settings: Settings, file: str, relative: str) -> Result:
    path = f"{layout.landing(settings)}/{relative}"
    resource = settings.landing.resource
    try:
        return Result(Outcome.REGISTERED, zone.register(file, path, resource))
    except NotFound:
        # Only now: what the policy places at birth never needs the landing collection.
        zone.make_collection(layout.parent(path))
    return Result(Outcome.REGISTERED, zone.register(file, path, resource))


def _after_fault(zone: Zone, settings: Settings, relative: str, pending: Pending, fault: ZoneError | OSError) -> Result:
    """Asks the catalog whether the file got registered all the same."""
    folder = os.path.abspath(settings.landing.folder)
    try:
        there = _where(zone, folder, relative, pending)
    except (ZoneError, OSError) as error:
        outcome = Outcome.FAILED if answers(zone, settings) else Outcome.LOST
        return Result(outcome, detail=f"{fault}; then {error}")
    if there:
        return Result(Outcome.KNOWN, there)
    if not os.path.lexists(f"{folder}/{relative}"):
        return Result(Outcome.GONE)
    if isinstance(fault, Exists):
        return Result(Outcome.REFUSED, detail=str(fault), reason=Reason.TAKEN)
    return Result(Outcome.FAILED, detail=str(fault) or type(fault).__name__)


def _where(zone: Zone, folder: str, relative: str, pending: Pending) -> str:
    head, _, name = relative.rpartition("/")
    found = known(zone, folder, head, [name])[0].get(name)
    if found is None:
        return ""
    return found.in_place if pending.is_another else found.path

"""The intake's files: those of a batch under way are taken; those of a batch that is done must be accounted for by an
object.

    <landing folder>/.intake/<batch>/<scanner>/<branch>/<path>
    <landing folder>/.intake/<batch>/.done

An object accounts for a file when its origin is this file, or else when it has the same bytes, as for a file that
landed again. A file's bytes are read to compare them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from microservices.zones import host_folders
from policy.archive import checksum_lookup
from policy.ingest import origin
from policy.verification.findings import Finding, Kind, Look, Part
from policy.zone import GOOD, Condition, layout
from policy.zone.context import Context

DONE = ".done"
_AT_ONCE = checksum_lookup.AT_ONCE
_MUCH = 256 << 20
"""Bytes that one step reads, unless one file has more."""


@dataclass(slots=True)
class _Known:
    """What the catalog has of a file: sizes and checksums of its object's good replicas; whether one of them is the
    file itself.
    """

    sizes: set[int] = field(default_factory=set)
    checksums: set[str] = field(default_factory=set)
    is_itself: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a batch. `relative`: the landing path; `changed`: seconds since 1970."""

    relative: str
    size: int
    changed: float


def parts(context: Context, read: bool) -> Iterator[Part]:
    """Each batch; `read`: also files whose object is known are read and compared."""
    root = f"{context.settings.landing.folder.rstrip('/')}/{layout.INTAKE}"
    findings: list[Finding] = []
    batches: list[str] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    batches.append(entry.name)
                elif not entry.name.startswith("."):
                    findings.append(Finding(Kind.INTAKE, host_folders.shown(entry.path), "belongs to no batch"))
    except FileNotFoundError:  # nothing was ever taken; where the landing folder is missing, the mailbox tells
        return
    except OSError as error:
        findings.append(Finding(Kind.UNSEEN, root, error.strerror or str(error)))
    yield Part("intake", lambda after: iter([] if after else [Look("/", Counter(), findings)]))
    for batch in sorted(batches):
        yield Part(f"intake {host_folders.position(batch)}", partial(looks, context, root, batch, read))


def looks(context: Context, root: str, batch: str, read: bool, after: str) -> Iterator[Look]:
    """Steps through the files of a batch in the order of their paths."""
    base = f"{root}/{batch}"
    is_done = os.path.lexists(f"{base}/{DONE}")
    files, findings = _files(base)
    if not is_done:
        since = min((one.changed for one in files), default=0.0)
        size = sum(one.size for one in files)
        if files:
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
            findings.append(Finding(Kind.TAKEN, base, f"{len(files)} files, {size} bytes, since {when}", since))
    if findings and not after:
        yield Look("/", Counter(), findings)
    due = [one for one in files if host_folders.position(one.relative) > after]
    if not is_done or not due:
        yield Look(host_folders.position("~"), Counter({"files": len(due)}))
        return
    known = _known(context, base, batch)
    for some in _batches(due):
        yield Look(
            host_folders.position(some[-1].relative),
            Counter({"files": len(some)}),
            _faults(context, base, known, some, read),
        )


def _files(base: str) -> tuple[list[_File], list[Finding]]:
    """The landed files of a batch, in the order of their positions, and what else is there."""
    files: list[_File] = []
    findings: list[Finding] = []
    for folder in host_folders.walk(base):
        if not folder.relative:
            folder.files = [(name, status) for name, status in folder.files if not name.startswith(".")]  # MrData's own
        files += [
            _File(folder.path(name), status.st_size, host_folders.changed(status)) for name, status in folder.files
        ]
        if folder.problem:
            findings.append(Finding(Kind.UNSEEN, host_folders.shown(f"{base}/{folder.relative}"), folder.problem))
        others = (host_folders.shown(f"{base}/{folder.path(name)}") for name, _ in folder.others)
        findings += [Finding(Kind.INTAKE, path, "is no file (a link, a pipe): it is never archived") for path in others]
    return sorted(files, key=lambda one: host_folders.position(one.relative)), findings


def _known(context: Context, base: str, batch: str) -> dict[str, _Known]:
    """Landing path -> what the catalog has of the files of a batch whose origin it tells."""
    found: dict[str, _Known] = {}
    vault = context.settings.archive.vault.rstrip("/")
    columns = ["DATA_SIZE", "DATA_CHECKSUM", "COLL_NAME"]
    good = Condition("DATA_REPL_STATUS", "=", GOOD)
    for folder in filter(None, (base, vault and f"{vault}/{layout.LANDED}/{batch}")):
        # A backslash escapes in PostgreSQL's LIKE: `_` stands for it, as for any character.
        below = Condition("DATA_PATH", "like", folder.replace("\\", "_") + "/%")
        for file, size, checksum, collection in context.zone.query(["DATA_PATH", *columns], below, good):
            if file.startswith(folder + "/") and _counts(context, collection):
                one = found.setdefault(file.removeprefix(folder + "/"), _Known())
                _add(one, size, checksum)
                one.is_itself |= folder == base
    named = Condition("META_DATA_ATTR_NAME", "=", origin.LANDING_PATH), Condition("META_DATA_ATTR_UNITS", "=", batch)
    for landing_path, size, checksum, collection in context.zone.query(
        ["META_DATA_ATTR_VALUE", *columns], *named, good
    ):
        if _counts(context, collection):
            _add(found.setdefault(landing_path, _Known()), size, checksum)
    named = Condition("META_DATA_ATTR_NAME", "=", origin.LANDING_BATCH), Condition("META_DATA_ATTR_VALUE", "=", batch)
    for name, size, checksum, collection in context.zone.query(["DATA_NAME", *columns], *named, good):
        if landed := layout.quarantined(context.settings, f"{collection}/{name}"):
            _add(found.setdefault(landed.landing_path, _Known()), size, checksum)
    return found


def _add(one: _Known, size: str, checksum: str) -> None:
    one.sizes.add(int(size))
    one.checksums |= {checksum} - {""}


def _counts(context: Context, collection: str) -> bool:
    """Whether an object there accounts for a file: everywhere but in the trash, and in what is not MrData's."""
    return f"{collection}/".startswith(context.settings.home + "/")


def _batches(files: list[_File]) -> Iterator[list[_File]]:
    some: list[_File] = []
    for one in files:
        if some and (len(some) == _AT_ONCE or sum(other.size for other in some) > _MUCH):
            yield some
            some = []
        some.append(one)
    yield some


def _faults(context: Context, base: str, known: dict[str, _Known], some: list[_File], read: bool) -> list[Finding]:
    findings: list[Finding] = []
    doubtful: dict[str, str] = {}
    for one in some:
        file, there = f"{base}/{one.relative}", known.get(one.relative)
        if there and (there.is_itself or (not read and one.size in there.sizes)):
            continue
        try:
            checksum = _checksum(file)
        except FileNotFoundError:
            continue  # its time was over, or it was erased
        except OSError as error:
            findings.append(Finding(Kind.UNSEEN, host_folders.shown(file), error.strerror or str(error)))
            continue
        if there and there.checksums and checksum not in there.checksums:
            findings.append(
                Finding(Kind.INTAKE, host_folders.shown(file), "has other bytes than the object that it became")
            )
        elif not there or not there.checksums:
            doubtful[file] = checksum
    found = checksum_lookup.objects(context, doubtful.values())
    for file, checksum in doubtful.items():
        if checksum not in found and os.path.lexists(file):
            findings.append(
                Finding(Kind.INTAKE, host_folders.shown(file), "its batch is done, and no object accounts for it")
            )
    return findings


def _checksum(file: str) -> str:
    """As iRODS writes it. OSError also where it is no regular file, or a link."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "is no regular file")
        return "sha2:" + base64.b64encode(hashlib.file_digest(opened, "sha256").digest()).decode()

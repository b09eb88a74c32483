"""Finds files of the archive resource's vault that no object names: left by a killed copy, or lost by the catalog.

A file younger than an hour may still be being written; such files are counted separately.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from microservices.zones import host_folders
from microservices.zones.host_folders import Folder
from policy.verification.findings import Finding, Kind, Look, Part
from policy.zone import Among, Condition, host_files
from policy.zone.context import Context

YOUNG_SECONDS = 3600.0
"""A file that was changed more recently may be one that is just being written."""
_FEW = 8
"""Files of a folder that are asked for by their names; more are asked for by the name of their folder, where nothing is
below it.
"""
_LONGEST = 4000
"""Characters of the names in one query at most."""
_TOP = "lost+found"
"""At the top of a file system, of the administrator alone."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The vault of a resource: `path` as the catalog writes it, `folder` as it is on this host.

    `folder` is empty where this host does not have it; `problem` says why.
    """

    resource: str
    path: str
    folder: str
    problem: str = ""


def of_archive(context: Context) -> Vault:
    """Finds the vault of the archive resource."""
    name = context.settings.archive.resource
    rows = context.zone.query(["RESC_VAULT_PATH", "RESC_LOC"], Condition("RESC_NAME", "=", name))
    if not rows:
        return Vault(name, name, "", "this resource does not exist (archive.resource)")
    path, host = rows[0]
    known = [path] if host_files.is_here(host) else []
    here = [one for one in (*known, context.settings.archive.vault) if one and os.access(one, os.R_OK | os.X_OK)]
    if not here:
        where = "on this host, where this account may not read it" if known else f"on {host}, not on this host"
        return Vault(name, path.rstrip("/"), "", f"the vault of {name} is {where}")
    return Vault(name, path.rstrip("/"), here[0].rstrip("/"))


def part(context: Context, found: Vault) -> Part:
    """The files of a vault that is on this host."""
    return Part(f"vault {found.resource}", partial(looks, context, found))


def looks(context: Context, found: Vault, after: str) -> Iterator[Look]:
    """One look for each folder."""
    if not found.folder:
        yield Look("/", Counter(), [Finding(Kind.UNSEEN, found.path, found.problem)])
        return
    for folder in host_folders.walk(found.folder, after):
        if folder.relative.split("/")[0] != _TOP:
            yield _look(context, found, folder)


def piece(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The looks of some seconds, for a client that has no vault: as JSON holds them, and whether all was looked at
    (`done`).
    """
    found, ends = of_archive(context), time.monotonic() + float(request.get("seconds", 10.0))
    reply: list[list[Any]] = []
    for look in looks(context, found, str(request.get("after", ""))):
        told = [[one.kind, one.path, one.text, one.since] for one in look.findings]
        reply.append([look.position, dict(look.counts), told])
        if time.monotonic() > ends:
            return {"looks": reply, "done": False}
    return {"looks": reply, "done": True}


def _look(context: Context, found: Vault, folder: Folder) -> Look:
    look = Look(folder.position, Counter())
    if folder.problem:
        look.findings.append(Finding(Kind.UNSEEN, _shown(found, folder.relative), folder.problem))
    if not (folder.relative or folder.problem or folder.folders or folder.files) and _is_used(context, found):
        look.findings.append(
            Finding(Kind.UNSEEN, found.folder, "is empty, and objects have files in it: is it mounted?")
        )
    there = {folder.path(name): status for name, status in (*folder.files, *folder.others)}
    look.counts["files"] += len(there)
    named = _named(context, found, folder, list(there))
    for name, _ in folder.others:
        if (relative := folder.path(name)) in named:
            text = "an object's file is not a regular file (but a link or a pipe): its bytes are not in the vault"
            look.findings.append(Finding(Kind.LOST, _shown(found, relative), text))
    for relative in sorted(set(there) - named):
        if time.time() - host_folders.changed(there[relative]) < YOUNG_SECONDS:
            look.counts["young"] += 1
        elif _is_orphan(context, found, relative):
            size = there[relative].st_size
            since = host_folders.changed(there[relative])
            look.findings.append(
                Finding(Kind.ORPHAN, _shown(found, relative), f"{size} bytes that no object names", since)
            )
    return look


def _is_used(context: Context, found: Vault) -> bool:
    return bool(context.zone.select(["DATA_ID"], Condition("RESC_NAME", "=", found.resource), limit=1))


def _is_orphan(context: Context, found: Vault, relative: str) -> bool:
    """Asked again: when an object is moved, so is its file."""
    return os.path.lexists(f"{found.folder}/{relative}") and not _exactly(context, found, [relative])


def _named(context: Context, found: Vault, folder: Folder, files: list[str]) -> set[str]:
    """Those that are a replica's."""
    if len(files) <= _FEW or folder.folders or not _is_text(folder.relative):
        return _exactly(context, found, files)
    where = f"{found.path}/{folder.relative}" if folder.relative else found.path
    # A backslash escapes in PostgreSQL's LIKE: `_` stands for it, as for any character.
    below = Condition("DATA_PATH", "like", where.replace("\\", "_") + "/%")
    return {file.removeprefix(found.path + "/") for (file,) in context.zone.query(["DATA_PATH"], below)} & set(files)


def _exactly(context: Context, found: Vault, files: list[str]) -> set[str]:
    paths = [f"{found.path}/{one}" for one in files if _is_text(one)]
    odd = [path for path in paths if set(path) & set("'\\|&")]
    rows = [row for path in odd for row in context.zone.query(["DATA_PATH"], Condition("DATA_PATH", "=", path))]
    for some in _batches(sorted(set(paths) - set(odd))):
        rows += context.zone.query(["DATA_PATH"], Among("DATA_PATH", some))
    return {file.removeprefix(found.path + "/") for (file,) in rows}


def _batches(paths: list[str]) -> Iterator[tuple[str, ...]]:
    some: list[str] = []
    for path in paths:
        if some and sum(map(len, some)) + len(path) > _LONGEST:
            yield tuple(some)
            some = []
        some.append(path)
    if some:
        yield tuple(some)


def _is_text(path: str) -> bool:
    """Whether the catalog can hold it: what is not UTF-8, no object names."""
    return host_folders.shown(path) == path


def _shown(found: Vault, relative: str) -> str:
    return host_folders.shown(f"{found.folder}/{relative}" if relative else found.folder)

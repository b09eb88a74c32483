"""The landing zone as others see it.

Files that are not taken yet, what will never be taken, and what cannot be read.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from functools import partial

from landing.names import is_temporary
from microservices.zones import host_folders
from microservices.zones.host_folders import Folder
from policy.verification.findings import Finding, Kind, Look, Part
from policy.zone import Condition
from policy.zone.context import Context
from policy.zone.layout import Branch

_IGNORED = "lost+found"
"""At the top of a file system, of the administrator alone."""


def parts(context: Context) -> Iterator[Part]:
    """What does not belong there, and each branch of each scanner."""
    root = os.path.abspath(context.settings.landing.folder)
    yield Part("mailbox", partial(_places, context, root))
    for scanner in _folders(root):
        for branch in Branch:
            if _is_scanner(context, scanner) and branch in _folders(f"{root}/{scanner}"):
                yield Part(
                    f"mailbox {host_folders.position(scanner)}/{branch}",
                    partial(_looks, context, root, f"{scanner}/{branch}"),
                )


def _is_scanner(context: Context, name: str) -> bool:
    return name in context.settings.scanners or not context.settings.scanners


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except OSError:  # told by `_places`
        return []


def _places(context: Context, root: str, after: str) -> Iterator[Look]:
    """What lies outside the scanners' folders: nothing takes it."""
    if after:
        return
    look = Look("/", Counter())
    for folder, expected in [
        (root, None),
        *((f"{root}/{one}", set(Branch)) for one in _folders(root) if _is_scanner(context, one)),
    ]:
        try:
            with os.scandir(folder) as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError as error:
            hint = "; is this the landing host?" if folder == root else ""
            look.findings.append(Finding(Kind.UNSEEN, host_folders.shown(folder), f"{error.strerror or error}{hint}"))
            continue
        for name, is_folder in found:
            fits = is_folder and (name in expected if expected else _is_scanner(context, name))
            if not fits and not name.startswith(".") and name != _IGNORED:
                text = "lies outside the scanners' folders, and is never taken"
                look.findings.append(Finding(Kind.MAILBOX, host_folders.shown(f"{folder}/{name}"), text))
    if context.settings.scanners and not look.findings and not any(_is_scanner(context, one) for one in _folders(root)):
        look.findings.append(
            Finding(Kind.UNSEEN, host_folders.shown(root), "no scanner has a folder there: is it mounted?")
        )
    yield look


def _looks(context: Context, root: str, branch: str, after: str) -> Iterator[Look]:
    base = f"{root}/{branch}"
    # Registered where they lie, by a release that did not take files.
    below = Condition("DATA_PATH", "like", base.replace("\\", "_") + "/%")
    registered = {file for (file,) in context.zone.query(["DATA_PATH"], below)}
    for folder in host_folders.walk(base, after):
        yield _look(f"{branch}/", base, folder, registered)


def _look(prefix: str, base: str, folder: Folder, registered: set[str]) -> Look:
    look = Look(folder.position, Counter({"files": len(folder.files)}))
    if folder.problem:
        look.findings.append(
            Finding(Kind.UNSEEN, host_folders.shown(f"{base}/{folder.relative}".rstrip("/")), folder.problem)
        )
    for name, status in folder.files:
        file, shown = f"{base}/{folder.path(name)}", host_folders.shown(prefix + folder.path(name))
        if file in registered:
            continue
        text = "temporary name" if is_temporary(name) else ""
        look.findings.append(Finding(Kind.WAITING, shown, text, host_folders.changed(status)))
        if not os.access(file, os.R_OK):
            look.findings.append(Finding(Kind.UNSEEN, shown, "may not be read by this account"))
    for name, status in folder.others:
        what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "neither a file nor a folder"
        look.findings.append(
            Finding(Kind.MAILBOX, host_folders.shown(prefix + folder.path(name)), f"is {what}, and is never taken")
        )
    return look

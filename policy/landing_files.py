"""The files of the landing zone that archived objects came from. iRODS leaves them where they are; this host must be the landing host."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress

from policy import below, layout
from policy.context import Context
from policy.manifest import sha256
from policy.zone import AVU, GOOD, Condition, data_object

LANDING_PATH = "LandingPath"


def leave(context: Context, path: str, *, archived_only: bool) -> dict[str, list[str]]:
    """Removes the files that the objects below a collection came from; object -> landing paths whose file may still be there.

    Removed is only what is still the file that was archived. With `archived_only`, files that are a replica themselves stay.
    """
    objects = {
        f"{collection}/{name}": (int(size), checksum)
        for collection, name, size, checksum in below.rows(context, path, ["DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM"])
    }
    named = Condition("META_DATA_ATTR_NAME", "=", LANDING_PATH)
    stay: dict[str, list[str]] = {}
    for collection, name, landing_path in below.rows(context, path, ["DATA_NAME", "META_DATA_ATTR_VALUE"], named):
        one = f"{collection}/{name}"
        size, checksum = objects[one]
        if not _gone(context, landing_path, size, checksum or context.zone.checksum(one), archived_only):
            stay.setdefault(one, []).append(landing_path)
    return stay


def leave_archived(context: Context, path: str, landed: Iterable[AVU]) -> list[AVU]:
    """As `leave`, of some landing paths (AVUs) of one object, which is another experiment's: nothing is removed before it is archived."""
    archived = Condition("DATA_RESC_NAME", "=", context.settings.archive.resource), Condition("DATA_REPL_STATUS", "=", GOOD)
    rows = context.zone.query(["DATA_SIZE", "DATA_CHECKSUM"], *data_object(path), *archived)
    size, checksum = rows[0] if rows else ("0", "")
    return [avu for avu in landed if not checksum or not _gone(context, avu.value, int(size), checksum, True)]


def remove_replicas(context: Context, path: str) -> bool:
    """Removes the files that objects at or below a path are registered from in place: what is erased in iRODS only is not erased."""
    root = context.settings.landing.folder.rstrip("/") + "/"
    rows = below.rows(context, path, ["DATA_NAME", "DATA_PATH"]) or context.zone.query(
        ["COLL_NAME", "DATA_NAME", "DATA_PATH"], *data_object(path)
    )
    removed = [_removed(context, file) for *_, file in rows if file.startswith(root)]
    return all(removed)


def remove_folders(context: Context, landing_paths: Iterable[str]) -> None:
    """Removes the empty collections and folders below which the files landed: their names may tell who it was."""
    folder = context.settings.landing.folder.rstrip("/")
    for relative in {layout.parent(path) for path in landing_paths}:
        branch = "/".join(relative.split("/")[:2])
        below.erase_empty(context, f"{layout.landing(context.settings)}/{relative}", f"{layout.landing(context.settings)}/{branch}")
        while relative.startswith(branch + "/"):
            with suppress(OSError):  # it is not empty, or not there
                os.rmdir(f"{folder}/{relative}")
            relative = layout.parent(relative)


def _gone(context: Context, landing_path: str, size: int, checksum: str, archived_only: bool) -> bool:
    """Whether the file is not there, or no longer. Another one under its name is not this one."""
    folder = context.settings.landing.folder.rstrip("/")
    if not os.path.isdir(folder):
        return False
    file = os.path.realpath(f"{folder}/{landing_path}")
    if not file.startswith(os.path.realpath(folder) + os.sep) or not os.path.isfile(file):
        return True
    if archived_only and context.zone.query(["DATA_ID"], Condition("DATA_PATH", "=", f"{folder}/{landing_path}")):
        return False
    try:
        with open(file, "rb") as opened:
            same = os.path.getsize(file) == size and hashlib.file_digest(opened, "sha256").hexdigest() == sha256(landing_path, checksum)
    except FileNotFoundError:
        return True
    except OSError as error:
        return _told(context, error)
    return not same or _removed(context, file)


def _removed(context: Context, file: str) -> bool:
    try:
        os.remove(file)
    except FileNotFoundError:
        return os.path.isdir(context.settings.landing.folder)
    except OSError as error:
        return _told(context, error)
    return True


def _told(context: Context, error: OSError) -> bool:
    """Its name may tell who the person is, and does not go into the log."""
    context.zone.log(f"a file of the landing zone could not be removed: {error.strerror}")
    return False

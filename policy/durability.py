"""Bytes that survive a power failure: what iRODS wrote is forced to the disk before the only other copy goes.

iRODS 5.0 closes the file of a replica and never calls fsync (plugins/resources/unixfilesystem/src/unixfilesystem.cpp), while the catalog's
database does: after a power failure within the next half minute or so the catalog could say of an empty file that it is a good replica.
"""

from __future__ import annotations

import os

from policy.context import Context
from policy.files import NotRegular, open_regular
from policy.zone import GOOD, Condition, ZoneError, data_object


def demand_replica(context: Context, path: str, resource: str, checksum: str) -> None:
    """ZoneError unless an object has a good replica with this checksum on a resource; forces it to the disk."""
    good = [Condition("DATA_REPL_STATUS", "=", GOOD), Condition("DATA_CHECKSUM", "=", checksum)]
    files = context.zone.query(["DATA_PATH"], *data_object(path), Condition("DATA_RESC_NAME", "=", resource), *good)
    if not files:
        raise ZoneError(f"the replica on {resource} is not good, or its checksum is not {checksum}")
    for (file,) in files:
        force(file)


def force(file: str) -> bool:
    """Forces a replica's file and its folder's entries to the disk: fsync(2). False for what is no file of this host.

    That is a replica on another host, or on a resource that is no file system: there nothing can be done from here.
    ZoneError where the disk did not take it: then the replica must not be the only one.
    """
    try:
        descriptor = open_regular(file)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except NotRegular as error:
        raise ZoneError(f"its file in the archive is {error.strerror}") from error
    try:
        _force(descriptor)
        folder = os.open(os.path.dirname(file), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _force(folder)
        finally:
            os.close(folder)
    finally:
        os.close(descriptor)
    return True


def _force(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise ZoneError(f"its file in the archive cannot be forced to the disk: {error.strerror}") from error

"""Forces what iRODS wrote to the disk, so that it survives a power failure, before the only other copy is removed.

iRODS 5.0 closes the file of a replica and never calls fsync (plugins/resources/unixfilesystem/src/unixfilesystem.cpp).
The catalog's database does: after a power failure within the next half minute or so, the catalog could list an empty
file as a good replica.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from policy.zone import GOOD, Condition, Zone, ZoneError, data_object
from policy.zone.context import Context
from policy.zone.host_files import NotRegular, open_regular

_FILES = ["COLL_NAME", "DATA_NAME", "DATA_PATH", "RESC_VAULT_PATH"]
NO_FILE = -510002
"""UNIX_FILE_OPEN_ERR with ENOENT: the catalog lists a file that was not on the disk yet when the power failed."""


def write(zone: Zone, path: str, content: bytes) -> None:
    """Creates or replaces a small data object that outlives a power failure.

    What is written down counts from then on.
    """
    try:
        zone.write(path, content)
    except ZoneError as error:
        if error.code != NO_FILE:
            raise
        zone.erase(path)
        zone.write(path, content)
    force_object(zone, path)


def move(zone: Zone, source: str, destination: str) -> None:
    """Renames a data object; its new name outlives a power failure. A server renames its file, too."""
    zone.move(source, destination)
    force_object(zone, destination)


def erase(zone: Zone, path: str) -> None:
    """Erases an object, or a collection with all that is below it; its files do not come back after a power failure."""
    at = [data_object(path), [Condition("COLL_NAME", "=", path)], [Condition("COLL_NAME", "like", f"{path}/%")]]
    files = {
        (row[2], row[3])
        for one in at
        for row in zone.query(_FILES, *one)
        if f"{row[0]}/{row[1]}/".startswith(f"{path}/")
    }
    zone.erase(path)
    for folder in {one for file, vault in files for one in _folders(file, vault.rstrip("/"))}:
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # it went as well, or is another host's
            _force_folder(folder)


def force_object(zone: Zone, path: str) -> None:
    """Forces an object's good replicas to the disk, as far as they are on this host.

    Raises ZoneError if the disk did not take one.
    """
    good = Condition("DATA_REPL_STATUS", "=", GOOD)
    for file, vault in zone.query(["DATA_PATH", "RESC_VAULT_PATH"], *data_object(path), good):
        force(file, vault)


def demand_replica(context: Context, path: str, resource: str, checksum: str) -> None:
    """Forces an object's good replica with this checksum on a resource to the disk. Raises ZoneError if it has none."""
    good = [Condition("DATA_REPL_STATUS", "=", GOOD), Condition("DATA_CHECKSUM", "=", checksum)]
    columns = ["DATA_PATH", "RESC_VAULT_PATH"]
    files = context.zone.query(columns, *data_object(path), Condition("DATA_RESC_NAME", "=", resource), *good)
    if not files:
        raise ZoneError(f"the replica on {resource} is not good, or its checksum is not {checksum}")
    for file, vault in files:
        force(file, vault)


def force(file: str, vault: str = "") -> bool:
    """Forces a replica's file and the entries of its folders to the disk: fsync(2).

    Forces all folders from the file's own up to its vault, since all may be new; outside the vault, only the file's
    own. Returns False if the replica is not a file of this host: it is on another host, or its resource is not a file
    system. Nothing can be done from here then. Raises ZoneError if the disk did not take the file: the replica must
    not be the only one then.
    """
    try:
        descriptor = open_regular(file)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except NotRegular as error:
        raise ZoneError(f"its file in the archive is {error.strerror}") from error
    try:
        _force(descriptor)
        for path in _folders(file, vault.rstrip("/")):
            _force_folder(path)
    finally:
        os.close(descriptor)
    return True


def _folders(file: str, vault: str) -> Iterator[str]:
    path = os.path.dirname(file)
    yield path
    while vault and path.startswith(f"{vault}/"):
        path = os.path.dirname(path)
        yield path


def _force_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _force(folder)
    finally:
        os.close(folder)


def _force(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise ZoneError(f"its file in the archive cannot be forced to the disk: {error.strerror}") from error

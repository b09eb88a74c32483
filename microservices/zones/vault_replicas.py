"""Replicas whose files lie on this host, read where they lie: iRODS's own open, read and close take seven times as
long.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from policy.zone import GOOD, Condition, NotFound, ZoneError, data_object, durability, host_files

Query = Callable[..., list[tuple[str, ...]]]
"""`policy.zone.Zone.query`."""


def read(query: Query, path: str, offset: int, length: int, replica: str = "") -> bytes | None:
    """Bytes of a good replica's file; None where none lies here with the size that the catalog knows: then iRODS has to
    be asked.

    `replica`: of the one with this number alone. ZoneError for what is not a regular file: iRODS would follow a
    symbolic link. Asks nobody for permission: for administrators alone.
    """
    columns = ["DATA_PATH", "DATA_SIZE", "RESC_LOC"]
    conditions = [
        Condition("DATA_REPL_STATUS", "=", GOOD),
        *([Condition("DATA_REPL_NUM", "=", replica)] if replica else []),
    ]
    for file, size, host in query(columns, *data_object(path), *conditions):
        if host_files.is_here(host) and (content := _read(path, file, int(size), offset, length)) is not None:
            return content
    return None


def force(query: Query, path: str) -> None:
    """Forces the files of an object to the disk: the catalog's database forces what it knows of them, and iRODS forces
    no file.
    """
    for (file,) in query(["DATA_PATH"], *data_object(path)):
        durability.force(file)


def replica_in(query: Query, path: str, file: str) -> str:
    """The number of the replica that is in this file; NotFound where none is."""
    for (number,) in query(["DATA_REPL_NUM"], *data_object(path), Condition("DATA_PATH", "=", file)):
        return number
    raise NotFound(f"{path} has no replica in {file}")


def _read(path: str, file: str, size: int, offset: int, length: int) -> bytes | None:
    try:
        descriptor = host_files.open_regular(file)
        try:
            return os.pread(descriptor, length, offset) if os.fstat(descriptor).st_size == size else None
        finally:
            os.close(descriptor)
    except host_files.NotRegular as error:
        raise ZoneError(f"cannot read {path}: the file of its replica is {error.strerror}") from error
    except OSError:  # no file system's resource, or not readable: iRODS has other ways, and says what is wrong
        return None

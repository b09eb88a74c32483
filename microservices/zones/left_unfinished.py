"""What a process that has died left unfinished, as the catalog of a server shows it.

While iRODS writes a replica, that says INTERMEDIATE, and the object's other replicas are locked; what they were before
stands in DATA_STATUS (server/core/src/logical_locking.cpp). An agent that is killed leaves all this as it is: nobody
can read, replicate or trim the object any more (HIERARCHY_ERROR, -1803000), and the server never puts it right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from microservices.zones.catalog_queries import demand
from microservices.zones.vault_replicas import Query
from policy.zone import Condition, NotFound, data_object
from policy.zone.host_files import is_here

STALE, INTERMEDIATE = "0", "2"
Modify = Callable[[str, str, str], None]
"""Writes a column of the replica with this number, in the catalog alone: `iadmin modrepl`."""


def give_up(query: Query, path: str, modify: Modify, *, certain: bool) -> bool:
    """See `policy.zone.Zone.give_up`."""
    demand(path)
    columns = ["DATA_REPL_NUM", "DATA_REPL_STATUS", "DATA_STATUS", "DATA_PATH", "DATA_RESC_NAME"]
    replicas = query(columns, *data_object(path))
    if not replicas:
        raise NotFound(f"{path} is not there")
    written = [row for row in replicas if row[1] == INTERMEDIATE]
    if any(_is_being_written(query, resource, file, unknown=not certain) for *_, file, resource in written):
        return False
    free = 1 + max((int(row[0]) for row in replicas), default=0)
    for number, *_ in written:
        # The server remembers that somebody writes the replica of this number, until it starts again, and would let
        # nobody else (replica_access_table.cpp: Entry already exists). Of the new number it knows nothing.
        modify(number, "DATA_REPL_NUM", str(free))
        modify(str(free), "DATA_REPL_STATUS", STALE)
        free += 1
    for number, status, before, *_ in replicas:
        if int(status) > int(INTERMEDIATE):
            modify(number, "DATA_REPL_STATUS", _original(before))
    return True


def _original(data_status: str) -> str:
    """What a locked replica was, or stale where that is not known, as iRODS does it."""
    with suppress(ValueError, KeyError, TypeError):
        return str(int(json.loads(data_status)["original_status"]))
    return STALE


def _is_being_written(query: Query, resource: str, file: str, *, unknown: bool) -> bool:
    """Whether a process of the file's owner has it open;

    `unknown` where another host's resource, or its processes, cannot be seen.
    """
    hosts = {host for (host,) in query(["RESC_LOC"], Condition("RESC_NAME", "=", resource))}
    if not all(map(is_here, hosts)):
        return unknown
    try:
        return is_open(file)
    except OSError:
        return unknown


def is_open(file: str) -> bool:
    """Whether a process of the file's owner has it open on this host (proc(5)).

    PermissionError where that cannot be seen.
    """
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return False
    return any((there.st_dev, there.st_ino) == (found.st_dev, found.st_ino) for there in _open_files(found.st_uid))


def _is_dead(process: Path) -> bool:
    """Whether it has ended, and nobody has asked for its exit status: then it has no files open, and nobody may look
    (proc(5), stat).
    """
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"


def _open_files(owner: int) -> Iterator[os.stat_result]:
    for process in Path("/proc").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            # Process 1 writes no replicas, and in some containers nobody may look at it.
            if (
                process.name.isdigit()
                and process.name != "1"
                and process.stat().st_uid == owner
                and not _is_dead(process)
            ):
                for descriptor in (process / "fd").iterdir():
                    with suppress(FileNotFoundError):
                        yield descriptor.stat()

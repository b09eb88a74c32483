"""Finishing what a process that died has left unfinished.

The order of every operation makes this little: a replica says intermediate before its first byte is written and good
after the last; a file of the vault is noted as doomed in the transaction that forgets its replica, and removed
afterwards.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from embedded.catalog.database import Catalog
from embedded.catalog.rows import INTERMEDIATE, READ_LOCKED, STALE


def recover(catalog: Catalog, agents: Path) -> None:
    """Gives up the replicas of agents whose process is gone, and removes the files that they were about to remove."""
    unfinished = {
        agent for (agent,) in catalog.all("SELECT agent FROM open_replica UNION SELECT agent FROM doomed_file")
    }
    for agent in sorted(unfinished):
        if gone(agents / agent):
            give_up(catalog, agent)
    for file in agents.iterdir():
        if file.name not in unfinished and gone(file):
            file.unlink(missing_ok=True)


def gone(file: Path) -> bool:
    """Whether no process holds the agent's lock; the kernel releases it however a process ends."""
    try:
        handle = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def give_up(catalog: Catalog, agent: str) -> None:
    """What was being written becomes stale with the size it has got, its siblings get their status back, doomed files
    go.
    """
    with catalog.writing():
        for data_id, number in catalog.all("SELECT data_id, data_repl_num FROM open_replica WHERE agent = ?", (agent,)):
            row = catalog.one(
                "SELECT data_path FROM R_DATA_MAIN WHERE data_id = ? AND data_repl_num = ?", (data_id, number)
            )
            if row is not None:
                size = os.path.getsize(row[0]) if os.path.exists(row[0]) else 0
                catalog.run(
                    "UPDATE R_DATA_MAIN SET data_is_dirty = ?, data_status = '', data_size = ?, data_checksum = '' "
                    "WHERE data_id = ? AND data_repl_num = ? AND data_is_dirty = ?",
                    (STALE, size, data_id, number, INTERMEDIATE),
                )
            catalog.run(
                "UPDATE R_DATA_MAIN SET data_is_dirty = CAST(json_extract(data_status, '$.original_status') AS"
                " INTEGER), data_status = '' WHERE data_id = ? AND data_is_dirty >= ? AND data_status <> ''",
                (data_id, READ_LOCKED),
            )
        catalog.run("DELETE FROM open_replica WHERE agent = ?", (agent,))
    for (path,) in catalog.all("SELECT path FROM doomed_file WHERE agent = ?", (agent,)):
        Path(path).unlink(missing_ok=True)
        with catalog.writing():
            catalog.run("DELETE FROM doomed_file WHERE path = ?", (path,))

"""The zone's catalog: one SQLite file, shared by all processes that have the zone open.

WAL with synchronous=NORMAL: a process may be killed at any point; after a power failure the last transactions may be
missing, never half of one. Every write is one `with catalog.writing()`, and none stays open while rules run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedded.errors import IrodsError

NULL, READ_METADATA, READ, CREATE_METADATA, DELETE_METADATA = 1000, 1040, 1050, 1070, 1090
MODIFY_METADATA, CREATE_OBJECT, WRITE, DELETE, OWN = 1080, 1110, 1120, 1130, 1200
"""Permissions, by token_id (icatSysInserts.sql)."""

ACCESS_NAMES: dict[int, str] = {
    NULL: "null",
    1010: "execute",
    1020: "read_annotation",
    1030: "read_system_metadata",
    READ_METADATA: "read_metadata",
    READ: "read_object",
    1060: "write_annotation",
    CREATE_METADATA: "create_metadata",
    MODIFY_METADATA: "modify_metadata",
    DELETE_METADATA: "delete_metadata",
    1100: "administer_object",
    CREATE_OBJECT: "create_object",
    WRITE: "modify_object",
    DELETE: "delete_object",
    1140: "create_token",
    1150: "delete_token",
    1160: "curate",
    OWN: "own",
}

Parameters = Sequence[Any] | Mapping[str, Any]
Row = Any
"""A row as a tuple, or None."""


def timestamp(at: float | None = None) -> str:
    """A time (now) as the catalog writes it: seconds since 1970, eleven digits."""
    return f"{int(time.time() if at is None else at):011d}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


class Catalog:
    """A connection to the catalog. Not for use by several threads at once."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(
            path, timeout=60, isolation_level=None, cached_statements=512, check_same_thread=False
        )
        self._depth = 0
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "case_sensitive_like=ON",
            "temp_store=MEMORY",
            "cache_size=-16000",
        ):
            self._db.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        self._db.close()

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Executes a statement that changes something; how many rows it changed."""
        return self._db.execute(sql, parameters).rowcount

    def script(self, sql: str) -> None:
        self._db.executescript(sql)

    def one(self, sql: str, parameters: Parameters = ()) -> Row:
        """The first row, or None."""
        return self._db.execute(sql, parameters).fetchone()

    def all(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        return self._db.execute(sql, parameters).fetchall()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; within another it is part of that."""
        if self._depth:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise IrodsError("CAT_SQL_ERR", str(error)) from error
        self._depth = 1
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._depth = 0

    def next_id(self) -> int:
        """A fresh object id (R_ObjectID); within a transaction."""
        self._db.execute("UPDATE R_ObjectID SET next = next + 1")
        return int(self._db.execute("SELECT next FROM R_ObjectID").fetchone()[0])

    def rows(self, sql: str, parameters: Parameters) -> list[tuple[str, ...]]:
        """A query's rows as texts, as GenQuery gives them; CAT_SQL_ERR where the database refuses."""
        try:
            return [tuple([_text(value) for value in row]) for row in self._db.execute(sql, parameters)]
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise IrodsError("CAT_SQL_ERR", str(error)) from error

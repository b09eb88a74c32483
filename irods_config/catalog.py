"""The catalog's database as the server's configuration names it, and PostgreSQL's own tools on it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from irods_config.icommands import SetupError

Contents = dict[str, tuple[int, str]]
"""Table -> number of rows, and a digest of them that does not depend on their order."""


@dataclass(frozen=True)
class Catalog:
    """A PostgreSQL database and the login of its owner.

    The password is kept out of repr and of every list of processes.
    """

    host: str
    port: int
    database: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Catalog({self.user}@{self.host}:{self.port}/{self.database})"

    @classmethod
    def of(cls, server_config: Path) -> Catalog:
        """Returns the catalog of the server. SetupError for another kind of database."""
        try:
            database = json.loads(server_config.read_text(encoding="utf-8"))["plugin_configuration"]["database"]
        except (OSError, json.JSONDecodeError, KeyError) as error:
            raise SetupError(f"{server_config}: names no catalog: {error}") from error
        if database.get("technology") != "postgres":
            raise SetupError(f"{server_config}: the catalog is not a PostgreSQL database")
        return cls(
            database["host"], int(database["port"]), database["name"], database["username"], database["password"]
        )

    def named(self, database: str) -> Catalog:
        """Returns another database of the same server and owner."""
        return replace(self, database=database)

    def run(self, *command: str) -> str:
        """Runs a tool of PostgreSQL; returns its output. SetupError with its message if it fails."""
        with self._environment() as environment:
            return _output(command, environment)

    def query(self, *statements: str) -> str:
        """What psql printed of the last of these, without titles: fields of a row with `|` between them. SetupError."""
        options = ("--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        return self.run("psql", *options, *(f"--command={statement}" for statement in statements))

    @contextmanager
    def lines(self, *command: str) -> Iterator[Iterable[bytes]]:
        """Yields the output line by line, without holding all of it."""
        with self._environment() as environment, _lines(command, environment) as lines:
            yield lines

    def contents(self) -> Contents:
        """Returns what is in the database now."""
        with self.lines("pg_dump", "--data-only", "--no-password") as lines:
            return contents(lines)

    @contextmanager
    def _environment(self) -> Iterator[dict[str, str]]:
        with tempfile.TemporaryDirectory() as folder:
            passfile = Path(folder) / "pgpass"
            descriptor = os.open(passfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            fields = [self.host, str(self.port), "*", self.user, self.password]
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(
                    ":".join("*" if f == "*" else f.replace("\\", "\\\\").replace(":", "\\:") for f in fields) + "\n"
                )
            yield {
                "PATH": "/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "PGHOST": self.host,
                "PGPORT": str(self.port),
                "PGDATABASE": self.database,
                "PGUSER": self.user,
                "PGPASSFILE": str(passfile),
                "PGCONNECT_TIMEOUT": "10",
            }


def contents_of_dump(dump: Path) -> Contents:
    """Returns what a dump holds. It reads the dump itself, to prove that the backup can be read."""
    with _lines(
        ("pg_restore", "--data-only", "--file=-", str(dump)), {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    ) as lines:
        return contents(lines)


def contents(lines: Iterable[bytes]) -> Contents:
    """Of the text of a dump: each table's COPY block (PostgreSQL, SQL-COPY), and where the sequences stand."""
    table, rows, total = "", 0, 0
    found: Contents = {}
    for line in lines:
        if table:
            if line == b"\\.\n":
                found[table] = (rows, f"{total:064x}")
                table = ""
            else:
                rows, total = rows + 1, (total + _number(line)) % (1 << 256)
        elif line.startswith(b"COPY "):
            table, rows, total = line.split()[1].decode(), 0, 0
        elif line.startswith(b"SELECT pg_catalog.setval("):
            found["sequence " + line.split(b"'")[1].decode()] = (1, f"{_number(line):064x}")
    if table:
        raise SetupError(f"the dump ends within the table {table}")
    return found


def _number(line: bytes) -> int:
    return int.from_bytes(hashlib.sha256(line).digest(), "big")


def _output(command: Sequence[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SetupError(f"{command[0]}: {error.strerror}; install PostgreSQL's client programs") from error
    if done.returncode != 0:
        raise SetupError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _lines(command: Sequence[str], environment: dict[str, str]) -> Iterator[Iterable[bytes]]:
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)
        except OSError as error:
            raise SetupError(f"{command[0]}: {error.strerror}; install PostgreSQL's client programs") from error
        with process:
            assert process.stdout is not None
            yield process.stdout
        if process.returncode != 0:
            errors.seek(0)
            raise SetupError(f"{command[0]}: {errors.read().decode(errors='replace').strip()}")

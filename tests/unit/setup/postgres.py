"""A PostgreSQL server of the tests' own, where its programs are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TABLES = """
create table r_coll_main (coll_id bigint, coll_name varchar(2700) not null);
create unique index idx_coll_main3 on r_coll_main (coll_name);
create table r_data_main (data_id bigint, data_path varchar(2700) not null, data_checksum varchar(1000));
create index idx_data_main6 on r_data_main (data_path);
create table r_meta_main (meta_id bigint, meta_attr_value varchar(2700) not null);
create index idx_meta_main3 on r_meta_main (meta_attr_value);
create table r_rule_exec (rule_exec_id bigint, lock_host varchar(300), lock_host_pid varchar(32), lock_ts varchar(32));
insert into r_coll_main select n, '/zone/home/mrdata/studies/s' || n from generate_series(1, 20000) n;
insert into r_rule_exec values (1, 'irods.example.org', '77', '01795000000');
"""
"""Of iRODS's catalog what the tests need (plugins/database/src/icatSysTables.sql)."""


@contextmanager
def cluster() -> Iterator[Path]:
    """The folder of its socket.

    Skips where there are no programs. PostgreSQL does not run as root: then as `postgres`.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if not found:
        pytest.skip("PostgreSQL's server programs (/usr/lib/postgresql) are not installed")
    programs = found[-1].parent
    account = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path has room for 107 characters
    data = folder / "data"
    try:
        if account:
            shutil.chown(folder, "postgres")
        run([*account, programs / "initdb", "-D", data, "-U", "irods", "--locale=C.UTF-8", "--auth=trust", "--no-sync"])
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run([*account, programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start"])
        try:
            yield folder
        finally:
            run([*account, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder)


def database(socket: Path, name: str, collation: str, etc: Path, text: str = TABLES) -> Path:
    """A new database of this collation; the server_config.json that names it, in `etc`."""
    create = f"create database {name} template template0 encoding 'UTF8' lc_collate '{collation}'"
    run(["psql", "-h", socket, "-U", "irods", "-d", "postgres", "-qc", create])
    run(["psql", "-h", socket, "-U", "irods", "-d", name, "-q", "-v", "ON_ERROR_STOP=1"], text)
    named = {
        "technology": "postgres",
        "host": str(socket),
        "port": 5432,
        "name": name,
        "username": "irods",
        "password": "x",
    }
    config = etc / "server_config.json"
    config.write_text(json.dumps({"plugin_configuration": {"database": named}}))
    return config


def run(command: list[object], text: str = "") -> str:
    """What it printed."""
    done = subprocess.run(
        [str(word) for word in command], input=text, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

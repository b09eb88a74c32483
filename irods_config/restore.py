"""`mrdata-restore`: tries a backup in a scratch database, or puts the catalog back as it was, and the history of
mixed-use metadata.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from irods_config import backup, history, server
from irods_config.catalog import Catalog
from irods_config.icommands import SetupError
from policy.zone.settings import SettingsError


def try_out(made: Path, scratch: Catalog) -> int:
    """Restores into an empty database and compares every table, and reads all of the history; the number of rows.

    SetupError where anything differs.
    """
    manifest = backup.Manifest.read(made)
    if scratch.contents():
        raise SetupError(
            f"{scratch.database}: is not empty; as PostgreSQL's administrator: dropdb and createdb -O {scratch.user}"
            f" {scratch.database}"
        )
    _restore(made, scratch, [])
    rows = _compare(manifest, scratch)
    if manifest.history:
        with tempfile.TemporaryDirectory(prefix="mrdata-restore-") as folder:
            if (found := history.unpack(made / backup.HISTORY, Path(folder) / "trial")) != manifest.history:
                raise SetupError(
                    f"{made / backup.HISTORY}: its newest commit is {found or 'none'}, not {manifest.history}"
                )
    return rows


def restore(made: Path, catalog: Catalog) -> int:
    """Replaces the catalog, all of it or nothing, and compares every table; the number of rows.

    The server must not run. SetupError where it does, where the backup is damaged, is of another database, or where
    anything differs.
    """
    manifest = backup.Manifest.read(made)
    if manifest.database != catalog.database:
        raise SetupError(f"{made}: is of the database {manifest.database}, not of {catalog.database}")
    if others := _connected(catalog):
        # A server that is being stopped no longer answers, and its agents may still write.
        raise SetupError(
            f"{catalog.database}: {others} other connections are open; end what is connected to it (agents of the"
            " server?)"
        )
    _restore(made, catalog, ["--clean", "--if-exists"])
    rows = _compare(manifest, catalog)
    # A rule that ran while the backup was made is marked as running, and no delay server would ever take it again.
    unlock = "UPDATE r_rule_exec SET lock_host = '', lock_host_pid = '', lock_ts = ''"
    catalog.query(unlock)
    return rows


def restore_history(made: Path, etc: Path) -> str:
    """Puts the history of mixed-use metadata back where it is lost; what was done.

    The server may run. SetupError, SettingsError.
    """
    manifest, repository = backup.Manifest.read(made), history.repository_of(etc)
    if not manifest.history:
        return f"{made}: holds no history of mixed-use metadata"
    if repository is None:
        raise SetupError(f"{etc / 'mrdata.yaml'}: is not there, and it names the repository (castellum.repository)")
    return history.put_back(made / backup.HISTORY, manifest.history, repository)


def _connected(catalog: Catalog, patience: float = 5.0) -> int:
    """Other connections, when those that are just ending have ended."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    end = time.monotonic() + patience
    while (count := int(catalog.query(f"{others} AND backend_type = 'client backend'"))) and time.monotonic() < end:
        time.sleep(0.5)
    return count


def _restore(made: Path, catalog: Catalog, options: Sequence[str]) -> None:
    one = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]
    catalog.run("pg_restore", *one, *options, f"--dbname={catalog.database}", str(made / backup.DUMP))


def _compare(manifest: backup.Manifest, catalog: Catalog) -> int:
    if differences := manifest.differences(catalog.contents()):
        raise SetupError(f"{catalog.database}: differs from the backup: {'; '.join(differences)}")
    return sum(rows for rows, _ in manifest.tables.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 only where every table is what was backed up."""
    parser = argparse.ArgumentParser(prog="mrdata-restore", description=__doc__)
    parser.add_argument("backup", type=Path, help="one backup: <folder>/<time>")
    parser.add_argument(
        "--try", dest="scratch", metavar="DATABASE", help="only try it, in this empty database of the same PostgreSQL"
    )
    parser.add_argument(
        "--history-only", action="store_true", help="put back the history of mixed-use metadata, and nothing else"
    )
    parser.add_argument(
        "--keep-nothing", action="store_true", help="where the catalog is so broken that it cannot be backed up first"
    )
    parser.add_argument("--etc", type=Path, default=Path("/etc/irods"))
    parser.add_argument("--port", type=int, default=1247, help="of the server, which must not run")
    parser.add_argument("--current", type=Path, default=Path("/opt/mrdata/current"))
    given = parser.parse_args(arguments)
    try:
        catalog = Catalog.of(given.etc / "server_config.json")
        if given.scratch:
            print(f"{given.scratch}: {try_out(given.backup, catalog.named(given.scratch))} rows, all as in the backup")
            return 0
        if given.history_only:
            print(restore_history(given.backup, given.etc))
            return 0
        if server.answers("127.0.0.1", given.port):
            raise SetupError(
                "stop the iRODS server first: what it writes now would be lost, or would mix with what is restored"
            )
        backup.Manifest.read(given.backup)
        if not given.keep_nothing:
            before = given.backup.parent / "before-restore"
            kept = backup.backup(catalog, before, given.etc, given.current, history.repository_of(given.etc))
            print(f"what was there before is in {kept}", flush=True)
        rows = restore(given.backup, catalog)
        print(f"{catalog.database}: {rows} rows, all as in the backup", flush=True)
        print(restore_history(given.backup, given.etc))
    except (SetupError, SettingsError, OSError, tarfile.TarError) as error:
        print(f"mrdata-restore: error: {error}", file=sys.stderr)
        return 1
    print("start the server, then run: mrdata-setup-zone --check, and the rule mrdata_verify")
    return 0


if __name__ == "__main__":
    sys.exit(main())

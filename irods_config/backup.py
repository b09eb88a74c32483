"""`mrdata-backup`: saves catalog, configuration and the history of mixed-use metadata in a folder.

The folder appears only when it is complete.

    <folder>/20260102T030000Z/catalog.dump      pg_dump, custom format: one moment of the catalog, while the server goes
                                                on
    <folder>/20260102T030000Z/etc.tar           /etc/irods: configuration, settings, certificates, passwords
    <folder>/20260102T030000Z/mixed-use.tar     the git repository of the mixed-use metadata, where there is one
    <folder>/20260102T030000Z/manifest.json     SHA-256 of the files, rows of each table

The objects themselves are in the vaults: copy the vaults after the catalog, so that the copy holds every file that the
catalog names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from irods_config import files, history
from irods_config.catalog import Catalog, Contents, contents_of_dump
from irods_config.icommands import SetupError
from policy.zone.settings import SettingsError

DUMP, ETC, HISTORY, MANIFEST = "catalog.dump", "etc.tar", "mixed-use.tar", "manifest.json"
FORMAT = 2
_READABLE = (1, 2)
"""Format 1 had no history."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `files` are name -> SHA-256; `tables` as `Catalog.contents` gives them."""

    format: int
    made: str
    database: str
    release: str
    """Name of the rulebase's release that was in use; empty where there was none."""
    postgres: str
    files: dict[str, str]
    tables: Contents
    history: str = ""
    """The newest commit of the mixed-use metadata; empty if there was none."""

    @classmethod
    def read(cls, backup: Path) -> Manifest:
        """Reads the backup's manifest and compares every file with it. SetupError if a file differs."""
        try:
            found = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise SetupError(f"{backup}: is not a backup: {error}") from error
        if found.get("format") not in _READABLE:
            raise SetupError(f"{backup}: was made by another version of MrData")
        manifest = cls(
            **{**found, "tables": {table: (rows, digest) for table, (rows, digest) in found["tables"].items()}}
        )
        for name, digest in manifest.files.items():
            if not (backup / name).is_file() or sha256(backup / name) != digest:
                raise SetupError(f"{backup / name}: is damaged or missing")
        return manifest

    def differences(self, tables: Contents) -> list[str]:
        """Returns one line for each table that differs from the backup."""
        return [
            f"{table}: {tables.get(table, (0, ''))[0]} rows, {self.tables.get(table, (0, ''))[0]} in the backup"
            for table in sorted({*self.tables, *tables})
            if self.tables.get(table) != tables.get(table)
        ]


def backup(catalog: Catalog, folder: Path, etc: Path, current: Path, repository: Path | None = None) -> Path:
    """Makes a new backup in `folder`; returns its path. SetupError, with nothing new in `folder`, if any part fails."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    new, final = folder / f".{made}.{os.getpid()}", folder / made
    new.mkdir(mode=0o700)
    try:
        catalog.run("pg_dump", "--format=custom", "--no-password", f"--file={new / DUMP}")
        with tarfile.open(new / ETC, "w") as tar:
            tar.add(etc, arcname="etc", filter=_kept)
        commit = history.save(repository, new / HISTORY, new / "trial")
        saved = [name for name in (DUMP, ETC, HISTORY) if (new / name).exists()]
        for name in saved:
            (new / name).chmod(0o600)
            _sync(new / name)
        manifest = Manifest(
            FORMAT,
            made,
            catalog.database,
            os.path.basename(os.path.realpath(current)) if current.is_symlink() else "",
            catalog.run("pg_dump", "--version").strip(),
            {name: sha256(new / name) for name in saved},
            contents_of_dump(new / DUMP),
            commit,
        )
        files.write(new / MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n", 0o600)
        os.rename(new, final)
        files.sync_folder(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return final


def forget(folder: Path, keep: int) -> list[Path]:
    """Removes all but the newest `keep` backups; returns the removed ones."""
    complete = sorted(path.parent for path in folder.glob(f"[0-9]*Z/{MANIFEST}"))
    old = complete[:-keep]
    for path in old:
        shutil.rmtree(path)
    return old


def sha256(path: Path) -> str:
    """Of a file's bytes, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Not what Python makes again, and not the link into the installed release:

    `release` in the manifest names that.
    """
    return None if "__pycache__" in info.name or info.issym() else info


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes a backup; status 0 only if it is complete."""
    parser = argparse.ArgumentParser(
        prog="mrdata-backup", description="Backs up the catalog, the server's configuration and the history."
    )
    parser.add_argument("folder", type=Path, help="holds the backups; best on another machine's disk")
    parser.add_argument("--keep", type=int, metavar="N", help="remove all but the newest N backups afterwards")
    parser.add_argument("--etc", type=Path, default=Path("/etc/irods"))
    parser.add_argument(
        "--current", type=Path, default=Path("/opt/mrdata/current"), help="the link to the rulebase in use"
    )
    given = parser.parse_args(arguments)
    if given.keep is not None and given.keep < 1:
        parser.error("--keep must be 1 or more")
    try:
        catalog = Catalog.of(given.etc / "server_config.json")
        made = backup(catalog, given.folder, given.etc, given.current, history.repository_of(given.etc))
        removed = forget(given.folder, given.keep) if given.keep else []
    except (SetupError, SettingsError, OSError, tarfile.TarError) as error:
        print(f"mrdata-backup: error: {error}", file=sys.stderr)
        return 1
    rows = sum(rows for rows, _ in Manifest.read(made).tables.values())
    print(
        f"{made}: {rows} rows, {(made / DUMP).stat().st_size} bytes"
        + (f"; removed {len(removed)} old" if removed else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Embedded zones with two studies and people, made once for a test run's process and copied for each test."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

_made: dict[str, Path] = {}
_folder: list[tempfile.TemporaryDirectory] = []  # removed when the process ends


def copy(folder: Path, site: dict, make: Callable[[Path], None]) -> None:
    """Puts into `folder` the zone that `make` makes for these settings."""
    template = _template(json.dumps(site, sort_keys=True, default=str), make)
    shutil.copytree(
        template, folder, ignore=lambda parent, names: names if parent.endswith("/agents") else [], dirs_exist_ok=True
    )
    was, now = str(template), str(folder.resolve())
    settings = folder / "mrdata.yaml"
    settings.write_text(settings.read_text().replace(was, now))
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as catalog, catalog:
        for table, column in (("R_RESC_MAIN", "resc_def_path"), ("R_DATA_MAIN", "data_path")):
            catalog.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (was, now))  # noqa: S608 - names from above


def _template(key: str, make: Callable[[Path], None]) -> Path:
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory(prefix="mrdata-zones-"))
    if key not in _made:
        folder = Path(_folder[0].name).resolve() / str(len(_made))
        make(folder)
        _made[key] = folder
    return _made[key]

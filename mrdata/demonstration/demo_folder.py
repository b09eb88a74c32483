"""The folder of a demonstration: one runs in it at a time, and files of others in it are never removed unasked.

The file `demo` marks it. It lists what the demonstration delivers itself, and is locked while the demonstration runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import click

from embedded.client.embedded_zone import EmbeddedZone
from microservices.headers.header_reader import read_header
from microservices.settings_file import load_settings
from mrdata.commands.terminal import count
from mrdata.demonstration import demo_report
from policy.zone import ZoneError
from policy.zone.context import Context
from policy.zone.layout import INTAKE
from policy.zone.settings import SettingsError

MARK = "demo"
_SHOWN = 3
_KNOWN = ("vault", "version", ".*")
_MADE = ("agents", "castellum-token", "catalog.*", "*.log", MARK, "landing", "mixed-use.git*", "mrdata.yaml*", *_KNOWN)
"""What a zone's folder holds that a demonstration makes itself."""


def cleared(folder: Path, *, may_ask: bool) -> Path:
    """The folder without an earlier demonstration. ZoneError where one runs in it, or holds files that are not its own.

    `may_ask`: a person at a terminal may agree to remove them. FileExistsError for a folder that holds something else.
    """
    folder = folder.resolve()
    if not (folder / MARK).is_file():
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(
                f"{folder}: holds something that is no demonstration; give another folder: --folder DIR"
            )
        return folder
    with _locked(folder):
        own = _of_others(folder)
        if own:
            shown = ", ".join(own[:_SHOWN]) + (", ..." if len(own) > _SHOWN else "")
            told = f"{folder}: an earlier demonstration holds {count(len(own), 'file')} of your own ({shown})"
            if not may_ask:
                raise ZoneError(f"{told}; move them away, or give another folder: --folder DIR")
            click.confirm(f"{told}. Remove it, with these files?", abort=True, err=True)
        shutil.rmtree(folder)
    return folder


@contextmanager
def marked(folder: Path) -> Iterator[None]:
    """Within the block, nobody else removes the demonstration in this folder."""
    mark = folder / MARK
    if not mark.exists():
        mark.write_text("[]\n", encoding="utf-8")
    with _locked(folder):
        yield


def delivers(folder: Path, paths: Sequence[str]) -> None:
    """Notes what the demonstration delivers itself: paths below the landing folder."""
    (folder / MARK).write_text(json.dumps(sorted(paths), indent=0) + "\n", encoding="utf-8")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder / MARK, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ZoneError(
            f"{folder}: a demonstration runs in it; end that one (Ctrl-C), or give another folder: --folder DIR"
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _of_others(folder: Path) -> list[str]:
    """What landed or lies in the landing zone, and was not delivered by the demonstration itself."""
    try:
        delivered = set(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except ValueError:  # of an earlier MrData, which did not note it
        delivered = None
    found = set(_lying(folder / "landing"))
    if delivered is None:
        found = {path for path in found if (folder / "landing" / path).exists()}
    else:
        found |= _landed(folder)
    others = {path for path in found if _name(path) not in (delivered or ())}
    others |= {file.name for file in folder.iterdir() if not any(fnmatch(file.name, kind) for kind in _MADE)}
    return sorted(others)


def _lying(landing: Path) -> Iterator[str]:
    """Landing paths of the files in the landing zone and in the intake."""
    for file in landing.rglob("*"):
        parts = file.relative_to(landing).parts
        if parts[0] == INTAKE:
            parts = parts[2:]
        if len(parts) > 1 and not file.name.startswith(".mrdata") and (file.is_symlink() or file.is_file()):
            yield "/".join(parts)


def _name(path: str) -> str:
    """Without what a console adds to the name of a file that it still writes."""
    head, _, name = path.rpartition("/")
    return f"{head}/{name.removesuffix('.tmp').removeprefix('.').removesuffix('.Xk3f2a')}"


def _landed(folder: Path) -> set[str]:
    """Landing paths of what is in the archive and in quarantine; none where there is no zone that can be opened."""
    try:
        settings = load_settings(folder / "mrdata.yaml")
        with EmbeddedZone(folder, settings.account) as zone:
            return set(demo_report.whereabouts(Context(zone, settings, read_header)))
    except (SettingsError, ZoneError, OSError, sqlite3.Error):
        return set()

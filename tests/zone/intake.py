"""The intake as tests fill it: files that were taken, registered there or in the archive's vault."""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml

from policy.zone import layout
from policy.zone.settings import settings_from

INTAKE = ".intake"
BATCH = "host.1.a"


def _open(folder: Path, top: Path) -> None:
    """A server's account is another than the tests'."""
    folder.mkdir(parents=True, exist_ok=True)
    while folder != top:
        folder.chmod(0o777)
        folder = folder.parent


def taken(site, landing_path: str, content: bytes, batch: str = BATCH) -> Path:
    """A file that was taken into the intake."""
    top = Path(site.settings.landing.folder)
    file = top / INTAKE / batch / landing_path
    _open(file.parent, top)
    file.write_bytes(content)
    return file


def registered_in_place(site, landing_path: str, content: bytes, batch: str = BATCH) -> str:
    """Where the archive's vault is on another host: a taken file is registered where it lies; the path where its object
    is.
    """
    return _registered(site, landing_path, taken(site, landing_path, content, batch), site.settings.landing.resource)


def in_vault(site, landing_path: str, content: bytes, batch: str = BATCH) -> Path:
    """A copy of a taken file in the archive's vault."""
    top = Path(site.vault(site.settings.archive.resource))
    file = top / layout.LANDED / batch / landing_path
    _open(file.parent, top)
    file.write_bytes(content)
    return file


def archived_at_birth(site, landing_path: str, content: bytes, batch: str = BATCH) -> str:
    """A taken file whose copy in the archive's vault is registered, with its checksum; the path where its object is."""
    taken(site, landing_path, content, batch)
    path = _registered(site, landing_path, in_vault(site, landing_path, content, batch), site.settings.archive.resource)
    site.connect().checksum(path)
    return path


def _registered(site, landing_path: str, file: Path, resource: str) -> str:
    path, zone = f"{layout.landing(site.settings)}/{landing_path}", site.connect()
    zone.make_collection(path.rpartition("/")[0])
    return zone.register(str(file), path, resource)


def done(site, batch: str = BATCH, days: float = 100.0) -> None:
    """All of a batch is registered, since so many days."""
    mark = Path(site.settings.landing.folder) / INTAKE / batch / ".done"
    mark.write_bytes(b"")
    then = time.time() - days * 86400
    os.utime(mark, (then, then))


def knows_vault(site, **archive: object) -> None:
    """From now on, the site's settings say where the archive's vault is, and what else is given."""
    held = yaml.safe_load(site.settings_file.read_text())
    held["archive"] = {**held.get("archive", {}), "vault": site.vault(site.settings.archive.resource), **archive}
    site.settings_file.write_text(yaml.safe_dump(held, sort_keys=False))
    site.settings = settings_from(held)
    site.reconnect()


def files(site) -> set[str]:
    """All files of the intake, below it."""
    top = Path(site.settings.landing.folder) / INTAKE
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if not path.is_dir()}

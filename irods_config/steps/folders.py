"""Makes the folders that only MrData may use: the landing zone's intake, and the vault's folder for files that are
archived when registered.

MrData would archive changes that others make in them as its own. The landing host's programs check them again when they
start.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from irods_config.icommands import SetupError
from irods_config.site import Site, Step
from policy.zone.host_files import is_here
from policy.zone.layout import INTAKE, LANDED, Branch
from policy.zone.settings import Settings


def differences(site: Site) -> list[str]:
    """Lists folders that are missing or that others may enter, and branches of the landing zone on another file system
    than the intake.
    """
    settings = site.settings()
    landing = Path(settings.landing.folder)
    if not landing.is_dir():
        return [f"landing.folder: {landing} is not there; make it (docs/how-to/install.md), or mount the landing zone"]
    faults = [*_own(landing / INTAKE), *_elsewhere(settings, landing)]
    return [*faults, *_vault_faults(site, settings)] if settings.archive.vault else faults


def make(site: Site) -> None:
    """Makes missing folders, and closes open ones. SetupError if only the administrator can repair it."""
    settings = site.settings()
    _make(Path(settings.landing.folder, INTAKE), 0o700)
    if settings.archive.vault and _is_on_this_host(site, settings):
        _make(Path(settings.archive.vault, LANDED), 0o2770)


def _vault_faults(site: Site, settings: Settings) -> list[str]:
    resource = settings.archive.resource
    vaults = [row[1] for row in site.icommands.query("RESC_NAME", "RESC_VAULT_PATH") if row[0] == resource]
    if settings.archive.vault.rstrip("/") not in vaults:
        return [
            f"archive.vault: {settings.archive.vault} is not the vault of {resource},"
            f" {' '.join(vaults) or 'which is not there'}"
        ]
    return _own(Path(settings.archive.vault, LANDED)) if _is_on_this_host(site, settings) else []


def _is_on_this_host(site: Site, settings: Settings) -> bool:
    """Whether the vault is; on another server of the zone, its folder cannot be seen from here."""
    rows = site.icommands.query("RESC_NAME", "RESC_LOC")
    return any(
        is_here(host) or host == site.config()["host"] for name, host in rows if name == settings.archive.resource
    )


def _elsewhere(settings: Settings, landing: Path) -> list[str]:
    """Lists branches on another file system: files are taken by a rename, which works only within one."""
    device = landing.stat().st_dev
    branches = [landing / scanner / branch for scanner in settings.scanners for branch in Branch]
    return [
        f"{one}: is on another file system than {landing / INTAKE}, and files are taken by a rename"
        for one in [*branches, landing / INTAKE]
        if one.is_dir() and one.stat().st_dev != device
    ]


def _own(folder: Path) -> list[str]:
    """Says why the folder is not open to this account alone."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return [f"{folder}: is not there"]
    if not stat.S_ISDIR(status.st_mode):
        return [f"{folder}: is not a folder"]
    account = pwd.getpwuid(os.geteuid())
    if status.st_uid != account.pw_uid:
        return [f"{folder}: belongs to user {status.st_uid}; give it to {account.pw_name} (chown)"]
    if status.st_mode & 0o007:
        return [f"{folder}: mode {status.st_mode & 0o7777:o} lets everybody in"]
    if status.st_mode & 0o070 and status.st_gid != account.pw_gid:
        return [
            f"{folder}: mode {status.st_mode & 0o7777:o} lets group {status.st_gid} in, which is not that of"
            f" {account.pw_name}"
        ]
    return []


def _make(folder: Path, mode: int) -> None:
    if not _own(folder):
        return
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Others can write in the landing zone: a link that they put there is not followed.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SetupError(
            f"{folder}: {error.strerror}; it has to be a folder of the account that runs the server"
        ) from error


STEP = Step("folders", differences, make)

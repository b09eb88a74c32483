"""Describes the server that set-up works on: the paths on it and what the administrator chose."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irods_config import install
from irods_config.icommands import ICommands, SetupError, name
from irods_config.tls import TLSFiles
from microservices.settings_file import load_settings
from policy.zone.settings import Settings

LANDING_RESOURCE, ARCHIVE_RESOURCE = "landingResc", "archiveResc"


@dataclass(frozen=True)
class Site:
    """The paths on this server, and what the administrator chose."""

    icommands: ICommands
    etc: Path = Path("/etc/irods")
    pid_file: Path = Path("/run/irods/irods-server.pid")
    place: install.Place = field(default_factory=install.Place)
    source: Path = install.SOURCE
    pip: tuple[str, ...] = ()
    vaults: Path = Path("/var/lib/irods")
    tls_folder: Path = Path("/etc/irods/tls")
    self_signed: bool = False
    scanners: tuple[str, ...] = ()
    landing_folder: Path = Path("/srv/mrdata/landing")
    landing_elsewhere: bool = False
    """`mrdata scan` runs on a host that does not have the vaults."""
    delay_sleep: int = 2
    """Seconds between two looks of the delay server; the sweep cannot come more often."""

    @property
    def config_file(self) -> Path:
        """The server's configuration."""
        return self.etc / "server_config.json"

    @property
    def reload_due(self) -> Path:
        """A file that exists until the server has read the changed configuration."""
        return self.etc / ".mrdata-reload-due"

    @property
    def tls(self) -> TLSFiles:
        """The server's certificate and what belongs to it."""
        return TLSFiles.inside(self.tls_folder)

    def config(self) -> dict[str, Any]:
        """Reads the server's configuration. SetupError if it cannot be read."""
        return json_of(self.config_file)

    def settings(self) -> Settings:
        """Reads the site's settings. SettingsError for a file that MrData does not understand."""
        return load_settings(self.place.settings)

    def vault(self, resource: str) -> Path:
        """Returns where set-up makes the vault of one of its resources."""
        return self.vaults / resource.replace("Resc", "Vault")

    def password_file(self, account: str) -> Path:
        """Returns the file with the password of a service account."""
        return self.etc / "mrdata-accounts" / name(account)

    def service(self) -> ICommands:
        """Returns iCommands that act for the service account of MrData."""
        return self.icommands.acting_as(self.settings().account)


@dataclass(frozen=True)
class Step:
    """One step of the set-up. `differences` is empty if nothing has to be changed."""

    title: str
    differences: Callable[[Site], list[str]]
    apply: Callable[[Site], None]


def json_of(path: Path) -> dict[str, Any]:
    """Reads a JSON object from a file. SetupError if it cannot be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise SetupError(f"{path}: {error}") from error
    return found

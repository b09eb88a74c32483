"""Opens the zone that the command line works on: an embedded zone's folder, or the server of the iRODS environment."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

from microservices.settings_file import load_settings
from policy.zone import Client, ZoneError
from policy.zone.error_kinds import ErrorKind, MrDataError
from policy.zone.settings import Settings

SETTINGS = "/etc/irods/mrdata.yaml"
"""The site's settings beside a server; MRDATA_SETTINGS names another file."""


class NoZone(MrDataError):
    """There is no zone to work on; the message says what to do."""

    kind = ErrorKind.NOT_FOUND


def zone_folder() -> Path | None:
    """The embedded zone's folder that MRDATA_ZONE names; None where the iRODS environment leads to a server."""
    folder = os.environ.get("MRDATA_ZONE", "")
    if folder:
        return embedded(Path(folder))
    environment = os.environ.get("IRODS_ENVIRONMENT_FILE") or str(Path.home() / ".irods/irods_environment.json")
    if not Path(environment).is_file():
        raise NoZone(
            f"MRDATA_ZONE is not set and {environment} is not there: let MRDATA_ZONE name an embedded zone's folder "
            "(`mrdata zone create DIR` makes one), or run iinit for a server"
        )
    return None


def embedded(folder: Path) -> Path:
    """The folder of an embedded zone, which is brought up to date if an earlier MrData made it.

    NoZone where there is none.
    """
    if not (folder / "mrdata.yaml").is_file():
        raise NoZone(f"{folder}: there is no zone in this folder; `mrdata zone create {folder}` makes one")
    from embedded.errors import IrodsError
    from embedded.folder import ZoneFolder
    from mrdata.zones.upgrade import bring_up_to_date

    try:
        ZoneFolder.open(folder).name  # noqa: B018 - whether its catalog is one
    except (FileNotFoundError, IrodsError, sqlite3.Error, TypeError) as error:
        raise NoZone(
            f"{folder / 'catalog.sqlite'}: is not the catalog of a zone; bring it back from a backup, or make a new"
            " zone: `mrdata zone create DIR`"
        ) from error
    if bring_up_to_date(folder):
        print(f"mrdata: {folder}: an earlier MrData made this zone; it is brought up to date now", file=sys.stderr)
    return folder


def settings() -> Settings:
    """The settings of that zone."""
    folder = zone_folder()
    return load_settings(folder / "mrdata.yaml" if folder else os.environ.get("MRDATA_SETTINGS") or SETTINGS)


def connect(user: str, *, timeout: float = 120.0) -> Client:
    """A connection of this user; to a server, of the user of the iRODS environment, which has `timeout` seconds for
    each answer.
    """
    folder = zone_folder()
    if folder:
        from embedded.client.embedded_zone import EmbeddedZone

        return EmbeddedZone(folder, user)
    try:
        from microservices.zones.client_session import open_session
        from microservices.zones.client_zone import IrodsZone
    except ImportError as error:
        raise ZoneError(f"python-irodsclient is not installed here: {error}") from error
    return IrodsZone(open_session(connection_timeout=timeout))

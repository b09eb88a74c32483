"""Opens the zone that the command line works on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from microservices.settings import load_settings
from policy.settings import Settings
from policy.zone import Zone


class NoZone(Exception):
    """There is no zone to work on; the message says what to do."""


class Client(Zone, Protocol):
    """A zone from outside: a user's connection."""

    def put(self, file: str, path: str) -> None:
        """Uploads a local file, as iput does."""

    def close(self) -> None: ...


def zone_folder() -> Path:
    """The embedded zone's folder that MRDATA_ZONE names."""
    folder = os.environ.get("MRDATA_ZONE", "")
    if not folder:
        raise NoZone("MRDATA_ZONE is not set: let it name an embedded zone's folder (`mrdata zone create DIR` makes one)")
    if not (Path(folder) / "mrdata.yaml").is_file():
        raise NoZone(f"MRDATA_ZONE={folder}: there is no zone in this folder; `mrdata zone create {folder}` makes one")
    return Path(folder)


def settings() -> Settings:
    """The settings of that zone."""
    return load_settings(zone_folder() / "mrdata.yaml")


def connect(user: str) -> Client:
    """A connection of this user."""
    from embedded.client import EmbeddedZone

    return EmbeddedZone(zone_folder(), user)

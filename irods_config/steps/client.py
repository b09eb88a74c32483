"""The service account's own iCommands: encrypted, like everybody's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from irods_config import files, server_config, tls
from irods_config.site import Site, Step, json_of


def differences(site: Site) -> list[str]:
    """Entries of irods_environment.json that are not as they should be."""
    return server_config.differences(json_of(_file(site)), _wanted(site), _file(site).name)


def write(site: Site) -> None:
    """Writes it; a copy of the one before stays next to it."""
    wanted = _wanted(site)
    files.keep_copy(_file(site))
    files.write(_file(site), json.dumps(wanted, indent=4) + "\n", 0o600)


def _wanted(site: Site) -> dict[str, Any]:
    return {**json_of(_file(site)), **tls.client_entries(site.tls.authority)}


def _file(site: Site) -> Path:
    return site.icommands.home / ".irods/irods_environment.json"


STEP = Step("the service account's client", differences, write)

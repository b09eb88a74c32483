"""Sets up the service account's own iCommands: encrypted, as for every client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from irods_config import files, server_config, tls
from irods_config.site import Site, Step, json_of


def differences(site: Site) -> list[str]:
    """Lists entries of irods_environment.json that differ from what is needed."""
    return server_config.differences(json_of(_file(site)), _wanted(site), _file(site).name)


def write(site: Site) -> None:
    """Writes irods_environment.json; keeps a copy of the previous one in the same folder."""
    wanted = _wanted(site)
    files.keep_copy(_file(site))
    files.write(_file(site), json.dumps(wanted, indent=4) + "\n", 0o600)


def _wanted(site: Site) -> dict[str, Any]:
    return {**json_of(_file(site)), **tls.client_entries(site.tls.authority)}


def _file(site: Site) -> Path:
    return site.icommands.home / ".irods/irods_environment.json"


STEP = Step("the service account's client", differences, write)

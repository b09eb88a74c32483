"""Changes server_config.json, and lets the server read it again."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from irods_config import files, server_config
from irods_config.icommands import SetupError
from irods_config.site import LANDING_RESOURCE, Site, Step


def differences(site: Site) -> list[str]:
    """Lists each value that is not as MrData needs it."""
    if not site.place.current.exists():
        return ["server_config.json: the rulebase is not installed yet"]
    return server_config.differences(site.config(), _wanted(site))


def write(site: Site) -> None:
    """Writes server_config.json; keeps a copy of the previous one in the same folder."""
    wanted = _wanted(site)
    files.keep_copy(site.config_file)
    site.reload_due.touch()
    files.write(site.config_file, json.dumps(wanted, indent=4) + "\n", 0o600)


def _wanted(site: Site) -> dict[str, Any]:
    points = server_config.enforcement_points(site.place.current / "rulebase/core.py")
    return server_config.wanted(site.config(), points, site.tls, LANDING_RESOURCE, site.delay_sleep)


STEP = Step("server configuration", differences, write)


def reload(site: Site, wait: float = 60.0) -> None:
    """Lets the server read its configuration again (SIGHUP, server/main_server/src/main.cpp).

    SetupError if it does not answer.
    """
    try:
        process = int(site.pid_file.read_text())
        os.kill(process, signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise SetupError(
            "the server's configuration has changed, and no server runs here: start it and call this command again"
        ) from error
    # An invalid configuration leaves the old one in force, so ask for the encrypted connection that only the new one
    # gives.
    end = time.monotonic() + wait
    while time.monotonic() < end:
        time.sleep(1)
        if site.icommands.answers():
            return
    raise SetupError("the server does not answer over TLS after its configuration was changed; its log says why")

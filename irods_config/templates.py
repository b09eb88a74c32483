"""Texts of the files that setting up writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def settings(zone: str, scanners: Sequence[str], landing: Path, resource: str, vault: Path | None) -> str:
    """The first mrdata.yaml.

    JSON texts are YAML texts. `vault`: of the archive resource, None where the landing host does not have it.
    """
    archive = f"archive:\n  vault: {json.dumps(str(vault))}\n" if vault else ""
    return f"""# The site's settings; docs/reference/settings.md explains each.
# Read at each new connection: no restart is needed.
zone: {json.dumps(zone)}
scanners: {json.dumps(list(scanners))}
landing:
  folder: {json.dumps(str(landing))}
  resource: {json.dumps(resource)}
{archive}"""


def native_rules(resource: str) -> str:
    """mrdata.re: what only the native engine is asked reliably, before core.py is known to work.

    Goes before the packaged core.re.
    """
    return f"""# Written by mrdata-setup-zone; the packaged core.re stays as it is.
# Every connection is encrypted: the server's side of the negotiation (server_config.json holds the client's side only).
acPreConnect(*OUT) {{ *OUT="CS_NEG_REQUIRE"; }}
# Where a client names no resource.
acSetRescSchemeForCreate {{ msiSetDefaultResc("{resource}","null"); }}
"""

"""Makes an embedded zone that is ready for work: its settings, its collections, its delay rule."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from embedded.client import EmbeddedZone
from embedded.folder import ZoneFolder
from policy.layout import Branch
from policy.settings import Settings
from policy.zone import ZoneError


def create(folder: Path, *, scanners: Sequence[str], name: str = "tempZone", site: dict[str, Any] | None = None) -> None:
    """Makes the zone in `folder`; `site` are further settings for its mrdata.yaml. FileExistsError where the folder holds something."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: is not empty; give a folder that does not exist yet")
    folder = folder.resolve()
    ZoneFolder.create(folder, name=name)
    settings: dict[str, Any] = {
        "zone": name,
        "scanners": list(scanners),
        "iadmin": [sys.executable, "-m", "embedded.iadmin", str(folder)],
        "landing": {"folder": str(folder / "landing"), "resource": "landingResc"},
        "archive": {"vault": str(folder / "vault" / "archiveResc")},
        "sweep": {"every_seconds": 5, "quiet_seconds": 5, "follow_seconds": 0},  # its delay server runs one rule at a time
    }
    for key, value in (site or {}).items():
        settings[key] = {**settings[key], **value} if isinstance(value, dict) and isinstance(settings.get(key), dict) else value
    text = "# The site's settings; docs/settings.md explains each.\n" + yaml.safe_dump(settings, sort_keys=False)
    (folder / "mrdata.yaml").write_text(text, encoding="utf-8")
    for scanner in scanners:
        for branch in Branch:
            (folder / "landing" / scanner / branch).mkdir(parents=True, exist_ok=True)
    with EmbeddedZone(folder, "mrdata") as zone:
        for rule in ("mrdata_prepare", "mrdata_sweep_every"):
            reply = json.loads(zone.rule(rule, "{}"))
            if "error" in reply:
                raise ZoneError(f"{rule}: {reply['error']}")


def make_users(settings: Settings, *names: str) -> None:
    """Ordinary users; ZoneError where iadmin refuses one."""
    for name in names:
        done = subprocess.run([*settings.iadmin, "mkuser", name, "rodsuser"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ZoneError(f"iadmin mkuser {name}: {(done.stderr or done.stdout).strip()}")

"""Makes an embedded zone that is ready for work: its settings, its folders, its collections, its delay rules."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from embedded.client.embedded_zone import EmbeddedZone
from embedded.engine import delay_queue
from embedded.folder import ZoneFolder, first_settings
from microservices.headers.header_reader import read_header
from microservices.settings_file import load_settings
from policy.ingest import registered_in_place
from policy.schedule.delay_rules import periods
from policy.zone import Condition, ZoneError
from policy.zone.context import Context
from policy.zone.layout import INTAKE, LANDED, Branch
from policy.zone.settings import Settings
from policy.zone.site_names import scanners_fault, zone_fault


def create(
    folder: Path, *, scanners: Sequence[str], name: str = "tempZone", site: dict[str, Any] | None = None
) -> None:
    """Makes the zone in `folder`; what cannot be made whole is removed again.

    `site` are further settings for its mrdata.yaml. FileExistsError where the folder holds something, ZoneError for a
    name that cannot be used.
    """
    if fault := zone_fault(name) or scanners_fault(scanners):
        raise ZoneError(fault)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: is not empty; give a folder that does not exist yet")
    folder, is_new = folder.resolve(), not folder.exists()
    try:
        _make(folder, scanners, name, site or {})
    except BaseException:
        for one in folder.iterdir() if folder.exists() else ():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        if is_new and folder.exists():
            folder.rmdir()
        raise


def _make(folder: Path, scanners: Sequence[str], name: str, site: dict[str, Any]) -> None:
    zone = ZoneFolder.create(folder, name=name)
    settings = {**first_settings(name, folder), "scanners": list(scanners)}
    for key, value in site.items():
        settings[key] = (
            {**settings[key], **value} if isinstance(value, dict) and isinstance(settings.get(key), dict) else value
        )
    text = "# The site's settings; docs/reference/settings.md explains each.\n" + yaml.safe_dump(
        settings, sort_keys=False
    )
    (folder / "mrdata.yaml").write_text(text, encoding="utf-8")
    for scanner in scanners:
        for branch in Branch:
            (folder / "landing" / scanner / branch).mkdir(parents=True, exist_ok=True)
    furnish(folder)
    zone.mark()


def furnish(folder: Path) -> None:
    """Makes what a zone needs beside its catalog, as far as it is not there; takes what lies registered in the mailbox
    into the intake.
    """
    settings = load_settings(folder / "mrdata.yaml")
    for top, name in ((settings.landing.folder, INTAKE), (settings.archive.vault, LANDED)):
        if top and Path(top).is_dir():
            (Path(top) / name).mkdir(exist_ok=True)
            (Path(top) / name).chmod(0o700)
    with EmbeddedZone(folder, settings.account) as zone:
        call(zone, "mrdata_prepare")
        registered_in_place.take_in(Context(zone, settings, read_header))
        schedule(zone, settings)


def schedule(zone: EmbeddedZone, settings: Settings) -> None:
    """Schedules every delay rule that is not, and with another period those whose setting has changed."""
    columns = ["RULE_EXEC_ID", "RULE_EXEC_FREQUENCY"]
    for rule, seconds in periods(settings).items():
        for number, frequency in zone.query(columns, Condition("RULE_EXEC_NAME", "like", f"%{rule}(%")):
            if frequency.split(" ")[0] != f"{seconds}s":
                delay_queue.remove(zone.agent.session.catalog, int(number))
        call(zone, f"{rule}_every")


def call(zone: EmbeddedZone, rule: str) -> None:
    """Calls a rule that takes no request; ZoneError for an error in its answer."""
    reply = json.loads(zone.rule(rule, "{}"))
    if "error" in reply:
        raise ZoneError(f"{rule}: {reply['error']}")


def make_users(settings: Settings, *names: str) -> None:
    """Ordinary users; ZoneError where iadmin refuses one."""
    for name in names:
        done = subprocess.run(
            [*settings.iadmin, "mkuser", name, "rodsuser"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ZoneError(f"iadmin mkuser {name}: {(done.stderr or done.stdout).strip()}")

"""Brings an embedded zone that an earlier MrData made up to what this one makes.

For a zone that is up to date that is a look into a file of two bytes. Each step can be done again: a zone whose upgrade
was interrupted is brought up to date when it is opened next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from embedded.folder import VERSION, ZoneFolder
from policy.zone import ZoneError


def bring_up_to_date(folder: Path) -> bool:
    """Whether there was something to do.

    ZoneError for a zone of a newer MrData, SettingsError and ZoneError where a step fails.
    """
    zone = ZoneFolder(folder)
    if zone.version == VERSION:
        return False
    with _alone(zone.path):
        version = zone.version
        if version > VERSION:
            raise ZoneError(
                f"{folder}: a newer MrData made this zone (version {version}, known here: {VERSION}); upgrade MrData"
            )
        if version < VERSION:
            _upgrade(zone)
            zone.mark()
    return version < VERSION


def _upgrade(zone: ZoneFolder) -> None:
    from mrdata.zones.new_zone import furnish

    text = zone.settings.read_text(encoding="utf-8")
    changed = with_vault(text, _vault(zone))
    if changed != text:
        shutil.copy2(zone.settings, zone.path / "mrdata.yaml.version1")
        new = zone.path / ".mrdata.yaml.new"
        shutil.copy2(zone.settings, new)
        new.write_text(changed, encoding="utf-8")
        os.replace(new, zone.settings)
    furnish(zone.path)


def with_vault(text: str, vault: str) -> str:
    """mrdata.yaml with `archive.vault`, unless it has one.

    Everything else stays, and so do comments where keys stand on lines.
    """
    import yaml

    given: dict[str, Any] = yaml.safe_load(text)
    archive = given.get("archive") or {}
    if not vault or not isinstance(archive, dict) or "vault" in archive:
        return text
    wanted = {**given, "archive": {**archive, "vault": vault}}
    for lines in _with_line(text.splitlines(), yaml.safe_dump({"vault": vault}, width=10_000).rstrip("\n")):
        changed = "\n".join([*lines, ""])
        try:
            if yaml.safe_load(changed) == wanted:
                return changed
        except yaml.YAMLError:
            continue
    return yaml.safe_dump(wanted, sort_keys=False)


def _with_line(lines: list[str], line: str) -> Iterator[list[str]]:
    """The lines with one more below `archive:`, and with a new `archive:` at the end; what they mean then has to be
    compared.
    """
    for number, one in enumerate(lines, start=1):
        if one.split("#")[0].rstrip() == "archive:":
            below = "".join(lines[number : number + 1])
            indent = below[: len(below) - len(below.lstrip())] or "  "
            yield [*lines[:number], indent + line, *lines[number:]]
    yield [*lines, "archive:", f"  {line}"]


def _vault(zone: ZoneFolder) -> str:
    """Of the archive resource, as the catalog has it; empty where there is no such resource."""
    from microservices.settings_file import load_settings

    resource = load_settings(zone.settings).archive.resource
    with closing(zone.catalog()) as catalog:
        row = catalog.one("SELECT resc_def_path FROM R_RESC_MAIN WHERE resc_name = ?", (resource,))
    return str(row[0]) if row else ""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Within the block, no other process brings the zone up to date."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

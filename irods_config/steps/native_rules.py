"""Writes mrdata.re: the rules for the native engine."""

from __future__ import annotations

from pathlib import Path

from irods_config import files, server_config, templates
from irods_config.site import LANDING_RESOURCE, Site, Step


def differences(site: Site) -> list[str]:
    """Says if the file is not what this version of MrData writes."""
    file = _file(site)
    found = file.read_text(encoding="utf-8") if file.exists() else None
    return (
        []
        if found == templates.native_rules(LANDING_RESOURCE)
        else [f"{file}: {'differs' if found else 'is not there'}"]
    )


def write(site: Site) -> None:
    """Writes mrdata.re; keeps a copy of the previous one in the same folder."""
    files.keep_copy(_file(site))
    site.reload_due.touch()
    files.write(_file(site), templates.native_rules(LANDING_RESOURCE), 0o644)


def _file(site: Site) -> Path:
    return site.etc / f"{server_config.NATIVE_RULES}.re"


STEP = Step("native rules", differences, write)

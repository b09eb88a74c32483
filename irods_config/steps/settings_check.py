"""Writes mrdata.yaml once; after that only checks it."""

from __future__ import annotations

from irods_config import files, templates
from irods_config.icommands import SetupError
from irods_config.site import ARCHIVE_RESOURCE, LANDING_RESOURCE, Site, Step


def differences(site: Site) -> list[str]:
    """Says if the file is missing, or names another zone or resources that set-up does not make."""
    file = site.place.settings
    if not file.exists():
        return [f"{file}: is not there"]
    zone = site.config()["zone_name"]
    settings = site.settings()
    faults = [] if settings.zone == zone else [f"{file}: zone is {settings.zone}, the server's is {zone}"]
    ours = (LANDING_RESOURCE, ARCHIVE_RESOURCE)
    used = {"landing.resource": settings.landing.resource, "archive.resource": settings.archive.resource}
    others = {key: resource for key, resource in used.items() if resource not in ours}
    return faults + [f"{file}: {key} is {resource}, not one of {', '.join(ours)}" for key, resource in others.items()]


def write(site: Site) -> None:
    """Writes the first mrdata.yaml. SetupError if one exists: it is the administrator's."""
    if site.place.settings.exists():
        raise SetupError(f"{site.place.settings}: is yours and never overwritten; mend it by hand")
    vault = None if site.landing_elsewhere else site.vault(ARCHIVE_RESOURCE)
    text = templates.settings(site.config()["zone_name"], site.scanners, site.landing_folder, LANDING_RESOURCE, vault)
    files.write(site.place.settings, text, 0o644)


STEP = Step("settings", differences, write)

"""Files that an earlier MrData registered where they landed: they are taken into the intake, where nobody else can
change them.
"""

from __future__ import annotations

from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """How many there are."""
    left = site.service().rule("mrdata_take_in", {"dry_run": True})["left"]
    folder = site.settings().landing.folder
    return [f"{left} files of {folder} are registered where they landed, and others can change them"] if left else []


def take_in(site: Site) -> None:
    """Takes all of them, some hundred at a time."""
    while site.service().rule("mrdata_take_in")["left"]:
        pass


STEP = Step("files of an earlier version", differences, take_in)

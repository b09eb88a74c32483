"""Installs the rulebase for the first time. `mrdata-install` makes later installations."""

from __future__ import annotations

from irods_config import install
from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Says if the server's core.py is not that of the current release."""
    return [] if site.place.is_installed() else [f"{site.place.core}: is not the rulebase of {site.place.current}"]


def make(site: Site) -> None:
    """Installs the rulebase; proves it inside the server too if that has a Python engine already."""
    install.install(site.place, site.source, site.pip, site.icommands if site.icommands.answers() else None)


STEP = Step("rulebase", differences, make)

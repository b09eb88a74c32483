"""The rulebase: its first installation. Later ones are mrdata-install's."""

from __future__ import annotations

from irods_config import install
from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """The server's core.py is not that of the current release."""
    return [] if site.place.is_installed() else [f"{site.place.core}: is not the rulebase of {site.place.current}"]


def make(site: Site) -> None:
    """Installs the rulebase, proved inside the server too where that has a Python engine already."""
    install.install(site.place, site.source, site.pip, site.icommands if site.icommands.answers() else None)


STEP = Step("rulebase", differences, make)

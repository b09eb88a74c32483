"""The collections of the zone, and who may enter them."""

from __future__ import annotations

from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Collections that are not there, access that is missing or should not be there: as the rulebase, which makes them,
    sees it.
    """
    found: list[str] = site.service().rule("mrdata_prepared")["differences"]
    return found


def make(site: Site) -> None:
    """The rulebase makes them, as the service account."""
    site.service().rule("mrdata_prepare")


STEP = Step("collections and permissions", differences, make)

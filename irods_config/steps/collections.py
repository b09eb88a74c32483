"""Makes the collections of the zone, with their permissions."""

from __future__ import annotations

from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Lists missing collections, missing access, and access that should not be there, as the rulebase reports them."""
    found: list[str] = site.service().rule("mrdata_prepared")["differences"]
    return found


def make(site: Site) -> None:
    """Lets the rulebase make them, as the service account."""
    site.service().rule("mrdata_prepare")


STEP = Step("collections and permissions", differences, make)

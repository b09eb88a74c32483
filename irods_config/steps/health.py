"""Checks that the rule mrdata_health answers."""

from __future__ import annotations

from irods_config.icommands import SetupError
from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Lists what the rule says instead of OK."""
    try:
        site.service().rule("mrdata_health")
    except SetupError as error:
        return [str(error)]
    return []


def refuse(site: Site) -> None:
    """Always a SetupError: set-up cannot repair this."""
    raise SetupError("the rule mrdata_health does not answer as it should; the server's log says more")


STEP = Step("health", differences, refuse)

"""Landing, studies and quarantine, and who may enter them."""

from __future__ import annotations

from irods_config.site import Site, Step
from policy import layout


def differences(site: Site) -> list[str]:
    """Collections that are not there."""
    there = {path for (path,) in site.icommands.query("COLL_NAME", where=f"COLL_NAME like '{site.settings().home}%'")}
    return [f"collection {path}: is not there" for path in _collections(site) if path not in there]


def make(site: Site) -> None:
    """The rulebase makes them, as the service account."""
    site.service().rule("mrdata_prepare")


def _collections(site: Site) -> list[str]:
    settings = site.settings()
    landing = [f"{layout.landing(settings)}/{scanner}/{branch}" for scanner in settings.scanners for branch in layout.Branch]
    return [layout.studies(settings), layout.quarantine(settings), layout.landing(settings), *landing]


STEP = Step("collections and permissions", differences, make)

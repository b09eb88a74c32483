"""Every way into the landing collections, as clients go it: (site, path below landing, content) -> None, as the service account."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from embedded import routes
from policy.layout import landing

Way = Callable[[object, str, bytes], None]
_numbers = itertools.count(1)


def _aside(site, content: bytes) -> str:
    """An object outside landing."""
    path = f"{site.home}/aside{next(_numbers)}"
    routes.iput(site.agent(), path, content)
    return path


def _iput(site, path, content):
    routes.iput(site.agent(), path, content)


def _bulk(site, path, content):
    collection, _, name = path.rpartition("/")
    routes.iput_bulk(site.agent(), collection, [(name, content)])


def _prc(site, path, content):
    routes.prc_put(site.agent(), path, content)


def _istream(site, path, content):
    routes.istream(site.agent(), path, content)


def _ireg(site, path, content):
    file = site.folder / "landing" / path.removeprefix(landing(site.settings) + "/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    routes.ireg(site.agent(), file, path, site.settings.landing.resource)


def _imv(site, path, content):
    routes.imv(site.agent(), _aside(site, content), path)


def _imv_collection(site, path, content):
    collection, _, name = path.rpartition("/")
    source = f"{site.home}/collection{next(_numbers)}"
    routes.imkdir(site.agent(), source)
    routes.iput(site.agent(), f"{source}/{name}", content)
    routes.imv(site.agent(), source, f"{collection}/moved")


def _icp(site, path, content):
    routes.icp(site.agent(), _aside(site, content), path)


AT_ONCE: dict[str, Way] = {"iput": _iput, "iput -b": _bulk, "ireg": _ireg, "imv": _imv, "icp": _icp}
"""Placed by the policy enforcement points when the service account goes them."""
BY_SWEEP: dict[str, Way] = {"PRC put": _prc, "istream": _istream, "imv of a collection": _imv_collection}
"""Placed by the sweep: these close an object that a client may still be working on, or fire for the collection only."""
LARGE: dict[str, Way] = {"iput": _iput, "PRC put": _prc, "istream": _istream, "ireg": _ireg}

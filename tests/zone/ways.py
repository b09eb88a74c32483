"""Every way into the landing collections, as clients go it: (site, path below landing, content) -> None, as the acting
user.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.zone.site import Site

Way = Callable[[Site, str, bytes], None]


def _aside(site: Site, content: bytes) -> str:
    """An object outside landing."""
    path = site.aside()
    site.clients.iput(path, content)
    return path


def _bulk(site: Site, path: str, content: bytes) -> None:
    collection, _, name = path.rpartition("/")
    site.clients.iput_bulk(collection, "bulk", {name: content})


def _imv_collection(site: Site, path: str, content: bytes) -> None:
    collection, _, name = path.rpartition("/")
    source = site.aside()
    site.clients.imkdir(source)
    site.clients.iput(f"{source}/{name}", content)
    site.clients.imv(source, f"{collection}/moved")


AT_ONCE: dict[str, Way] = {
    "iput": lambda site, path, content: site.clients.iput(path, content),
    "iput -b": _bulk,
    "irsync": lambda site, path, content: site.clients.irsync(path, content),
    "ireg": lambda site, path, content: site.clients.ireg(path, content),
    "PRC register": lambda site, path, content: site.clients.prc_register(path, content),
    "imv": lambda site, path, content: site.clients.imv(_aside(site, content), path),
    "icp": lambda site, path, content: site.clients.icp(_aside(site, content), path),
}
"""Placed by the policy enforcement points when the service account goes them."""
BY_SWEEP: dict[str, Way] = {
    "PRC put": lambda site, path, content: site.clients.prc_put(path, content),
    "istream": lambda site, path, content: site.clients.istream(path, content),
    "imv of a collection": _imv_collection,
}
"""Placed by the sweep: these close an object that a client may still be working on, or fire for the collection only."""
ADMINISTRATORS = ("ireg", "PRC register")
"""Only administrators register files in place."""
LARGE: dict[str, Way] = {way: {**AT_ONCE, **BY_SWEEP}[way] for way in ("iput", "PRC put", "istream", "ireg", "irsync")}

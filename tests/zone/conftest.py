"""An MrData site for each test: a zone with two scanners, two studies, and people who may do different things."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # tests.zone.names may be imported only when pytest has read its options
    from tests.zone.site import Site


@pytest.fixture(scope="session")
def server(request):
    """The server that `--irods` tests; None where the tests make embedded zones."""
    if not request.config.getoption("--irods"):
        yield None
        return
    from tests.zone.server import Server

    with Server.of_environment() as server:
        yield server


@pytest.fixture
def make_site(tmp_path, server):
    """Makes sites with settings of their own."""
    sites: list[Site] = []

    def make(**site: object) -> Site:
        if server is None:
            from tests.zone.embedded_site import EmbeddedSite

            sites.append(EmbeddedSite(tmp_path / f"zone{len(sites)}", site))
        else:
            from tests.zone.server_site import ServerSite

            sites.append(ServerSite(server, site))
        return sites[-1]

    yield make
    for made in sites:
        made.close()


@pytest.fixture
def open_folder(tmp_path, server) -> Path:
    """A folder of the test's own in which the zone's server reads and writes."""
    if server is None:
        return tmp_path
    folder = Path(tempfile.mkdtemp(prefix="open", dir=server.folder))
    folder.chmod(0o777)
    return folder


@pytest.fixture
def site(make_site) -> Site:
    """A site with the default, strict settings."""
    return make_site()

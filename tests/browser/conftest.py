"""The web pages in headless Chromium: one site for all tests (`--irods`: on the server), one Chromium, a new profile
for each test.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.pages import Pages
from tests.zone.conftest import server  # noqa: F401 - a fixture

SITE = {
    "castellum": {"attributes": {"Handedness": [], "Sport": []}},
    "guard": {"retain_patient_characteristics": True},
    "forms": {"webdav": "https://mri.example.org/dav"},
    "lifecycle": {"settle_seconds": 0.0},
    # longer than the pretend console pauses within a file, on a busy machine too
    "landing": {"quiet_seconds": 0.7, "look_seconds": 0.1},
}
SHOTS = os.environ.get("MRDATA_SCREENSHOTS", "")
"""A folder for a screenshot of each page."""


@pytest.fixture(scope="session")
def chromium():
    """A Chromium of this machine (MRDATA_CHROMIUM names one); the tests are skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    names = [os.environ.get("MRDATA_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium: apt install chromium, or let MRDATA_CHROMIUM name one")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory, server, chromium):  # noqa: F811
    """A site whose steward is one."""
    from tests.zone.names import STEWARD

    if server is None:
        from tests.zone.embedded_site import EmbeddedSite

        made = EmbeddedSite(tmp_path_factory.mktemp("site") / "zone", SITE)
    else:
        from tests.zone.server_site import ServerSite

        made = ServerSite(server, SITE)
    zone = made.connect()
    group, before = made.settings.stewards, set()
    if server is not None:
        before = zone.members(group) or set()
    zone.group(group, {*before, STEWARD})
    yield made
    made.connect().group(group, before)
    made.close()


@dataclass
class Served:
    """The pages, listening. `passwords` are the users' on a server."""

    address: str
    passwords: dict[str, str]


@pytest.fixture(scope="session")
def served(site, server) -> Iterator[Served]:  # noqa: F811
    """The pages as `mrdata serve` shows them."""
    from forms.gateway import EmbeddedGateway, ServerGateway
    from forms.serve import server as listen

    if server is None:
        gateway, passwords = EmbeddedGateway(Path(site.folder)), {}
    else:
        gateway = ServerGateway(site.settings, server.service.environment, server.service.authentication)
        passwords = {name: account.password for name, account in server.accounts.items()}
    listening = listen(gateway, port=0)
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    yield Served(f"http://127.0.0.1:{listening.effective_port}", passwords)
    listening.close()
    thread.join(timeout=10)


@pytest.fixture
def pages(chromium, served) -> Iterator[Pages]:
    """A browser in which nobody is logged in.

    A page that asks for what is not allowed, or whose script fails, fails the test.
    """
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served.address)
    context.set_default_timeout(30_000)
    opened = Pages(context.new_page(), served.address, served.passwords, SHOTS)
    yield opened
    context.close()
    assert not opened.faults, opened.faults

"""An MrData site for each test: a zone with two scanners, two studies, and people who may do different things."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from microservices.settings import load_settings
from mrdata.new_zone import create, make_users
from policy.layout import landing

SCANNERS = ["94T", "3T"]
SITE = {
    "sweep": {"every_seconds": 1, "quiet_seconds": 0, "tries": 2, "retry_seconds": 0},
    "landing": {"quiet_seconds": 0.05, "look_seconds": 0.02, "incomplete_seconds": 0.2},
}


class Site:
    """A zone for tests, with what a site's people do to it."""

    def __init__(self, folder: Path, site: dict) -> None:
        create(folder, scanners=SCANNERS, site={**SITE, **site})
        self.folder = folder
        self.settings = load_settings(folder / "mrdata.yaml")
        self._open = ExitStack()
        self._acting = "mrdata"
        self._clients: dict[str, object] = {}
        self._numbers = itertools.count(1)
        make_users(self.settings, "alice", "bob", "steward")
        self.rule("study", {"study": "pain", "title": "Pain", "members": ["alice"], "subjects": ["P1", "P2"]})
        self.rule("study", {"study": "sleep", "members": ["bob"], "subjects": ["P1"]})

    def connect(self, user: str = "mrdata"):
        """The user's connection, kept open for the test."""
        from embedded.client import EmbeddedZone

        if user not in self._clients:
            self._clients[user] = self._open.enter_context(EmbeddedZone(self.folder, user))
        return self._clients[user]

    def close(self) -> None:
        self._open.close()

    def reconnect(self) -> None:
        """Ends all connections; the next ones start new agents."""
        self._open.close()
        self._clients.clear()

    @property
    def home(self) -> str:
        """The acting user's home collection."""
        return f"/{self.settings.zone}/home/{self._acting}"

    def agent(self):
        """The agent of the acting user's connection, for the routes."""
        return self.connect(self._acting).agent

    @contextmanager
    def acting_as(self, user: str):
        """Routes in the block are this user's."""
        before, self._acting = self._acting, user
        yield
        self._acting = before

    def ask(self, rule: str, request: dict | None = None, user: str = "mrdata") -> dict:
        """The rule's answer, whatever it is."""
        return json.loads(self.connect(user).rule(f"mrdata_{rule}", json.dumps(request or {})))

    def rule(self, rule: str, request: dict | None = None) -> dict:
        """The rule's answer; an error fails the test."""
        reply = self.ask(rule, request)
        assert "error" not in reply, reply["error"]
        return reply

    def register(self, **changes: str) -> str:
        """A new ExperimentID."""
        request = {"study": "pain", "pseudonym": "P1", "owner": "alice", "scanner": "94T", "scan_type": "pilot", **changes}
        return self.rule("register", request)["experiment_id"]

    def land(self, relative: str, content: bytes, user: str = "mrdata") -> str:
        """Writes a file into the landing zone and registers it, as the scanner process does; the path where it is then."""
        file = Path(self.settings.landing.folder) / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        path = f"{landing(self.settings)}/{relative}"
        zone = self.connect(user)
        zone.make_collection(path.rpartition("/")[0])
        return zone.register(str(file), path, self.settings.landing.resource)

    def upload(self, relative: str, content: bytes, user: str = "alice") -> str:
        """Puts a file into the landing collections, as iput does; the path where it was put."""
        file = self.folder / f"upload{next(self._numbers)}"
        file.write_bytes(content)
        path = f"{landing(self.settings)}/{relative}"
        zone = self.connect(user)
        zone.make_collection(path.rpartition("/")[0])
        zone.put(str(file), path)
        return path

    def sweep(self) -> Counter[str]:
        """One run of the sweep."""
        return Counter(self.rule("sweep"))

    def paths(self, below: str = "") -> list[str]:
        """All data objects below a collection of the service account's home."""
        from mrdata.listing import entries

        home = self.settings.home
        return [
            e.path.removeprefix(home + "/")
            for e in entries(self.connect(), f"{home}/{below}".rstrip("/"), recursive=True)
            if not e.is_collection
        ]

    def avus(self, path: str) -> dict[str, str]:
        """AVUs of a path below the service account's home; values of one attribute are joined by `|`."""
        path = path if path.startswith("/") else f"{self.settings.home}/{path}"
        found: dict[str, list[str]] = {}
        for avu in sorted(self.connect().metadata(path)):
            found.setdefault(avu.attribute, []).append(avu.value)
        return {attribute: "|".join(values) for attribute, values in found.items()}

    def verify(self) -> dict:
        """The account of every landed byte."""
        from mrdata.verify import report

        return report(self.connect(), self.settings)


@pytest.fixture
def make_site(tmp_path):
    """Makes sites with settings of their own."""
    sites = []

    def make(**site: object) -> Site:
        sites.append(Site(tmp_path / f"zone{len(sites)}", site))
        return sites[-1]

    yield make
    for made in sites:
        made.close()


@pytest.fixture
def site(make_site) -> Site:
    """A site with the default, strict settings."""
    return make_site()

"""An MrData site for tests: a zone with two scanners, two studies, and people who do things in it."""

from __future__ import annotations

import itertools
import json
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from microservices.headers.header_reader import read_header
from policy.ingest import landed_again, origin
from policy.ingest.origin import Origin
from policy.verification.findings import FAULTS, UNKNOWN
from policy.zone import Client, Condition, Zone
from policy.zone.context import Context
from policy.zone.layout import landing, studies
from policy.zone.settings import Settings
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T3, T94

SCANNERS = [T94, T3]
_ASIDE = itertools.count(1)
"""A server's users keep their homes through a test session."""
SITE = {
    "sweep": {"every_seconds": 1, "quiet_seconds": 0, "tries": 2, "retry_seconds": 0},
    "landing": {"quiet_seconds": 0.05, "look_seconds": 0.02, "incomplete_seconds": 0.2},
    "expanded": {"quiet_seconds": 0.0},
}


class Inside:
    """A zone whose verbs are called elsewhere: `call(verb, arguments, named)`."""

    def __init__(self, call) -> None:
        self._call = call

    def __getattr__(self, verb: str):
        return lambda *arguments, **named: self._call(verb, arguments, named)


class Site(ABC):
    """What tests do with a site, on whatever zone it is."""

    settings: Settings
    folder: Path
    """Of this test alone; the server can read what is in it."""

    def __init__(self) -> None:
        self._acting = "mrdata"
        self._numbers = itertools.count(1)
        self._before: dict | None = None

    def open(self) -> None:
        """Makes the two studies; what was there before does not count for `verify`."""
        self.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
        self.rule("study", {"study": SLEEP, "members": [BOB], "subjects": ["P1"]})
        self._before = self.verify(checksums=False)

    @abstractmethod
    def connect(self, user: str = "mrdata") -> Client:
        """The user's connection, kept open for the test."""

    @abstractmethod
    def new_connection(self, user: str = "mrdata") -> Client:
        """One more connection, which the caller closes."""

    @abstractmethod
    def inside(self) -> Zone:
        """The zone as rules see it, inside the server, as the service account: each verb runs in a rule of its own."""

    @abstractmethod
    def delay_server(self):
        """Within the block, the sweep comes by itself."""

    @abstractmethod
    def unschedule(self, text: str) -> None:
        """Removes the delay rules whose text is like this."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment of a process that works on this zone as the service account."""

    @abstractmethod
    def reconnect(self) -> None:
        """Ends all connections; the next ones start new agents."""

    @abstractmethod
    def close(self) -> None: ...

    @property
    @abstractmethod
    def clients(self):
        """The clients' ways into the zone, as the acting user: `iput(path, content)`, `ireg(file, path)`..."""

    @abstractmethod
    def broken(self, *functions: str):
        """Within the block, these functions of the policies (`policy.ingest.sweep.decide`) fail in every new agent."""

    @abstractmethod
    def killed(self, rule: str, verb: str, when: str) -> None:
        """Calls a rule, whose agent is killed `before`, `within` or `after` its first call of this verb; see
        `tests.zone.dying`.
        """

    def iadmin(self, *arguments: str) -> str:
        """What the administrator's command prints."""
        command = [*self.settings.iadmin, *arguments]
        return subprocess.run(command, env=self.environment(), check=True, capture_output=True, text=True).stdout

    def vault(self, resource: str) -> str:
        """The folder of a resource's files."""
        ((path,),) = self.connect().query(["RESC_VAULT_PATH"], Condition("RESC_NAME", "=", resource))
        return path

    @property
    @abstractmethod
    def settings_file(self) -> Path:
        """mrdata.yaml."""

    @contextmanager
    def broken_settings(self):
        """Within the block, agents cannot read their settings."""
        text = self.settings_file.read_text()
        self.settings_file.write_text("zone: [")
        self.reconnect()
        try:
            yield
        finally:
            self.settings_file.write_text(text)
            self.reconnect()

    @property
    def home(self) -> str:
        """The acting user's home collection."""
        return f"/{self.settings.zone}/home/{self._acting}"

    @contextmanager
    def acting_as(self, user: str):
        """Ways in the block are this user's."""
        before, self._acting = self._acting, user
        try:
            yield
        finally:
            self._acting = before

    def aside(self) -> str:
        """A new path outside landing, in the acting user's home."""
        return f"{self.home}/aside{PAIN}{next(_ASIDE)}"

    def ask(self, rule: str, request: dict | None = None, user: str = "mrdata") -> dict:
        """The rule's answer, whatever it is."""
        return json.loads(self.connect(user).rule(f"mrdata_{rule}", json.dumps(request or {})))

    def rule(self, rule: str, request: dict | None = None) -> dict:
        """The rule's answer; an error fails the test."""
        reply = self.ask(rule, request)
        assert "error" not in reply, reply["error"]
        return reply

    @abstractmethod
    def iquery(self, query: str, user: str = "mrdata") -> list[tuple[str, ...]]:
        """The rows of a GenQuery2 that a client sends as it is."""

    def register(self, **changes: str) -> str:
        """A new ExperimentID."""
        request = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot", **changes}
        return self.rule("register", request)["experiment_id"]

    def land(self, relative: str, content: bytes, user: str = "mrdata") -> str:
        """Writes a file into the landing zone and registers it, as the scanner process does.

        The path where it is then.
        """
        path = f"{landing(self.settings)}/{relative}"
        zone = self.connect(user)
        zone.make_collection(path.rpartition("/")[0])
        return zone.register(str(self.landing_file(relative, content)), path, self.settings.landing.resource)

    def landing_file(self, relative: str, content: bytes) -> Path:
        """A new file of the landing zone."""
        file = Path(self.settings.landing.folder) / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in list(file.parents)[: relative.count("/") + 1]:
            folder.chmod(
                0o777
            )  # a server's account is another than the tests': it takes files, and removes what is erased
        file.write_bytes(content)
        return file

    def upload(self, relative: str, content: bytes, user: str = ALICE) -> str:
        """Puts a file into the landing collections; the path where it was put."""
        file = self.folder / f"upload{next(self._numbers)}"
        file.write_bytes(content)
        path = f"{landing(self.settings)}/{relative}"
        zone = self.connect(user)
        zone.make_collection(path.rpartition("/")[0])
        zone.put(str(file), path)
        return path

    def sweep(self) -> Counter[str]:
        """One run of the sweep."""
        return Counter(self.rule("sweep", {"follow": 0}))

    def paths(self, below: str = "") -> list[str]:
        """This test's data objects below a collection of the service account's home."""
        from mrdata.commands.listing import entries

        home, own = self.settings.home, {*SCANNERS, PAIN, SLEEP}
        found = entries(self.connect(), f"{home}/{below}".rstrip("/"), recursive=True)
        return [
            path
            for e in found
            if not e.is_collection and own & set((path := e.path.removeprefix(home + "/")).split("/"))
        ]

    def avus(self, path: str) -> dict[str, str]:
        """AVUs of a path below the service account's home; values of one attribute are joined by `|`."""
        path = path if path.startswith("/") else f"{self.settings.home}/{path}"
        found: dict[str, list[str]] = {}
        for avu in sorted(self.connect().metadata(path)):
            found.setdefault(avu.attribute, []).append(avu.value)
        return {attribute: "|".join(values) for attribute, values in found.items()}

    def origins(self) -> dict[str, list[Origin]]:
        """Path -> where the objects of the archive came from, those that landed again included."""
        context = Context(self.connect(), self.settings, read_header)
        found = origin.of_all(context, studies(self.settings))
        for path, one in landed_again.everywhere(context):
            found.setdefault(path, []).append(Origin(one.landing_path, one.batch))
        return found

    def quarantine_sessions(self) -> list[dict]:
        """This test's sessions in quarantine."""
        return [s for s in self.rule("quarantine_list")["sessions"] if set(SCANNERS) & set(s["path"].split("/"))]

    def verify(self, *, checksums: bool = True) -> dict:
        """The account of every landed byte, less what there was before the test."""
        from mrdata.verification.verify_report import report

        found = report(self.connect(), self.settings, checksums=checksums)
        return found if self._before is None else _less(found, self._before)


def _less(found: dict, before: dict) -> dict:
    less: dict = {}
    for key, value in found.items():
        if isinstance(value, list):
            less[key] = [entry for entry in value if entry not in before[key]]
        elif isinstance(value, dict):
            less[key] = value if key == "run" else dict(Counter(value) - Counter(before[key]))
        else:
            less[key] = value if isinstance(value, bool | str | float) else value - before[key]
    return {**less, "sound": not any(less[kind] for kind in (*FAULTS, *UNKNOWN))}

"""A site on an embedded zone of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from embedded.client import routes
from embedded.client.embedded_zone import EmbeddedZone, zone_error
from embedded.engine import delay_server
from embedded.errors import IrodsError
from embedded.folder import ZoneFolder
from microservices.settings_file import load_settings
from microservices.zones.server_zone import ServerZone
from mrdata.zones.new_zone import create, make_users
from policy.zone.layout import landing
from tests.zone import dying, template
from tests.zone.names import USERS
from tests.zone.site import SCANNERS, SITE, Inside, Site


class Countdown:
    """How many steps an agent of this process may still take; less than 0: all it wants."""

    def __init__(self) -> None:
        self.left = -1

    @property
    def has_struck(self) -> bool:
        """Whether the agent was killed since the number was set."""
        return self._struck

    @property
    def left(self) -> int:
        return self._left

    @left.setter
    def left(self, steps: int) -> None:
        self._left, self._struck = steps, False

    def counted(self, whole: Callable[..., object]) -> Callable[..., object]:
        """The function as a step."""

        def step(*arguments: object, **named: object) -> object:
            if self._left == 0:
                self._struck = True
                raise dying.Killed
            self._left -= 1
            return whole(*arguments, **named)

        return step


class EmbeddedSite(Site):
    """Made in `folder`; `site` are further settings."""

    def __init__(self, folder: Path, site: dict) -> None:
        super().__init__()
        template.copy(folder, site, lambda draft: self._make(draft, site))
        self._use(folder)
        self._before = self.verify(checksums=False)

    def _make(self, folder: Path, site: dict) -> None:
        create(folder, scanners=SCANNERS, site={**SITE, **site})
        self._use(folder)
        make_users(self.settings, *USERS)
        self.open()
        self.close()

    def _use(self, folder: Path) -> None:
        self.folder = folder
        self.settings = load_settings(self.settings_file)
        self._open = ExitStack()
        self._connections: dict[str, EmbeddedZone] = {}

    @property
    def settings_file(self) -> Path:
        return self.folder / "mrdata.yaml"

    def connect(self, user: str = "mrdata") -> EmbeddedZone:
        if user not in self._connections:
            self._connections[user] = self._open.enter_context(self.new_connection(user))
        return self._connections[user]

    def new_connection(self, user: str = "mrdata") -> EmbeddedZone:
        return EmbeddedZone(self.folder, user)

    def agent(self):
        """The agent of the acting user's connection."""
        return self.connect(self._acting).agent

    def inside(self) -> Inside:
        def call(verb, arguments, named):
            answers, faults = [], []

            def rule(rule_args, callback, rei):
                try:
                    answers.append(getattr(ServerZone(callback, rei, self.settings), verb)(*arguments, **named))
                except Exception as error:  # noqa: BLE001 - raised again below
                    faults.append(error)

            self.connect().agent.run(rule, verb, [])
            if faults:
                raise faults[0]
            return answers[0]

        return Inside(call)

    @contextmanager
    def delay_server(self) -> Iterator[None]:
        end = threading.Event()
        server = threading.Thread(target=delay_server.serve, args=(self.folder, end))
        server.start()
        try:
            yield
        finally:
            end.set()
            server.join()

    def unschedule(self, text: str) -> None:
        with closing(ZoneFolder.open(self.folder).catalog()) as catalog, catalog.writing():
            catalog.run("DELETE FROM R_RULE_EXEC WHERE rule_name LIKE ?", (text,))

    def environment(self) -> dict[str, str]:
        return {**os.environ, "MRDATA_ZONE": str(self.folder)}

    def iquery(self, query: str, user: str = "mrdata") -> list[tuple[str, ...]]:
        try:
            return routes.iquery(self.connect(user).agent, query)
        except IrodsError as error:
            raise zone_error(error) from error

    def reconnect(self) -> None:
        self._open.close()
        self._connections.clear()

    def close(self) -> None:
        self._open.close()

    @property
    def clients(self) -> EmbeddedClients:
        return EmbeddedClients(self, self.connect(self._acting).agent)

    @contextmanager
    def broken(self, *functions: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as failing:
            for function in functions:
                failing.setattr(function, lambda *a: 1 / 0)
            yield

    @contextmanager
    def counted(self, steps: Sequence[tuple[str, str, str]]) -> Iterator[Countdown]:
        """Within the block, agents count what they do of these (module, class or "", function), and die where they are
        told to.
        """
        countdown = Countdown()
        with pytest.MonkeyPatch.context() as patch:
            for where, name in dying.located(steps):
                patch.setattr(where, name, countdown.counted(getattr(where, name)))
            yield countdown

    def killed(self, rule: str, verb: str, when: str) -> None:
        vault = self.vault(self.settings.archive.resource)
        arguments = [str(self.folder), f"mrdata_{rule}", verb, when, vault]
        assert (
            subprocess.run([sys.executable, "-c", dying.IN_PROCESS, *arguments], check=False).returncode
            == -signal.SIGKILL
        )


class EmbeddedClients:
    """The ways in as `embedded.client.routes` goes them."""

    def __init__(self, site: EmbeddedSite, agent) -> None:
        self._site, self._agent = site, agent

    def iput(self, path: str, content: bytes) -> None:
        routes.iput(self._agent, path, content)

    irsync = iput

    def iput_bulk(self, collection: str, folder: str, files: dict[str, bytes]) -> None:
        routes.imkdir(self._agent, f"{collection}/{folder}")
        routes.iput_bulk(self._agent, f"{collection}/{folder}", list(files.items()))

    def prc_put(self, path: str, content: bytes) -> None:
        routes.prc_put(self._agent, path, content)

    def istream(self, path: str, content: bytes) -> None:
        routes.istream(self._agent, path, content)

    def itouch(self, path: str) -> None:
        routes.itouch(self._agent, path)

    def ireg(self, path: str, content: bytes) -> None:
        file = self._site.landing_file(path.removeprefix(landing(self._site.settings) + "/"), content)
        routes.ireg(self._agent, file, path, self._site.settings.landing.resource)

    prc_register = ireg

    def imv(self, source: str, destination: str) -> None:
        routes.imv(self._agent, source, destination)

    def icp(self, source: str, destination: str) -> None:
        routes.icp(self._agent, source, destination)

    def imkdir(self, path: str) -> None:
        routes.imkdir(self._agent, path)

"""A site on a real server: its own studies, scanners and settings for one test; afterwards they are gone."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml
from irods.genquery2 import GenQuery2
from irods.rule import Rule

from microservices.zones import repetition
from microservices.zones.client_zone import IrodsZone
from microservices.zones.client_zone import _errors as errors
from policy.zone import Condition, ZoneError, layout
from policy.zone.settings import settings_from
from tests.zone import dying
from tests.zone.names import PAIN, SLEEP, SUFFIX
from tests.zone.server import SERVICE, Account, Server, erase, replace
from tests.zone.site import SCANNERS, SITE, Inside, Site

BREAK = """

# The tests' own: what they want to fail.
_whole_agent = _agent


def _agent():
    agent = _whole_agent()
    import importlib

    for name in {functions!r}:
        module, _, function = name.rpartition(".")
        setattr(importlib.import_module(module), function, lambda *a: 1 / 0)
    return agent
"""

INSIDE = """
def main(rule_args, callback, rei):
    import base64
    import pickle

    import core

    zone = core._agent().context(callback, rei).zone
    verb, arguments, named = pickle.loads(base64.b64decode(irods_rule_vars["*given"]))
    try:
        answered = getattr(zone, verb)(*arguments, **named), None
    except Exception as error:
        error.__cause__ = error.__context__ = None
        answered = None, error
    callback.writeString("stdout", base64.b64encode(pickle.dumps(answered)).decode())
"""
"""Runs one verb in the server, of the library that is installed there."""


class Countdown:
    """How many steps an agent of the server may still take; less than 0: all it wants."""

    STRUCK = -(10**9)

    def __init__(self, file: Path) -> None:
        self.file = file
        self.left = -1
        file.chmod(0o666)

    @property
    def left(self) -> int:
        return int(self.file.read_text())

    @left.setter
    def left(self, steps: int) -> None:
        self.file.write_text(str(steps))

    @property
    def has_struck(self) -> bool:
        """Whether an agent was killed since the number was set."""
        return self.left <= self.STRUCK


class ServerSite(Site):
    """`site` are settings that go before the server's."""

    def __init__(self, server: Server, site: dict) -> None:
        super().__init__()
        self.server = server
        self.folder = Path(tempfile.mkdtemp(prefix="site", dir=server.folder))
        self.folder.chmod(0o755)
        self._settings_before = self.settings_file.read_bytes()
        settings = yaml.safe_load(self._settings_before)
        settings["scanners"] = SCANNERS
        for given in (SITE, {"landing": {"folder": str(self.folder / "landing")}}, site):
            for key, value in given.items():
                settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
        replace(self.settings_file, yaml.safe_dump(settings, sort_keys=False).encode())
        self.settings = settings_from(settings)
        for scanner in SCANNERS:
            for branch in layout.Branch:
                (self.folder / "landing" / scanner / branch).mkdir(parents=True)
        self._connections: dict[str, IrodsZone] = {}
        self._is_closed = False
        self.rule("prepare")
        self.open()

    @property
    def settings_file(self) -> Path:
        return self.server.settings_file

    def iquery(self, query: str, user: str = SERVICE) -> list[tuple[str, ...]]:
        with errors("ask", query):
            return [tuple(row) for row in GenQuery2(self.connect(user).session).execute(query)]

    def connect(self, user: str = SERVICE) -> IrodsZone:
        if user not in self._connections:
            self._connections[user] = self.new_connection(user)
        return self._connections[user]

    def new_connection(self, user: str = SERVICE) -> IrodsZone:
        return self.server.accounts[user].connect()

    def inside(self) -> Inside:
        def call(verb, arguments, named):
            given = base64.b64encode(pickle.dumps((verb, arguments, named))).decode()
            text, inputs = io.StringIO(INSIDE), {"*given": given}
            rule = Rule(
                self.connect().session, text, params=inputs, output="ruleExecOut", instance_name=repetition.PYTHON
            )
            printed = rule.execute(session_cleanup=False).MsParam_PI[0].inOutStruct.stdoutBuf.buf
            answer, fault = pickle.loads(base64.b64decode(printed.rstrip(b"\0")))
            if fault is not None:
                raise fault
            return answer

        return Inside(call)

    @contextmanager
    def delay_server(self) -> Iterator[None]:
        self.rule("sweep_every")
        try:
            yield
        finally:
            self.unschedule("%mrdata_sweep(%")

    def irule(self, file: Path, **given: str) -> str:
        """What a rule file prints, run by irule."""
        parameters = [f"*{key}={json.dumps(value)}" for key, value in given.items()]
        return self.server.service.run("irule", "-r", repetition.PYTHON, "-F", str(file), *parameters)

    def unschedule(self, text: str) -> None:
        for (number,) in self.connect().query(["RULE_EXEC_ID"], Condition("RULE_EXEC_NAME", "like", text)):
            self.server.service.run("iqdel", number)

    def environment(self) -> dict[str, str]:
        return {**self.server.service.variables, "MRDATA_SETTINGS": str(self.settings_file)}

    def reconnect(self) -> None:
        for zone in self._connections.values():
            zone.close()
        self._connections.clear()

    def broken(self, *functions: str) -> AbstractContextManager[None]:
        return self._altered(BREAK.format(functions=functions))

    def killed(self, rule: str, verb: str, when: str) -> None:
        text = dying.IN_CORE.format(verb=verb, when=when, vault=self.vault(self.settings.archive.resource))
        with self._altered(text), self.new_connection() as zone, pytest.raises(ZoneError, match="server response"):
            zone.rule(f"mrdata_{rule}", "{}")

    @contextmanager
    def counted(self, steps: Sequence[tuple[str, str, str]]) -> Iterator[Countdown]:
        """Within the block, agents count what they do of these (module, class or "", function), and die where they are
        told to.
        """
        countdown = Countdown(self.folder / "steps")
        text = dying.IN_CORE_COUNTED.format(steps=list(steps), counter=str(countdown.file), struck=Countdown.STRUCK)
        with self._altered(text):
            yield countdown

    @contextmanager
    def _altered(self, text: str) -> Iterator[None]:
        """Within the block, core.py has more text."""
        core = self.server.core
        whole, link = core.read_bytes(), os.readlink(core) if core.is_symlink() else None
        here = f"__file__ = {os.path.realpath(core)!r}\n"  # core.py finds its release by it
        replace(core, here.encode() + whole + text.encode())
        self.reconnect()
        try:
            yield
        finally:
            replace(core, whole, link)
            self.reconnect()

    @property
    def clients(self) -> ServerClients:
        return ServerClients(self, self.server.accounts[self._acting])

    def close(self) -> None:
        """Removes what the test made; once."""
        if self._is_closed:
            return
        self._is_closed = True
        self.reconnect()
        replace(self.settings_file, self._settings_before)
        with self.new_connection() as zone:
            for path in self._own(zone):
                erase(zone, path)
            for study in (PAIN, SLEEP):
                if zone.members(layout.study_group(study)) is not None:
                    self.server.service.run("iadmin", "rmgroup", layout.study_group(study))

    def _withdrawn(self, zone: IrodsZone) -> Iterator[str]:
        """What is withdrawn of this test session's studies: its collections have no name of the tests'."""
        below = Condition("COLL_NAME", "like", f"{layout.withdrawn(self.settings)}/%")
        records = zone.query(["COLL_NAME", "DATA_NAME"], below, Condition("DATA_NAME", "like", "record.%"))
        yield from {
            collection for collection, name in records if SUFFIX.encode() in zone.read(f"{collection}/{name}", 0, 4096)
        }

    def _own(self, zone: IrodsZone) -> list[str]:
        """The topmost collections and objects of this test session in the service account's home and trash: all have
        its suffix.
        """
        tops = list(self._withdrawn(zone))
        for home in (self.settings.home, f"/{self.settings.zone}/trash/home/{SERVICE}"):
            named = zone.query(["COLL_PARENT_NAME", "COLL_NAME"], Condition("COLL_NAME", "like", f"{home}/%{SUFFIX}%"))
            tops += [path for parent, path in named if SUFFIX not in parent]
            for where in (Condition("COLL_NAME", "=", home), Condition("COLL_NAME", "like", f"{home}/%")):
                rows = zone.query(["COLL_NAME", "DATA_NAME"], where, Condition("DATA_NAME", "like", f"%{SUFFIX}%"))
                tops += ["/".join(row) for row in rows if SUFFIX not in row[0]]
        return tops


class ServerClients:
    """The ways in with real clients: iCommands and python-irodsclient."""

    _numbers = itertools.count(1)

    def __init__(self, site: ServerSite, account: Account) -> None:
        self._site, self._account = site, account

    def _file(self, content: bytes) -> str:
        file = self._site.folder / f"file{next(self._numbers)}"
        file.write_bytes(content)
        return str(file)

    def iput(self, path: str, content: bytes) -> None:
        self._account.run("iput", self._file(content), path)

    def irsync(self, path: str, content: bytes) -> None:
        self._account.run("irsync", self._file(content), f"i:{path}")

    def iput_bulk(self, collection: str, folder: str, files: dict[str, bytes]) -> None:
        """`iput -b` takes a folder."""
        local = self._site.folder / f"bulk{next(self._numbers)}" / folder
        local.mkdir(parents=True)
        for name, content in files.items():
            (local / name).write_bytes(content)
        self._account.run("iput", "-b", "-r", str(local), collection)

    def prc_put(self, path: str, content: bytes) -> None:
        with self._account.connect() as zone:
            zone.session.data_objects.put(self._file(content), path)

    def istream(self, path: str, content: bytes) -> None:
        self._account.run("istream", "write", path, text=content)

    def itouch(self, path: str) -> None:
        self._account.run("itouch", path)

    def _landing_file(self, path: str, content: bytes) -> str:
        return str(self._site.landing_file(path.removeprefix(layout.landing(self._site.settings) + "/"), content))

    def ireg(self, path: str, content: bytes) -> None:
        self._account.run("ireg", "-R", self._site.settings.landing.resource, self._landing_file(path, content), path)

    def prc_register(self, path: str, content: bytes) -> None:
        with self._account.connect() as zone:
            resource = self._site.settings.landing.resource
            zone.session.data_objects.register(self._landing_file(path, content), path, destRescName=resource)

    def imv(self, source: str, destination: str) -> None:
        self._account.run("imv", source, destination)

    def icp(self, source: str, destination: str) -> None:
        self._account.run("icp", source, destination)

    def imkdir(self, path: str) -> None:
        self._account.run("imkdir", path)

"""The server that `pytest --irods` tests: its accounts, its settings, its delay rules.

The tests run on the server's host, as an account that may write mrdata.yaml and core.py; the iRODS environment is that
of the service account (mrdata). They put everything back as it was.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from irods.exception import CAT_COLLECTION_NOT_EMPTY

from microservices.zones.client_session import environment_file, open_session
from microservices.zones.client_zone import IrodsZone
from policy.zone import Access, Condition
from policy.zone.settings import Settings
from tests.zone.names import SUFFIX, USERS

SERVICE = Settings.account


@dataclass(frozen=True)
class Account:
    """One user's login: an environment file and what iinit keeps."""

    name: str
    environment: Path
    authentication: Path
    password: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """For processes that work as this user."""
        files = {"IRODS_ENVIRONMENT_FILE": str(self.environment), "IRODS_AUTHENTICATION_FILE": str(self.authentication)}
        return {**os.environ, **files}

    def run(self, *command: str, text: bytes = b"") -> str:
        """An iCommand as this user; what it printed. A failure fails the test with what the command said."""
        done = subprocess.run(command, input=text, env=self.variables, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, f"{command}: {done.returncode} {done.stdout.decode()} {done.stderr.decode()}"
        return done.stdout.decode()

    def connect(self) -> IrodsZone:
        """A new connection."""
        return IrodsZone(open_session(self.environment, self.authentication))


@dataclass
class Server:
    """The server, with users of this test session."""

    accounts: dict[str, Account]
    folder: Path
    """The server reads here what tests register in place."""
    settings_file: Path = Path(os.environ.get("MRDATA_SETTINGS") or "/etc/irods/mrdata.yaml")
    core: Path = Path(os.environ.get("MRDATA_CORE") or "/etc/irods/core.py")
    parked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def service(self) -> Account:
        return self.accounts[SERVICE]

    @classmethod
    @contextmanager
    def of_environment(cls) -> Iterator[Server]:
        """The server of the iRODS environment, for one test session."""
        assert SUFFIX, "the tests' names are not their own"
        folder = Path(tempfile.mkdtemp(prefix="mrdata-tests-", dir="/var/tmp"))
        folder.chmod(0o755)
        (folder / "accounts").mkdir(mode=0o700)
        authentication = Path(os.environ.get("IRODS_AUTHENTICATION_FILE") or Path.home() / ".irods/.irodsA")
        service = Account(SERVICE, environment_file(), authentication)
        server = cls({SERVICE: service}, folder)
        try:
            with service.connect() as zone:
                assert zone.whoami().name == SERVICE, (
                    f"the iRODS environment is {zone.whoami().name}'s, not {SERVICE}'s"
                )
            with (
                server._kept(server.settings_file),
                server._kept(server.core),
                server._without_delay_rules(),
                server._users(),
            ):
                yield server
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def _kept(self, file: Path) -> Iterator[None]:
        text, link = file.read_bytes(), os.readlink(file) if file.is_symlink() else None
        try:
            yield
        finally:
            replace(file, text, link)

    @contextmanager
    def _users(self) -> Iterator[None]:
        try:
            for user in USERS:
                self.service.run("iadmin", "mkuser", user, "rodsuser")
                self.accounts[user] = self._account(user)
            yield
        finally:
            for user in USERS:
                with self.service.connect() as zone:
                    for top in (f"/{zone.name}/home/{user}", f"/{zone.name}/trash/home/{user}"):
                        if zone.stat(top) is not None:
                            zone.permit(top, SERVICE, Access.OWN, recursive=True)
                            empty(zone, top)
                self.service.run("iadmin", "rmuser", user)

    def _account(self, user: str) -> Account:
        """Logs the user in with a new password, as people do."""
        password = secrets.token_hex(8)
        self.service.run("iadmin", text=f"moduser {user} password {password}\nquit\n".encode())
        folder = self.folder / "accounts"
        account = Account(user, folder / f"{user}.json", folder / f"{user}.irodsA", password)
        environment = json.loads(self.service.environment.read_text(encoding="utf-8"))
        home = f"/{environment['irods_zone_name']}/home/{user}"
        environment |= {"irods_user_name": user, "irods_home": home, "irods_cwd": home}
        account.environment.write_text(json.dumps(environment), encoding="utf-8")
        account.run("iinit", text=password.encode() + b"\n")
        return account

    @contextmanager
    def _without_delay_rules(self) -> Iterator[None]:
        """Sweeps come when a test asks for one."""
        with self.service.connect() as zone:
            columns = ["RULE_EXEC_ID", "RULE_EXEC_NAME", "RULE_EXEC_FREQUENCY"]
            rows = zone.query(columns, Condition("RULE_EXEC_NAME", "like", "%mrdata_%"))
            for number, _, _ in rows:
                self.service.run("iqdel", number)
            self.parked = [(text, every) for _, text, every in rows]
            time.sleep(6 if rows else 0)  # what runs already ends
            landing = Condition("COLL_NAME", "like", f"/{zone.name}/home/{SERVICE}/landing/%")
            resting = zone.query(["COLL_NAME", "DATA_NAME"], landing)
        try:
            if resting:
                pytest.exit(
                    f"--irods: {len(resting)} objects rest in landing, like {'/'.join(resting[0])}: a sweep would count"
                    " them",
                    3,
                )
            yield
        finally:
            from microservices.zones import client_rule
            from microservices.zones.repetition import PYTHON

            with self.service.connect() as zone:
                for text, every in self.parked:
                    where = f"<INST_NAME>{PYTHON}</INST_NAME><PLUSET>1s</PLUSET><EF>{every}</EF>"
                    client_rule.call(zone.session, "delayExec", where, text, "")


def empty(zone: IrodsZone, top: str) -> None:
    """Removes everything below a collection, whoever owns it."""
    for kind, columns in (("data", ["COLL_NAME", "DATA_NAME"]), ("coll", ["COLL_NAME"])):
        where = Condition("COLL_NAME", "=", top) if kind == "data" else Condition("COLL_PARENT_NAME", "=", top)
        for row in zone.query(columns, where):
            erase(zone, "/".join(row))


def erase(zone: IrodsZone, path: str) -> None:
    """Removes an object or a collection for good, if it is there."""
    found = zone.stat(path)
    if found is None:
        return
    zone.permit(path, SERVICE, Access.OWN, recursive=found.is_collection)
    if found.is_collection:
        try:
            zone.session.collections.remove(path, recurse=True, force=True)
        except (
            CAT_COLLECTION_NOT_EMPTY
        ):  # iRODS stumbles over a name that holds a quote together with || or &&: one by one
            empty(zone, path)
            zone.session.collections.remove(path, recurse=True, force=True)
    else:
        zone.session.data_objects.unlink(path, force=True)


def replace(file: Path, content: bytes, link: str | None = None) -> None:
    """Writes a file (or makes it a symbolic link again) at once: agents start at any moment."""
    new, owner = file.with_name(f"{file.name}.new"), file.stat()
    if link is not None:
        new.symlink_to(link)
    else:
        new.write_bytes(content)
        new.chmod(owner.st_mode & 0o777)  # its own time: Python tells by it whether core.py has changed
    os.chown(new, owner.st_uid, owner.st_gid, follow_symlinks=False)
    new.replace(file)

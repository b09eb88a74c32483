"""Opens connections to a zone for the pages: as the logged-in person, or as the service account.

`ServerGateway` opens TLS connections to an iRODS server; `EmbeddedGateway` opens an embedded zone, whose users have no
passwords.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from policy.zone import Zone, ZoneError
from policy.zone.error_kinds import ErrorKind, MrDataError
from policy.zone.settings import Settings


class LoginRefused(MrDataError):
    """The zone does not know this name with this password."""

    kind = ErrorKind.NOT_PERMITTED


class Connection(Zone, Protocol):
    """A zone that is open until `close`."""

    def close(self) -> None: ...

    def hurry(self, seconds: float) -> None:
        """Limits each further call to this number of seconds; a call that takes longer is given up."""

    def __enter__(self) -> Connection: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Gateway(Protocol):
    """Opens connections. Each is for one thread at a time."""

    @property
    def settings(self) -> Settings: ...

    @property
    def accounts(self) -> list[str]:
        """The users that a person may choose without a password; empty on a server."""

    def open(self, name: str, password: str) -> Connection:
        """Opens a connection as this person.

        LoginRefused for a wrong name or password; ZoneError if the zone does not answer.
        """

    def open_service(self) -> Connection:
        """Opens a connection as the service account."""


class EmbeddedGateway:
    """A zone in a folder, for demonstrations: everybody may choose any user."""

    def __init__(self, folder: Path) -> None:
        from microservices.settings_file import load_settings

        self.folder = folder
        self.settings = load_settings(folder / "mrdata.yaml")

    @property
    def accounts(self) -> list[str]:
        """The zone's users except the administrator of iRODS itself."""
        from embedded.catalog.users import users
        from embedded.folder import ADMIN, ZoneFolder

        catalog = ZoneFolder.open(self.folder).catalog()
        try:
            return [name for name, _ in users(catalog) if name != ADMIN]
        finally:
            catalog.close()

    def open(self, name: str, password: str) -> Connection:
        """Opens a connection as this user; the password does not matter."""
        if name not in self.accounts:
            raise LoginRefused(name)
        return self._open(name)

    def open_service(self) -> Connection:
        """Opens a connection as `mrdata`."""
        return self._open(self.settings.account)

    def _open(self, name: str) -> Connection:
        from embedded.client.embedded_zone import EmbeddedZone

        return EmbeddedZone(self.folder, name)


class ServerGateway:
    """The server that the service account's `irods_environment.json` names; logins go over TLS or not at all."""

    def __init__(self, settings: Settings, environment: Path | None = None, authentication: Path | None = None) -> None:
        from microservices.zones.client_session import environment_file

        self.settings = settings
        self._environment = environment or environment_file()
        self._authentication = authentication

    @property
    def accounts(self) -> list[str]:
        """Empty: everybody gives name and password."""
        return []

    def open(self, name: str, password: str) -> Connection:
        """Opens a connection; iRODS checks name and password by the scheme in the setting `forms.authentication`."""
        from irods.exception import iRODSException

        from microservices.zones.client_session import open_session
        from microservices.zones.client_zone import IrodsZone

        if not password:  # some directories behind PAM take an empty one for an anonymous log-in, and say yes
            raise LoginRefused(name)
        try:
            zone = IrodsZone(open_session(**self._login(name, password)))
        except ZoneError as error:
            if isinstance(error.__cause__, iRODSException):
                raise LoginRefused(name) from error
            raise
        return zone

    def open_service(self) -> Connection:
        """Opens a connection with the password that `iinit` keeps."""
        from microservices.zones.client_session import open_session
        from microservices.zones.client_zone import IrodsZone

        return IrodsZone(open_session(self._environment, self._authentication))

    def _login(self, name: str, password: str) -> dict[str, Any]:
        try:
            given: dict[str, Any] = json.loads(self._environment.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ZoneError(f"{self._environment}: cannot be read: {error}") from error
        for key in ("irods_cwd", "irods_home", "irods_authentication_file"):
            given.pop(key, None)
        return {
            **given,
            "irods_user_name": name,
            "irods_client_server_policy": "CS_NEG_REQUIRE",
            "irods_authentication_scheme": self.settings.forms.authentication,
            "password": password,
        }

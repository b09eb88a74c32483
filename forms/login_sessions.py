"""Who is logged in: each person's own connection to the zone, kept in this process's memory, never on disk.

The browser holds a signed cookie with a random number that means nothing elsewhere. A restart of the pages logs
everybody out.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from forms import request_budget
from forms.gateway import Connection, Gateway
from policy.zone import Zone, ZoneError, account

REQUESTS = 12
"""Requests of one person that are worked on at a time: a browser sends six.

The pages have threads for several people's.
"""
ACTS = 2
"""Acts of one person that are under way at a time: some take long."""


@dataclass(slots=True)
class Login:
    """One person's session. Times are seconds of the monotonic clock."""

    name: str
    connection: Connection
    groups: frozenset[str]
    is_admin: bool
    since: float
    used: float
    lock: threading.RLock = field(default_factory=threading.RLock)
    requests: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(REQUESTS))
    acts: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(ACTS))
    is_over: bool = False

    @contextmanager
    def zone(self) -> Iterator[Connection]:
        """The connection, for one thread at a time. One that broke off is closed; the next use opens it again."""
        with request_budget.turn(self.lock):
            try:
                yield request_budget.within(self.connection)
            except ZoneError as error:
                if broke_off(error):
                    self.connection.close()
                raise
            finally:
                if self.is_over:
                    self.connection.close()

    def close(self) -> None:
        """Ends the connection: at once, or when the request ends that is using it."""
        self.is_over = True
        if self.lock.acquire(blocking=False):
            try:
                self.connection.close()
            finally:
                self.lock.release()


class Logins:
    """All sessions. One ends after `idle` seconds without a request of the person's own, and after `longest` in any
    case.
    """

    def __init__(
        self, gateway: Gateway, *, idle: float, longest: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateway, self._idle, self._longest, self._now = gateway, idle, longest, now
        self._logins: dict[str, Login] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, password: str) -> str:
        """The number of a new session. LoginRefused, ZoneError."""
        connection = self._gateway.open(name, password)
        try:
            user = connection.whoami()
            groups = frozenset(groups_of(connection, user.name))
        except BaseException:
            connection.close()
            raise
        number, now = secrets.token_urlsafe(32), self._now()
        with self._lock:
            self._logins[number] = Login(user.name, connection, groups, user.is_admin, now, now)
        self._tidy()
        return number

    def find(self, number: str, *, touch: bool = True) -> Login | None:
        """The session, unless it has expired. Without `touch` it is looked up by a page that refreshes itself."""
        self._tidy()
        with self._lock:
            login = self._logins.get(number)
            if login and touch:
                login.used = self._now()
            return login

    def end(self, number: str) -> None:
        """Logs out."""
        with self._lock:
            login = self._logins.pop(number, None)
        if login:
            login.close()

    def close(self) -> None:
        """Logs everybody out."""
        for number in list(self._logins):
            self.end(number)

    def _tidy(self) -> None:
        now = self._now()
        with self._lock:
            over = [
                n
                for n, login in self._logins.items()
                if now - login.used > self._idle or now - login.since > self._longest
            ]
        for number in over:
            self.end(number)


class Service:
    """The service account's connections, each for one request at a time: no page waits for another one's to end."""

    def __init__(self, gateway: Gateway, *, most: int = 16) -> None:
        self._gateway = gateway
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    @contextmanager
    def zone(self) -> Iterator[Connection]:
        """A connection. After one broke off, all that rest are closed: they will have, too."""
        with request_budget.turn(self._free):
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._gateway.open_service()
            try:
                yield request_budget.within(connection)
            except ZoneError as error:
                if broke_off(error):
                    connection.close()
                    self.close()
                else:
                    self._rests(connection)
                raise
            except BaseException:
                self._rests(connection)
                raise
            self._rests(connection)

    def _rests(self, connection: Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Ends the connections that rest."""
        with self._lock:
            resting, self._idle = self._idle, []
        for connection in resting:
            connection.close()


def broke_off(error: ZoneError) -> bool:
    """Whether it is the connection that failed: no code of iRODS, but an error of the network behind it."""
    return not error.code and error.__cause__ is not None


def groups_of(zone: Zone, name: str) -> list[str]:
    """The groups that a user is in."""
    return [group for (group,) in zone.query(["USER_GROUP_NAME"], *account.named(name, zone.name)) if group != name]

"""How long a request may take: what asks the zone is given up when its time is over, and says so.

A thread cannot be stopped from outside. So each call of a zone looks at the clock first, and gets no more time than
there is left; what is worked out between two calls takes a time that does not depend on what somebody typed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

from flask import g, has_request_context

from forms.gateway import Connection
from policy.zone import ZoneError


class TooSlow(ZoneError):
    """The time of the request is over."""


def begin(seconds: float) -> None:
    """The time of the current request, from now on."""
    g.until = time.monotonic() + seconds


def left() -> float:
    """Seconds that are left to the current request;

    TooSlow where there are none. An hour where nobody has said how many.
    """
    until = g.get("until") if has_request_context() else None
    seconds = 3600.0 if until is None else until - time.monotonic()
    if seconds <= 0:
        raise TooSlow("the time of the request is over")
    return float(seconds)


@contextmanager
def turn(lock: threading.RLock | threading.Semaphore) -> Iterator[None]:
    """Holds the lock, for which it waits as long as the request may."""
    if not lock.acquire(timeout=left()):
        raise TooSlow("another request took the time of this one")
    try:
        yield
    finally:
        lock.release()


def within(connection: Connection) -> Connection:
    """The connection, each of whose calls ends with the time of the request."""
    return cast(Connection, _Within(connection))


class _Within:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any verb of the zone
        found = getattr(self._connection, name)
        return self._timed(found) if callable(found) else found

    def _timed(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(verb)
        def timed(*arguments: object, **named: object) -> object:
            self._connection.hurry(left())
            try:
                return verb(*arguments, **named)
            except ZoneError:
                left()  # TooSlow, where that is why
                raise

        return timed

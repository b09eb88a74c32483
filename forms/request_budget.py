"""Limits the time of a request: calls of the zone are given up when the time is over, and the page says so.

A thread cannot be stopped from outside. So each call of a zone first looks at the clock, and gets only the time that is
left. The time of the work between two calls does not depend on what a user typed.
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
    """Sets the time that the current request has from now on."""
    g.until = time.monotonic() + seconds


def left() -> float:
    """Returns the seconds that the current request has left; an hour without a limit.

    TooSlow if none are left.
    """
    until = g.get("until") if has_request_context() else None
    seconds = 3600.0 if until is None else until - time.monotonic()
    if seconds <= 0:
        raise TooSlow("the time of the request is over")
    return float(seconds)


@contextmanager
def turn(lock: threading.RLock | threading.Semaphore) -> Iterator[None]:
    """Holds the lock; waits for it at most for the time of the request."""
    if not lock.acquire(timeout=left()):
        raise TooSlow("another request took the time of this one")
    try:
        yield
    finally:
        lock.release()


def within(connection: Connection) -> Connection:
    """Wraps the connection: each of its calls ends with the time of the request."""
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

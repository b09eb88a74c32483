"""How often somebody may try: against guessing passwords."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

from forms.gateway import LoginRefused


class Limit:
    """At most `failures` for one key within `seconds`. Kept in memory, for at most `keys` keys."""

    def __init__(
        self, failures: int, seconds: float, *, keys: int = 10_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures, self.seconds, self.keys = failures, seconds, keys
        self._now = now
        self._failed: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again; 0 if it may now."""
        with self._lock:
            failed = self._recent(key)
            return (
                max(0.0, failed[-self.failures] + self.seconds - self._now()) if len(failed) >= self.failures else 0.0
            )

    def failed(self, key: str) -> None:
        """Counts a failure."""
        with self._lock:
            recent = self._recent(key)
            self._failed.pop(key, None)  # the last one to fail is the last one to be forgotten
            self._failed[key] = [*recent, self._now()]
            while len(self._failed) > self.keys:
                del self._failed[next(iter(self._failed))]

    def take_back(self, key: str) -> None:
        """Forgets the last failure: it was none."""
        with self._lock:
            if recent := self._recent(key)[:-1]:
                self._failed[key] = recent
            else:
                self._failed.pop(key, None)

    def _recent(self, key: str) -> list[float]:
        since = self._now() - self.seconds
        return [at for at in self._failed.get(key, []) if at > since]


class LogIns:
    """Who may try to log in: five wrong passwords for a name from one address wait, and twenty from an address for any
    names.

    Fifty for a name from anywhere make it wait only where it has not been logged in from: nobody can lock others out
    from elsewhere.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, keys: int = 10_000) -> None:
        self.by_both, self.by_address, self.by_name = (
            Limit(failures, 300.0, now=now, keys=keys) for failures in (5, 20, 50)
        )
        self._keys = keys
        self._known: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()

    def wait(self, name: str, address: str) -> float:
        """Seconds until this name may be tried from this address; 0 if it may now."""
        place = network(address)
        with self._lock:
            is_known = (name, place) in self._known
        return max(
            self.by_both.wait(f"{name}\n{place}"),
            self.by_address.wait(place),
            0.0 if is_known else self.by_name.wait(name),
        )

    @contextmanager
    def tried(self, name: str, address: str) -> Iterator[None]:
        """Around a try, which counts from its beginning: many at once are as many.

        In the end it counts if it raised `LoginRefused`.
        """
        place = network(address)
        counts = ((self.by_both, f"{name}\n{place}"), (self.by_address, place), (self.by_name, name))
        for limit, key in counts:
            limit.failed(key)
        try:
            yield
            self._remember((name, place))
        except LoginRefused:
            raise
        except BaseException:
            for limit, key in counts:
                limit.take_back(key)
            raise
        for limit, key in counts:
            limit.take_back(key)

    def _remember(self, known: tuple[str, str]) -> None:
        with self._lock:
            self._known.pop(known, None)
            self._known[known] = None
            while len(self._known) > self._keys:
                del self._known[next(iter(self._known))]


def network(address: str) -> str:
    """What counts as one address: of IPv6 the /64, of which a host has as many addresses as it likes.

    >>> network("192.0.2.7"), network("2001:db8::1:2"), network("2001:db8::ffff:0:0:1") == network("2001:db8::1"), network("x")
    ('192.0.2.7', '2001:db8::/64', True, 'x')
    """  # noqa: E501
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)

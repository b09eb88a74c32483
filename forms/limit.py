"""How often somebody may try: against guessing passwords."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Limit:
    """At most `failures` for one key within `seconds`. Kept in memory, for at most `keys` keys."""

    def __init__(self, failures: int, seconds: float, *, keys: int = 10_000, now: Callable[[], float] = time.monotonic) -> None:
        self.failures, self.seconds, self.keys = failures, seconds, keys
        self._now = now
        self._failed: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again; 0 if it may now."""
        with self._lock:
            failed = self._recent(key)
            return max(0.0, failed[-self.failures] + self.seconds - self._now()) if len(failed) >= self.failures else 0.0

    def failed(self, key: str) -> None:
        """Counts a failure."""
        with self._lock:
            recent = self._recent(key)
            self._failed.pop(key, None)  # the last one to fail is the last one to be forgotten
            self._failed[key] = [*recent, self._now()]
            while len(self._failed) > self.keys:
                del self._failed[next(iter(self._failed))]

    def _recent(self, key: str) -> list[float]:
        since = self._now() - self.seconds
        return [at for at in self._failed.get(key, []) if at > since]

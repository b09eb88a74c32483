"""Keeps connections to the zone: one for each thread, opened again after it is lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from landing.names import said
from policy.zone import Client, Zone, ZoneError
from policy.zone.settings import Settings

LONGEST_PAUSE = 300.0
"""Seconds: pauses between two tries double up to this."""


class Connections:
    """Opens connections, and counts how often in a row the zone did not answer."""

    def __init__(self, zones: Callable[[], Client], retry_seconds: float) -> None:
        self._zones = zones
        self._retry = retry_seconds
        self._mine = threading.local()
        self._generation = 0
        self._due = 0.0
        self._lock = threading.Lock()
        self.losses = 0
        self.error = ""
        """Why the zone does not answer; empty when it does."""

    def get(self) -> Client:
        """This thread's connection.

        ZoneError or OSError when the zone cannot be reached, or is not to be asked yet after it was lost.
        """
        if self.error and time.monotonic() < self._due:
            raise ZoneError(self.error)
        generation = self._generation
        if getattr(self._mine, "generation", None) != generation or self._mine.zone is None:
            self._mine.generation, self._mine.zone = generation, None
            self._mine.zone = self._zones()
        zone: Client = self._mine.zone
        return zone

    def lose(self, error: Exception) -> bool:
        """No connection is used again. Whether that is news: several threads may find out at once."""
        with self._lock:
            if getattr(self._mine, "generation", None) != self._generation:
                return False
            self._generation += 1
            self.losses += 1
            self.error = said(error)
            self._due = time.monotonic() + self.pause
            return True

    def find(self) -> bool:
        """Notes that the zone answers; whether it did not answer before."""
        with self._lock:
            news, self.losses, self.error = bool(self.error), 0, ""
        return news

    @property
    def pause(self) -> float:
        """Seconds to wait before the next try; 0 when the zone answers."""
        return min(LONGEST_PAUSE, self._retry * 2.0 ** (self.losses - 1)) if self.losses else 0.0


def answers(zone: Zone, settings: Settings) -> bool:
    """Whether the zone can be reached: a fault may lie in one file or in the connection."""
    try:
        zone.stat(settings.home)
    except (ZoneError, OSError):
        return False
    return True


def call(zone: Zone, settings: Settings, rule: str, **request: object) -> dict[str, Any]:
    """A rule's answer; what a zone that answers refuses is its `error`.

    Raises ZoneError where the zone does not answer.
    """
    try:
        reply: dict[str, Any] = json.loads(zone.rule(rule, json.dumps(request)))
    except ZoneError as error:
        if not answers(zone, settings):
            raise
        return {"error": str(error)}
    return reply

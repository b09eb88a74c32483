"""Connections to the zone: each thread has its own, and opens another when it was lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from policy.settings import Settings
from policy.zone import Client, Zone, ZoneError

LONGEST_PAUSE = 300.0
"""Seconds: pauses between two tries double up to this."""


class Connections:
    """Opens connections, and counts how often in a row the zone did not answer."""

    def __init__(self, zones: Callable[[], Client], retry_seconds: float) -> None:
        self._zones = zones
        self._retry = retry_seconds
        self._mine = threading.local()
        self._generation = 0
        self.losses = 0
        self.error = ""
        """Why the zone does not answer; empty when it does."""

    def get(self) -> Client:
        """This thread's connection. ZoneError or OSError when the zone cannot be reached."""
        if getattr(self._mine, "generation", None) != self._generation:
            self._mine.zone = self._zones()
            self._mine.generation = self._generation
        zone: Client = self._mine.zone
        return zone

    def lose(self, error: str) -> None:
        """No connection is used again."""
        self._generation += 1
        self.losses += 1
        self.error = error or "no answer"

    def find(self) -> bool:
        """The zone answers; whether that is news."""
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
    """A rule's answer; what a zone that answers refuses is its `error`. Raises ZoneError where the zone does not answer."""
    try:
        reply: dict[str, Any] = json.loads(zone.rule(rule, json.dumps(request)))
    except ZoneError as error:
        if not answers(zone, settings):
            raise
        return {"error": str(error)}
    return reply

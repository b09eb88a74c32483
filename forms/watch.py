"""One look at the zone for all who watch the board, the health address and the metrics."""

from __future__ import annotations

import threading
import time

from forms.login import Service
from microservices.headers import read_header
from policy import lookout
from policy.board import Board
from policy.context import Context, Memory
from policy.settings import Settings

SECONDS = 4.0
"""A look is shown for so long before the zone is asked again."""


class Watch:
    """The last look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory = Memory()
        self._board: Board | None = None
        self._until = 0.0

    def look(self, service: Service, settings: Settings) -> Board:
        """A look that is a few seconds old at most; one request asks the zone, others wait for it. ZoneError, OSError."""
        with self._lock:
            if self._board is None or time.monotonic() > self._until:
                self._board = None
                with service.zone() as zone:
                    self._board = lookout.look(Context(zone, settings, read_header, self._memory))
                self._until = time.monotonic() + SECONDS
            return self._board

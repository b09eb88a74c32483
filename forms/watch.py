"""Looks at the zone once for all viewers of the board, the health address and the metrics."""

from __future__ import annotations

import threading
import time

from forms import request_budget
from forms.login_sessions import Service
from microservices.headers.header_reader import read_header
from policy.views import board_data
from policy.views.board import Board
from policy.zone.context import Context, Memory
from policy.zone.settings import Settings

SECONDS = 4.0
"""Seconds for which a look is shown before the zone is asked again."""


class Watch:
    """The last look."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._memory = Memory()
        self._last: tuple[Board | None, float] = (None, 0.0)
        """The last look, and until when it is shown."""

    def look(self, service: Service, settings: Settings) -> Board:
        """Returns a look that is at most a few seconds old. One request asks the zone; others wait for it.

        ZoneError, OSError.
        """
        board, until = self._last
        if board is not None and time.monotonic() <= until:
            return board
        with request_budget.turn(self._lock):
            board, until = self._last
            if board is None or time.monotonic() > until:
                self._last = None, 0.0
                with service.zone() as zone:
                    board = board_data.look(Context(zone, settings, read_header, self._memory))
                self._last = board, time.monotonic() + SECONDS
            return board

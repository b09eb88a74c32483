"""Tells the zone how the landing host stands, for the operator's board (`policy.records.status_report`)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from landing.connections import Connections
from landing.names import said
from landing.progress import Progress, Summary
from policy.records import status_report
from policy.zone import ZoneError
from policy.zone.settings import Settings


class Beat:
    """At most every `board.beat_seconds`."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._due = 0.0
        self._error = ""

    def tell(self, zones: Connections, files: Mapping[str, int], summary: Summary) -> None:
        """`files`: how many wait of each scanner.

        If the report cannot reach the zone, this is logged once and changes nothing else.
        """
        if time.monotonic() < self._due or zones.error:
            return
        self._due = time.monotonic() + self._settings.board.beat_seconds
        what = {
            "time": time.time(),
            "files": dict(files),
            "refused": dict(summary.refused),
            "alarms": summary.alarms,
            "failed": summary.failed,
        }
        try:
            status_report.tell(zones.get(), self._settings, "landing", what)
        except (ZoneError, OSError) as error:
            if said(error) != self._error:
                self._progress.report(
                    f"the operator's board could not be told how the landing zone stands: {said(error)}", alarm=False
                )
            self._error = said(error)
        else:
            self._error = ""

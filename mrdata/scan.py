"""`mrdata scan`: the scanner process of the landing host."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path

from landing import scanner
from landing.progress import Summary, progress_to
from mrdata.connect import connect, settings


def scan(landing_zone: Path | None, *, once: bool, user: str) -> Summary:
    """Registers what is complete; with `once`, leaves then, else when it is asked to stop (SIGINT, SIGTERM)."""
    site = settings()
    if landing_zone is not None:
        site = replace(site, landing=replace(site.landing, folder=str(landing_zone.resolve())))
    if once:
        return scanner.run_once(site, lambda: connect(user), progress_to(scanners=site.scanners))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return scanner.watch(site, lambda: connect(user), progress_to(scanners=site.scanners), stop)

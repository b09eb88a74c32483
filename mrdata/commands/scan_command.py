"""`mrdata scan`: the scanner process of the landing host."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path

from landing import scanner
from landing.intake_retention import DAY, retention
from landing.progress import Progress, Summary, progress_to
from mrdata.commands.zone_connection import connect, settings, zone_folder
from policy.zone import ZoneError
from policy.zone.log import error_text
from policy.zone.settings import Settings

FIRST_RETENTION = 600.0
"""Seconds after the start; then once a day."""


def scan(landing_zone: Path | None, *, once: bool, user: str) -> Summary:
    """Registers what is complete; with `once`, leaves then, else when it is asked to stop (SIGINT, SIGTERM)."""
    site = settings()
    if landing_zone is not None:
        site = replace(site, landing=replace(site.landing, folder=str(landing_zone.resolve())))
    workers = 1 if zone_folder() else site.landing.connections  # an embedded zone has one catalog file for all
    if once:
        return scanner.run_once(site, lambda: connect(user), progress_to(scanners=site.scanners), workers=workers)
    stop, progress = threading.Event(), progress_to(scanners=site.scanners)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # It ends with the process, wherever it is: each of its removals can be broken off.
    threading.Thread(target=_keep, args=(site, user, progress, stop), daemon=True).start()
    return scanner.watch(site, lambda: connect(user), progress, stop, workers=workers)


def _keep(site: Settings, user: str, progress: Progress, stop: threading.Event) -> None:
    """Removes from the intake, once a day, what the archive has had for long."""
    pause = FIRST_RETENTION
    while not stop.wait(pause):
        pause = DAY
        try:
            zone = connect(user)
            try:
                done = retention(zone, site, site.landing.keep_days)
            finally:
                zone.close()
        except (ZoneError, OSError) as error:
            progress.report(f"the intake could not be looked through: {error_text(error)}", alarm=False)
            continue
        if done.removed:
            progress.report(
                f"{done.removed} files that the archive has had for long were removed from the intake", alarm=False
            )
        if not done.is_well:
            progress.report("files of the intake need a person: `mrdata tidy --dry-run` names them", alarm=True)

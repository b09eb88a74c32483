"""Takes and registers a file that another program's scanner found: one file (or its tree) in one call, without state
between calls.

Many processes may do this at once, on several hosts that mount the landing zone. The rules are those of
`landing.scanner`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from landing import exchange
from landing.connections import Connections
from landing.landing_errors import NotYet
from landing.mailbox import Ready, has_end, longest, trees_of, why_not
from landing.names import ADVICE, Reason, counted, is_leftover, is_temporary, place, told
from landing.signature import Signature
from landing.tree import tree_of
from landing.work import Worker, chunks
from microservices.settings_file import load_settings
from policy.zone import Client, layout
from policy.zone.settings import Settings

ABANDONED_SECONDS = 10.0
"""Between two looks for what processes that are gone have left."""
_GONE = "taken already"


@dataclass(slots=True)
class _Told:
    """Remembers where the last file went, and why not."""

    path: str = _GONE
    message: str = ""

    def looked(self, ready: int, waiting: int) -> None: ...

    def already(self, files: int) -> None: ...

    def close(self) -> None: ...

    def registered(self, file: str, path: str, size: int) -> None:
        self.path = path

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        self.message = message


class Single:
    """`zones` opens a connection; it is kept, and opened again when it was lost. For processes, not for threads."""

    def __init__(self, settings: Settings, zones: Callable[[], Client]) -> None:
        self._settings = settings
        self._folder = os.path.abspath(settings.landing.folder)
        self._told = _Told()
        self._worker = Worker(settings, Connections(zones, 0.0), self._told, 0.0, of_tasks=True)
        self._trees = trees_of(settings)
        self._next_abandoned = 0.0
        self._worker.intake.check()
        self._worker.vault.check()

    def take(self, file: str, size: int, mtime: float) -> str:
        """Takes and registers the file that a scan saw with this size (bytes) and mtime (seconds since 1970); where it
        is then.

        NotYet where it is not registered when this returns; what was taken is gone on with by a later call, of any
        process.
        """
        clock = self._clock()
        if time.monotonic() >= self._next_abandoned:
            self._next_abandoned = time.monotonic() + ABANDONED_SECONDS
            self._take_over(clock)
        relative = self._relative(file)
        tree = tree_of(relative)
        if tree:
            if is_leftover(os.path.basename(relative)):
                raise self._refused(relative, Reason.TEMPORARY)
            if not self._trees.released(tree, clock):
                raise NotYet(f"{self._place(relative)}: waits for the rest of its tree")
            ready = Ready(tree, None)
        else:
            ready = Ready(relative, self._complete(relative, size, mtime, clock))
        self._told.path, self._told.message = _GONE, ""
        try:
            self._worker.take(ready)
        except NotYet as error:
            raise self._refused(ready.relative, Reason.NOT_OURS, str(error)) from error
        self._run()
        if reports := self._worker.intake.reports:
            message = "; ".join(f"{self._place(file)}: {what}" for file, what in reports)
            self._worker.intake.reports = []
            raise NotYet(message)
        return self._told.path

    def _take_over(self, clock: int) -> None:
        try:
            self._worker.take_over(clock)
        except OSError as error:
            raise NotYet(f"{self._worker.intake.folder}: {told(error)}") from error
        self._run()

    def _clock(self) -> int:
        try:
            return self._worker.intake.clock()
        except OSError as error:
            raise NotYet(f"the landing folder: {told(error)}") from error

    def _run(self) -> None:
        """Works on what was taken. NotYet where something is not registered then: it is left to a later call."""
        for chunk in chunks(self._worker.due()):
            self._worker.run(chunk)
        self._worker.keep_volume()
        self._worker.intake.batches.finish()
        if left := self._worker.open():
            self._worker.abandon()
            raise NotYet(self._told.message or f"{counted(len(left), 'file')} of the intake cannot be registered now")

    def _relative(self, file: str) -> str:
        """The path below the landing folder; NotYet when it is not in a scanner's folder, or has a temporary name."""
        real = os.path.realpath(self._folder)
        relative = file.removeprefix(f"{real}/" if file.startswith(f"{real}/") else f"{self._folder}/")
        parts = relative.split("/")
        is_known = not self._settings.scanners or parts[0] in self._settings.scanners
        if layout.landed(self._settings, f"{layout.landing(self._settings)}/{relative}") is None or not is_known:
            raise self._refused(relative, Reason.PLACE)
        if any(is_temporary(part) for part in (parts[:3] if tree_of(relative) else parts)):
            raise self._refused(relative, Reason.TEMPORARY)
        return relative

    def _complete(self, relative: str, size: int, mtime: float, clock: int) -> Signature:
        """What is seen of it, when it is a file, the same as at the scan, and unchanged for long enough by the file
        server's clock.
        """
        try:
            above, name = os.path.split(relative)
            with exchange.opened(self._folder, above) as folder:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if reason := why_not(relative, status, longest(self._settings)):
                raise self._refused(relative, reason)
            still = (clock - status.st_ctime_ns) / 1e9
            is_same = status.st_size == size and abs(status.st_mtime - mtime) < 1e-3
            if not is_same or still < self._settings.landing.quiet_seconds:
                quiet = f"{self._settings.landing.quiet_seconds:g} s"
                raise NotYet(f"{self._place(relative)}: still changing, or changed within {quiet}")
            if still < self._settings.landing.incomplete_seconds and not has_end(self._folder, relative):
                raise NotYet(f"{self._place(relative)}: waits for its end")
        except FileNotFoundError as error:
            raise NotYet(f"{self._place(relative)}: is gone, or taken already") from error
        except NotADirectoryError as error:
            raise self._refused(relative, Reason.SYMLINK, "a folder above it") from error
        except OSError as error:
            raise self._refused(relative, Reason.UNREADABLE, told(error)) from error
        return Signature.of(status)

    def _refused(self, relative: str, reason: Reason, detail: str = "") -> NotYet:
        return NotYet(f"{self._place(relative)}: {reason}{f' ({detail})' if detail else ''}; {ADVICE[reason]}")

    def _place(self, relative: str) -> str:
        """What is said of a file: workers log it."""
        return place(relative, self._settings.scanners)


@cache
def here() -> Single:
    """This process's, over the settings that MRDATA_SETTINGS names and the iRODS login of this account.

    SettingsError.
    """
    from microservices.zones.client_session import open_session
    from microservices.zones.client_zone import IrodsZone

    settings = load_settings(os.environ.get("MRDATA_SETTINGS", "/etc/irods/mrdata.yaml"))
    return Single(settings, lambda: IrodsZone(open_session()))

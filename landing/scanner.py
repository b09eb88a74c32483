"""The scanner: takes what is complete out of the landing zone, makes it MrData's own, and registers it, again and
again.

Nothing is remembered on disk but the files themselves: where a file is tells how far it is. Several scanners, on
several hosts, may work side by side.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from landing.beat import Beat
from landing.connections import Connections
from landing.landing_errors import LandingError, NotYet
from landing.mailbox import QUIET, STALE_SECONDS, TREE, Look, Mailbox, Ready
from landing.names import ADVICE, Reason, told
from landing.progress import Progress, Summary
from landing.work import Work, Worker, chunks
from policy.zone import Client
from policy.zone.settings import Settings

RETRY_SECONDS = 2.0
"""Wait before a failed file, or a lost zone, is tried again; doubled each time."""
TRIES = 4
"""How often a single run tries a file, or a lost zone, before it gives up."""
REST = 3.0
"""Pause between two looks, as a multiple of the first look's duration: the file server serves other clients too."""
SLICE = 1.0
"""Seconds for which files are registered, at least, before new ones are looked for."""
ABANDONED_SECONDS = 10.0
"""Seconds between two looks for batches of processes that are gone."""
_PATIENCE = 10.0
"""A single run waits at most this multiple of `landing.quiet_seconds` for finished trees to stop changing."""
_CHANGES = 3
"""Changes that a single run sees in a file before it takes it for one that is still being written, and does not wait
for it.
"""
_TEMPORARY, _TURN = "a final name", "its registration"
"""What files wait for."""


class Scanner:
    """One landing zone.

    `zones` opens a connection: for each of `workers` threads one, and a new one when it is lost.
    """

    def __init__(
        self,
        settings: Settings,
        zones: Callable[[], Client],
        progress: Progress,
        *,
        workers: int = 1,
        retry_seconds: float = RETRY_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._settings = settings
        self._mailbox = Mailbox(settings, stale_seconds=stale_seconds)
        self._zones = Connections(zones, retry_seconds)
        self._worker = Worker(settings, self._zones, progress, retry_seconds)
        self._intake = self._worker.intake
        self._progress = progress
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._slow: ThreadPoolExecutor | None = None
        self._running: set[Future[None]] = set()
        self._look = Look()
        self._problems: dict[str, Reason] = {}
        self._alarms = 0
        self._began = 0.0
        self._next_abandoned = 0.0
        self._looked = 0.0

    def run_once(self, stop: threading.Event | None = None) -> Summary:
        """Registers all files that are there and complete, then ends. Files that are still being written are counted.

        LandingError if the landing folder does not exist or cannot be used.
        """
        stop = stop or threading.Event()
        pause = max(0.01, min(self._settings.landing.look_seconds, self._settings.landing.quiet_seconds))
        self._begin()
        try:
            self._cycle()
            while not stop.is_set() and self._holds():
                stop.wait(max(pause, self._zones.pause))
                self._cycle()
        finally:
            self._end()
        return self.summary()

    def watch(self, stop: threading.Event) -> Summary:
        """Registers files when they become complete, until `stop` is set. Waits while zone or landing zone are away."""
        beat = Beat(self._settings, self._progress)
        self._begin()
        try:
            while not stop.is_set():
                self._cycle()
                beat.tell(self._zones, self._files(), self.summary())
                rest = max(self._settings.landing.look_seconds, REST * self._mailbox.took)
                stop.wait(max(0.0, rest - (time.monotonic() - self._looked), self._zones.pause))
        finally:
            self._end()
        return self.summary()

    def summary(self) -> Summary:
        """How things stand."""
        waiting: Counter[str] = Counter(
            one.note for path, one in self._mailbox.pending.items() if path not in self._problems
        )
        waiting.update({TREE: self._look.trees, _TEMPORARY: self._look.temporary})
        failed = 0
        for work in self._worker.open():
            failed += work.failed
            waiting[work.note or _TURN] += not work.failed
        refused = Counter(str(reason) for reason in self._problems.values())
        counts = self._worker.counts
        return Summary(
            counts.registered,
            counts.bytes,
            counts.same,
            dict(+waiting),
            dict(refused),
            self._alarms,
            failed,
            self._zones.error,
        )

    def _files(self) -> Counter[str]:
        """Scanner -> files that are not registered yet."""
        files = Counter(dict.fromkeys(self._settings.scanners, 0))
        files.update(self._look.files)
        files.update(work.taken.landing_path.split("/")[0] for work in self._worker.open())
        return files

    def _holds(self) -> bool:
        """Whether a single run still has something to wait for."""
        if self._zones.error:
            return self._zones.losses < TRIES
        if self._running or any(work.tries < TRIES for work in self._worker.open()):
            return True
        if self._look.finished and time.monotonic() < self._began + _PATIENCE * self._settings.landing.quiet_seconds:
            return True
        pending = (one for path, one in self._mailbox.pending.items() if path not in self._problems)
        return "" not in self._problems and any(
            one.from_start and one.changes < _CHANGES and one.note == QUIET for one in pending
        )

    # One look, and what follows from it

    def _begin(self) -> None:
        self._began = time.monotonic()
        self._intake.check()
        self._worker.vault.check()
        self._pool = ThreadPoolExecutor(self._workers) if self._workers > 1 else None
        self._slow = ThreadPoolExecutor(1)

    def _end(self) -> None:
        """What is not begun yet is left to the next process."""
        for pool in (self._pool, self._slow):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        self._settle_running()
        self._worker.keep_volume(at_once=True)
        self._intake.batches.finish(at_once=True)

    def _cycle(self) -> None:
        self._settle_running()
        try:
            clock = self._intake.clock()
            self._look = look = self._mailbox.look(clock)
            if self._zones.error or time.monotonic() >= self._next_abandoned:
                self._next_abandoned = time.monotonic() + ABANDONED_SECONDS
                self._worker.take_over(clock)
        except OSError as error:
            self._note_problems({"": Reason.UNREADABLE}, {"": told(error)})
            return
        finally:
            self._looked = time.monotonic()
        for ready in look.ready:
            self._take(ready)
        self._report_intake()
        self._note_problems(look.problems, look.details)
        work = self._worker.due()
        self._progress.looked(len(work), sum(look.files.values()) + look.trees)
        self._start(work)
        self._worker.keep_volume()
        self._intake.batches.beat()
        self._intake.batches.finish()

    def _take(self, ready: Ready) -> None:
        try:
            self._worker.take(ready)
        except NotYet as error:
            self._look.problems[ready.relative] = Reason.NOT_OURS
            self._look.details[ready.relative] = str(error)
            return
        self._mailbox.forget(ready.relative)
        self._look.files[ready.relative.split("/")[0]] -= ready.signature is not None

    def _start(self, work: Sequence[Work]) -> None:
        """Large files by themselves, so that nothing waits for them; the others in batches, until it is time for the
        next look.
        """
        for one in work:
            if one.is_large and self._slow is not None:
                one.running = True
                self._running.add(self._slow.submit(self._worker.run, [one]))
        waiting = list(chunks(one for one in work if not one.running))
        end = time.monotonic() + max(SLICE, REST * self._mailbox.took)
        while waiting:
            now, waiting = waiting[: self._workers], waiting[self._workers :]
            for running in [self._pool.submit(self._worker.run, chunk) for chunk in now] if self._pool else []:
                running.result()
            if self._pool is None:
                self._worker.run(now[0])
            if time.monotonic() >= end:
                break

    def _settle_running(self) -> None:
        for one in [one for one in self._running if one.done()]:
            self._running.discard(one)
            if not one.cancelled():
                one.result()

    # Reports

    def _report_intake(self) -> None:
        while self._intake.reports:
            self._alarms += 1
            file, message = self._intake.reports.pop(0)
            self._progress.report(message, alarm=True, file=file)

    def _note_problems(self, problems: dict[str, Reason], details: dict[str, str]) -> None:
        for path, reason in problems.items():
            if self._problems.get(path) != reason:
                detail = f" ({details[path]})" if path in details else ""
                self._progress.report(
                    f"{reason}{detail}; {ADVICE[reason]}", alarm=False, file=path or self._mailbox.folder
                )
        self._problems = problems


def run_once(settings: Settings, zones: Callable[[], Client], progress: Progress, *, workers: int = 1) -> Summary:
    """`mrdata scan --once`; see Scanner.run_once."""
    try:
        return Scanner(settings, zones, progress, workers=workers).run_once()
    finally:
        progress.close()


def watch(
    settings: Settings, zones: Callable[[], Client], progress: Progress, stop: threading.Event, *, workers: int = 1
) -> Summary:
    """`mrdata scan`; see Scanner.watch."""
    try:
        return Scanner(settings, zones, progress, workers=workers).watch(stop)
    finally:
        progress.close()


__all__ = ["LandingError", "Scanner", "run_once", "watch"]

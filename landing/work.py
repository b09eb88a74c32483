"""Taken files on their way into the catalog: owned, registered, settled; what fails or changes waits for its next try."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from landing.connections import LONGEST_PAUSE, Connections, call
from landing.errors import NotYet
from landing.intake import DONE, Intake, Taken, mark_done
from landing.mailbox import GROWING
from landing.progress import Progress
from landing.registration import Lost, Result, register
from landing.signature import Signature
from landing.vault import LARGE, Owned, Vault
from policy.batch import Outcome
from policy.layout import LANDED
from policy.log import error_text
from policy.settings import Settings
from policy.zone import Condition, ZoneError

VOLUME_SECONDS = 60.0
"""Between two reports of how much was archived."""


@dataclass(slots=True)
class Work:
    """A taken file. Times are time.monotonic's."""

    taken: Taken
    owned: Owned | None = None
    asked: bool = False
    """It may be registered already: nothing was heard of an earlier request."""
    note: str = ""
    """What it waits for."""
    failed: bool = False
    tries: int = 0
    due: float = 0.0
    running: bool = False

    @property
    def is_large(self) -> bool:
        """Whether copying it takes long."""
        return self.owned is None and self.taken.signature.size >= LARGE


@dataclass(slots=True)
class Counts:
    """What this process has registered. `same`: files whose bytes the archive had."""

    registered: int = 0
    bytes: int = 0
    same: int = 0


class Worker:
    """Of one process; its threads share it."""

    def __init__(self, settings: Settings, zones: Connections, progress: Progress, retry_seconds: float, *, of_tasks: bool = False) -> None:
        self.intake = Intake(settings, of_tasks=of_tasks)
        self.vault = Vault(settings)
        self.counts = Counts()
        self._settings, self._zones, self._progress = settings, zones, progress
        self._retry = retry_seconds
        self._work: dict[str, Work] = {}
        self._volume: Counter[tuple[str, str, str]] = Counter()
        self._volume_due = time.monotonic() + VOLUME_SECONDS
        self._lock = threading.Lock()

    def add(self, taken: Iterable[Taken]) -> None:
        """Files to be worked on."""
        for one in taken:
            self._work[one.file] = Work(one, asked=one.resumed)

    def wait(self, taken: Taken, why: str) -> None:
        """A file that has changed: it is looked at again when it has stood still."""
        self._wait(Work(taken), why)

    def open(self) -> list[Work]:
        """What is not settled."""
        with self._lock:
            return list(self._work.values())

    def forget(self, work: Iterable[Work]) -> None:
        """Leaves files to whoever finds their batches abandoned."""
        with self._lock:
            for one in work:
                self._work.pop(one.taken.file, None)
        self.intake.abandon()

    def due(self) -> list[Work]:
        """What is to be worked on now: small files first, and what was written first before what came after it."""
        now = time.monotonic()
        ready = [work for work in self.open() if not work.running and work.due <= now and self._stands_still(work)]
        return sorted(ready, key=lambda work: (work.is_large, work.taken.signature.mtime_ns))

    def _stands_still(self, work: Work) -> bool:
        if work.note != GROWING:
            return True
        try:
            status = os.lstat(work.taken.file)
        except OSError as error:
            self._fail(work, error_text(error))
            return False
        signature = Signature.of(status)
        if not stat.S_ISREG(status.st_mode):
            self._fail(work, "it is no regular file")
        elif signature == work.taken.signature:
            return True
        else:
            self._wait(replace(work, taken=replace(work.taken, signature=signature)), "")
        return False

    def run(self, chunk: Sequence[Work]) -> None:
        """Owns and registers files of one batch."""
        ready: list[Work] = []
        for work in chunk:
            if work.owned is None:
                self._own(work)
            if work.owned is not None:
                ready.append(work)
        if not ready:
            return
        try:
            self.vault.force(work.owned for work in ready if work.owned)
            zone, owned, resumed = self._zones.get(), [work.owned for work in ready if work.owned], any(work.asked for work in ready)
            for work in ready:
                work.asked = True
            results = register(zone, self._settings, owned, self.vault.resource, resumed=resumed)
        except (Lost, ZoneError, OSError) as error:
            self._postpone(ready, error)
            return
        if self._zones.find():
            self._progress.report("the zone answers again", alarm=False)
        for result in results:
            self._settle(self._work[result.owned.taken.file], result)

    def _own(self, work: Work) -> None:
        try:
            work.owned = self.vault.own(work.taken, self.intake.beat)
            work.note = ""
        except NotYet as error:
            self._wait(work, str(error))
        except OSError as error:
            self._fail(work, error_text(error))

    def _postpone(self, ready: Sequence[Work], error: Exception) -> None:
        """The zone does not answer, or the disk failed: nothing is known of these, and they are asked about again."""
        is_lost = not (isinstance(error, OSError) and error.errno) or isinstance(error, ConnectionError)
        if is_lost:
            with self._lock:
                self._zones.lose(error_text(error))
            self._progress.report(f"the zone does not answer, next try in {self._zones.pause:.0f} s: {self._zones.error}", alarm=False)
        for work in ready:
            work.running = False
            if not is_lost:
                self._fail(work, error_text(error))

    def _settle(self, work: Work, result: Result) -> None:
        work.running = False
        if result.outcome is None:
            self._fail(work, result.fault, result.error)
            return
        taken, owned = work.taken, result.owned
        if result.outcome is Outcome.SAME:
            self.vault.drop(owned)
        with self._lock:
            del self._work[taken.file]
            if result.outcome is Outcome.SAME:
                self.counts.same += 1
            else:
                self.counts.registered += 1
                self.counts.bytes += owned.size
            if result.outcome is Outcome.PLACED:
                scanner = taken.landing_path.split("/")[0]
                self._volume[scanner, result.kind, "objects"] += 1
                self._volume[scanner, result.kind, "bytes"] += owned.size
        if result.outcome is Outcome.SAME:
            self._progress.already(1)
        else:
            self._progress.registered(taken.landing_path, result.path, owned.size)
        self.intake.settle(taken)

    def _fail(self, work: Work, fault: str, detail: str = "") -> None:
        work.running = False
        work.tries += 1
        work.failed = True
        delay = min(LONGEST_PAUSE, self._retry * 2.0 ** (work.tries - 1))
        work.due = time.monotonic() + delay
        said = f"failed ({fault}), next try in {delay:.0f} s"
        self._progress.report(said, alarm=False, file=work.taken.landing_path, detail=detail)

    def _wait(self, work: Work, why: str) -> None:
        if why and work.note != GROWING:
            self._progress.report(f"{why}; it waits in the intake until it stands still", alarm=False, file=work.taken.landing_path)
        work.note, work.running, work.failed = GROWING, False, False
        work.tries += bool(why)
        work.due = time.monotonic() + self._settings.landing.quiet_seconds
        self._work[work.taken.file] = work

    # What processes that are gone have left

    def abandoned(self, clock: int) -> list[Taken]:
        """Goes on with batches of processes that are gone: what is registered is described, the rest is taken over. OSError."""
        return [taken for batch in self.intake.abandoned(clock) for taken in self._take_over(batch)]

    def _take_over(self, batch: str) -> list[Taken]:
        try:
            zone = self._zones.get()
            registered = self._registered(batch)
            for path in registered.values():
                if f"{path}/".startswith(f"{self._settings.home}/studies/"):
                    call(zone, self._settings, "mrdata_describe", path=path)
        except (ZoneError, OSError) as error:
            self._zones.lose(error_text(error))
            return []
        left = [path for path in self.intake.files(batch) if path not in registered]
        found = [taken for path in left if (taken := self.intake.take_over(batch, path))]
        if not [path for path in self.intake.files(batch) if path not in registered]:
            mark_done(f"{self.intake.folder}/{batch}", keep=self.vault.has(batch))
        if found:
            self._progress.report(f"{len(found)} files of a scanner that is gone are gone on with", alarm=False)
        return found

    def _registered(self, batch: str) -> dict[str, str]:
        """Landing path -> object, of the batch's files that are registered where they lie."""
        found: dict[str, str] = {}
        vault = self._settings.archive.vault.rstrip("/")
        for root in filter(None, (f"{vault}/{LANDED}" if vault else "", self.intake.folder)):
            prefix = f"{root}/{batch}/"
            pattern = prefix.replace("\\", "_") + "%"
            for file, *path in self._zones.get().query(["DATA_PATH", "COLL_NAME", "DATA_NAME"], Condition("DATA_PATH", "like", pattern)):
                if file.startswith(prefix):
                    found[file.removeprefix(prefix)] = "/".join(path)
        return found

    # The board

    def keep_volume(self, *, at_once: bool = False) -> None:
        """Tells the zone how much was archived, once a minute; or at once."""
        with self._lock:
            if not self._volume or not (at_once or time.monotonic() >= self._volume_due):
                return
            told_now, self._volume = self._volume, Counter()
            self._volume_due = time.monotonic() + VOLUME_SECONDS
        kinds = {(scanner, kind) for scanner, kind, _ in told_now}
        counts = [[scanner, kind, told_now[scanner, kind, "objects"], told_now[scanner, kind, "bytes"]] for scanner, kind in sorted(kinds)]
        try:
            call(self._zones.get(), self._settings, "mrdata_volume", counts=counts)
        except (ZoneError, OSError) as error:
            self._progress.report(f"how much was archived could not be told: {error_text(error)}", alarm=False)


__all__ = ["DONE", "Counts", "Work", "Worker"]

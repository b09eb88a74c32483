"""Taken files on their way into the catalog: owned, registered, settled.

What fails or changes waits for its next try.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from landing.batch_registration import Lost, Result, register
from landing.connections import LONGEST_PAUSE, Connections, call
from landing.intake import Intake, Taken
from landing.landing_errors import Gone, NotYet
from landing.mailbox import GROWING, Ready
from landing.names import counted, said
from landing.progress import Progress
from landing.signature import Signature
from landing.tree import tree_of
from landing.vault import LARGE, Owned, Vault
from policy.ingest.batch import Outcome
from policy.zone import BATCH, Condition, ZoneError
from policy.zone.layout import LANDED
from policy.zone.settings import Settings

VOLUME_SECONDS = 60.0
"""Between two reports of how much was archived."""
_GONE = "is not in the intake any more: another process goes on with it, or somebody has removed it"


@dataclass(slots=True)
class Work:
    """A taken file. Times are time.monotonic's."""

    taken: Taken
    owned: Owned | None = None
    is_forced: bool = False
    """The owned file is on the disk."""
    asked: bool = False
    """It may be registered already: nothing was heard of an earlier request."""
    note: str = ""
    """What it waits for, if not for its turn."""
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

    def __init__(
        self,
        settings: Settings,
        zones: Connections,
        progress: Progress,
        retry_seconds: float,
        *,
        of_tasks: bool = False,
    ) -> None:
        self.intake = Intake(settings, of_tasks=of_tasks)
        self.vault = Vault(settings)
        self.counts = Counts()
        self._settings, self._zones, self._progress = settings, zones, progress
        self._retry = retry_seconds
        self._work: dict[str, Work] = {}
        self._later: dict[str, float] = {}
        """Batch of a process that is gone -> when it is gone on with again, if it has to be (time.monotonic)."""
        self._volume: Counter[tuple[str, str, str]] = Counter()
        self._volume_due = time.monotonic() + VOLUME_SECONDS
        self._lock = threading.Lock()

    def take(self, ready: Ready) -> None:
        """Takes what is complete into the intake. Raises NotYet where it may not be taken."""
        for taken in self.intake.take(ready):
            work = self._work[taken.file] = Work(taken)
            if ready.signature not in (None, taken.signature):
                self._wait(work, "it was replaced or changed at the last moment")

    def open(self) -> list[Work]:
        """Returns the files that are not settled."""
        with self._lock:
            return list(self._work.values())

    def abandon(self) -> None:
        """Leaves unsettled files to the process that finds their batches abandoned."""
        with self._lock:
            self._work.clear()
        self.intake.batches.abandon()

    def due(self) -> list[Work]:
        """Returns the files to work on now, in the order in which they were written.

        Trees come last: they may hold many files.
        """
        now = time.monotonic()
        ready = [work for work in self.open() if not work.running and work.due <= now and self._stands_still(work)]
        return sorted(ready, key=lambda work: (bool(tree_of(work.taken.landing_path)), work.taken.signature.mtime_ns))

    def _stands_still(self, work: Work) -> bool:
        if work.note != GROWING:
            return True
        try:
            status = os.lstat(work.taken.file)
        except FileNotFoundError:
            self._forget(work)
            return False
        except OSError as error:
            self._fail(work, said(error))
            return False
        signature = Signature.of(status)
        if not stat.S_ISREG(status.st_mode):
            self._fail(work, "it is not a regular file")
        elif signature == work.taken.signature:
            return True
        else:
            work.taken = replace(work.taken, signature=signature)
            self._wait(work, "")
        return False

    def run(self, chunk: Sequence[Work]) -> None:
        """Owns and registers files of one batch."""
        self.intake.batches.beat()
        for work in chunk:
            if work.owned is None:
                self._own(work)
        ready = self._forced([(work, work.owned) for work in chunk if work.owned])
        if not ready:
            return
        try:
            zone, resumed = self._zones.get(), any(work.asked or work.taken.resumed for work, _ in ready)
            for work, _ in ready:
                work.asked = True
            results = register(
                zone, self._settings, [owned for _, owned in ready], self.vault.resource, resumed=resumed
            )
        except (Lost, ZoneError, OSError) as error:
            self._postpone([work for work, _ in ready], error)
            return
        self._found()
        for result in results:
            self._settle(self._work[result.owned.taken.file], result)

    def _found(self) -> None:
        if self._zones.find():
            self._progress.report("the zone answers again", alarm=False)

    def _ask(self) -> None:
        """Whether the zone answers again: there may be no file to ask about."""
        try:
            self._zones.get().stat(self._settings.home)
        except (ZoneError, OSError) as error:
            self._lost(error)
        else:
            self._found()

    def _lost(self, error: Exception) -> None:
        if self._zones.lose(error):
            self._progress.report(
                f"the zone does not answer, next try in {self._zones.pause:.0f} s: {self._zones.error}", alarm=False
            )

    def _own(self, work: Work) -> None:
        try:
            work.owned = self.vault.own(work.taken, self.intake.batches.beat)
            work.note, work.is_forced = "", False
        except NotYet as error:
            self._wait(work, str(error))
        except Gone:
            self._forget(work)
        except OSError as error:
            self._fail(work, said(error))

    def _forced(self, owned: Sequence[tuple[Work, Owned]]) -> list[tuple[Work, Owned]]:
        """Those that are on the disk. One that may not be is copied again: a disk that has lost bytes says so once."""
        failed = self.vault.force([one for work, one in owned if not work.is_forced])
        for work, one in owned:
            if error := failed.get(one.file):
                work.owned = None
                self._fail(work, said(error))
                self.vault.drop(one)
            else:
                work.is_forced = True
        return [(work, one) for work, one in owned if one.file not in failed]

    def _postpone(self, ready: Sequence[Work], error: Exception) -> None:
        """The zone does not answer: nothing is known of these, and they are asked about again."""
        self._lost(error)
        for work in ready:
            work.running = False

    def _settle(self, work: Work, result: Result) -> None:
        if result.outcome is None:
            self._fail(work, result.fault, result.error)
            return
        taken, owned, is_same = work.taken, result.owned, result.outcome is Outcome.SAME
        if is_same:
            self.vault.drop(owned)
        with self._lock:
            del self._work[taken.file]
            if is_same:
                self.counts.same += 1
                self._progress.already(1)
            else:
                self.counts.registered += 1
                self.counts.bytes += owned.size
                self._progress.registered(taken.landing_path, result.path, owned.size)
            if result.outcome is Outcome.PLACED:
                scanner = taken.landing_path.split("/")[0]
                self._volume[scanner, result.kind, "objects"] += 1
                self._volume[scanner, result.kind, "bytes"] += owned.size
        self.intake.batches.settle(taken.batch)

    def _fail(self, work: Work, fault: str, detail: str = "") -> None:
        work.running = False
        work.tries += 1
        work.failed = True
        delay = min(LONGEST_PAUSE, self._retry * 2.0 ** (work.tries - 1))
        work.due = time.monotonic() + delay
        message = f"failed ({fault}), next try in {delay:.0f} s"
        self._progress.report(message, alarm=False, file=work.taken.landing_path, detail=detail)

    def _wait(self, work: Work, why: str) -> None:
        if why and work.note != GROWING:
            self._progress.report(
                f"{why}; it waits in the intake until it no longer changes", alarm=False, file=work.taken.landing_path
            )
        work.note, work.running, work.failed = GROWING, False, False
        work.tries += bool(why)
        work.due = time.monotonic() + self._settings.landing.quiet_seconds

    def _forget(self, work: Work) -> None:
        with self._lock:
            del self._work[work.taken.file]
        self.intake.batches.settle(work.taken.batch)
        self._progress.report(_GONE, alarm=False, file=work.taken.landing_path)

    # What processes that are gone have left

    def take_over(self, clock: int) -> None:
        """Goes on with batches of processes that are gone: what is registered is described, the rest is taken.

        OSError.
        """
        if self._zones.error:
            self._ask()
        for batch in self.intake.batches.abandoned(clock):
            if time.monotonic() < self._later.get(batch, 0.0):
                continue
            self._later[batch] = time.monotonic() + LONGEST_PAUSE
            try:
                registered = self._registered(batch)
                is_described = self._describe(registered.values())
            except (ZoneError, OSError) as error:
                self._lost(error)
                del self._later[batch]
                return
            try:
                self._take_over(batch, registered)
                if is_described:
                    self.intake.batches.close(batch, registered, keep=self.vault.has(batch))
            except OSError as error:
                self._progress.report(
                    f"{batch} of the intake: failed, next try in {LONGEST_PAUSE:.0f} s: {said(error)}", alarm=False
                )

    def _take_over(self, batch: str, registered: dict[str, str]) -> None:
        left = [path for path in self.intake.batches.files(batch) if path not in registered]
        files = 0
        for path in left:
            for taken in self.intake.take_over(batch, path):
                self._work[taken.file] = Work(taken)
                files += 1
        if files:
            self._progress.report(f"goes on with {counted(files, 'file')} of a process that has ended", alarm=False)

    def _registered(self, batch: str) -> dict[str, str]:
        """Landing path -> object, of the batch's files that are registered where they lie."""
        found: dict[str, str] = {}
        vault = self._settings.archive.vault.rstrip("/")
        for root in filter(None, (f"{vault}/{LANDED}" if vault else "", self.intake.folder)):
            prefix = f"{root}/{batch}/"
            pattern = prefix.replace("\\", "_") + "%"
            for file, *path in self._zones.get().query(
                ["DATA_PATH", "COLL_NAME", "DATA_NAME"], Condition("DATA_PATH", "like", pattern)
            ):
                if file.startswith(prefix):
                    found[file.removeprefix(prefix)] = "/".join(path)
        return found

    def _describe(self, paths: Iterable[str]) -> bool:
        """Describes what is archived and may not be described yet; whether all is.

        ZoneError where the zone does not answer.
        """
        is_described = True
        for path in paths:
            if f"{path}/".startswith(f"{self._settings.home}/studies/"):
                self.intake.batches.beat()
                reply = call(self._zones.get(), self._settings, "mrdata_describe", path=path)
                if "error" in reply:
                    is_described = False
                    self._progress.report(
                        "an archived object is not described", alarm=False, detail=f"{path}: {reply['error']}"
                    )
        return is_described

    # The board

    def keep_volume(self, *, at_once: bool = False) -> None:
        """Tells the zone how much was archived, once a minute; or at once."""
        with self._lock:
            if not self._volume or not (at_once or time.monotonic() >= self._volume_due):
                return
            told_now, self._volume = self._volume, Counter()
            self._volume_due = time.monotonic() + VOLUME_SECONDS
        kinds = {(scanner, kind) for scanner, kind, _ in told_now}
        counts = [
            [scanner, kind, told_now[scanner, kind, "objects"], told_now[scanner, kind, "bytes"]]
            for scanner, kind in sorted(kinds)
        ]
        try:
            call(self._zones.get(), self._settings, "mrdata_volume", counts=counts)
        except (ZoneError, OSError) as error:
            with self._lock:
                self._volume.update(told_now)
            self._progress.report(f"how much was archived could not be told: {said(error)}", alarm=False)


def chunks(work: Iterable[Work]) -> Iterator[list[Work]]:
    """Pieces of one batch each, as large as one request may be."""
    batches: defaultdict[str, list[Work]] = defaultdict(list)
    for one in work:
        batches[one.taken.batch].append(one)
    for some in batches.values():
        for start in range(0, len(some), BATCH):
            yield some[start : start + BATCH]

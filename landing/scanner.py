"""The scanner: registers what is complete in the landing zone, again and again. It never deletes, and never registers twice.

Nothing is remembered on disk: after a kill, the catalog tells what is registered, and a new look the rest. The catalog is
asked when a file has stood still, so a request that a killed scanner left behind has had that time to end.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from landing.beat import Beat
from landing.comparison import Comparison, Verdict, compare
from landing.connections import LONGEST_PAUSE, Connections, answers, call
from landing.disk import Disk, Folder, Look, Pending, Signature
from landing.known import Known, known
from landing.lock import LandingError, Lock
from landing.names import ADVICE, Reason, shown, told
from landing.progress import Progress, Summary
from landing.register import Outcome, Result, register
from landing.tree import Trees, tree_of
from policy import layout
from policy.settings import Settings
from policy.zone import Zone, ZoneError

STALE_SECONDS = 86400.0
"""A temporary name that stays so long is reported."""
RETRY_SECONDS = 2.0
"""Wait before a failed file, or a lost zone, is tried again; doubled each time."""
TRIES = 4
"""So often a single run tries a file, or a lost zone, before it gives up."""
REST = 3.0
"""A look that takes long is followed by a pause of so many times that: the file server has others to serve."""
_CHANGES = 3
"""A file that changed so often while a single run looked is still being written: the run does not wait for it."""

_GROWING, _QUIET, _END, _RETRY, _TEMPORARY = "still changing", "to stand still", "its end", "another try", "a final name"
_ARCHIVING = "the archiving of what had its name before"


class Scanner:
    """One landing zone. `zones` opens a connection: for each of `workers` threads one, and a new one when it is lost."""

    def __init__(
        self,
        settings: Settings,
        zones: Callable[[], Zone],
        progress: Progress,
        *,
        workers: int = 1,
        retry_seconds: float = RETRY_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._settings = settings
        self._folder = os.path.abspath(settings.landing.folder)
        trees = Trees(self._folder, settings.expanded.quiet_seconds, settings.expanded.marker)
        self._disk = Disk(self._folder, layout.landing(settings), settings.scanners, settings.landing.quiet_seconds, stale_seconds, trees)
        self._zones = Connections(zones, retry_seconds)
        self._progress = progress
        self._workers = workers
        self._retry = retry_seconds
        self._pool: ThreadPoolExecutor | None = None
        self._problems: dict[str, Reason] = {}
        self._alarms = 0
        self._registered = self._bytes = self._already = self._temporary = 0
        self._taken = 0
        self._ahead = 0
        """By so many ns the file server's clock is ahead of this host's."""

    def run_once(self, stop: threading.Event | None = None) -> Summary:
        """Registers all that is there and stands still, then ends. Files that are still being written are only counted.

        LandingError when there is no such folder, it cannot be locked, or another scanner is at work.
        """
        stop = stop or threading.Event()
        pause = max(0.01, min(self._settings.landing.look_seconds, self._settings.landing.quiet_seconds))
        with Lock(self._folder) as lock, self._threads():
            self._cycle(lock, stop)
            while not stop.is_set() and self._holds():
                stop.wait(max(pause, self._zones.pause))
                self._cycle(lock, stop)
        return self.summary()

    def watch(self, stop: threading.Event) -> Summary:
        """Registers what becomes complete, until `stop` is set. Waits for a zone or a landing zone that is away."""
        beat = Beat(self._settings, self._progress)
        with Lock(self._folder) as lock, self._threads():
            while not stop.is_set():
                self._cycle(lock, stop)
                beat.tell(self._zones, self._files(), self.summary())
                stop.wait(max(self._settings.landing.look_seconds, REST * self._disk.took, self._zones.pause))
        return self.summary()

    def summary(self) -> Summary:
        """How things stand."""
        waiting: Counter[str] = Counter({_TEMPORARY: self._temporary} if self._temporary else {})
        refused = Counter(str(reason) for reason in self._problems.values())
        failed = 0
        for pending in self._pending():
            if pending.problem:
                refused[str(pending.problem)] += 1
            elif pending.note == _RETRY:
                failed += 1
            else:
                waiting[pending.note or (_GROWING if pending.changes else _QUIET)] += 1
        return Summary(self._registered, self._bytes, self._already, dict(waiting), dict(refused), self._alarms, failed, self._zones.error)

    def _files(self) -> Counter[str]:
        """Scanner -> files that are not registered yet."""
        files: Counter[str] = Counter(dict.fromkeys(self._settings.scanners, 0))
        for relative, folder in self._disk.folders.items():
            files[relative.split("/")[0]] += len(folder.pending)
        return files

    def _pending(self) -> Iterator[Pending]:
        for folder in self._disk.folders.values():
            yield from folder.pending.values()

    def _holds(self) -> bool:
        """Whether a single run still has something to wait for."""
        if self._zones.error:
            return self._zones.losses < TRIES
        return any(
            pending.from_start and (pending.tries < TRIES if pending.note == _RETRY else pending.changes < _CHANGES and not pending.note)
            for pending in self._pending()
            if not pending.problem
        )

    # One look, and what follows from it

    def _cycle(self, lock: Lock, stop: threading.Event) -> None:
        try:
            clock = lock.clock()
            self._ahead = clock - time.time_ns()
            if self._taken != lock.taken:
                self._disk.doubt()
                self._taken = lock.taken
            look = self._disk.look(clock)
        except OSError as error:
            self._note_problems({"": Reason.UNREADABLE}, {"": told(error)})
            return
        self._temporary = look.temporary
        self._note_problems(look.problems, look.details)
        self._raise_alarms(look)
        ready = sum(len(names) for _, names in look.ready)
        self._progress.looked(ready, look.pending - ready)
        for relative, names in look.ready:
            if stop.is_set() or not self._take(relative, names, clock, stop):
                return

    def _take(self, relative: str, names: list[str], clock: int, stop: threading.Event) -> bool:
        """Registers the ready files of a folder; False when the zone is lost."""
        folder = self._disk.folders[relative]
        try:
            zone = self._zones.get()
            names, there = self._look_up(zone, folder, relative, names)
            fresh = {name for name in names if name not in there or self._settle_known(zone, folder, relative, name, there[name])}
        except (ZoneError, OSError) as error:
            self._lose(str(error))
            return False
        if self._zones.find():
            self._progress.report("the zone answers again", alarm=False)
        new = [name for name in names if name in fresh]
        if there:
            self._progress.already(len(names) - len(new))
        rest = iter(new)
        while not stop.is_set() and (some := list(islice(rest, 16 * self._workers if self._pool else 1))):
            results = self._register(folder, relative, some, clock)
            for name, result in results:
                self._settle(folder, relative, name, result)
            if lost := [result.detail for _, result in results if result.outcome is Outcome.LOST]:
                self._lose(lost[0])
                return False
        return True

    def _look_up(self, zone: Zone, folder: Folder, relative: str, names: list[str]) -> tuple[list[str], dict[str, Known]]:
        """The names about which the catalog could be asked, and what is registered of them."""
        if (there := folder.catalog) is None:
            try:
                there, complete = known(zone, self._folder, relative, names)
                folder.catalog = there if complete else None
            except ZoneError:
                if not answers(zone, self._settings):
                    raise
                names, there = self._look_up_singly(zone, folder, relative, names)
        return names, {name: there[name] for name in names if name in there}

    def _look_up_singly(self, zone: Zone, folder: Folder, relative: str, names: list[str]) -> tuple[list[str], dict[str, Known]]:
        """One name that the zone cannot be asked about does not hold up the others."""
        asked: list[str] = []
        there: dict[str, Known] = {}
        for name in names:
            try:
                there |= known(zone, self._folder, relative, [name])[0]
                asked.append(name)
            except ZoneError as error:
                self._fail(folder.pending[name], f"{relative}/{name}", str(error))
        return asked, there

    def _register(self, folder: Folder, relative: str, names: list[str], clock: int) -> list[tuple[str, Result]]:
        """Registers some files, by several threads when there are some; always with all results, since each may be a registration."""

        def one(name: str) -> tuple[str, Result]:
            try:
                zone = self._zones.get()
            except (ZoneError, OSError) as error:
                return name, Result(Outcome.LOST, detail=str(error))
            return name, register(zone, self._settings, f"{relative}/{name}", folder.pending[name], clock)

        return list(self._pool.map(one, names) if self._pool else map(one, names))

    # What becomes of a file

    def _settle_known(self, zone: Zone, folder: Folder, relative: str, name: str, there: Known) -> bool:
        """The catalog has something under its name: finishes what a kill left undone. True where the file is to be registered anyhow."""
        pending, file = folder.pending[name], f"{relative}/{name}"
        if pending.is_another and not there.in_place:
            return True
        other = False
        if not pending.is_another and (pending.again or there.may_be_another(pending.signature.size, self._time(pending.changed_ns))):
            compared = compare(zone, self._settings, file, pending.signature, there)
            if compared.verdict not in (Verdict.SAME, Verdict.OTHER):
                return self._differs(folder, file, compared, there)
            other = compared.verdict is Verdict.OTHER
        path = there.in_place or there.path
        if not there.described and path.startswith(layout.studies(self._settings) + "/"):
            error = self._describe(zone, path)
            if error:
                self._fail(pending, file, f"{path} is not described: {error}")
                return False
        signature = self._done(folder, name)
        self._already += 1
        if other:
            sizes = " or ".join(map(str, sorted(there.sizes)))
            self._alarm(file, Reason.CHANGED, f"{signature.size} bytes; {shown(path)} has {sizes}")
        return False

    def _differs(self, folder: Folder, file: str, compared: Comparison, there: Known) -> bool:
        """The file is not what is registered: whether it is to be registered now."""
        pending = folder.pending[file.rpartition("/")[2]]
        match compared.verdict:
            case Verdict.AGAIN:
                if tree_of(file):
                    self._progress.report(f"{shown(file)}: changed while it was being copied; it is copied again", alarm=False)
                else:
                    self._alarm(file, Reason.OVERWRITTEN, f"it was {shown(there.in_place)}")
                folder.catalog, pending.again = None, False
                return True
            case Verdict.ANOTHER:
                self._progress.report(f"{shown(file)}: another file than {shown(there.path)}, which had its name before", alarm=False)
                pending.is_another = True
                return True
            case Verdict.FAILED:
                self._fail(pending, file, compared.detail)
            case Verdict.WAITS:
                folder.catalog = None
                self._wait(pending, file, f"another file than {there.path}; waits for its archiving", None, _ARCHIVING)
        return False  # while it is changing: the next look tells

    def _time(self, nanoseconds: int) -> float:
        """What the file server's clock shows, by this host's clock; seconds since 1970."""
        return (nanoseconds - self._ahead) / 1e9

    def _describe(self, zone: Zone, path: str) -> str:
        """Has an object described that was placed at birth; the error, if it cannot be."""
        return str(call(zone, self._settings, "mrdata_describe", path=path).get("error", ""))

    def _settle(self, folder: Folder, relative: str, name: str, result: Result) -> None:
        file, pending = f"{relative}/{name}", folder.pending[name]
        match result.outcome:
            case Outcome.REGISTERED:
                signature = self._done(folder, name)
                self._registered += 1
                self._bytes += signature.size
                self._progress.registered(file, result.path, signature.size)
            case Outcome.KNOWN:
                # Settled at the next look, as at a start: it may lack its description.
                folder.catalog, pending.note = None, ""
            case Outcome.FAILED:
                self._fail(pending, file, result.detail)
            case Outcome.INCOMPLETE:
                self._wait(pending, file, f"waits for {_END}", None, _END)
            case Outcome.REFUSED if result.reason:
                self._wait(pending, file, f"{result.reason} ({result.detail}); {ADVICE[result.reason]}", result.reason, "")
            case Outcome.LOST:  # perhaps registered, perhaps just now: looked at, and the catalog asked, as if it were new
                pending.since = time.monotonic()
                pending.tries += 1
            case _:  # changed or gone: the next look tells
                pending.since = time.monotonic()
                pending.changes += 1

    def _done(self, folder: Folder, name: str) -> Signature:
        signature = folder.done[name] = folder.pending.pop(name).signature
        return signature

    def _fail(self, pending: Pending, file: str, detail: str) -> None:
        pending.tries += 1
        pending.since = time.monotonic()
        pending.note, pending.problem = _RETRY, None
        delay = pending.postpone(self._retry, LONGEST_PAUSE)
        self._progress.report(f"{shown(file)}: failed, next try in {delay:.0f} s: {shown(detail)}", alarm=False)

    def _wait(self, pending: Pending, file: str, message: str, problem: Reason | None, note: str) -> None:
        """Reported once, looked at again in growing steps."""
        if (pending.problem, pending.note) != (problem, note):
            self._progress.report(f"{shown(file)}: {shown(message)}", alarm=False)
        pending.problem, pending.note = problem, note
        pending.postpone(self._retry, min(LONGEST_PAUSE, self._settings.landing.incomplete_seconds))

    # Reports

    def _note_problems(self, problems: dict[str, Reason], details: dict[str, str]) -> None:
        for path, reason in problems.items():
            if self._problems.get(path) != reason:
                detail = f" ({details[path]})" if path in details else ""
                self._progress.report(f"{shown(path or self._folder)}: {reason}{detail}; {ADVICE[reason]}", alarm=False)
        self._problems = problems

    def _raise_alarms(self, look: Look) -> None:
        for path, was in look.changed:
            self._alarm(path, Reason.CHANGED, f"{was.size} bytes before, now no regular file")
        for path, first in look.renamed:
            self._alarm(path, Reason.RENAMED, f"registered as {shown(first)}")

    def _alarm(self, file: str, reason: Reason, detail: str) -> None:
        self._alarms += 1
        self._progress.report(f"{shown(file)}: {reason}: {detail}; {ADVICE[reason]}", alarm=True)

    # The zone

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """The worker threads, each of which keeps its connection."""
        if self._workers == 1:
            yield
            return
        try:
            with ThreadPoolExecutor(self._workers) as self._pool:
                yield
        finally:
            self._pool = None

    def _lose(self, detail: str) -> None:
        self._disk.doubt()
        self._zones.lose(shown(detail))
        self._progress.report(f"the zone does not answer, next try in {self._zones.pause:.0f} s: {self._zones.error}", alarm=False)


def run_once(settings: Settings, zones: Callable[[], Zone], progress: Progress, *, workers: int = 1) -> Summary:
    """`mrdata scan --once`; see Scanner.run_once."""
    try:
        return Scanner(settings, zones, progress, workers=workers).run_once()
    finally:
        progress.close()


def watch(settings: Settings, zones: Callable[[], Zone], progress: Progress, stop: threading.Event, *, workers: int = 1) -> Summary:
    """`mrdata scan`; see Scanner.watch."""
    try:
        return Scanner(settings, zones, progress, workers=workers).watch(stop)
    finally:
        progress.close()


__all__ = ["LandingError", "Scanner", "run_once", "watch"]

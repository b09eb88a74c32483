"""Looks at the archive repeatedly, and makes the products that are due.

All its state is in the zone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from microservices.headers.header_reader import read_header
from policy.products import completeness
from policy.products.completeness import DETAIL, INPUTS_CHECKSUM, MADE_BY, STATE, ProductState, Series, Verdict
from policy.zone import Condition, ZoneError, layout
from policy.zone.context import Context
from policy.zone.settings import Settings
from products import nifti
from products.make import Changed, make
from products.transfer import Client

FULL_SECONDS = 3600.0
"""So often every series is looked at; in between those that got an image, and those that were not settled."""
LONGEST_DETAIL = 500
Report = Callable[[str], None]


class Busy(Exception):
    """Another worker runs on this host."""


class Worker:
    """One worker on a zone. `zones` opens a connection, which is kept for one look; `report` takes a line for people.

    With `below`, it works on the series below this collection only: a study's or an experiment's.
    """

    def __init__(self, settings: Settings, zones: Callable[[], Client], report: Report, *, below: str = "") -> None:
        self._settings, self._zones, self._report = settings, zones, report
        self._below = below.rstrip("/") + "/"
        self._converter = nifti.version()
        self._open: set[str] = set()
        self._full_look = self._last_look = float("-inf")

    def run_once(self, retry: Collection[str] | None = None) -> Counter[str]:
        """One look at every series; how many are in which state, or waiting, or could not be worked on (`error`).

        `retry` are series to be made again though they failed; all that failed, if it is empty. Busy; ZoneError.
        """
        with _lock(self._settings):
            return self._look(retry)

    def watch(self, stop: threading.Event) -> None:
        """Looks repeatedly until `stop` is set; waits for a zone that does not answer."""
        with _lock(self._settings):
            while not stop.is_set():
                try:
                    self._look(None)
                except (ZoneError, OSError) as error:
                    self._full_look = float("-inf")
                    self._report(
                        f"the zone does not answer, next try in {self._settings.products.look_seconds:g} s: {error}"
                    )
                stop.wait(self._settings.products.look_seconds)

    def _look(self, retry: Collection[str] | None) -> Counter[str]:
        zone = self._zones()
        try:
            context = Context(zone, self._settings, read_header)
            started = time.monotonic()
            full = started - self._full_look >= FULL_SECONDS
            chosen = completeness.paths(context, self._below, None if full else self._open | self._arrived(context))
            self._open.intersection_update(chosen)
            found: Counter[str] = Counter()
            for path in chosen:
                force = retry is not None and (not retry or path in retry)
                outcome = self._settle(context, zone, path, force=force)
                found[outcome] += 1
                (
                    self._open.add
                    if outcome in (Verdict.WAITING, ProductState.INCOMPLETE, "error")
                    else self._open.discard
                )(path)
            if full:
                self._remove_orphans(context, set(chosen))
                self._full_look = started
            self._last_look = context.now()
            return found
        finally:
            with suppress(ZoneError, OSError):
                zone.close()

    def _remove_orphans(self, context: Context, live: set[str]) -> None:
        for path in completeness.orphans(context, live):
            if path.startswith(self._below):
                context.zone.remove(path)
                self._report(f"{path}: its series is no longer there; moved to the trash")

    def _arrived(self, context: Context) -> set[str]:
        """Collections that got an object since the last look, or shortly before it: clocks differ."""
        rows = context.zone.query(
            ["COLL_NAME"],
            Condition("COLL_NAME", "like", layout.studies(self._settings) + "/%"),
            Condition("DATA_CREATE_TIME", ">=", f"{max(0, int(self._last_look) - 600):011d}"),
        )
        return {path for (path,) in rows}

    def _settle(self, context: Context, zone: Client, path: str, *, force: bool) -> str:
        """What became of a series: a ProductState, `waiting`, `gone`, or `error` for what will be tried again at the
        next look.
        """
        series = completeness.load(context, path)
        if not series.images:
            return "gone"
        _mark_outdated(context, series)
        converter = "" if force and series.state == ProductState.FAILED else self._converter
        verdict = completeness.judge(series, self._settings.products, context.now(), converter)
        if verdict is Verdict.INCOMPLETE:
            completeness.note(context, path, ProductState.INCOMPLETE, completeness.flaws(series)[:LONGEST_DETAIL])
            return ProductState.INCOMPLETE
        if verdict is not Verdict.DUE:
            return series.state if verdict is Verdict.SETTLED else verdict
        return self._make(context, zone, series)

    def _make(self, context: Context, zone: Client, series: Series) -> str:
        try:
            state = make(context, zone, series)
        except Changed as error:
            self._report(str(error))
            return Verdict.WAITING
        except (ZoneError, OSError) as error:
            # Something that may pass: without the checksum of its inputs it is due again at the next look.
            self._report(f"{series.path}: {error}")
            self._fail(
                context,
                series,
                f"{type(error).__name__}; the worker's log tells more",
                **{INPUTS_CHECKSUM: "", MADE_BY: ""},
            )
            return "error"
        except Exception as error:  # noqa: BLE001 - one odd series must not keep the others from being worked on
            self._report(f"{series.path}: {type(error).__name__}: {error}")
            again = {INPUTS_CHECKSUM: series.inputs_checksum, MADE_BY: self._converter}
            self._fail(context, series, f"{type(error).__name__}; the worker's log tells more", **again)
            return ProductState.FAILED
        self._report(f"{series.path}: products {state} ({len(series.images)} images)")
        return state

    def _fail(self, context: Context, series: Series, detail: str, **more: str) -> None:
        completeness.note(context, series.path, ProductState.FAILED, detail[:LONGEST_DETAIL], **more)


def _mark_outdated(context: Context, series: Series) -> None:
    """Marks outdated products first: a product that lacks images must not look complete."""
    known = series.avus.get(INPUTS_CHECKSUM)
    if series.state in (ProductState.DONE, ProductState.FAILED) and known and known != series.inputs_checksum:
        if context.zone.stat(series.products):
            completeness.note(context, series.products, ProductState.OUTDATED)
        completeness.note(context, series.path, ProductState.OUTDATED)


def status(context: Context) -> list[dict[str, str]]:
    """Every series that has a state: `series`, `state`, `detail`, `images` (of the products), sorted."""
    values: dict[str, dict[str, str]] = {}
    for attribute in (STATE, DETAIL, MADE_BY):
        rows = context.zone.query(
            ["COLL_NAME", "META_COLL_ATTR_VALUE"], Condition("META_COLL_ATTR_NAME", "=", attribute)
        )
        for path, value in rows:
            if completeness.is_series(context, path):
                values.setdefault(path, {})[attribute] = value
    return [
        {"series": path, "state": known[STATE], "detail": known.get(DETAIL, ""), "made_by": known.get(MADE_BY, "")}
        for path, known in sorted(values.items())
        if STATE in known
    ]


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """Locks this host for one worker; the kernel releases the lock however the process ends. Busy."""
    folder = Path(settings.products.scratch or tempfile.gettempdir())
    site = hashlib.sha256(f"{settings.zone} {settings.landing.folder}".encode()).hexdigest()[
        :16
    ]  # embedded zones have equal names
    file = folder / f"mrdata-products-{os.getuid()}-{site}.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{file}: another `mrdata products` is at work on this zone; stop it first") from error
        yield
    finally:
        os.close(descriptor)

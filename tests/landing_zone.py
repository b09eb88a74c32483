"""What tests of the landing zone share: what a scanner tells, a scanner in a thread, a zone that fails when it is told
to.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from landing.names import shown
from landing.progress import Summary
from landing.scanner import Scanner
from policy.zone.layout import INTAKE
from policy.zone.settings import Archive, Expanded, Landing, Settings

NOBODY = 65534


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.alarms: list[str] = []
        self.files: list[str] = []
        self.again = 0

    def looked(self, ready: int, waiting: int) -> None: ...

    def registered(self, file: str, path: str, size: int) -> None:
        self.files.append(file)

    def already(self, files: int) -> None:
        self.again += files

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        """As a terminal shows it."""
        said = (f"{shown(file)}: " if file else "") + message + (f": {shown(detail)}" if detail else "")
        (self.alarms if alarm else self.reports).append(said)

    def close(self) -> None: ...


class Watch:
    """A watching scanner in a thread."""

    def __init__(self, scanner: Scanner) -> None:
        self.stop = threading.Event()
        self.scanner = scanner
        self.summary: Summary | None = None

    def __enter__(self) -> Watch:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self) -> None:
        self.summary = self.scanner.watch(self.stop)

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


class Faults:
    """Faults of a zone's verbs, of all connections that it wraps: `before` a verb does its work, or `after`."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], list[Exception]] = {}
        self.away: Exception | None = None
        """While it is set, no verb works."""
        self.calls: Counter[str] = Counter()

    def before(self, verb: str, *errors: Exception) -> None:
        self._faults.setdefault((verb, "before"), []).extend(errors)

    def after(self, verb: str, *errors: Exception) -> None:
        self._faults.setdefault((verb, "after"), []).extend(errors)

    def meet(self, verb: str, when: str) -> None:
        if self.away:
            raise self.away
        if faults := self._faults.get((verb, when)):
            raise faults.pop(0)

    def wrap(self, zone: object) -> Failing:
        return Failing(self, zone)


class Failing:
    """A connection that meets them. A rule's verb is its name."""

    def __init__(self, faults: Faults, zone: object) -> None:
        self._met, self._zone = faults, zone

    def __getattr__(self, verb: str) -> Callable[..., object]:
        whole = getattr(self._zone, verb)
        if not callable(whole):
            return whole

        def call(*arguments: object, **named: object) -> object:
            name = str(arguments[0]) if verb == "rule" else verb
            self._met.calls[name] += 1
            self._met.meet(name, "before")
            answer = whole(*arguments, **named)
            self._met.meet(name, "after")
            return answer

        return call


class Clock:
    """A clock that stands still:

    `monotonic` of the modules under test, and the file server's time that goes with it.
    """

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    @property
    def server(self) -> int:
        """ns since 1970: never before the files that the test wrote."""
        return time.time_ns() + int((self.now - 1000.0) * 1e9)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    for module in ("landing.mailbox", "landing.batches"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=clock.monotonic, time=time.time))
    return clock


class Folder:
    """A landing folder without a zone, and an archive's vault beside it."""

    def __init__(self, top: Path, **landing: object) -> None:
        self.top = top
        self.landing = top / "landing"
        self.intake = self.landing / INTAKE
        self.vault = top / "vault"
        for folder in (
            "landing/prisma/dicom",
            "landing/prisma/twix",
            "landing/prisma/expdata",
            "landing/9.4T/dicom",
            "vault",
        ):
            (top / folder).mkdir(parents=True, exist_ok=True)
        given = {"quiet_seconds": 10.0, "incomplete_seconds": 1000.0, **landing}
        self.settings = Settings(
            zone="site",
            scanners=["prisma", "9.4T"],
            landing=Landing(folder=str(self.landing), **given),  # type: ignore[arg-type]
            archive=Archive(vault=str(self.vault)),
            expanded=Expanded(quiet_seconds=100.0),
        )

    def put(self, path: str, content: bytes = b"x") -> Path:
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def mailbox(self) -> list[str]:
        """What is not a folder in the mailbox."""
        return sorted(
            path.relative_to(self.landing).as_posix()
            for path in self.landing.rglob("*")
            if not path.is_relative_to(self.intake) and (path.is_symlink() or not path.is_dir())
        )

    def in_intake(self) -> list[str]:
        """What is not a folder in the intake, without the batches' names."""
        paths = (path for path in self.intake.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(
            "/".join(path.relative_to(self.intake).parts[1:]) for path in paths if path.name not in (".clock", ".done")
        )

    def batches(self) -> dict[str, bool]:
        """Name -> whether it is done."""
        return {path.name: (path / ".done").exists() for path in self.intake.iterdir() if path.is_dir()}


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


@contextmanager
def _as_nobody() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder of an account that may not read everything, as which the test goes on."""
    with _as_nobody() as folder:
        yield folder

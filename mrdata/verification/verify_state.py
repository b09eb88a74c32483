"""How far a verification has come, in a file, so that one that was interrupted goes on: what was looked at, and what
was found.

    $XDG_STATE_HOME/mrdata/verify/<zone>-<hash>.jsonl    else ~/.local/state; a line for each second and part

Lost with a kill are the looks of the last second, which are done again. A run that comes to its end removes its file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from policy.verification.findings import Finding, Kind, Look, Report
from policy.zone.error_kinds import ErrorKind, MrDataError

_EVERY_SECONDS = 1.0


class AtWork(MrDataError):
    """Another process verifies the same."""

    kind = ErrorKind.CONFLICT


class Progress:
    """Where each part stands. Without a file, it is only remembered."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._done: set[str] = set()
        self._positions: dict[str, str] = {}
        self._pending: list[dict[str, Any]] = []
        self._part, self._look = "", Look("")
        self._written = self._clock = time.monotonic()
        self.seconds = 0.0
        """That earlier runs took."""
        self.is_through = False
        """Everything was looked at: there is nothing to go on with."""

    def restore(self, lines: list[str], report: Report) -> None:
        """Takes up what an earlier run has written."""
        for line in lines:
            told = json.loads(line)
            found = [Finding(Kind(kind), path, text, since) for kind, path, text, since in told["found"]]
            report.add(Look(told["position"], Counter(told["counts"]), found))
            self._positions[told["part"]] = told["position"]
            self.seconds += told["seconds"]
            if told["done"]:
                self._done.add(told["part"])

    def after(self, part: str) -> str | None:
        """The position after which the part goes on; None where it is done."""
        return None if part in self._done else self._positions.get(part, "")

    def note(self, part: str, look: Look) -> None:
        """One more look."""
        self._part, self._look.position = part, look.position
        self._look.counts.update(look.counts)
        self._look.findings += look.findings
        if time.monotonic() - self._written > _EVERY_SECONDS:
            self._keep(done=False)
            self.write()

    def close(self, part: str) -> None:
        """The part is done."""
        self._part = part
        self._keep(done=True)
        self._look = Look("")
        self._done.add(part)
        if time.monotonic() - self._written > _EVERY_SECONDS:
            self.write()

    def _keep(self, *, done: bool) -> None:
        found = [[one.kind, one.path, one.text, one.since] for one in self._look.findings]
        now = time.monotonic()
        told = {
            "part": self._part,
            "position": self._look.position,
            "done": done,
            "counts": dict(self._look.counts),
            "found": found,
        }
        self._pending.append({**told, "seconds": round(now - self._clock, 3)})
        self._look, self._clock = Look(self._look.position), now

    def write(self) -> None:
        """Writes what is not written yet."""
        if self._look.counts or self._look.findings:
            self._keep(done=False)
        if self._file:
            self._file.writelines(json.dumps(told) + "\n" for told in self._pending)
            self._file.flush()
        self._pending, self._written = [], time.monotonic()


def file_of(zone: str, key: dict[str, Any]) -> Path:
    """Where the progress of a run is kept that is told from others by `key`."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    return Path(home) / "mrdata" / "verify" / f"{zone}-{digest}.jsonl"


@contextmanager
def kept(file: Path, report: Report, *, resume: bool) -> Iterator[Progress]:
    """Progress that is kept in a file until it is through; with `resume`, it goes on from there.

    AtWork where another process has the file; OSError where it cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AtWork(f"another process verifies the same ({file}); wait for its end, or end it") from error
        progress = Progress(opened)
        opened.seek(0)
        text = opened.read() if resume else ""
        whole = text[: text.rfind("\n") + 1]  # a line that was not finished does not count
        opened.truncate(len(whole.encode()))
        progress.restore(whole.splitlines(), report)
        try:
            yield progress
        finally:
            progress.write()
            if progress.is_through:
                file.unlink(missing_ok=True)

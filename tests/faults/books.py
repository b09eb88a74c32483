"""The books: every byte that landed, by the SHA-256 of its file, and what was done to it; written down as it happens.

A line of JSON for each entry, so that who is killed leaves what he has written. Nothing here asks MrData.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from policy.zone.layout import DataType

_open, _write, _close = os.open, os.write, os.close


class Act(StrEnum):
    """What is done to an experiment."""

    FINISH = "finish"
    FINALIZE = "finalize"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    RESTORE = "restore"


@dataclass(slots=True)
class Content:
    """The content of files. `experiments`: where it may be archived. `landings`: how often it landed, acknowledged."""

    name: str
    kind: str
    experiments: set[str] = field(default_factory=set)
    landings: int = 0
    must_be_placed: bool = True
    """It belongs into the archive; else a person has to look at it, in quarantine."""
    may_be_gone: bool = False
    """It was replaced before it was complete, or is a part of what grew: the archive may have it, and need not."""


class Books:
    """Read from, and written to, a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.contents: dict[str, Content] = {}
        """SHA-256, hexadecimal -> content."""
        self.done: dict[str, Act] = {}
        """Experiment -> the last act that was acknowledged, unless another was asked for since."""
        self.touched: set[str] = set()
        """Experiments that were closed, withdrawn or opened again at some time, or were to be."""
        self.withdrawn: set[str] = set()
        """Experiments whose withdrawal was asked for: they may be erased."""
        if file.exists():
            for line in file.read_text().splitlines():
                self._add(json.loads(line))

    def landed(self, content: bytes, name: str, kind: DataType, experiment: str = "", *, required: bool = True) -> str:
        """A file landed, whole; without an experiment, or where that is not `required`, it may have to go to
        quarantine. Its SHA-256.
        """
        return self._note("landed", content, name=name, kind=kind, experiment=experiment, required=required)

    def may_land(self, content: bytes, name: str, kind: DataType, experiment: str) -> str:
        """A file is being written, or is going to be replaced: it may be taken as it is."""
        return self._note("may", content, name=name, kind=kind, experiment=experiment)

    def replaced(self, sha256: str) -> None:
        """Other bytes were written over it in the mailbox, before it was taken."""
        self._put({"op": "replaced", "sha256": sha256, "experiment": ""})

    def refile(self, sha256: str, experiment: str, *, done: bool) -> None:
        """Content is to be re-filed, or was."""
        self._put({"op": "refile", "sha256": sha256, "experiment": experiment, "done": done})

    def act(self, act: Act, experiment: str, *, done: bool) -> None:
        """An act is to be done, or was."""
        self._put({"op": "act", "act": act, "experiment": experiment, "done": done})

    def _note(self, op: str, content: bytes, **told: object) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self._put({"op": op, "sha256": digest, **told})
        return digest

    def _put(self, entry: dict[str, object]) -> None:
        descriptor = _open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        _write(descriptor, (json.dumps(entry) + "\n").encode())
        _close(descriptor)
        self._add(entry)

    def _add(self, entry: dict[str, object]) -> None:
        experiment, op = str(entry["experiment"]), entry["op"]
        if op == "act":
            self._acted(Act(str(entry["act"])), experiment, bool(entry["done"]))
            return
        key = str(entry["sha256"])
        if op == "replaced":
            self.contents[key].may_be_gone = True
            return
        if op == "refile":
            content = self.contents[key]
            content.must_be_placed |= bool(entry["done"])
            content.experiments = {experiment} if entry["done"] else content.experiments | {experiment}
            return
        is_new = key not in self.contents
        content = self.contents.setdefault(key, Content(str(entry["name"]), str(entry["kind"])))
        content.experiments |= {experiment} - {""}
        if op == "may":
            content.may_be_gone = is_new or content.may_be_gone
            content.landings += is_new
        else:
            content.landings += not content.may_be_gone or is_new
            content.may_be_gone = False
            content.must_be_placed &= bool(experiment and entry["required"])

    def _acted(self, act: Act, experiment: str, is_done: bool) -> None:
        self.touched.add(experiment)
        if act is Act.WITHDRAW:
            self.withdrawn.add(experiment)
        if is_done:
            self.done[experiment] = act
        else:
            self.done.pop(experiment, None)

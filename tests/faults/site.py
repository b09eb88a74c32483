"""A zone in a folder, with a study and two scanners, and the normal work on it.

    <case>/zone/    the embedded zone
    <case>/books    the books

A case always lies at the same path while it is worked on, so that a copy of it is good there too.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedded.client.embedded_zone import EmbeddedZone
from landing.intake_retention import Removed, retention
from landing.scanner import Scanner
from microservices.settings_file import load_settings
from mrdata.verification import verify_report
from mrdata.zones.new_zone import create, make_users
from policy.zone import ZoneError
from policy.zone.layout import DataType
from policy.zone.settings import Settings
from tests.faults.books import Act, Books

STUDY, SCANNER, OTHER, ALICE = "pain", "94T", "3T", "alice"
_BRANCH = {DataType.DICOM: "dicom", DataType.TWIX: "twix", DataType.EXP_DATA: "expdata"}
_ROUNDS = 6
"""The normal work comes to rest within so many."""
_SWEEP = {"every_seconds": 1, "quiet_seconds": 0, "tries": 50, "retry_seconds": 0}
_LANDING = {"quiet_seconds": 0.0, "look_seconds": 0.0, "incomplete_seconds": 0.0}
_IDLE = ("notices", "waiting", "")
"""What rules tell that do nothing."""
RULES = ("sweep", "archive", "lifecycle", "events")


class Told:
    """A scanner's progress, which remembers."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.alarms: list[str] = []

    def looked(self, ready: int, waiting: int) -> None: ...

    def registered(self, file: str, path: str, size: int) -> None:
        self.files.append(file)

    def already(self, files: int) -> None:
        self.files += [""] * files

    def close(self) -> None: ...

    def report(self, message: str, *, alarm: bool, file: str = "", detail: str = "") -> None:
        if alarm:
            self.alarms.append(f"{file}: {message} {detail}")


class Site:
    """The zone of a case."""

    def __init__(self, case: Path) -> None:
        self.case = case
        self.folder = case / "zone"
        self.settings: Settings = load_settings(self.folder / "mrdata.yaml")
        self.books = Books(case / "books")
        self.landing = Path(self.settings.landing.folder)

    @classmethod
    def make(cls, case: Path, *, vault: bool = True, **lifecycle: float) -> Site:
        """A new one."""
        case.mkdir(parents=True)
        archive = {"give_up_seconds": 0, **({} if vault else {"vault": ""})}
        rules = {"settle_seconds": 0.0, **lifecycle}
        site = {
            "sweep": _SWEEP,
            "landing": _LANDING,
            "expanded": {"quiet_seconds": 0.0},
            "archive": archive,
            "lifecycle": rules,
        }
        create(case / "zone", scanners=[SCANNER, OTHER], site=site)
        made = cls(case)
        make_users(made.settings, ALICE)
        made.rule("study", {"study": STUDY, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
        return made

    def connect(self, user: str = "mrdata") -> EmbeddedZone:
        """A connection, which the caller closes."""
        return EmbeddedZone(self.folder, user)

    # What people and machines do

    def ask(self, rule: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """A rule's answer; `error` in it where it failed. ZoneError where the zone does not answer."""
        with self.connect() as zone:
            return dict(json.loads(zone.rule(f"mrdata_{rule}", json.dumps(request or {}))))

    def rule(self, rule: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of a rule that has to succeed."""
        reply = self.ask(rule, request)
        if "error" in reply:
            raise ZoneError(f"{rule}: {reply['error']}")
        return reply

    def register(self) -> str:
        """A new ExperimentID."""
        request = {"study": STUDY, "pseudonym": "P1", "owner": ALICE, "scanner": SCANNER, "scan_type": "pilot"}
        return str(self.rule("register", request)["experiment_id"])

    def land(self, name: str, content: bytes, kind: DataType, experiment: str = "", *, required: bool = True) -> str:
        """A complete file lands; its SHA-256."""
        digest = self.books.landed(content, name, kind, experiment, required=required)
        self.write(name, content, kind)
        return digest

    def write(self, name: str, content: bytes, kind: DataType) -> Path:
        """Writes a file into the mailbox, and forces it to the disk; none of the books."""
        file = self.landing / SCANNER / _BRANCH[kind] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def act(self, act: Act, experiment: str) -> dict[str, Any]:
        """Somebody asks for it; the answer. The books know whether it was acknowledged."""
        self.books.act(act, experiment, done=False)
        rule = act.value if act in (Act.WITHDRAW, Act.RESTORE) else f"experiment_{act}"
        reply = self.ask(rule, {"experiment": experiment})
        if "error" not in reply and (act is not Act.FINALIZE or reply.get("state") == "finalized"):
            self.books.act(act, experiment, done=True)
        return reply

    def refile(self, source: str, to: str, digests: Sequence[str]) -> dict[str, Any]:
        """Somebody re-files content; the answer."""
        for digest in digests:
            self.books.refile(digest, to, done=False)
        reply = self.ask("experiment_reassign", {"source": source, "to": to, "accept_personal_data": True})
        if "error" not in reply and all(move["target"] for move in reply["moves"]):
            for digest in digests:
                self.books.refile(digest, to, done=True)
        return reply

    # The normal work

    def scan(self) -> Told:
        """One run of the scanner process; what it told."""
        told = Told()
        Scanner(self.settings, self.connect, told, retry_seconds=0.01).run_once()
        return told

    def tidy(self) -> Removed:
        """The intake's retention, as if its time were over."""
        with self.connect() as zone:
            return retention(zone, self.settings, 0.0)

    def verify(self) -> dict[str, Any]:
        """`mrdata verify`."""
        with self.connect() as zone:
            return verify_report.report(zone, self.settings)

    def rules(self) -> dict[str, Any]:
        """Each delay rule once; what they answer."""
        with self.connect() as zone:
            told = {}
            for rule in RULES:
                request = json.dumps({"follow": 0} if rule == "sweep" else {})
                told[rule] = json.loads(zone.rule(f"mrdata_{rule}", request))
            return told

    def rest(self) -> str:
        """Scanner and delay rules until nothing is left to do.

        What failed in the last round, or keeps it from resting.
        """
        failures = ""
        for _ in range(_ROUNDS):
            told, answers = self.scan(), self.rules()
            failures = "; ".join(
                [*told.alarms, *(f"{rule}: {one['error']}" for rule, one in answers.items() if "error" in one)]
            )
            done = {
                rule: {key: count for key, count in one.items() if key not in _IDLE} for rule, one in answers.items()
            }
            if not told.files and not any(done.values()):
                return ""
        return failures or f"no rest after {_ROUNDS} rounds: {told.files} {done}"


def copy(source: Path, target: Path) -> None:
    """Copies a case, as it is when nobody works on it."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def scratch(number: int) -> Path:
    """A new folder for a worker's cases: in memory where there is room."""
    base = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else os.environ.get("TMPDIR", "/var/tmp"))
    folder = base / f"mrdata-faults-{os.getpid()}-{number}-{time.monotonic_ns():x}"
    folder.mkdir(mode=0o700)
    return folder


__all__ = ["ALICE", "OTHER", "SCANNER", "STUDY", "Site", "copy", "replace", "scratch"]

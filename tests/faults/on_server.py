"""The world on a real server: scanners, a writer, an uploader, people who act, and one who may read nothing, until they
are told to stop.

Each works in a thread of its own, with connections of its own; scanners are processes. What fails is tried again, as
everybody does.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from policy.zone import Client, Condition, NotFound, NotPermitted, Zone, ZoneError, layout
from policy.zone.context import Context
from policy.zone.layout import DataType
from policy.zone.settings import Settings
from tests.faults.books import Act, Books
from tests.faults.catalog import Held, Replica
from tests.faults.site import Site
from tests.files import dicom, twix

ROOT = Path(__file__).parents[2]
RULES = {"sweep": 2, "archive": 3, "lifecycle": 10}
"""Delay rules and their periods in seconds."""
_BRANCH = {DataType.DICOM: "dicom", DataType.TWIX: "twix", DataType.EXP_DATA: "expdata"}
_REST_SECONDS = 240.0


class _Books(Books):
    """Written by several threads."""

    _lock = threading.RLock()

    def _put(self, entry: dict[str, object]) -> None:
        with self._lock:
            super()._put(entry)


class ServerWorld(Site):
    """A site on the server (`tests.zone.server_site`), which the books and the checker see as they see an embedded
    zone's.
    """

    def __init__(self, site: Any, case: Path, seed: int, *, stranger: str, scanners: int = 2) -> None:
        from tests.zone.names import ALICE, PAIN, SUFFIX, T94

        self.site, self.case, self.folder = site, case, case
        self.study, self.scanner, self.owner, self.stranger, self.suffix = PAIN, T94, ALICE, stranger, SUFFIX
        self.settings: Settings = site.settings
        self.landing = Path(self.settings.landing.folder)
        self.books: Books = _Books(case / "books")
        self.patience = 60.0
        """Seconds that the server has for an answer."""
        self.read_by_stranger: list[str] = []
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._seed, self._scanners = seed, scanners
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._experiments: list[str] = []
        self._known: dict[str, tuple[bytes, str]] = {}
        """Images that landed: SHA-256 -> content and experiment."""
        self._numbers = iter(range(1, 10**9))
        self._stop, self._stop_scanners = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._local = threading.local()

    # Connections

    @contextmanager
    def connect(self, user: str = "mrdata") -> Iterator[Client]:  # type: ignore[override]
        """A connection for one act."""
        zone = self.site.new_connection(user)
        zone.hurry(self.patience)
        try:
            yield zone
        finally:
            with suppress(Exception):
                zone.close()

    @property
    def _chance(self) -> random.Random:
        """This thread's."""
        if not hasattr(self._local, "chance"):
            self._local.chance = random.Random(f"{self._seed} {threading.current_thread().name}")
        chance: random.Random = self._local.chance
        return chance

    # Begin and end

    def begin(self) -> None:
        """Schedules the delay rules, and lets everybody work."""
        for _ in range(4):
            self._register()
        for rule, seconds in RULES.items():
            self.site.rule(f"{rule}_every", {"seconds": seconds})
        self.site.reconnect()  # nothing is open that a fault could break
        works: list[Callable[[], None]] = [self._write, self._upload, self._act, self._look_around]
        works += [partial(self._scan, number) for number in range(self._scanners)]
        for number, work in enumerate(works):
            self._threads.append(
                threading.Thread(target=self._again_and_again, args=(work,), name=f"{number}", daemon=True)
            )
            self._threads[-1].start()

    def end(self) -> str:
        """Nobody does anything new; what is under way comes to rest. Why it does not, if so."""
        self._stop.set()
        for thread in self._threads[: -self._scanners]:
            thread.join(120)
        waits = self._wait()
        self._stop_scanners.set()
        for process in list(self._processes.values()):
            process.terminate()
        for thread in self._threads:
            thread.join(60)
        for rule in RULES:
            self.site.unschedule(f"%mrdata_{rule}(%")
        return waits

    def close(self) -> None:
        """Ends what is left of it."""
        self._stop.set()
        self._stop_scanners.set()
        for process in list(self._processes.values()):
            process.kill()

    def kill_scanner(self, chance: random.Random) -> bool:
        """kill -9 of one."""
        running = sorted(number for number, process in self._processes.items() if process.poll() is None)
        if running:
            self._processes[chance.choice(running)].kill()
        return bool(running)

    def verify(self) -> dict[str, Any]:
        """`mrdata verify`, without what others have in the zone."""
        found: dict[str, Any] = self.site.verify()
        return found

    def _wait(self) -> str:
        """Until mailbox, intake and landing are empty, and three rounds of the delay rules have nothing to do."""
        end, quiet, why = time.monotonic() + _REST_SECONDS, 0, ""
        while time.monotonic() < end:
            try:
                why = self._why()
            except (ZoneError, OSError) as error:
                why = f"{type(error).__name__}: {error}"
            quiet = quiet + 1 if not why else 0
            if quiet == 3:
                return ""
            time.sleep(4)
        return why

    def _why(self) -> str:
        mailbox = [path for path in self.landing.rglob("*") if path.is_file() and layout.INTAKE not in path.parts]
        intake = self.landing / layout.INTAKE
        open_batches = [
            one.name
            for one in intake.iterdir()
            if one.is_dir() and not one.name.startswith(".") and not (one / ".done").exists()
        ]
        open_batches = [one for one in open_batches if any(path.is_file() for path in (intake / one).rglob("*"))]
        with self.connect() as zone:
            held = objects(zone, self.settings, self.suffix)
        resting = [
            path
            for path in held
            if path.startswith(layout.landing(self.settings)) and any(status == 1 for _, status in held[path])
        ]
        archive = self.settings.archive.resource
        others = [
            path
            for path, replicas in held.items()
            if path.startswith(layout.studies(self.settings)) and any(r != archive for r, _ in replicas)
        ]
        return ", ".join(
            f"{len(some)} {what} (like {some[0]})"
            for what, some in (
                ("in the mailbox", mailbox),
                ("batches", open_batches),
                ("in landing", resting),
                ("not archived", others),
            )
            if some
        )

    def _again_and_again(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a fault that was injected: everybody tries again
                self.errors[f"{type(error).__name__}"] += 1
                self._stop.wait(0.5)

    # People and machines

    def _register(self) -> None:
        request = {
            "study": self.study,
            "pseudonym": "P1",
            "owner": self.owner,
            "scanner": self.scanner,
            "scan_type": "pilot",
        }
        reply = self.ask("register", request)
        self._experiments.append(reply["experiment_id"])

    def _one(self) -> str:
        """The latest experiments are scanned."""
        return self._chance.choice(self._experiments[-4:])

    def _content(self) -> tuple[str, bytes, DataType, str]:
        """Name, content, kind and experiment of a new file; some are of nobody, some are images that came before."""
        number, experiment, kind = next(self._numbers), self._one(), self._chance.choice("ddddddtteesa")
        if kind == "a" and self._known:
            content, experiment = self._known[self._chance.choice(sorted(self._known))]
            return f"again/{number}", content, DataType.DICOM, experiment
        if kind == "t":
            return f"meas{number}.dat", twix(experiment) + b"%d" % number, DataType.TWIX, experiment
        if kind == "e":
            return f"{experiment}/{number % 3}/it's {number}%", b"of a tree %d" % number, DataType.EXP_DATA, experiment
        if kind == "s":
            return f"{number}", dicom(f"SIMPSON^HOMER {number}"), DataType.DICOM, ""
        content = dicom(experiment, series=number % 3 + 1, instance=number, pixels=self._chance.randbytes(32))
        return f"{number % 7}/{number}", content, DataType.DICOM, experiment

    def _write(self) -> None:
        """Files arrive in the mailbox, whole or in pieces."""
        name, content, kind, experiment = self._content()
        file = self.landing / self.scanner / _BRANCH[kind] / name
        self.books.may_land(content, name, kind, experiment)
        middle = len(content) // 2 if self._chance.random() < 0.3 else len(content)
        try:
            _put(file, self.landing, [content[:middle], content[middle:]])
        except NotWritten as error:
            self.counts["not written"] += 1
            self.books.may_land(content[: error.written], name, kind, experiment)
            with suppress(OSError):
                file.unlink()
            self._stop.wait(0.5)
            return
        self._landed(content, name, kind, experiment)
        self._stop.wait(self._chance.uniform(0, 0.15))

    def _landed(self, content: bytes, name: str, kind: DataType, experiment: str) -> None:
        digest = self.books.landed(content, name, kind, experiment)
        self.counts["landed"] += 1
        if kind is DataType.DICOM and experiment:
            self._known[digest] = content, experiment

    def _upload(self) -> None:
        """iput into landing."""
        number, experiment = next(self._numbers), self._one()
        content = dicom(experiment, series=9, instance=number, pixels=self._chance.randbytes(32))
        file = self.case / f"upload{number}"
        file.write_bytes(content)
        path = f"{layout.landing(self.settings)}/{self.scanner}/dicom/put{number}"
        self.books.may_land(content, f"put{number}", DataType.DICOM, experiment)
        account = self.site.server.accounts[self.owner]
        try:
            done = subprocess.run(
                ["iput", str(file), path], env=account.variables, capture_output=True, timeout=90, check=False
            )
        finally:
            file.unlink()
        if done.returncode == 0:
            self._landed(content, f"put{number}", DataType.DICOM, experiment)
            self.counts["uploaded"] += 1
        self._stop.wait(self._chance.uniform(0.1, 0.6))

    def _act(self) -> None:
        """An owner or a data steward does something, or registers an experiment."""
        choice = self._chance.choices(["register", "refile", *Act], [4, 3, 3, 4, 2, 2, 3])[0]
        self.counts[choice] += 1
        if choice == "register":
            self._register()
        elif choice == "refile":
            self._refile()
        else:
            older = self._experiments[:-2] if choice in (Act.WITHDRAW, Act.FINALIZE) else self._experiments
            self.act(Act(choice), self._chance.choice(older))
        self._stop.wait(self._chance.uniform(0.3, 1.5))

    def _refile(self) -> None:
        """A session of quarantine that has no ID: each holds one file."""
        sessions = [
            one
            for one in self.ask("quarantine_list")["sessions"]
            if self.scanner in one["path"] and set(one["reasons"]) == {"no-id"}
        ]
        if sessions:
            path = self._chance.choice(sessions)["path"]
            with self.connect() as zone:
                rows = zone.query(["DATA_CHECKSUM"], Condition("COLL_NAME", "like", f"{path}/%"))
            digests = [base64.b64decode(text.removeprefix("sha2:")).hex() for (text,) in rows if text]
            if digests:
                self.refile(path, self._one(), digests)

    def _look_around(self) -> None:
        """Somebody who is in no study asks for everything, and reads what is there."""
        home = self.settings.home
        with self.connect() as zone:
            names = [
                "/".join(row)
                for row in zone.query(["COLL_NAME", "DATA_NAME"], Condition("COLL_NAME", "like", f"{home}/studies/%"))
            ]
        with self.connect(self.stranger) as zone:
            for column, like in (
                ("COLL_NAME", f"{home}/studies/%"),
                ("COLL_NAME", f"{home}/quarantine/%"),
                ("DATA_PATH", "%/landed/%"),
            ):
                if rows := zone.query(["COLL_NAME"], Condition(column, "like", like)):
                    self.read_by_stranger.append(f"found {rows[0]}")
            for path in self._chance.sample(names, min(5, len(names))):
                try:
                    content = zone.read(path, 0, 4)
                except (NotFound, NotPermitted):
                    self.counts["refused to the stranger"] += 1
                else:
                    self.read_by_stranger.append(f"read {path}: {content!r}")
        self._stop.wait(0.5)

    def _scan(self, number: int) -> None:
        """A scanner process; when it is gone, another."""
        while not self._stop_scanners.is_set():
            log = open(self.case / f"scanner{number}.log", "ab")  # noqa: SIM115 - the process has it
            with log:
                self._processes[number] = subprocess.Popen(**_scanner(self), stdout=subprocess.DEVNULL, stderr=log)
            self.counts["scanners"] += 1
            self._processes[number].wait()
            time.sleep(0.2)


def _scanner(world: ServerWorld) -> dict[str, Any]:
    """As the account that owns the archive's vault, where this is root: what the server erases of the intake is its
    own.
    """
    from irods import password_obfuscation

    owner = os.stat(world.settings.archive.vault)
    environment = {**world.site.environment(), "HOME": str(world.case)}
    how: dict[str, Any] = {"args": [sys.executable, "-m", "mrdata.cli", "scan"], "cwd": ROOT, "env": environment}
    if os.geteuid() == 0 and owner.st_uid != 0:
        for name in ("IRODS_ENVIRONMENT_FILE", "IRODS_AUTHENTICATION_FILE"):
            copy = world.case / f"scanner.{name}"
            if not copy.exists():
                copy.touch(0o600)
                text = Path(environment[name]).read_text(encoding="utf-8")
                if name == "IRODS_AUTHENTICATION_FILE":  # is hidden with the number of the account that reads it
                    text = password_obfuscation.encode(password_obfuscation.decode(text), owner.st_uid)
                copy.write_text(text, encoding="utf-8")
                os.chown(copy, owner.st_uid, owner.st_gid)
            environment[name] = str(copy)
        how |= {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    return how


class NotWritten(Exception):
    """`written`: bytes of the file that are there."""

    def __init__(self, written: int) -> None:
        super().__init__(written)
        self.written = written


def _put(file: Path, top: Path, pieces: list[bytes]) -> None:
    """As another account does, with a pause between two pieces."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = file.parent
        while folder != top:
            folder.chmod(0o777)
            folder = folder.parent
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise NotWritten(0) from error
    try:
        os.fchmod(descriptor, 0o666)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            time.sleep(0.05)
        os.fsync(descriptor)
    except OSError as error:
        raise NotWritten(os.fstat(descriptor).st_size) from error
    finally:
        os.close(descriptor)


# What the server holds


def objects(zone: Zone, settings: Settings, suffix: str) -> dict[str, list[tuple[str, int]]]:
    """Path -> resource and state of each replica, of what is in MrData's collections."""
    found: dict[str, list[tuple[str, int]]] = {}
    for collection, name, resource, status, *_ in _rows(zone, settings, suffix):
        found.setdefault(f"{collection}/{name}", []).append((resource, int(status)))
    return found


def _rows(zone: Zone, settings: Settings, suffix: str) -> Iterator[tuple[str, ...]]:
    columns = [
        "COLL_NAME",
        "DATA_NAME",
        "DATA_RESC_NAME",
        "DATA_REPL_STATUS",
        "DATA_REPL_NUM",
        "DATA_PATH",
        "DATA_SIZE",
        "DATA_CHECKSUM",
    ]
    for top in (settings.home, f"/{settings.zone}/trash/home"):
        for row in zone.query(columns, Condition("COLL_NAME", "like", f"{top}/%")):
            parts = row[0].removeprefix(top + "/").split("/")
            is_shared = top == settings.home and parts[0] in (
                "audit",
                "withdrawn",
                "receipts",
                "erased",
                "reviews",
                "locks",
                "fixity",
            )
            if is_shared or suffix in f"{row[0]}/{row[1]}":
                yield row


def held(zone: Zone, settings: Settings, suffix: str) -> Held:
    """What the catalog says, and what the disks of this host hold."""
    from microservices.headers.header_reader import read_header
    from policy.zone import subtree

    found, context = Held(), Context(zone, settings, read_header)
    for collection, name, resource, status, number, file, size, checksum in _rows(zone, settings, suffix):
        digest, length = _digest(Path(file))
        one = Replica(int(number), int(status), resource, file, int(size), checksum, digest, length)
        found.objects.setdefault(f"{collection}/{name}", []).append(one)
    for study in zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", layout.studies(settings))):
        if suffix in study[0]:
            for path in zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", f"{study[0]}/experiments")):
                experiment = path[0].rpartition("/")[2]
                found.states[experiment] = [avu.value for avu in zone.metadata(path[0]) if avu.attribute == "State"]
            for path_, access in subtree.access(context, study[0]).items():
                found.readers[path_] |= set(access)
    for path_, access in subtree.access(context, layout.quarantine(settings)).items():
        found.readers[path_] |= set(access)
    landing = Path(settings.landing.folder)
    for file_ in (path for path in landing.rglob("*") if path.is_file()):
        relative = file_.relative_to(landing).as_posix()
        if not relative.startswith(layout.INTAKE + "/"):
            found.mailbox[relative] = _digest(file_)[0]
        elif file_.name == ".done":
            found.done.add(file_.parent.name)
        elif not file_.name.startswith("."):
            found.intake[relative.removeprefix(layout.INTAKE + "/")] = _digest(file_)[0]
    return found


def _digest(file: Path) -> tuple[str, int]:
    try:
        content = file.read_bytes()
    except OSError:
        return "", -1
    return hashlib.sha256(content).hexdigest(), len(content)

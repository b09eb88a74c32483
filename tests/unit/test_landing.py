"""The scanner over real folders: what is registered, when, and what is told. The zone is a dictionary here; tests/zone has a whole one."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
import re
import socket
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from landing.names import LONGEST_PATH, Reason, is_temporary, shown, unfit
from landing.progress import Bar, Lines, Summary, progress_to
from landing.scanner import LandingError, Scanner
from mrdata import phantom_twix
from mrdata.phantom import Session
from policy.settings import Expanded, Landing, Settings
from policy.zone import Condition, Exists, NotFound, Stat, ZoneError

HOME = "/site/home/mrdata"
QUIET = 0.05


def like(text: str, pattern: str) -> bool:
    """As PostgreSQL does it: a backslash escapes."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(part) or re.escape(part[-1]) for part in parts), text, re.DOTALL) is not None


class Catalog:
    """As much of a zone as the scanner uses: objects with a physical path and AVUs."""

    name = "site"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, int]] = {}
        self.avus: dict[str, set[str]] = {}
        self.archived: dict[str, str] = {}
        """Objects that have no replica in the landing zone any more -> their checksum."""
        self.made: dict[str, int] = {}
        self.collections = {HOME}
        self.registrations: list[str] = []
        self.queries: list[tuple[Condition, ...]] = []
        self.described: list[str] = []
        self.written: dict[str, bytes] = {}
        self.place = lambda path: path
        self.faults: list[ZoneError] = []
        self.late_faults: list[ZoneError] = []
        self.away = False

    def _awake(self) -> None:
        if self.away:
            raise ZoneError("connection refused")

    def query(self, columns, *conditions):
        self._awake()
        self.queries.append(conditions)
        column, operator, value = conditions[-1].column, conditions[-1].operator, conditions[-1].value
        rows = []
        for path, (file, size) in self.objects.items():
            in_place = [] if path in self.archived else [file]
            values = in_place if column == "DATA_PATH" else self.avus.get(path, set())
            for text in values:
                if text == value if operator == "=" else like(text, value):
                    collection, _, name = path.rpartition("/")
                    made = self.made.get(path, int(time.time()))
                    rows.append((text, collection, name, str(size), self.archived.get(path, ""), str(made)))
        return rows

    def stat(self, path):
        self._awake()
        return Stat(path, True, 0, "mrdata", "", 0) if path in self.collections or path in self.written else None

    def read(self, path, offset, length):
        if path not in self.written:
            raise NotFound(path)
        return self.written[path][offset : offset + length]

    def erase(self, path):
        del self.written[path]

    def move(self, source, destination):
        self.written[destination] = self.written.pop(source)

    def write(self, path, content):
        self._awake()
        if path.rpartition("/")[0] not in self.collections:
            raise NotFound(path)
        self.written[path] = content

    def make_collection(self, path):
        self._awake()
        while path not in self.collections:
            self.collections.add(path)
            path = path.rpartition("/")[0]

    def register(self, file, path, resource):
        self._awake()
        if self.faults:
            raise self.faults.pop(0)
        asked, path = path, self.place(path)
        if asked == path and path.rpartition("/")[0] not in self.collections:
            raise NotFound(path)
        if path in self.objects:
            raise Exists(path)
        assert resource == "landingResc"
        self.objects[path] = (file, os.stat(file).st_size)
        self.registrations.append(file)
        if self.late_faults:
            raise self.late_faults.pop(0)
        return path

    def rule(self, name, argument):
        self._awake()
        path = json.loads(argument)["path"]
        if name == "mrdata_register_again":
            del self.objects[path]
            return '{"again": true, "same": false}'
        assert name == "mrdata_describe"
        self.described.append(path)
        self.avus.setdefault(path, set()).add(self.objects[path][0].split("/landing/", 1)[1])
        return "{}"


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.reports: list[str] = []
        self.alarms: list[str] = []
        self.files: list[str] = []

    def looked(self, ready, waiting): ...

    def registered(self, file, path, size):
        self.files.append(file)

    def already(self, files): ...

    def report(self, message, *, alarm, file="", detail=""):
        (self.alarms if alarm else self.reports).append(": ".join(filter(None, [shown(file), message, shown(detail)])))

    def close(self): ...


class Site:
    def __init__(self, tmp_path: Path, **landing) -> None:
        self.folder = tmp_path / "landing"
        self.folder.mkdir(exist_ok=True)
        values = {"folder": str(self.folder), "quiet_seconds": QUIET, "look_seconds": 0.02, "incomplete_seconds": 30.0, **landing}
        self.settings = Settings(zone="site", scanners=["prisma", "9.4T"], landing=Landing(**values), expanded=Expanded(quiet_seconds=0.0))
        self.zone = Catalog()
        self.told = Told()

    def put(self, path: str, content: bytes = b"x") -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def scanner(self, **options) -> Scanner:
        options = {"retry_seconds": 0.01, **options}
        return Scanner(self.settings, lambda: self.zone, self.told, **options)

    def once(self, **options) -> Summary:
        return self.scanner(**options).run_once()

    def place_anywhere(self) -> None:
        """Every registration gets a path of its own, so that nothing but the scanner keeps it from registering twice."""
        numbers = itertools.count()
        self.zone.place = lambda path: f"{HOME}/studies/S/{next(numbers)}"

    def registered(self) -> list[str]:
        return sorted(os.path.relpath(file, self.folder) for file in self.zone.registrations)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


class Watch:
    """A watching scanner in a thread."""

    def __init__(self, scanner: Scanner) -> None:
        self.stop = threading.Event()
        self.scanner = scanner
        self.summary: Summary | None = None

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self) -> None:
        self.summary = self.scanner.watch(self.stop)

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


# What is registered


def test_registers_each_branch_where_it_belongs(site):
    site.put("prisma/dicom/a/b/1.dcm")
    site.put("9.4T/expdata/log.txt", b"12345")
    summary = site.once()
    assert set(site.zone.objects) == {f"{HOME}/landing/prisma/dicom/a/b/1.dcm", f"{HOME}/landing/9.4T/expdata/log.txt"}
    assert (summary.registered, summary.bytes, summary.ok) == (2, 6, True)
    assert sorted(path.name for path in site.folder.rglob("*") if path.is_file()) == [".mrdata-scanner.lock", "1.dcm", "log.txt"]


def test_an_object_placed_at_birth_needs_no_landing_collection(site):
    site.zone.place = lambda path: f"{HOME}/studies/S/{path.rpartition('/')[2]}"
    site.put("prisma/dicom/a/1.dcm")
    assert site.once().registered == 1
    assert site.zone.collections == {HOME}


def test_a_second_run_registers_nothing(site):
    for number in range(40):
        site.put(f"prisma/dicom/a/{number}.dcm")
    site.put("prisma/expdata/x")
    assert site.once().registered == 41
    summary = site.once()
    assert (summary.registered, summary.already_registered) == (0, 41)
    assert len(site.zone.registrations) == 41


@pytest.mark.parametrize("files", [3, 40])
def test_what_the_archive_has_is_known_by_its_landing_path(site, files):
    """The landing replica is trimmed, and duplicates are merged: only the AVU tells."""
    for number in range(files):
        site.put(f"prisma/expdata/a/{number}")
        path = f"{HOME}/studies/S/{number}"
        site.zone.objects[path] = (f"/vault/{number}", 1)
        site.zone.avus[path] = {f"prisma/expdata/a/{number}"}
    assert site.once().already_registered == files
    assert site.zone.registrations == []


def test_the_catalog_is_asked_once_for_a_folder(site):
    for number in range(300):
        site.put(f"prisma/expdata/a/{number}")
    with Watch(site.scanner()) as watch:
        until(lambda: len(site.zone.registrations) == 300)
        asked = len(site.zone.queries)
        for number in range(300, 600):
            site.put(f"prisma/expdata/a/{number}")
        until(lambda: len(site.zone.registrations) == 600)
    assert asked == 2
    assert len(site.zone.queries) == 2
    assert watch.summary.registered == 600


@pytest.mark.parametrize("many", [False, True])
def test_names_that_patterns_confuse(site, many):
    names = [
        "o'clock",
        "100%",
        "a_b",
        "aXb",
        "back\\slash",
        "a++++b=c",
        "-rf",
        " blanks ",
        "caf\u00e9",
        "cafe\u0301",
        '"quoted"',
        "日本",
        "A",
        "a",
        "*?[x]",
    ]
    site.place_anywhere()
    folder = "prisma/expdata/it's\\d_100%_"
    if many:
        names += [f"{number}" for number in range(20)]
    for name in names:
        site.put(f"{folder}/{name}")
    site.put("prisma/expdata/it's\\d_100%X/a")
    assert site.once().registered == len(names) + 1
    assert site.once().already_registered == len(names) + 1
    site.zone.avus = {path: {os.path.relpath(file, site.folder)} for path, (file, _) in site.zone.objects.items()}
    site.zone.objects = dict.fromkeys(site.zone.objects, ("/vault", 1))
    assert site.once().already_registered == len(names) + 1
    assert site.registered() == sorted([*(f"{folder}/{name}" for name in names), "prisma/expdata/it's\\d_100%X/a"])


def test_the_same_name_in_a_folder_below_is_another_file(site):
    site.put("prisma/expdata/a/below/0")
    assert site.once().registered == 1
    for number in range(20):
        site.put(f"prisma/expdata/a/{number}")
    assert site.once().registered == 20


# When


def test_a_growing_file_waits_and_the_others_go_on(tmp_path):
    site = Site(tmp_path, quiet_seconds=1.0)
    site.put("prisma/expdata/still")
    growing = site.put("prisma/expdata/grows")
    stop = threading.Event()

    def grow():
        while not stop.wait(0.01):
            with growing.open("ab") as file:
                file.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        summary = site.once()
    finally:
        stop.set()
        writer.join()
    assert site.registered() == ["prisma/expdata/still"]
    assert summary.waiting == {"still changing": 1}
    assert summary.ok
    assert site.once().registered == 1


def test_nothing_is_registered_before_it_was_quiet(tmp_path):
    site = Site(tmp_path, quiet_seconds=1.0, look_seconds=0.02)
    file = site.put("prisma/expdata/a")
    with Watch(site.scanner()):
        time.sleep(0.3)
        written = time.monotonic()
        file.write_bytes(b"longer")
        until(lambda: site.zone.registrations)
        assert time.monotonic() - written >= 1.0


def test_a_file_that_changes_at_the_last_moment(site):
    file = site.put("prisma/expdata/a")
    ordinary = site.zone.query

    def query(columns, *conditions):
        if file.stat().st_size == 1:
            file.write_bytes(b"longer")
        return ordinary(columns, *conditions)

    site.zone.query = query
    summary = site.once()
    assert (summary.registered, summary.bytes, summary.alarms) == (1, 6, 0)
    assert [size for _, size in site.zone.objects.values()] == [6]


@pytest.mark.parametrize("skew", [-400 * 86400, 400 * 86400])
def test_another_clock_does_not_matter(site, skew):
    file = site.put("prisma/expdata/a")
    os.utime(file, (time.time() + skew, time.time() + skew))
    summary = site.once()
    assert summary.registered == 1
    assert summary.ok


def test_renamed_while_it_waits(tmp_path):
    site = Site(tmp_path, quiet_seconds=1.0)
    file = site.put("prisma/expdata/.first.tmp")
    with Watch(site.scanner()):
        time.sleep(0.1)
        file.rename(file.with_name("second"))
        time.sleep(0.1)
        file.with_name("second").rename(file.with_name("third"))
        until(lambda: site.zone.registrations)
        time.sleep(0.1)
    assert site.registered() == ["prisma/expdata/third"]
    assert site.told.alarms == []


def test_temporary_names_are_left_alone_and_told_when_they_stay(site):
    for name in (".a.dcm.X3d", "b.tmp", "c.PART", "d.partial", "e~", "f.filepart", ".partial-dir/x", "dir.tmp/x"):
        site.put(f"prisma/expdata/{name}")
    summary = site.once()
    assert (summary.registered, summary.ok, summary.waiting) == (0, True, {"a final name": 8})
    assert site.told.reports == []
    summary = site.once(stale_seconds=-1.0)
    assert summary.refused == {"temporary name that stays": 8}
    assert len(site.told.reports) == 8


def test_a_description_that_fails_is_tried_again(site):
    file = site.put("prisma/expdata/placed")
    site.zone.objects[f"{HOME}/studies/S/placed"] = (str(file), 1)
    describe, answers = site.zone.rule, ['{"error": "no such experiment"}'] * 2
    site.zone.rule = lambda name, argument: answers.pop() if answers else describe(name, argument)
    summary = site.once()
    assert (summary.already_registered, summary.failed) == (1, 0)
    assert "is not described: no such experiment" in site.told.reports[0]
    assert site.zone.described == [f"{HOME}/studies/S/placed"]


# TWIX


@pytest.fixture(scope="module")
def raw() -> bytes:
    session = Session("", datetime(2026, 3, 1, 9), 1)
    return phantom_twix.ve(
        session, [phantom_twix.coil_sensitivities(session, 1, channels=2), phantom_twix.gradient_echo(session, 2, size=16, channels=2)]
    )


@pytest.mark.parametrize(("path", "begin"), [("prisma/twix/meas.dat", 100), ("prisma/expdata/raw/meas.dat", 200)])
def test_raw_data_are_registered_when_their_end_has_come(site, raw, path, begin):
    site.put("prisma/twix/note.txt", b"a note of the technician" * 10)
    with Watch(site.scanner(retry_seconds=0.02)):
        for end in (begin, 5000, 10240, len(raw) // 2, len(raw) - 512 - 200):
            site.put(path, raw[:end])
            time.sleep(4 * QUIET)
        assert site.registered() == ["prisma/twix/note.txt"]
        site.put(path, raw)
        until(lambda: path in site.registered())
    assert site.told.alarms == []
    assert any("waits for its end" in report for report in site.told.reports)


def test_raw_data_without_end_are_counted_as_waiting(site, raw):
    site.put("prisma/twix/cut.dat", raw[:-1000])
    site.put("prisma/twix/whole.dat", raw)
    summary = site.once()
    assert site.registered() == ["prisma/twix/whole.dat"]
    assert (summary.waiting, summary.ok) == ({"its end": 1}, True)


@pytest.mark.parametrize("restart", [False, True])
def test_raw_data_that_never_end_are_left_to_the_policies(tmp_path, raw, restart):
    site = Site(tmp_path, incomplete_seconds=1.5)
    site.put("prisma/twix/cut.dat", raw[:-1000])
    assert site.once().waiting == {"its end": 1}
    if restart:
        time.sleep(1.5)
        assert site.once().registered == 1
    else:
        with Watch(site.scanner()):
            until(lambda: site.zone.registrations)


# Changed after registration


@pytest.mark.parametrize("restart", [False, True])
def test_written_over_before_it_was_archived(site, restart):
    file = site.put("prisma/expdata/a", b"one")
    scanner = site.scanner()
    scanner.run_once()
    file.write_bytes(b"another")
    summary = site.once() if restart else looked(scanner)
    assert summary.alarms == 1
    assert not summary.ok
    assert "written over before it was archived" in site.told.alarms[0]
    assert [size for _, size in site.zone.objects.values()] == [7]
    site.once()
    assert len(site.told.alarms) == 1
    assert len(site.zone.registrations) == 2


def looked(scanner) -> Summary:
    """After some looks of a scanner that goes on."""
    for _ in range(3):
        scanner.run_once()
        time.sleep(2 * QUIET)
    return scanner.run_once()


def archived(site, path, content) -> None:
    """The archive has the object of a file, which was made long ago."""
    site.zone.archived[path] = "sha2:" + base64.b64encode(hashlib.sha256(content).digest()).decode()
    site.zone.made[path] = int(time.time()) - 1000
    site.zone.avus[path] = {"prisma/dicom/a"}


@pytest.mark.parametrize("content", [b"two", b"longer"])
@pytest.mark.parametrize("restart", [False, True])
def test_another_file_under_the_name_of_one_that_is_archived(site, content, restart):
    site.place_anywhere()
    file = site.put("prisma/dicom/a", b"one")
    scanner = site.scanner()
    scanner.run_once()
    archived(site, f"{HOME}/studies/S/0", b"one")
    file.unlink()
    if not restart:
        scanner.run_once()
    site.put("prisma/dicom/a", content)
    summary = site.once() if restart else looked(scanner)
    assert summary.ok
    assert "another file than" in site.told.reports[-1]
    assert [size for _, size in site.zone.objects.values()] == [3, len(content)]
    assert site.once().registered == 0


def test_the_same_bytes_that_come_again_are_known(site):
    site.place_anywhere()
    file = site.put("prisma/dicom/a", b"one")
    site.once()
    archived(site, f"{HOME}/studies/S/0", b"one")
    file.write_bytes(b"one")
    summary = site.once()
    assert (summary.registered, summary.already_registered, summary.ok) == (0, 1, True)
    assert len(site.zone.objects) == 1


def test_another_file_is_not_registered_while_the_one_before_is_being_archived(site):
    site.place_anywhere()
    file = site.put("prisma/dicom/a", b"one")
    site.once()
    archived(site, f"{HOME}/studies/S/0", b"one")
    checksum, site.zone.archived = site.zone.archived, {}
    file.write_bytes(b"two")
    site.zone.rule = lambda name, argument: '{"again": false, "same": false}'
    summary = site.once()
    assert (summary.registered, summary.waiting) == (0, {"the archiving of what had its name before": 1})
    site.zone.archived = checksum
    assert site.once().registered == 1


def test_renamed_after_registration_is_not_registered_again(site):
    file = site.put("prisma/expdata/a/1", b"one")
    with Watch(site.scanner()) as watch:
        until(lambda: site.zone.registrations)
        time.sleep(0.05)
        file.parent.rename(file.parent.with_name("b"))
        until(lambda: site.told.alarms)
        time.sleep(0.2)
    assert site.registered() == ["prisma/expdata/a/1"]
    assert "registered as prisma/expdata/a/1" in site.told.alarms[0]
    assert watch.summary.alarms == 1


def test_another_file_under_the_name_of_one_that_went(site):
    """A person removed the file, and the same name came again: the catalog is asked again."""
    site.place_anywhere()
    file = site.put("prisma/expdata/a", b"one")
    for number in range(20):
        site.put(f"prisma/expdata/{number}")
    with Watch(site.scanner()):
        until(lambda: len(site.zone.registrations) == 21)
        file.unlink()
        time.sleep(0.1)
        site.put("prisma/expdata/a", b"other bytes")
        until(lambda: len(site.zone.registrations) == 22)
    assert len(site.told.alarms) == 1


def test_a_folder_that_was_away_for_one_look(site):
    file = site.put("prisma/expdata/a/1")
    scanner = site.scanner()
    scanner.run_once()
    away = file.parent.with_name("away.tmp")
    file.parent.rename(away)
    assert scanner.run_once().ok
    away.rename(file.parent)
    assert scanner.run_once().ok
    assert (site.told.alarms, site.registered()) == ([], ["prisma/expdata/a/1"])


def test_the_share_away_for_a_while(site):
    site.put("prisma/expdata/a/1")
    away = site.folder.with_name("away")
    with Watch(site.scanner()) as watch:
        until(lambda: site.zone.registrations)
        site.folder.rename(away)
        time.sleep(0.15)
        away.rename(site.folder)
        site.put("prisma/expdata/a/2")
        until(lambda: len(site.zone.registrations) == 2)
    assert site.registered() == ["prisma/expdata/a/1", "prisma/expdata/a/2"]
    assert watch.summary.ok


# What needs a person


def test_what_cannot_be_registered_is_told_and_the_rest_goes_on(site):
    outside = site.put("../outside.txt", b"secret")
    site.put("prisma/expdata/good")
    (site.folder / "prisma/expdata/link").symlink_to(outside)
    (site.folder / "prisma/expdata/linked").symlink_to(outside.parent)
    os.mkfifo(site.folder / "prisma/expdata/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        previous = os.getcwd()
        os.chdir(site.folder / "prisma/expdata")
        try:
            server.bind("socket")
        finally:
            os.chdir(previous)
    site.put("prisma/expdata/line\nfeed")
    site.put("prisma/expdata/tab\tfolder/inside")
    latin1 = os.fsdecode(os.fsencode(str(site.folder / "prisma/expdata/")) + b"/caf\xe9")
    Path(latin1).write_bytes(b"x")
    site.put("prisma/dicoms/1.dcm")
    site.put("prisma/loose.dcm")
    site.put("skyra/dicom/1.dcm")
    site.put("loose")
    (site.folder / "9.4T").symlink_to(site.folder / "prisma")
    summary = site.once()
    assert site.registered() == ["prisma/expdata/good"]
    assert summary.refused == {
        Reason.SYMLINK: 3,
        Reason.SPECIAL: 2,
        Reason.CONTROL: 2,
        Reason.NOT_UTF8: 1,
        Reason.PLACE: 4,
    }
    assert not summary.ok
    assert len(site.told.reports) == 12
    assert all(report.isprintable() for report in site.told.reports)
    assert any("prisma/expdata/line\\nfeed: control character" in report for report in site.told.reports)


def test_what_is_told_is_told_once(site):
    (site.folder / "prisma").mkdir()
    site.put("prisma/loose")
    scanner = site.scanner()
    scanner.run_once()
    scanner.run_once()
    assert len(site.told.reports) == 1


def test_paths_as_long_as_irods_holds(site):
    top = len(f"{HOME}/landing/") if len(HOME) + 9 > len(str(site.folder)) + 1 else len(str(site.folder)) + 1
    folders = "prisma/expdata/" + "/".join(["é" * 100] * 4)
    room = LONGEST_PATH - top - len(os.fsencode(folders)) - 1
    assert 0 < room < 255
    site.put(f"{folders}/{'x' * room}")
    site.put(f"{folders}/{'x' * (room + 1)}")
    summary = site.once()
    assert summary.refused == {Reason.TOO_LONG: 1}
    assert site.registered() == [f"{folders}/{'x' * room}"]
    assert len(os.fsencode(site.zone.registrations[0])) <= LONGEST_PATH


@pytest.fixture
def ordinary():
    """A folder of an account that may not read everything, as which the test goes on."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, nobody, nobody)
        os.seteuid(nobody)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_unreadable_files_and_folders(ordinary):
    site = Site(ordinary)
    for name in ("good", "secret", "locked/inside"):
        site.put(f"prisma/expdata/{name}")
    secret, locked = site.folder / "prisma/expdata/secret", site.folder / "prisma/expdata/locked"
    secret.chmod(0)
    locked.chmod(0)
    with Watch(site.scanner()) as watch:
        until(lambda: len(site.told.reports) == 2 and site.zone.registrations)
        assert watch.scanner.summary().refused == {Reason.UNREADABLE: 2}
        assert site.registered() == ["prisma/expdata/good"]
        secret.chmod(0o644)
        locked.chmod(0o755)
        until(lambda: len(site.zone.registrations) == 3)
    assert watch.summary.ok


def test_a_folder_that_cannot_be_listed_for_a_while(ordinary):
    """What was registered of it is not forgotten, nor taken for gone."""
    site = Site(ordinary)
    folder = site.put("prisma/expdata/a/1").parent
    with Watch(site.scanner()) as watch:
        until(lambda: site.zone.registrations)
        asked = len(site.zone.queries)
        folder.chmod(0)
        until(lambda: site.told.reports)
        time.sleep(0.15)
        folder.chmod(0o755)
        until(lambda: watch.scanner.summary().ok)
        time.sleep(0.15)
    assert (len(site.zone.registrations), len(site.zone.queries)) == (1, asked)


# Faults of the zone


def test_a_passing_fault_is_tried_again(site):
    site.zone.collections.add(f"{HOME}/landing/prisma/expdata")
    site.zone.faults = [ZoneError("resource is down", -1), ZoneError("resource is down", -1)]
    for name in "abc":
        site.put(f"prisma/expdata/{name}")
    summary = site.once()
    assert (summary.registered, summary.failed) == (3, 0)
    assert len(site.told.reports) == 2
    assert "resource is down" in site.told.reports[0]


def test_a_lasting_fault_ends_a_single_run(site):
    site.zone.faults = [ZoneError("no space left", -1)] * 100
    site.put("prisma/expdata/a")
    summary = site.once()
    assert (summary.registered, summary.failed, summary.ok) == (0, 1, False)


def test_an_answer_that_got_lost_is_no_second_registration(site):
    """The server registered the file, but the connection broke before it said so."""
    site.place_anywhere()
    site.put("prisma/expdata/a")
    site.zone.late_faults = [ZoneError("connection reset")]
    summary = site.once()
    assert (summary.registered, summary.already_registered, summary.failed) == (0, 1, 0)
    assert site.registered() == ["prisma/expdata/a"]


def test_a_server_that_goes_on_after_the_connection_broke(site):
    """It registers the file only after the scanner has asked whether it did."""
    site.place_anywhere()
    file = site.put("prisma/expdata/a")
    for number in range(20):
        site.put(f"prisma/expdata/{number}")
    ordinary, late = site.zone.register, []

    def register(file, path, resource):
        if file.endswith("/a") and not late:
            late.append(threading.Timer(0.05, ordinary, (file, path, resource)))
            late[0].start()
            raise ZoneError("connection reset")
        return ordinary(file, path, resource)

    site.zone.register = register
    summary = site.once(retry_seconds=0.2)
    assert (summary.registered, summary.already_registered) == (20, 1)
    assert site.registered().count("prisma/expdata/a") == 1
    assert file.exists()


@pytest.mark.parametrize("workers", [1, 3])
def test_an_answer_that_got_lost_with_the_zone_is_no_second_registration(site, workers):
    """The folder's content was asked for before, as there are many files; the server goes away after it registered some."""
    site.place_anywhere()
    for number in range(60):
        site.put(f"prisma/expdata/{number}")
    ordinary = site.zone.register

    def breaks(file, path, resource):
        ordinary(file, path, resource)
        if len(site.zone.registrations) == 20:
            site.zone.away = True
            raise ZoneError("connection reset")
        return path

    site.zone.register = breaks
    with Watch(site.scanner(workers=workers)) as watch:
        until(lambda: site.zone.away)
        time.sleep(0.1)
        site.zone.away = False
        until(lambda: len(site.zone.registrations) >= 60)
        time.sleep(0.2)
    assert len(site.registered()) == len(set(site.registered())) == 60
    assert watch.summary.ok
    assert watch.summary.registered + watch.summary.already_registered == 60


def test_a_name_about_which_the_zone_cannot_be_asked(site):
    for name in ("odd", "a", "b"):
        site.put(f"prisma/expdata/{name}")
    ordinary = site.zone.query

    def query(columns, *conditions):
        if conditions[-1].value.endswith("/odd"):
            raise ZoneError("bad query", -1)
        return ordinary(columns, *conditions)

    site.zone.query = query
    summary = site.once()
    assert site.registered() == ["prisma/expdata/a", "prisma/expdata/b"]
    assert (summary.failed, summary.error) == (1, "")


def test_a_zone_that_is_away_for_a_while(site):
    site.zone.away = True
    for name in "ab":
        site.put(f"prisma/expdata/{name}")
    with Watch(site.scanner()) as watch:
        until(lambda: len(site.told.reports) >= 3)
        site.zone.away = False
        until(lambda: len(site.zone.registrations) == 2)
    assert watch.summary.ok
    assert "the zone answers again" in site.told.reports


def test_a_single_run_gives_up_when_the_zone_stays_away(site):
    site.zone.away = True
    site.put("prisma/expdata/a")
    summary = site.once()
    assert (summary.registered, summary.ok, summary.error) == (0, False, "connection refused")


def test_a_name_that_somebody_took(site):
    taken = f"{HOME}/landing/prisma/expdata/a"
    site.zone.collections.add(f"{HOME}/landing/prisma/expdata")
    site.zone.objects[taken] = ("/vault/elsewhere", 7)
    site.put("prisma/expdata/a")
    scanner = site.scanner()
    summary = scanner.run_once()
    assert summary.refused == {Reason.TAKEN: 1}
    del site.zone.objects[taken]
    time.sleep(0.05)
    with Watch(scanner):
        until(lambda: site.zone.registrations)


def test_what_a_kill_left_undescribed_is_described(site):
    for number, name in enumerate(["placed", "resting", "trash"]):
        file = site.put(f"prisma/expdata/{name}")
        path = [f"{HOME}/studies/S/placed", f"{HOME}/landing/prisma/expdata/resting", "/site/trash/home/mrdata/trash"][number]
        site.zone.objects[path] = (str(file), 1)
    summary = site.once()
    assert summary.already_registered == 3
    assert site.zone.described == [f"{HOME}/studies/S/placed"]
    assert site.zone.registrations == []


# One scanner


def test_a_second_scanner_is_refused(site):
    with Watch(site.scanner()):
        until(lambda: (site.folder / ".mrdata-scanner.lock").exists() and (site.folder / ".mrdata-scanner.lock").read_text())
        with pytest.raises(LandingError, match=rf"another scanner is at work \(process {os.getpid()} on"):
            site.once()
    assert site.once().ok


def test_another_scanner_worked_while_the_lock_was_lost(site):
    site.place_anywhere()
    for number in range(20):
        site.put(f"prisma/expdata/{number}")
    lock = site.folder / ".mrdata-scanner.lock"
    with Watch(site.scanner()) as watch:
        until(lambda: len(site.zone.registrations) == 20)
        lock.unlink()
        site.zone.objects[f"{HOME}/studies/S/other"] = (str(site.folder / "prisma/expdata/a"), 1)
        until(lock.exists)
        site.put("prisma/expdata/a")
        until(lambda: watch.scanner.summary().already_registered)
    assert len(site.zone.registrations) == 20


def test_no_landing_folder(site):
    site.folder.rmdir()
    with pytest.raises(LandingError, match="there is no such folder"):
        site.once()


def test_several_connections(site):
    for number in range(200):
        site.put(f"prisma/expdata/{number % 7}/{number}")
    site.zone.make_collection(f"{HOME}/landing/prisma/expdata")
    zones = []

    def zone():
        zones.append(threading.current_thread().name)
        return site.zone

    summary = Scanner(site.settings, zone, site.told, workers=4).run_once()
    assert summary.registered == 200
    assert len(set(site.registered())) == len(site.registered()) == 200
    assert 2 <= len(zones) <= 5


def test_a_look_over_much_that_is_registered_asks_nothing(site):
    for number in range(2000):
        site.put(f"prisma/dicom/{number // 500}/{number}.dcm", b"")
    scanner = site.scanner()
    scanner.run_once()
    asked = len(site.zone.queries)
    summary = scanner.run_once()
    assert summary.registered == 2000
    assert len(site.zone.queries) == asked


# Words


def test_names():
    assert is_temporary("x.Part")
    assert not is_temporary("part.dat")
    assert unfit("a\x7fb") is Reason.CONTROL
    assert unfit("ok é 日本") is None
    assert shown("a\\b\x1b[31m\udce9") == "a\\\\b\\x1b[31m\\udce9"


def test_log_lines():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.looked(2, 1)
    lines.registered("prisma/expdata/a\nb", "/site/x", 1500)
    lines.report("prisma/expdata/b: changed", alarm=True)
    lines.close()
    texts = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert texts == [
        "2 files complete, 1 waiting",
        "ALARM prisma/expdata/b: changed",
        "registered 1 files, 1.5 kB, the last prisma/expdata/a\\nb",
    ]


def test_a_bar_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    bar = progress_to(stream)
    assert isinstance(bar, Bar)
    bar.looked(3, 7)
    bar.already(2)
    bar.registered("a", "/site/a", 1)
    bar.report("[red]prisma[/red]/x: symbolic link", alarm=True)
    bar.close()
    assert "[red]prisma[/red]/x: symbolic link" in stream.getvalue()
    assert "3/10" in stream.getvalue()
    assert "7 waiting" in stream.getvalue()
    assert isinstance(progress_to(io.StringIO()), Lines)


def test_a_summary_travels_as_json():
    summary = Summary(registered=1, refused={Reason.SYMLINK: 2})
    assert json.loads(json.dumps(summary.as_dict()))["refused"] == {"symbolic link": 2}
    assert str(summary) == "1 registered (0 bytes), 0 registered before, 2 refused: symbolic link"


def test_the_board_is_told_how_many_files_wait_of_each_scanner(site):
    site.put("prisma/expdata/a/1")
    with Watch(site.scanner()):
        until(lambda: f"{HOME}/board/landing.json" in site.zone.written)
    told = json.loads(site.zone.written[f"{HOME}/board/landing.json"])
    assert told["files"] == {scanner: int(scanner == "prisma") for scanner in site.settings.scanners or ["prisma"]}
    assert abs(told["time"] - time.time()) < 60

"""The scanner on an embedded zone's whole rulebase: what it does about files that change, zones and disks that fail,
other processes.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from landing import scanner as scanner_module
from landing import vault as vault_module
from landing import work as work_module
from landing.batches import Batches, owner
from landing.intake import Intake
from landing.mailbox import Mailbox
from landing.names import Reason
from landing.progress import Summary
from landing.scanner import LandingError, Scanner
from landing.vault import Vault
from policy.zone import AVU, Condition, Registration, ZoneError, layout
from policy.zone.settings import Expanded
from tests import files
from tests.landing_zone import Faults, Told, Watch, ordinary, until
from tests.zone.embedded_site import EmbeddedSite
from tests.zone.names import T94

__all__ = ["ordinary"]


class Land:
    """A site with a landing zone, and how its zone fails."""

    def __init__(self, folder: Path, **site: object) -> None:
        self.site = EmbeddedSite(folder, site)
        self.settings = self.site.settings
        self.folder = Path(self.settings.landing.folder)
        self.intake = self.folder / layout.INTAKE
        self.faults, self.told = Faults(), Told()
        self.connections: list[object] = []
        self._experiment = ""

    @property
    def experiment(self) -> str:
        self._experiment = self._experiment or self.site.register()
        return self._experiment

    def zones(self):
        self.connections.append(self.site.new_connection("mrdata"))
        return self.faults.wrap(self.connections[-1])

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        self.site.close()

    def put(self, path: str, content: bytes = b"x") -> Path:
        file = self.folder / T94 / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def image(self, number: int = 1) -> Path:
        return self.put(f"dicom/a/{number}.dcm", files.dicom(self.experiment, instance=number, sop=f"1.2.3.{number}"))

    def scanner(self, **options) -> Scanner:
        return Scanner(self.settings, self.zones, self.told, **{"retry_seconds": 0.01, **options})

    def once(self, **options) -> Summary:
        return self.scanner(**options).run_once()

    def archived(self) -> Counter[str]:
        """Landing paths of the images and files that the archive has, without the scanner's name.

        One for each object.
        """
        zone = self.site.connect()
        rows = zone.query(
            ["COLL_NAME", "DATA_NAME", "DATA_PATH"],
            Condition("COLL_NAME", "like", f"{layout.studies(self.settings)}/%"),
        )
        found: Counter[str] = Counter()
        for _, _, file in rows:
            _, mark, inside = file.partition(f"/{T94}/")
            if mark:
                assert Path(file).exists(), f"{file} is lost"
                found[inside] += 1
        return found

    def content(self, path: str) -> bytes:
        """Of the one object that came from this landing path."""
        zone = self.site.connect()
        rows = zone.query(["COLL_NAME", "DATA_NAME", "DATA_PATH"])
        (found,) = [f"{c}/{n}" for c, n, file in rows if file.endswith(f"/{T94}/{path}")]
        return zone.read(found, 0, 1 << 24)

    def batches(self) -> dict[str, bool]:
        """Name -> whether it is done."""
        return {path.name: (path / ".done").exists() for path in self.intake.iterdir() if path.is_dir()}


@pytest.fixture
def make_land(tmp_path):
    made: list[Land] = []

    def make(**site: object) -> Land:
        made.append(Land(tmp_path / f"zone{len(made)}", **site))
        return made[-1]

    yield make
    for land in made:
        land.close()


@pytest.fixture
def land(make_land):
    return make_land()


@contextmanager
def patched(where: object, name: str, wrap):
    """Within the block, a function is what `wrap` makes of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, wrap(getattr(where, name)))
        yield


# Files that change


def test_a_growing_file_waits_and_the_others_go_on(make_land):
    land = make_land(landing={"quiet_seconds": 0.5, "look_seconds": 0.02})
    growing, still = land.put(f"expdata/{land.experiment}.log"), land.image()
    looks = []

    def grow(look):
        def grown(*given):
            looks.append(1)
            growing.write_bytes(b"x" * len(looks))
            return look(*given)

        return grown

    with patched(Mailbox, "look", grow):
        summary = land.once()
    assert (summary.registered, dict(summary.waiting), summary.ok) == (1, {"still changing": 1}, True)
    assert not still.exists()
    assert growing.exists()


def test_a_file_that_is_replaced_between_look_and_rename(land):
    file = land.image()
    other = files.dicom(land.experiment, instance=2, sop="1.2.3.2")

    def replaced(take):
        def taken(intake, ready):
            if file.exists():
                land.put("dicom/a/.new", other).rename(file)
            return take(intake, ready)

        return taken

    with patched(Intake, "take", replaced):
        assert land.once().registered == 1
    assert land.content("dicom/a/1.dcm") == other
    (told,) = land.told.reports
    assert (
        told
        == f"{T94}/dicom/a/1.dcm: it was replaced or changed at the last moment; it waits in the intake until it no"
        " longer changes"
    )


def test_a_file_that_grows_between_rename_and_copy(land):
    content = files.dicom(land.experiment)
    file = land.put("dicom/a/1.dcm", content[:500])
    with file.open("ab") as writer:
        left = [content[500:800], content[800:]]

        def grown(own):
            def owned(vault, taken, *given):
                if left:
                    writer.write(left.pop(0))
                    writer.flush()
                else:
                    writer.close()
                return own(vault, taken, *given)

            return owned

        with patched(Vault, "own", grown):
            assert land.once().registered == 1
    assert land.content("dicom/a/1.dcm") == content
    assert land.archived() == {"dicom/a/1.dcm": 1}
    assert len(land.told.reports) == 1


def test_a_file_that_is_open_elsewhere_waits_until_it_is_closed(land):
    file = land.image()
    with file.open("r+b") as writer, Watch(land.scanner()) as watch:
        until(lambda: land.told.reports)
        assert "a program has it open for writing; it waits in the intake" in land.told.reports[0]
        until(lambda: watch.scanner.summary().waiting == {"still changing": 1})
        assert land.archived() == {}
        writer.seek(200)
        writer.close()
        until(land.archived)
    assert land.archived() == {"dicom/a/1.dcm": 1}
    assert len(land.told.reports) == 1


def test_a_single_run_does_not_wait_for_a_program_that_has_a_file_open(land):
    file = land.image()
    with file.open("r+b"):
        summary = land.once()
    assert (summary.registered, summary.waiting, summary.ok) == (0, {"still changing": 1}, True)
    assert list(land.batches().values()) == [False]
    assert land.once().registered == 1


def test_another_file_under_the_name_of_one_that_was_taken(land):
    land.image()
    with Watch(land.scanner()):
        until(land.archived)
        land.put("dicom/a/1.dcm", files.dicom(land.experiment, instance=2, sop="1.2.3.2"))
        until(lambda: land.archived() == {"dicom/a/1.dcm": 2})


def test_renamed_while_it_waits(make_land):
    land = make_land(landing={"quiet_seconds": 0.2, "look_seconds": 0.02})
    file = land.image()
    names = iter(("second", "third"))

    def renamed(look):
        def looked(*given):
            found = look(*given)
            if name := next(names, ""):
                next(file.parent.iterdir()).rename(file.with_name(name))
            return found

        return looked

    with patched(Mailbox, "look", renamed), Watch(land.scanner()):
        until(land.archived)
    assert land.archived() == {"dicom/a/third": 1}
    assert (land.told.reports, land.told.alarms) == ([], [])


# The zone fails


def test_several_connections(land):
    for number in range(210):
        land.put(f"expdata/loose{number}")
    summary = land.once(workers=4)
    assert (summary.registered, len(set(land.told.files))) == (210, 210)
    assert 2 <= len(land.connections) <= 5


def test_a_passing_fault_is_tried_again(land):
    for number in range(3):
        land.image(number)
    land.faults.before(
        "mrdata_batch", *[ZoneError("resource is down", -1)] * 3
    )  # the batch, and two of its files alone
    summary = land.once()
    assert (summary.registered, summary.failed, summary.ok) == (3, 0, True)
    assert len(land.told.reports) == 2
    assert all(report.startswith("94T/") and report.endswith(": resource is down") for report in land.told.reports)
    assert all(": failed (" in report and "), next try in 0 s: " in report for report in land.told.reports)
    assert land.archived() == {f"dicom/a/{number}.dcm": 1 for number in range(3)}


def test_a_lasting_fault_ends_a_single_run(land):
    land.image()
    land.faults.before("register_all", *[ZoneError("no space left", -1)] * 100)
    summary = land.once()
    assert (summary.registered, summary.failed, dict(summary.waiting), summary.ok) == (0, 1, {}, False)
    assert list(land.batches().values()) == [False]


def test_one_file_that_cannot_be_registered_keeps_none_of_the_others(land):
    for number in range(4):
        land.image(number)

    def picky(register_all):
        def registered(zone, given, resource):
            if any(one.file.endswith("/2.dcm") for one in given):
                raise ZoneError("this one not", -1)
            return register_all(zone, given, resource)

        return registered

    with patched(type(land.site.connect()), "register_all", picky):
        summary = land.once()
    assert (summary.registered, summary.failed) == (3, 1)
    assert land.once().registered == 1


@pytest.mark.parametrize("vault", [True, False])
@pytest.mark.parametrize("kind", ["placed", "resting"])
def test_an_answer_that_got_lost_is_no_second_registration(make_land, kind, vault):
    """The server registered the files, but the connection broke before it said so."""
    land = make_land(**({} if vault else {"archive": {"vault": ""}}))
    for number in range(3):
        land.put(
            f"dicom/a/{number}.dcm", files.dicom(land.experiment if kind == "placed" else "SIMPSON", instance=number)
        )
    land.faults.after("register_all", ZoneError("connection reset"))
    summary = land.once()
    assert (summary.registered, summary.same, summary.failed) == (3, 0, 0)
    rows = land.site.connect().query(["DATA_PATH"], Condition("DATA_PATH", "like", f"%/{T94}/%"))
    assert len(rows) == 3
    assert all(Path(file).exists() for (file,) in rows)
    assert list(land.batches().values()) == [True]
    assert land.site.verify()["sound"]
    assert not [path for path in land.site.paths() if "landed_again" in path or ".beside" in path]


def test_what_was_registered_and_not_described_is_described(land):
    """The agent is killed between the two."""
    land.put("dicom/a/1.dcm", files.dicom(land.experiment, sop="1.2.3/4"))  # a UID that no name can hold
    with land.site.broken("policy.ingest.registration_hooks.after"):
        land.faults.after("register_all", ZoneError("connection reset"))
        assert land.once().registered == 1
    ((path,),) = [(path,) for path in land.site.paths("studies") if "/DICOM/" in path]
    assert land.site.avus(path)["SOPInstanceUID"] == "1.2.3/4"


def test_a_server_that_goes_on_after_the_connection_broke(land):
    """It registers the files only after the scanner has asked whether it did."""
    land.image()
    late: list[threading.Thread] = []
    decided = threading.Event()

    def slow(register_all):
        def registered(zone, given, resource):
            if late:
                decided.set()
                late[0].join()
                return register_all(zone, given, resource)
            late.append(threading.Thread(target=finish, args=(given, resource)))
            late[0].start()
            raise ZoneError("connection reset")

        return registered

    def finish(given: list[Registration], resource: str) -> None:
        assert decided.wait(30)
        with land.site.new_connection("mrdata") as zone:
            folder = given[0].file.partition(f"/{T94}/")[0]
            request = {
                "batch": folder.rpartition("/")[2],
                "folder": folder,
                "files": [[f"{T94}/dicom/a/1.dcm", given[0].size, given[0].checksum]],
            }
            zone.rule("mrdata_batch", json.dumps(request))
            whole(zone, given, resource)

    where = type(land.site.connect())
    whole = where.register_all
    with patched(where, "register_all", slow):
        assert land.once().registered == 1
    assert land.archived() == {"dicom/a/1.dcm": 1}
    assert land.site.verify()["sound"]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_zone_that_goes_away_after_it_registered_some(land, workers):
    for number in range(160):
        land.put(f"expdata/loose{number}")
    done = []

    def breaks(register_all):
        def registered(zone, given, resource):
            register_all(zone, given, resource)
            done.append(1)
            if len(done) == 2:
                land.faults.away = ZoneError("connection reset")

        return registered

    with (
        patched(type(land.site.connect()), "register_all", breaks),
        Watch(land.scanner(workers=workers, retry_seconds=0.05)) as watch,
    ):
        until(lambda: land.faults.away and land.told.reports)
        land.faults.away = None
        until(lambda: not watch.scanner.summary().waiting and watch.scanner.summary().registered == 160)
    assert (watch.summary.registered, watch.summary.same, watch.summary.ok) == (160, 0, True)
    rows = land.site.connect().query(["DATA_PATH"], Condition("DATA_PATH", "like", f"%/{T94}/%"))
    assert len(rows) == len({file.rpartition("/")[2] for (file,) in rows}) == 160


@pytest.mark.parametrize(
    "error", [ZoneError("connection refused"), ConnectionResetError(104, "reset"), TimeoutError(110, "timed out")]
)
def test_a_zone_that_is_away_for_a_while(land, error):
    land.faults.away = error
    land.image()
    with Watch(land.scanner()) as watch:
        until(lambda: len(land.told.reports) >= 3)
        assert watch.scanner.summary().waiting == {"its registration": 1}
        land.faults.away = None
        until(land.archived)
    assert watch.summary.ok
    assert land.told.reports[-1] == "the zone answers again"


@pytest.mark.parametrize("workers", [1, 3])
def test_a_single_run_gives_up_when_the_zone_stays_away(land, workers):
    land.faults.away = ZoneError("connection refused")
    for number in range(400):
        land.put(f"expdata/loose{number}")
    summary = land.once(workers=workers)
    assert (summary.registered, summary.ok, summary.error) == (0, False, "connection refused")
    assert sum(summary.waiting.values()) == 400
    assert summary.waiting["its registration"]
    assert len(land.told.reports) >= scanner_module.TRIES
    assert all(
        re.fullmatch(r"the zone does not answer, next try in \d+ s: connection refused", one)
        for one in land.told.reports
    )


def test_the_pause_doubles_at_each_try_and_not_for_each_request(land):
    """However many files wait, and however many threads find out."""
    land.faults.away = ZoneError("connection refused")
    for number in range(400):
        land.put(f"expdata/loose{number}")
    scanner = land.scanner(workers=3, retry_seconds=200)
    stop = threading.Event()

    def seen(pause):
        def reported(message, *, alarm):
            pause(message, alarm=alarm)
            stop.set()

        return reported

    land.told.report = seen(land.told.report)
    scanner.run_once(stop)
    assert land.told.reports == ["the zone does not answer, next try in 200 s: connection refused"]


# The disk fails


@pytest.mark.parametrize("where", ["write", "fsync"])
def test_a_full_vault_loses_nothing_and_goes_on_later(land, where):
    for number in range(3):
        land.image(number)
    full = [True]

    def no_space(whole):
        def tried(*given):
            path = os.readlink(f"/proc/self/fd/{given[0] if where == 'fsync' else given[0].fileno()}")
            if full[0] and "/archiveResc/landed/" in path and path.endswith(".dcm"):
                raise OSError(28, os.strerror(28))
            return whole(*given)

        return tried

    with patched(os if where == "fsync" else vault_module, "fsync" if where == "fsync" else "_write", no_space):
        with Watch(land.scanner()) as watch:
            until(lambda: len(land.told.reports) >= 6)
            assert watch.scanner.summary().failed == 3
            assert land.archived() == {}
            full[0] = False
            until(lambda: len(land.archived()) == 3)
        assert watch.summary.ok
    assert all(": failed (No space left on device), next try in 0 s" in report for report in land.told.reports)
    assert land.archived() == {f"dicom/a/{number}.dcm": 1 for number in range(3)}
    assert land.site.verify()["sound"]


def test_what_may_not_be_on_the_disk_is_copied_again(land):
    """A fault of fsync is told once, and the bytes are lost: a second one says nothing."""
    land.image(1)
    land.image(2)
    told, copies = [], Counter()

    def once(fsync):
        def forced(descriptor):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if path.endswith("/1.dcm") and not told:
                told.append(path)
                os.truncate(path, 0)
                raise OSError(5, os.strerror(5))
            fsync(descriptor)

        return forced

    def counted(copy):
        def copied(vault, source, status, target, beat):
            copies[os.path.basename(target)] += 1
            return copy(vault, source, status, target, beat)

        return copied

    with patched(os, "fsync", once), patched(Vault, "_copy", counted):
        assert land.once().registered == 2
    assert copies == {"1.dcm": 2, "2.dcm": 1}
    assert land.content("dicom/a/1.dcm") == files.dicom(land.experiment, instance=1, sop="1.2.3.1")
    assert land.site.verify()["sound"]


def test_what_was_asked_about_is_never_copied_again(land):
    """It may be registered: its file must stay."""
    land.image()
    land.faults.after("register_all", ZoneError("connection reset"))
    land.faults.before("mrdata_batch", *[])
    forced = []

    def counted(fsync):
        def again(descriptor):
            forced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            fsync(descriptor)

        return again

    def gone(answers):
        return lambda *given: False if len(forced) and not land.told.reports else answers(*given)

    with (
        patched(os, "fsync", counted),
        patched(__import__("landing.batch_registration").batch_registration, "answers", gone),
    ):
        assert land.once().registered == 1
    assert len([path for path in forced if path.endswith(".dcm")]) == 1
    assert "the zone does not answer" in land.told.reports[0]
    assert land.archived() == {"dicom/a/1.dcm": 1}


# Nothing is held up


def test_large_files_do_not_hold_up_images(land, monkeypatch):
    monkeypatch.setattr(work_module, "LARGE", 5000)
    go_on, begun = threading.Event(), threading.Event()

    def slow(own):
        def owned(vault, taken, *given):
            if taken.signature.size >= 5000:
                begun.set()
                assert go_on.wait(60)
            return own(vault, taken, *given)

        return owned

    land.put("twix/meas.dat", files.twix(land.experiment))
    assert (land.folder / T94 / "twix/meas.dat").stat().st_size > 5000
    with patched(Vault, "own", slow), Watch(land.scanner()):
        assert begun.wait(60)
        for number in range(3):
            land.image(number)
        until(lambda: len(land.archived()) == 3)
        assert "twix/meas.dat" not in land.archived()
        go_on.set()
        until(lambda: "twix/meas.dat" in land.archived())


def test_who_is_asked_to_stop_begins_no_other_large_file(land, monkeypatch):
    monkeypatch.setattr(work_module, "LARGE", 5000)
    begun, go_on = threading.Event(), threading.Event()

    def slow(own):
        def owned(vault, taken, *given):
            begun.set()
            assert go_on.wait(60)
            return own(vault, taken, *given)

        return owned

    for number in range(3):
        land.put(f"twix/{number}.dat", files.twix(land.experiment))
    with patched(Vault, "own", slow), Watch(land.scanner()) as watch:
        assert begun.wait(60)
        watch.stop.set()
        until(lambda: watch.scanner._slow._shutdown)
        go_on.set()
    assert watch.summary.registered == 1
    assert land.once().registered == 2


def test_a_tree_of_many_files_does_not_hold_up_images(make_land, monkeypatch):
    land = make_land(landing={"quiet_seconds": 0.0})
    monkeypatch.setattr(scanner_module, "SLICE", 0.0)
    monkeypatch.setattr(scanner_module, "REST", 0.0)
    for number in range(120):
        land.put(f"expdata/{land.experiment}/{number}")
    land.put(f"expdata/{land.experiment}/FINISHED")
    come = iter(range(5))

    def images(take):
        def taken(worker, ready):
            take(worker, ready)
            if ready.signature is None:
                for number in come:
                    land.image(number)

        return taken

    with patched(work_module.Worker, "take", images):
        assert land.once().registered == 126
    order = [path.split("/")[1] for path in land.told.files]
    assert order.index("dicom") <= 100
    assert order[-1] == "expdata"


def test_the_volume_is_told_once_a_minute_and_at_the_end(land, monkeypatch):
    with Watch(land.scanner()) as watch:
        for number in range(5):
            land.image(number)
            until(lambda number=number: len(land.archived()) == number + 1)
        assert land.faults.calls["mrdata_volume"] == 0
        watch.scanner._worker._volume_due = 0.0  # the minute is over
        until(lambda: land.faults.calls["mrdata_volume"] == 1)
        land.image(7)
        until(lambda: len(land.archived()) == 6)
        assert land.faults.calls["mrdata_volume"] == 1
    assert land.faults.calls["mrdata_volume"] == 2
    assert volume(land) == {"DICOM": [6, 6 * len(files.dicom(land.experiment, instance=1, sop="1.2.3.1"))]}


def volume(land: Land) -> dict[str, list[int]]:
    path = f"{land.settings.home}/board/volume/{time.strftime('%Y-%m')}.json"
    ((_, scanners),) = json.loads(land.site.connect().read(path, 0, 1 << 16)).items()
    return scanners[T94]


def test_a_volume_that_cannot_be_told_is_told_later(land):
    land.image()
    scanner = land.scanner()
    land.faults.before("mrdata_volume", ConnectionResetError(104, "Connection reset by peer"))
    assert scanner.run_once().registered == 1
    assert "how much was archived could not be told: Connection reset by peer" in land.told.reports
    scanner.run_once()
    assert volume(land)["DICOM"][0] == 1


# What needs a person


def test_what_may_not_be_taken_is_told_once_and_a_single_run_ends(land, monkeypatch):
    land.image()
    land.put("dicom/b/2.dcm", files.dicom(land.experiment, instance=2, sop="1.2.3.2"))
    rename = os.rename

    def refused(name, target, **given):
        if name == "2.dcm":
            raise PermissionError(13, os.strerror(13))
        rename(name, target, **given)

    monkeypatch.setattr(os, "rename", refused)
    scanner = land.scanner()
    summary = scanner.run_once()
    assert (summary.registered, dict(summary.waiting), dict(summary.refused)) == (1, {}, {"may not be taken": 1})
    scanner.run_once()
    (told,) = land.told.reports
    assert told.startswith(
        f"{T94}/dicom/b/2.dcm: may not be taken (Permission denied); complete files are taken by a rename: let this"
    )
    monkeypatch.undo()
    assert scanner.run_once().registered == 2
    assert scanner.summary().ok


def test_a_file_that_cannot_be_read_does_not_keep_a_single_run(land, monkeypatch):
    land.image()
    monkeypatch.setattr(
        "landing.mailbox.has_end", lambda *_: (_ for _ in ()).throw(PermissionError(13, os.strerror(13)))
    )
    land.settings = replace(land.settings, landing=replace(land.settings.landing, incomplete_seconds=1000.0))
    summary = land.once()
    assert (summary.registered, dict(summary.waiting), dict(summary.refused)) == (0, {}, {Reason.UNREADABLE: 1})


def test_links_and_odd_places_are_told_once(land):
    land.put("loose")
    (land.folder / T94 / "dicom").mkdir(exist_ok=True)
    (land.folder / T94 / "dicom/line\nfeed").symlink_to("/etc/passwd")
    scanner = land.scanner()
    for _ in range(2):
        summary = scanner.run_once()
    assert dict(summary.refused) == {"symbolic link": 1, "outside the scanners' folders": 1}
    assert len(land.told.reports) == 2
    assert all(report.isprintable() for report in land.told.reports)
    assert any(
        f"{T94}/dicom/line\\nfeed: symbolic link; links are never followed" in report for report in land.told.reports
    )


def test_what_cannot_be_put_back_is_an_alarm(land, monkeypatch):
    land.put(f"expdata/{land.experiment}/data")
    (land.folder / T94 / "expdata" / land.experiment / "link").symlink_to("nowhere")
    monkeypatch.setattr("landing.exchange.move", lambda *_: False)
    summary = land.once()
    assert (summary.registered, summary.alarms, summary.ok) == (1, 1, False)
    assert "is not a file of data, and could not be put back (its place is taken)" in land.told.alarms[0]


def test_the_share_is_away_for_a_while(land):
    land.image()
    away = land.folder.with_name("away")
    with Watch(land.scanner()) as watch:
        until(land.archived)
        land.folder.rename(away)
        until(lambda: watch.scanner.summary().refused)
        assert f"{land.folder}: cannot be read (No such file or directory)" in land.told.reports[0]
        away.rename(land.folder)
        land.image(2)
        until(lambda: len(land.archived()) == 2)
    assert watch.summary.ok


def test_a_single_run_does_not_wait_for_a_share(land, monkeypatch):
    land.image()

    def gone(mailbox, clock):
        raise FileNotFoundError(2, os.strerror(2))

    looks = iter([True])

    def away(look):
        return lambda *given: look(*given) if next(looks, False) else gone(*given)

    with patched(Mailbox, "look", away):
        summary = land.once()
    assert dict(summary.refused) == {"cannot be read": 1}
    assert not summary.ok


def test_a_landing_zone_that_does_not_serve(land):
    land.intake.chmod(0o755)
    with pytest.raises(LandingError, match="others may enter it"):
        land.once()


# Other processes


def test_what_another_process_has_taken_over_is_left_to_it(land):
    """This one was stopped for so long that it counted as gone."""
    for number in range(2):
        land.image(number)
    stolen = []

    def thief(own):
        def owned(vault, taken, *given):
            if taken.landing_path.endswith("/1.dcm") and not stolen:
                stolen.append(Path(taken.file).rename(land.folder.with_name("stolen")))
            return own(vault, taken, *given)

        return owned

    with patched(Vault, "own", thief):
        summary = land.once()
    assert (summary.registered, summary.failed, dict(summary.waiting)) == (1, 0, {})
    assert "is not in the intake any more: another process goes on with it" in land.told.reports[0]
    assert list(land.batches().values()) == [True]


def abandoned(land: Land, *paths: str, host: str = "") -> Path:
    """A batch of a process that is gone, with these images."""
    batch = land.intake / f"{host or owner().partition('.')[0]}.4194304.1.1"
    for path in paths:
        number = int(Path(path).stem)
        file = batch / T94 / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(files.dicom(land.experiment, instance=number, sop=f"1.2.3.{number}"))
    land.intake.chmod(0o700)
    return batch


def test_the_batch_of_a_process_that_was_killed_is_gone_on_with_at_once(land):
    batch = abandoned(land, "dicom/a/1.dcm", "dicom/a/2.dcm")
    assert land.once().registered == 2
    assert "goes on with 2 files of a process that has ended" in land.told.reports
    assert land.archived() == {"dicom/a/1.dcm": 1, "dicom/a/2.dcm": 1}
    assert not batch.exists()


def test_the_batch_of_another_host_is_gone_on_with_when_it_gives_no_sign_of_life(make_land):
    land = make_land(landing={"quiet_seconds": 0.05, "look_seconds": 0.02, "take_over_seconds": 1000.0})
    batch = abandoned(land, "dicom/a/1.dcm", host="other-host-1")
    assert land.once().registered == 0
    long_ago = time.time() - 1001
    os.utime(batch, (long_ago, long_ago))
    assert land.once().registered == 1


def test_a_folder_that_cannot_be_listed_holds_up_one_batch_only(land, monkeypatch):
    batch = abandoned(land, "dicom/a/1.dcm", host="")
    other = abandoned(land, "dicom/a/2.dcm", host=f"x{owner().partition('.')[0]}")
    os.utime(other, (1, 1))
    monkeypatch.setattr(scanner_module, "ABANDONED_SECONDS", 0.0)
    scan = os.scandir

    def refused(where):
        if isinstance(where, int) and os.readlink(f"/proc/self/fd/{where}").startswith(f"{batch}/{T94}"):
            raise PermissionError(13, os.strerror(13))
        return scan(where)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refused)
        assert land.once().registered == 1
    (told,) = [report for report in land.told.reports if "failed" in report]
    assert told == f"{batch.name} of the intake: failed, next try in 300 s: Permission denied"
    assert not (batch / ".done").exists()
    assert land.once().registered == 1


def test_a_description_that_fails_is_tried_again_and_the_batch_is_not_done(land, monkeypatch):
    land.put("dicom/a/1.dcm", files.dicom(land.experiment, sop="1.2.3/4"))
    scanner = land.scanner()
    with land.site.broken("policy.ingest.registration_hooks.after"):
        assert scanner.run_once().registered == 1
    (path,) = [path for path in land.site.paths("studies") if "/DICOM/" in path]
    zone = land.site.connect()
    zone.annotate(f"{land.settings.home}/{path}", remove=zone.metadata(f"{land.settings.home}/{path}"))
    ((batch, _),) = land.batches().items()
    (land.intake / batch / ".done").unlink()
    land.faults.before("mrdata_describe", ZoneError("no such experiment", -1))
    monkeypatch.setattr(work_module, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(scanner_module, "ABANDONED_SECONDS", 0.0)
    scanner = land.scanner()
    scanner.run_once()
    assert any(
        report.startswith("an archived object is not described: ") and path in report for report in land.told.reports
    )
    assert land.batches() == {batch: False}
    scanner.run_once()
    assert AVU("SOPInstanceUID", "1.2.3/4") in zone.metadata(f"{land.settings.home}/{path}")
    assert land.batches() == {batch: True}


def test_the_board_is_told_how_many_files_wait_of_each_scanner(make_land):
    land = make_land(landing={"quiet_seconds": 1000.0, "look_seconds": 0.02}, board={"beat_seconds": 0})
    land.put("dicom/a/1")
    land.put(f"expdata/{land.experiment}/1")
    path = f"{land.settings.home}/board/landing.json"
    with Watch(land.scanner()):
        until(lambda: land.site.connect().stat(path))
        told = json.loads(land.site.connect().read(path, 0, 1 << 16))
    assert told["files"] == {scanner: int(scanner == T94) for scanner in land.settings.scanners}
    assert abs(told["time"] - time.time()) < 600


def test_what_waits_is_counted_once(make_land):
    land = make_land(landing={"quiet_seconds": 0.05, "look_seconds": 0.02, "incomplete_seconds": 1000.0})
    land.settings = replace(land.settings, expanded=Expanded(quiet_seconds=1000.0))
    land.image()
    land.put("twix/cut.dat", files.twix(land.experiment)[:-1000])
    land.put("dicom/b/half.part")
    for name in ("1", "2", "half.part"):
        land.put(f"expdata/{land.experiment}/{name}")
    summary = land.once()
    assert summary.registered == 1
    assert dict(summary.waiting) == {"its end": 1, "the rest of its tree": 2, "a final name": 2}
    assert summary.ok


def test_a_zone_that_is_lost_with_nothing_to_register_is_asked_again(land):
    """A single run ends, and the board is told again."""
    abandoned(land, "dicom/a/1.dcm")
    land.faults.before("query", ZoneError("connection reset"))

    def taken(files):
        def stolen(batches, name):
            return iter(())  # another process has taken it over meanwhile

        return stolen

    with patched(Batches, "files", taken), patched(Batches, "close", lambda close: lambda *given, **named: None):
        summary = land.once()
    assert (summary.error, summary.ok) == ("", True)
    assert land.told.reports == [
        "the zone does not answer, next try in 0 s: connection reset",
        "the zone answers again",
    ]

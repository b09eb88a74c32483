"""One file at a time: many workers, a scan that may be late, and a cache that may be lost. On the embedded zone's whole rulebase."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from landing.lock import LOCK

from landing.names import ADVICE, Reason
from landing.scanner import LandingError, Scanner
from landing.single import NotYet, Single
from policy import layout
from policy.settings import Expanded
from policy.zone import ZoneError
from tests import files
from tests.zone.embedded_site import EmbeddedSite
from tests.zone.names import PAIN, T94

QUIET = 0.05


@pytest.fixture
def site(tmp_path):
    site = EmbeddedSite(tmp_path / "zone", {})
    yield site
    site.close()


@pytest.fixture
def experiment(site):
    return site.register()


@pytest.fixture
def single(site):
    return Single(site.settings, lambda: site.connect("mrdata"))


def single_with(site, **landing) -> Single:
    """With other settings of the landing zone."""
    settings = replace(site.settings, landing=replace(site.settings.landing, **landing))
    return Single(settings, lambda: site.connect("mrdata"))


class Seen:
    """A file of the landing zone as a scan sees it."""

    def __init__(self, site, path: str, content: bytes = b"", quiet: float = 2 * QUIET) -> None:
        self.relative = path
        self.file = Path(site.settings.landing.folder) / path
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if content:
            self.file.write_bytes(content)
        self.look()
        time.sleep(quiet)

    def look(self) -> None:
        status = os.lstat(self.file)
        self.given = (str(self.file), status.st_size, status.st_mtime)


def registered(site) -> Counter[str]:
    """How many objects there are for each file of the landing zone."""
    prefix = site.settings.landing.folder + "/"
    rows = site.connect("mrdata").query(["DATA_PATH", "COLL_NAME", "DATA_NAME"])
    return Counter(path.removeprefix(prefix) for path, _, _ in rows if path.startswith(prefix))


def below_landing(site) -> list[tuple[str, ...]]:
    return [row for row in site.connect("mrdata").query(["COLL_NAME", "DATA_NAME"]) if row[0].startswith(layout.landing(site.settings))]


def test_a_file_is_placed_at_birth_and_a_lost_cache_does_not_register_it_again(site, experiment, single):
    seen = Seen(site, f"{T94}/dicom/a/1.dcm", files.dicom(experiment))
    first = single.take(*seen.given)
    assert first.path.startswith(f"{layout.study(site.settings, PAIN)}/experiments/{experiment}/DICOM/")
    assert not first.alarm
    again = Single(site.settings, lambda: site.connect("mrdata")).take(*seen.given)
    assert again == first
    assert registered(site) == {seen.relative: 1}
    assert below_landing(site) == []


def test_a_file_whose_landing_replica_was_trimmed_is_known_by_its_landing_path(site, experiment, single):
    seen = Seen(site, f"{T94}/dicom/a/1.dcm", files.dicom(experiment))
    placed = single.take(*seen.given)
    zone = site.connect("mrdata")
    zone.checksum(placed.path)
    zone.replicate(placed.path, "archiveResc")
    zone.trim(placed.path, "landingResc")
    assert registered(site) == {}
    assert single.take(*seen.given) == placed
    assert registered(site) == {}


def test_what_changed_since_the_scan_or_just_now_waits(site, experiment, single):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    with seen.file.open("ab") as file:
        file.write(b"more")
    with pytest.raises(NotYet, match="still changing"):
        single.take(*seen.given)
    fresh = Seen(site, f"{T94}/dicom/2.dcm", files.dicom(experiment), quiet=0.0)
    os.utime(fresh.file, (1, 1))  # an old mtime, as `cp -p` gives it, tells nothing
    fresh.look()
    with pytest.raises(NotYet, match="stood still"):
        single_with(site, quiet_seconds=60.0).take(*fresh.given)
    assert registered(site) == {}
    time.sleep(2 * QUIET)
    single.take(*fresh.given)
    assert registered(site) == {fresh.relative: 1}


def test_raw_data_without_its_end_waits_until_it_is_overdue(site, experiment):
    seen = Seen(site, f"{T94}/twix/meas.dat", files.twix(experiment)[:-1000])
    with pytest.raises(NotYet, match="incomplete"):
        single_with(site, incomplete_seconds=60.0).take(*seen.given)
    assert registered(site) == {}
    single_with(site, incomplete_seconds=QUIET).take(*seen.given)
    assert registered(site) == {seen.relative: 1}


def test_whole_raw_data_do_not_wait(site, experiment, single):
    seen = Seen(site, f"{T94}/twix/meas.dat", files.twix(experiment))
    assert f"/{experiment}/TWIX/" in single.take(*seen.given).path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{T94}/dicom/.hidden.dcm", Reason.TEMPORARY),
        (f"{T94}/dicom/copying.part/1.dcm", Reason.TEMPORARY),
        (f"{T94}/dicom/a\nb.dcm", Reason.CONTROL),
        (f"{T94}/other/1.dcm", Reason.PLACE),
        ("unknown/dicom/1.dcm", Reason.PLACE),
        ("1.dcm", Reason.PLACE),
        (f"{T94}/expdata/" + "/".join(["d" * 200] * 6), Reason.TOO_LONG),
    ],
)
def test_names_are_judged_as_the_scanner_does(site, single, path, reason):
    with pytest.raises(NotYet, match=reason) as told:
        single.take(str(Path(site.settings.landing.folder) / path), 1, 1.0)
    assert ADVICE[reason] in str(told.value)
    assert "\n" not in str(told.value)


def test_links_and_what_is_no_file_are_refused(site, experiment, single):
    target = Seen(site, f"{T94}/expdata/{experiment}/target", b"x")
    link = target.file.with_name("link")
    link.symlink_to(target.file)
    with pytest.raises(NotYet, match=Reason.SYMLINK):
        single.take(str(link), 1, os.lstat(link).st_mtime)
    fifo = target.file.with_name("fifo")
    os.mkfifo(fifo)
    with pytest.raises(NotYet, match=Reason.SPECIAL):
        single.take(str(fifo), 0, os.lstat(fifo).st_mtime)
    with pytest.raises(NotYet, match="No such file"):
        single.take(str(target.file.with_name("gone")), 1, 1.0)


def test_a_landing_folder_reached_through_a_link_is_the_same(site, experiment, single, tmp_path):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    real = tmp_path / "disk"
    Path(site.settings.landing.folder).rename(real)
    Path(site.settings.landing.folder).symlink_to(real)
    single.take(str(real / seen.relative), *seen.given[1:])
    assert registered(site) == {seen.relative: 1}


def test_a_changed_file_is_told_and_the_archive_keeps_what_it_has(site, experiment, single):
    seen = Seen(site, f"{T94}/expdata/{experiment}/notes.txt", b"first")
    placed = single.take(*seen.given)
    site.rule("archive")
    seen.file.write_bytes(b"second and longer")
    seen.look()
    time.sleep(2 * QUIET)
    told = single.take(*seen.given)
    assert told.path == placed.path
    assert Reason.CHANGED in told.alarm
    stat = site.connect("mrdata").stat(placed.path)
    assert stat is not None
    assert stat.size == len(b"first")


def test_a_file_of_a_tree_that_changes_before_it_is_archived_is_copied_again(site, experiment, single):
    seen = Seen(site, f"{T94}/expdata/{experiment}/notes.txt", b"first")
    placed = single.take(*seen.given)
    seen.file.write_bytes(b"second and longer")
    seen.look()
    time.sleep(2 * QUIET)
    again = single.take(*seen.given)
    assert (again.path, again.alarm) == (placed.path, "")
    stat = site.connect("mrdata").stat(placed.path)
    assert stat is not None
    assert stat.size == len(b"second and longer")


def test_a_tree_waits_until_it_is_finished(site, experiment):
    settings = replace(site.settings, expanded=Expanded(quiet_seconds=3600.0))
    single = Single(settings, lambda: site.connect("mrdata"))
    seen = Seen(site, f"{T94}/expdata/{experiment}/.hidden", b"x")
    with pytest.raises(NotYet, match="the rest of its tree"):
        single.take(*seen.given)
    (seen.file.parent / "FINISHED").touch()
    assert single.take(*seen.given).path.endswith(f"{experiment}/EXP_DATA/.hidden")


def test_the_scanner_and_the_workers_do_not_work_at_once(site, experiment, single):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    lock = Path(site.settings.landing.folder) / LOCK
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(NotYet, match="mrdata scan"):
            single.take(*seen.given)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as a worker does while it registers
        with pytest.raises(LandingError, match="another scanner"):
            Scanner(site.settings, lambda: site.connect("mrdata"), None).run_once()  # type: ignore[arg-type]
    single.take(*seen.given)


HOLD = """
import sys, time
from landing.single import _turn
with _turn(sys.argv[1], sys.argv[2]):
    print("holds", flush=True)
    time.sleep(60)
"""


def test_two_processes_never_have_the_same_file_and_a_killed_one_leaves_it(site, experiment, single):
    mine = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    other = Seen(site, f"{T94}/dicom/2.dcm", files.dicom(experiment, instance=2))
    command = [sys.executable, "-c", HOLD, site.settings.landing.folder, mine.relative]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as holder:
        assert holder.stdout.readline() == "holds\n"
        with pytest.raises(NotYet, match="another process"):
            single.take(*mine.given)
        single.take(*other.given)
        holder.kill()
    single.take(*mine.given)
    assert registered(site) == {mine.relative: 1, other.relative: 1}


def test_a_lost_zone_costs_one_try(site, experiment):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    ways = iter([ZoneError("connection refused"), None])

    def connect():
        if error := next(ways):
            raise error
        return site.connect("mrdata")

    single = Single(site.settings, connect)
    with pytest.raises(NotYet, match="connection refused"):
        single.take(*seen.given)
    single.take(*seen.given)
    assert registered(site) == {seen.relative: 1}


def test_the_handler_refuses_jobs_in_which_one_file_holds_up_others():
    pytest.importorskip("irods_capability_automated_ingest", reason="the extra automated-ingest is not installed")
    from irods_capability_automated_ingest.utils import Operation

    from landing.automated_ingest import event_handler

    with pytest.raises(ValueError, match="files_per_task 1"):
        event_handler.pre_job(None, None, {"files_per_task": 50})
    event_handler.pre_job(None, None, {"files_per_task": 1})
    assert event_handler.operation(None, {}) is Operation.NO_OP
    with pytest.raises(NotYet, match="UTF-8"):
        event_handler.on_data_obj_create(None, None, None, None, {"path": "/landing/94T", "b64_path_str": b"x"})

"""One file at a time: many workers, a scan that may be late, and a cache that may be lost.

On the embedded zone's whole rulebase.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from landing import single as single_module
from landing.intake import Intake
from landing.landing_errors import LandingError, NotYet
from landing.names import ADVICE, Reason
from landing.single import Single
from policy.zone import Condition, ZoneError, layout
from policy.zone.settings import Expanded
from tests import files
from tests.landing_zone import Faults
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
def faults():
    return Faults()


@pytest.fixture
def make_single(site, faults):
    """Workers with other settings of the landing zone."""

    def make(**landing: object) -> Single:
        settings = replace(site.settings, landing=replace(site.settings.landing, **landing))
        return Single(settings, lambda: faults.wrap(site.connect("mrdata")))

    return make


@pytest.fixture
def single(make_single):
    return make_single()


@pytest.fixture
def impatient(monkeypatch):
    """What a worker has left is gone on with at once."""
    monkeypatch.setattr(single_module, "ABANDONED_SECONDS", 0.0)
    return {"take_over_seconds": 0.0}


class Seen:
    """A file of the landing zone as a scan sees it, and still for a while."""

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
    """How many objects there are for each file that landed."""
    rows = site.connect("mrdata").query(["DATA_PATH"], Condition("DATA_PATH", "like", f"%/{T94}/%"))
    return Counter(T94 + file.partition(f"/{T94}")[2] for (file,) in rows)


def batches(site) -> list[Path]:
    return [path for path in (Path(site.settings.landing.folder) / layout.INTAKE).iterdir() if path.is_dir()]


def test_a_file_is_placed_at_birth_and_a_lost_cache_does_not_register_it_again(site, experiment, single):
    seen = Seen(site, f"{T94}/dicom/a/1.dcm", files.dicom(experiment))
    assert single.take(*seen.given).startswith(f"{layout.study(site.settings, PAIN)}/experiments/{experiment}/DICOM/")
    with pytest.raises(NotYet, match="is gone, or taken already"):
        single.take(*seen.given)
    assert registered(site) == {seen.relative: 1}
    assert site.paths("landing") == []


def test_another_file_under_the_name_of_one_that_was_taken(site, experiment, single):
    paths = set()
    for number in range(2):
        seen = Seen(site, f"{T94}/dicom/a/1.dcm", files.dicom(experiment, instance=number))
        paths.add(single.take(*seen.given))
    assert len(paths) == 2


def test_what_changed_since_the_scan_or_just_now_waits(site, experiment, single, make_single):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    with seen.file.open("ab") as file:
        file.write(b"more")
    with pytest.raises(NotYet, match="still changing"):
        single.take(*seen.given)
    fresh = Seen(site, f"{T94}/dicom/2.dcm", files.dicom(experiment), quiet=0.0)
    os.utime(fresh.file, (1, 1))  # an old mtime, as `cp -p` gives it, tells nothing
    fresh.look()
    with pytest.raises(NotYet, match="changed within 60 s"):
        make_single(quiet_seconds=60.0).take(*fresh.given)
    assert registered(site) == {}
    time.sleep(2 * QUIET)
    single.take(*fresh.given)
    assert registered(site) == {fresh.relative: 1}


def test_what_is_replaced_between_look_and_rename_is_gone_on_with_when_it_stands_still(
    site, experiment, make_single, impatient, monkeypatch
):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    other = files.dicom(experiment, instance=2)
    take = Intake.take

    def replaced(intake, ready):
        if seen.file.exists():
            (seen.file.parent / ".new").write_bytes(other)
            (seen.file.parent / ".new").rename(seen.file)
        return take(intake, ready)

    monkeypatch.setattr(Intake, "take", replaced)
    single = make_single(**impatient)
    with pytest.raises(
        NotYet, match="it was replaced or changed at the last moment; it waits in the intake until it no longer changes"
    ):
        single.take(*seen.given)
    assert (registered(site), seen.file.exists()) == ({}, False)
    with pytest.raises(NotYet, match="is gone, or taken already"):
        single.take(*seen.given)
    assert registered(site) == {seen.relative: 1}
    (path,) = [path for path in site.paths("studies") if "/DICOM/" in path]
    assert site.connect().read(f"{site.settings.home}/{path}", 0, 1 << 20) == other


def test_raw_data_without_its_end_waits_until_it_is_overdue(site, experiment, make_single):
    seen = Seen(site, f"{T94}/twix/meas.dat", files.twix(experiment)[:-1000])
    with pytest.raises(NotYet, match="waits for its end"):
        make_single(incomplete_seconds=60.0).take(*seen.given)
    assert registered(site) == {}
    assert make_single(incomplete_seconds=QUIET).take(*seen.given).startswith(f"{layout.landing(site.settings)}/")


def test_whole_raw_data_do_not_wait(site, experiment, make_single):
    seen = Seen(site, f"{T94}/twix/meas.dat", files.twix(experiment))
    assert f"/{experiment}/TWIX/" in make_single(incomplete_seconds=60.0).take(*seen.given)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{T94}/dicom/.hidden.dcm", Reason.TEMPORARY),
        (f"{T94}/dicom/copying.part/1.dcm", Reason.TEMPORARY),
        (f"{T94}/expdata/tree.part/1", Reason.TEMPORARY),
        (f"{T94}/expdata/tree/notes.txt~", Reason.TEMPORARY),
        (f"{T94}/other/1.dcm", Reason.PLACE),
        ("unknown/dicom/1.dcm", Reason.PLACE),
        ("1.dcm", Reason.PLACE),
    ],
)
def test_names_are_judged_as_the_scanner_does(site, single, path, reason):
    with pytest.raises(NotYet, match=reason) as told:
        single.take(str(Path(site.settings.landing.folder) / path), 1, 1.0)
    assert ADVICE[reason] in str(told.value)


def test_a_path_that_is_too_long(site, single):
    seen = Seen(site, f"{T94}/dicom/" + "/".join(["d" * 200] * 6), b"x")
    with pytest.raises(NotYet, match=Reason.TOO_LONG):
        single.take(*seen.given)


def test_names_that_irods_cannot_hold_are_escaped(site, single):
    seen = Seen(site, f"{T94}/dicom/line\nfeed", b"x")
    assert single.take(*seen.given) == f"{layout.landing(site.settings)}/{T94}/dicom/line%0Afeed"
    with pytest.raises(NotYet) as told:
        single.take(*seen.given)
    assert str(told.value).isprintable()


def test_links_and_what_is_no_file_are_refused(site, single):
    target = Seen(site, f"{T94}/dicom/a/target", b"x")
    folder = target.file.parent
    (folder / "link").symlink_to(target.file)
    with pytest.raises(NotYet, match=Reason.SYMLINK):
        single.take(str(folder / "link"), 1, os.lstat(folder / "link").st_mtime)
    os.mkfifo(folder / "fifo")
    with pytest.raises(NotYet, match=Reason.SPECIAL):
        single.take(str(folder / "fifo"), 0, os.lstat(folder / "fifo").st_mtime)
    folder.with_name("linked").symlink_to(folder)
    with pytest.raises(NotYet, match=f"{Reason.SYMLINK}.*a folder above it"):
        single.take(str(folder.with_name("linked") / "target"), *target.given[1:])
    with pytest.raises(NotYet, match="is gone, or taken already"):
        single.take(str(folder / "gone"), 1, 1.0)
    assert target.file.exists()


def test_what_may_not_be_taken_is_told_with_what_to_grant(site, single, monkeypatch):
    seen = Seen(site, f"{T94}/dicom/1.dcm", b"x")

    def refused(*_, **__):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(NotYet) as told:
        single.take(*seen.given)
    assert str(told.value) == f"a file in {T94}/dicom: may not be taken (Permission denied); {ADVICE[Reason.NOT_OURS]}"


def test_a_landing_folder_reached_through_a_link_is_the_same(site, experiment, tmp_path):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    real = tmp_path / "disk"
    Path(site.settings.landing.folder).rename(real)
    Path(site.settings.landing.folder).symlink_to(real)
    Single(site.settings, lambda: site.connect("mrdata")).take(str(real / seen.relative), *seen.given[1:])
    assert registered(site) == {seen.relative: 1}


def test_a_landing_zone_that_does_not_serve(site):
    (Path(site.settings.landing.folder) / layout.INTAKE).chmod(0o755)
    with pytest.raises(LandingError, match="others may enter it"):
        Single(site.settings, lambda: site.connect("mrdata"))


# Trees


def test_a_tree_waits_until_it_is_finished_and_is_taken_whole(site, experiment):
    settings = replace(site.settings, expanded=Expanded(quiet_seconds=3600.0))
    single = Single(settings, lambda: site.connect("mrdata"))
    seen = Seen(site, f"{T94}/expdata/{experiment}/.hidden", b"x")
    other = Seen(site, f"{T94}/expdata/{experiment}/a/other", b"y")
    with pytest.raises(NotYet, match="the rest of its tree"):
        single.take(*seen.given)
    (seen.file.parent / "FINISHED").touch()
    time.sleep(2 * QUIET)
    assert f"{experiment}/EXP_DATA/" in single.take(*seen.given)
    with pytest.raises(NotYet, match="the rest of its tree"):
        single.take(*other.given)
    base = f"studies/{PAIN}/experiments/{experiment}/EXP_DATA"
    assert site.paths(base) == [f"{base}/{name}" for name in (".hidden", "FINISHED", "a/other")]


def test_what_cannot_be_put_back_is_told(site, experiment, single, monkeypatch):
    seen = Seen(site, f"{T94}/expdata/{experiment}/data", b"x")
    (seen.file.parent / "link").symlink_to("nowhere")
    monkeypatch.setattr("landing.exchange.move", lambda *_: False)
    with pytest.raises(
        NotYet, match=r"a file in 94T/expdata: is not a file of data, and could not be put back \(its place is taken\)"
    ):
        single.take(*seen.given)
    assert registered(site) == {seen.relative: 1}
    again = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    single.take(*again.given)


# Many calls, many workers


def test_a_workers_files_share_a_batch_and_the_volume_is_told_once_a_minute(site, experiment, single, faults):
    for number in range(5):
        seen = Seen(site, f"{T94}/dicom/{number}.dcm", files.dicom(experiment, instance=number))
        single.take(*seen.given)
    assert len(batches(site)) == 1
    assert faults.calls["mrdata_batch"] == 5
    assert faults.calls["mrdata_volume"] == 0


def test_a_lost_zone_costs_one_try(site, experiment, make_single, faults, impatient):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    single = make_single(**impatient)
    faults.away = ZoneError("connection refused")
    with pytest.raises(NotYet, match="connection refused"):
        single.take(*seen.given)
    assert registered(site) == {}
    faults.away = None
    other = Seen(site, f"{T94}/dicom/2.dcm", files.dicom(experiment, instance=2))
    single.take(*other.given)
    assert registered(site) == {seen.relative: 1, other.relative: 1}


def test_an_answer_that_got_lost_is_no_second_registration(site, experiment, make_single, faults, impatient):
    seen = Seen(site, f"{T94}/dicom/1.dcm", files.dicom(experiment))
    single = make_single(**impatient)
    faults.after("register_all", ConnectionResetError(104, "Connection reset by peer"))
    with pytest.raises(NotYet, match="Connection reset by peer"):
        single.take(*seen.given)
    other = Seen(site, f"{T94}/dicom/2.dcm", files.dicom(experiment, instance=2))
    single.take(*other.given)
    assert registered(site) == {seen.relative: 1, other.relative: 1}
    assert all((path / ".done").exists() for path in batches(site) if any((path / T94).rglob("1.dcm")))


WORKER = """
import os, random, sys, time
from landing.landing_errors import NotYet
from landing.single import Single
from mrdata.commands.zone_connection import connect, settings

single = Single(settings(), lambda: connect("mrdata"))
seen = [(file, *((s := os.lstat(file)).st_size, s.st_mtime)) for file in sys.argv[2:]]
random.Random(int(sys.argv[1])).shuffle(seen)
print("ready", flush=True)
input()
for number, given in enumerate(seen):
    try:
        single.take(*given)
    except NotYet as error:
        assert "gone, or taken already" in str(error), error
    print(number, flush=True)
"""


class Workers:
    """Processes that all take the same files, each in an order of its own."""

    def __init__(self, site, seen: list[Seen], count: int) -> None:
        command = [sys.executable, "-c", WORKER]
        where = {"cwd": Path(__file__).parents[3], "env": site.environment()}
        self.processes = [
            subprocess.Popen(
                [*command, str(seed), *(str(one.file) for one in seen)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                **where,
            )
            for seed in range(count)
        ]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        for process in self.processes:
            print(file=process.stdin, flush=True)


def test_workers_that_see_the_same_files_take_each_once(site, experiment):
    seen = [Seen(site, f"{T94}/dicom/{n}.dcm", files.dicom(experiment, instance=n), quiet=0.0) for n in range(30)]
    time.sleep(2 * QUIET)
    workers = Workers(site, seen, 3)
    for process in workers.processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert registered(site) == {one.relative: 1 for one in seen}
    assert site.verify()["sound"]


def test_what_a_killed_worker_had_taken_is_gone_on_with(site, experiment, make_single, impatient):
    seen = [Seen(site, f"{T94}/dicom/{n}.dcm", files.dicom(experiment, instance=n), quiet=0.0) for n in range(30)]
    time.sleep(2 * QUIET)
    (worker,) = Workers(site, seen, 1).processes
    for _ in range(5):
        worker.stdout.readline()
    worker.kill()
    worker.communicate()
    single = make_single(**impatient)
    for one in seen:
        if one.file.exists():
            single.take(*one.given)
    last = Seen(site, f"{T94}/dicom/last.dcm", files.dicom(experiment, instance=99))
    single.take(*last.given)
    assert registered(site) == {one.relative: 1 for one in [*seen, last]}
    assert site.verify()["sound"]


# The handler


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

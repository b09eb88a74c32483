"""The scanner and a whole zone: killed and started again, each file is registered once and described."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from landing.progress import Lines
from landing.scanner import Scanner
from policy import layout
from policy.zone import Condition
from tests import files
from tests.zone.names import PAIN, T3, T94

ROOT = Path(__file__).parents[2]
SCAN = """
import sys, threading
from landing import scanner
from landing.progress import progress_to
from mrdata.connect import connect, settings

def announced():
    zone = connect("mrdata")
    register = zone.register

    def announce(file, path, resource):
        print(file, flush=True)
        return register(file, path, resource)

    zone.register = announce
    return zone

work = scanner.run_once if sys.argv[2] == "once" else lambda *given, **named: scanner.watch(*given, threading.Event(), **named)
work(settings(), announced, progress_to(), workers=int(sys.argv[1]))
"""
"""A scanner process that prints each file before it registers it."""


@pytest.fixture
def landing(site):
    return Path(site.settings.landing.folder)


def put(folder: Path, path: str, content: bytes) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def scan(site, workers=1):
    progress = Lines(sys.stderr)
    return Scanner(site.settings, lambda: site.connect("mrdata"), progress, workers=workers, retry_seconds=0.02).run_once()


def registrations(site) -> Counter[str]:
    """How many objects there are for each file of the landing zone."""
    rows = site.connect("mrdata").query(["DATA_PATH", "COLL_NAME", "DATA_NAME"])
    prefix = site.settings.landing.folder + "/"
    return Counter(path.removeprefix(prefix) for path, _, _ in rows if path.startswith(prefix))


def undescribed(site) -> list[str]:
    """Archived objects without LandingPath."""
    zone = site.connect("mrdata")
    below = Condition("COLL_NAME", "like", layout.study(site.settings, PAIN) + "/%")
    has = set(zone.query(["COLL_NAME", "DATA_NAME"], below, Condition("META_DATA_ATTR_NAME", "=", "LandingPath")))
    objects = {(collection, name) for collection, name in zone.query(["COLL_NAME", "DATA_NAME"], below) if name != "experiment.yaml"}
    return sorted(f"{collection}/{name}" for collection, name in objects - has if "/experiments/" in collection)


def test_a_session_lands(site, landing):
    experiment = site.register()
    for number in range(1, 30):
        put(landing, f"{T94}/dicom/a/{number}.dcm", files.dicom(experiment, instance=number))
    put(landing, f"{T94}/twix/meas.dat", files.twix(experiment))
    put(landing, f"{T94}/expdata/{experiment}/log.txt", b"trigger\n")
    summary = scan(site)
    assert (summary.registered, summary.ok, dict(summary.waiting)) == (31, True, {})
    archive = site.paths(f"studies/{PAIN}/experiments/{experiment}")
    assert Counter(path.split("/")[4] for path in archive if path.count("/") > 4) == {"DICOM": 29, "TWIX": 1, "EXP_DATA": 1}
    again = scan(site)
    assert (again.registered, again.already_registered) == (0, 31)
    assert set(registrations(site).values()) == {1}
    assert undescribed(site) == []


NAMES = [
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
    "\u65e5\u672c",
    "A",
    "a",
    "*?[x]",
]


@pytest.mark.parametrize("more", [0, 20])
def test_odd_names(site, landing, more):
    paths = [f"{T3}/expdata/it's 100%_\\d/{name}" for name in [*NAMES, *map(str, range(more))]]
    for path in paths:
        put(landing, path, path.encode())
    assert scan(site).registered == len(paths)
    assert scan(site).already_registered == len(paths)
    assert registrations(site) == dict.fromkeys(paths, 1)


def test_what_is_archived_is_not_registered_again(site, landing):
    """The archive has its own replica, and that in the landing zone is trimmed."""
    experiment = site.register()
    for number in range(1, 25):
        put(landing, f"{T94}/dicom/a/{number}.dcm", files.dicom(experiment, instance=number))
    scan(site)
    zone = site.connect("mrdata")
    for collection, name in zone.query(
        ["COLL_NAME", "DATA_NAME"], Condition("COLL_NAME", "like", layout.study(site.settings, PAIN) + "/%")
    ):
        path = f"{collection}/{name}"
        if "/DICOM/" in path:
            zone.replicate(path, "archiveResc")
            zone.trim(path, site.settings.landing.resource)
    assert registrations(site) == {}
    assert scan(site).already_registered == 24
    assert registrations(site) == {}


def test_another_image_of_the_same_size_under_the_name_of_an_archived_one(site, landing):
    """A console that uses its files' names again, once the landing zone was cleared."""
    one, two = site.register(), site.register()
    first, second = (files.dicom(experiment, sop=f"1.2.3.{number}") for number, experiment in enumerate((one, two)))
    assert len(first) == len(second)
    for content, registered in ((first, 1), (second, 1), (second, 0)):
        put(landing, f"{T94}/dicom/a/1.dcm", content)
        summary = scan(site)
        assert (summary.registered, summary.ok) == (registered, True)
        site.rule("archive")
        time.sleep(2.1)  # the catalog's times are whole seconds
    archive = [path for experiment in (one, two) for path in site.paths(f"studies/{PAIN}/experiments/{experiment}") if "/DICOM/" in path]
    assert [site.connect("mrdata").read(f"{site.settings.home}/{path}", 0, 1 << 20) for path in archive] == [first, second]
    assert site.verify()["sound"]


def test_an_image_that_was_registered_half_written_is_registered_anew(site, landing):
    experiment = site.register()
    content = files.dicom(experiment)
    put(landing, f"{T94}/dicom/a/1.dcm", content[: len(content) // 2])
    scan(site)
    site.sweep()
    assert site.paths(f"studies/{PAIN}/experiments/{experiment}/DICOM") == []
    put(landing, f"{T94}/dicom/a/1.dcm", content)
    assert scan(site).alarms == 1
    (path,) = site.paths(f"studies/{PAIN}/experiments/{experiment}/DICOM")
    site.rule("archive")
    assert site.connect("mrdata").read(f"{site.settings.home}/{path}", 0, 1 << 20) == content
    assert site.verify()["sound"]


def test_what_was_not_described_when_the_scanner_was_killed(site, landing):
    """Between the registration at its place and its description."""
    experiment = site.register()
    put(landing, f"{T94}/dicom/a/1.dcm", files.dicom(experiment))
    put(landing, f"{T94}/dicom/a/2.dcm", files.dicom(experiment, instance=2))
    scan(site)
    zone = site.connect("mrdata")
    (where,) = [
        f"{c}/{n}" for c, n, file in zone.query(["COLL_NAME", "DATA_NAME", "DATA_PATH"]) if file == f"{landing}/{T94}/dicom/a/1.dcm"
    ]
    assert where.startswith(layout.studies(site.settings))
    before = zone.metadata(where)
    zone.annotate(where, remove=before)
    assert undescribed(site) == [where]
    assert scan(site).already_registered == 2
    assert set(zone.metadata(where)) == set(before)


@pytest.mark.parametrize(("workers", "seed"), [(1, 1), (1, 2), (3, 3)])
def test_killed_again_and_again(make_site, workers, seed):
    site = make_site(landing={"quiet_seconds": 0.05, "look_seconds": 0.02, "incomplete_seconds": 2.0})
    landing = Path(site.settings.landing.folder)
    chance = random.Random(seed)
    experiment = site.register()
    expected = []
    for number in range(1, 121):
        expected.append(f"{T94}/dicom/{number % 2}/{number}.dcm")
        put(landing, expected[-1], files.dicom(experiment, series=number % 2 + 1, instance=number))
    for number in range(20):
        expected.append(f"{T94}/expdata/{experiment}/{number}")
        put(landing, expected[-1], str(number).encode())
    stages = set()
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", SCAN, str(workers), "once"], cwd=ROOT, env=site.environment(), stdout=subprocess.PIPE
        ) as process:
            for _ in range(chance.randint(1, 5)):
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.01))
            process.send_signal(signal.SIGKILL)
        stages.add(sum(registrations(site).values()))
        if len(expected) in stages:
            break
    assert len(stages - {0, len(expected)}) >= 2, "the kills did not meet a scanner at work"
    summary = scan(site)
    assert summary.ok
    assert registrations(site) == dict.fromkeys(expected, 1)
    assert undescribed(site) == []
    for path in expected:
        assert (landing / path).exists()


def test_a_scanner_gives_way_to_the_first(site, landing):
    put(landing, f"{T94}/expdata/a", b"x")
    command, where = [sys.executable, "-c", SCAN, "1", "watch"], {"cwd": ROOT, "env": site.environment()}
    with subprocess.Popen(command, **where, stdout=subprocess.PIPE) as first:
        first.stdout.readline()
        second = subprocess.run(command, **where, capture_output=True, text=True, timeout=30, check=False)
        first.kill()
    assert second.returncode != 0
    assert f"another scanner is at work (process {first.pid} on {os.uname().nodename})" in second.stderr
    assert scan(site).ok


def test_the_summary_is_json(site, landing):
    (landing / f"{T94}/dicom/link").symlink_to("/etc/passwd")
    assert json.loads(json.dumps(scan(site).as_dict()))["refused"] == {"symbolic link": 1}
    assert registrations(site) == {}

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
from tests import files

ROOT = Path(__file__).parents[2]
SCAN = """
import sys, threading
from pathlib import Path
from embedded.client import EmbeddedZone
from landing import scanner
from landing.progress import progress_to
from microservices.settings import load_settings
folder = Path(sys.argv[1])
settings = load_settings(folder / "mrdata.yaml")
workers = int(sys.argv[2])
print("begins", flush=True)
scanner.watch(settings, lambda: EmbeddedZone(folder, "mrdata"), progress_to(), threading.Event(), workers=workers)
"""


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
    from policy.zone import Condition

    zone = site.connect("mrdata")
    below = Condition("COLL_NAME", "like", layout.studies(site.settings) + "/%")
    has = set(zone.query(["COLL_NAME", "DATA_NAME"], below, Condition("META_DATA_ATTR_NAME", "=", "LandingPath")))
    objects = set(zone.query(["COLL_NAME", "DATA_NAME"], below))
    return sorted(f"{collection}/{name}" for collection, name in objects - has if "/experiments/" in collection)


def test_a_session_lands(site, landing):
    experiment = site.register()
    for number in range(1, 30):
        put(landing, f"94T/dicom/a/{number}.dcm", files.dicom(experiment, instance=number))
    put(landing, "94T/twix/meas.dat", files.twix(experiment))
    put(landing, f"94T/expdata/{experiment}/log.txt", b"trigger\n")
    summary = scan(site)
    assert (summary.registered, summary.ok, dict(summary.waiting)) == (31, True, {})
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
    paths = [f"3T/expdata/it's 100%_\\d/{name}" for name in [*NAMES, *map(str, range(more))]]
    for path in paths:
        put(landing, path, path.encode())
    assert scan(site).registered == len(paths)
    assert scan(site).already_registered == len(paths)
    assert registrations(site) == dict.fromkeys(paths, 1)


def test_what_is_archived_is_not_registered_again(site, landing):
    """The archive has its own replica, and that in the landing zone is trimmed."""
    experiment = site.register()
    for number in range(1, 25):
        put(landing, f"94T/dicom/a/{number}.dcm", files.dicom(experiment, instance=number))
    scan(site)
    zone = site.connect("mrdata")
    for collection, name in zone.query(["COLL_NAME", "DATA_NAME"]):
        path = f"{collection}/{name}"
        if "/DICOM/" in path:
            zone.replicate(path, "archiveResc")
            zone.trim(path, site.settings.landing.resource)
    assert registrations(site) == {}
    assert scan(site).already_registered == 24
    assert registrations(site) == {}


def test_what_was_not_described_when_the_scanner_was_killed(site, landing):
    """Between the registration at its place and its description."""
    experiment = site.register()
    put(landing, "94T/dicom/a/1.dcm", files.dicom(experiment))
    put(landing, "94T/dicom/a/2.dcm", files.dicom(experiment, instance=2))
    scan(site)
    zone = site.connect("mrdata")
    (where,) = [f"{c}/{n}" for c, n, file in zone.query(["COLL_NAME", "DATA_NAME", "DATA_PATH"]) if file.endswith("/1.dcm")]
    assert where.startswith(layout.studies(site.settings))
    before = zone.metadata(where)
    zone.annotate(where, remove=before)
    assert undescribed(site) == [where]
    assert scan(site).already_registered == 2
    assert set(zone.metadata(where)) == set(before)


@pytest.mark.parametrize(("workers", "seed"), [(1, 1), (1, 2), (3, 3)])
def test_killed_again_and_again(site, landing, workers, seed):
    chance = random.Random(seed)
    experiment = site.register()
    expected = []
    for number in range(1, 61):
        expected.append(f"94T/dicom/{number % 2}/{number}.dcm")
        put(landing, expected[-1], files.dicom(experiment, series=number % 2 + 1, instance=number))
    for number in range(20):
        expected.append(f"94T/expdata/{experiment}/{number}")
        put(landing, expected[-1], str(number).encode())
    kills = 0
    for _ in range(12):
        before = sum(registrations(site).values())
        process = subprocess.Popen(
            [sys.executable, "-c", SCAN, str(site.folder), str(workers)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        process.stdout.readline()
        time.sleep(chance.uniform(0.1, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        after = sum(registrations(site).values())
        kills += before < after < len(expected)
    assert kills >= 1, "no kill met a scanner at work"
    summary = scan(site)
    assert summary.ok
    assert registrations(site) == dict.fromkeys(expected, 1)
    assert undescribed(site) == []
    for path in expected:
        assert (landing / path).exists()


def test_a_scanner_gives_way_to_the_first(site, landing):
    command = [sys.executable, "-c", SCAN, str(site.folder), "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as first:
        first.stdout.readline()
        lock = landing / ".mrdata-scanner.lock"
        while not lock.exists() or not lock.read_text():
            time.sleep(0.02)
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        first.kill()
    assert second.returncode != 0
    assert f"another scanner is at work (process {first.pid} on {os.uname().nodename})" in second.stderr
    assert scan(site).ok


def test_the_summary_is_json(site, landing):
    (landing / "94T/dicom/link").symlink_to("/etc/passwd")
    assert json.loads(json.dumps(scan(site).as_dict()))["refused"] == {"symbolic link": 1}
    assert registrations(site) == {}

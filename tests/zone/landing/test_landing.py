"""The scanner and a whole zone: killed and started again, each file is registered once and described."""

from __future__ import annotations

import base64
import hashlib
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
from microservices.headers.header_reader import read_header
from policy.ingest import landed_again, origin
from policy.zone import Condition, layout
from policy.zone.context import Context
from tests import files
from tests.zone.names import PAIN, T3, T94

ROOT = Path(__file__).parents[3]
SCAN = """
import sys, threading
from landing import scanner
from landing.progress import progress_to
from mrdata.commands.zone_connection import connect, settings

def announced():
    zone = connect("mrdata")
    register = zone.register_all

    def announce(files, resource):
        for file in files:
            print(file.file, flush=True)
        return register(files, resource)

    zone.register_all = announce
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
    return Scanner(
        site.settings, lambda: site.connect("mrdata"), progress, workers=workers, retry_seconds=0.02
    ).run_once()


def landed(site) -> Counter[str]:
    """How many objects there are for each file that landed: in the archive, in quarantine and resting in landing."""
    found: Counter[str] = Counter()
    for path in site.paths("studies") + site.paths("quarantine") + site.paths("landing"):
        whole = f"{site.settings.home}/{path}"
        origins = origin.of_object(Context(site.connect(), site.settings, read_header), whole)
        here = layout.quarantined(site.settings, whole) or layout.landed(site.settings, whole)
        found.update({one.landing_path for one in origins} or ({here.landing_path} if here else set()))
    return found


def again(site) -> list[str]:
    """The landing paths of what landed with bytes that the archive had."""
    return sorted(
        one.landing_path for _, one in landed_again.everywhere(Context(site.connect(), site.settings, read_header))
    )


def mailbox(landing: Path) -> list[str]:
    """Files that were not taken."""
    files = (path for path in landing.rglob("*") if path.is_file() and layout.INTAKE not in path.parts)
    return sorted(path.relative_to(landing).as_posix() for path in files)


def test_a_session_lands(site, landing):
    experiment = site.register()
    for number in range(1, 30):
        put(landing, f"{T94}/dicom/a/{number}.dcm", files.dicom(experiment, instance=number))
    put(landing, f"{T94}/twix/meas.dat", files.twix(experiment))
    put(landing, f"{T94}/expdata/{experiment}/log.txt", b"trigger\n")
    summary = scan(site)
    assert (summary.registered, summary.ok, dict(summary.waiting)) == (31, True, {})
    archive = site.paths(f"studies/{PAIN}/experiments/{experiment}")
    assert Counter(path.split("/")[4] for path in archive if path.count("/") > 4) == {
        "DICOM": 29,
        "TWIX": 1,
        "EXP_DATA": 1,
    }
    assert set(landed(site).values()) == {1}
    assert mailbox(landing) == []
    assert site.verify()["sound"]
    assert scan(site).registered == 0


def test_what_lands_is_archived_when_it_is_registered(site, landing):
    experiment = site.register()
    put(landing, f"{T94}/dicom/a/1.dcm", files.dicom(experiment))
    scan(site)
    (path,) = [path for path in site.paths(f"studies/{PAIN}/experiments/{experiment}") if "/DICOM/" in path]
    collection, _, name = f"{site.settings.home}/{path}".rpartition("/")
    columns = ["DATA_RESC_NAME", "DATA_REPL_STATUS", "DATA_CHECKSUM", "DATA_PATH"]
    ((resource, status, checksum, file),) = site.connect().query(
        columns, Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", name)
    )
    assert (resource, status, file.startswith(f"{site.settings.archive.vault}/landed/")) == (
        site.settings.archive.resource,
        "1",
        True,
    )
    digest = hashlib.sha256(Path(file).read_bytes()).digest()
    assert checksum == "sha2:" + base64.b64encode(digest).decode()
    assert checksum == site.connect().checksum(f"{collection}/{name}", verify=True)
    assert os.stat(file).st_mode & 0o222 == 0


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
    assert landed(site) == dict.fromkeys(paths, 1)
    assert scan(site).registered == 0


def test_the_same_image_again_makes_no_second_object(site, landing):
    experiment = site.register()
    content = files.dicom(experiment)
    for name in ("1", "2"):
        put(landing, f"{T94}/dicom/a/{name}.dcm", content)
        summary = scan(site)
    assert (summary.registered, summary.same, summary.ok) == (0, 1, True)
    assert landed(site) == {f"{T94}/dicom/a/1.dcm": 1}
    assert again(site) == [f"{T94}/dicom/a/2.dcm"]
    assert site.verify()["sound"]


def test_another_image_under_the_name_of_an_archived_one(site, landing):
    """A console that uses its files' names again."""
    one, two = site.register(), site.register()
    first, second = (files.dicom(experiment, sop=f"1.2.3.{number}") for number, experiment in enumerate((one, two)))
    for content in (first, second):
        put(landing, f"{T94}/dicom/a/1.dcm", content)
        assert scan(site).registered == 1
    archive = [
        path
        for experiment in (one, two)
        for path in site.paths(f"studies/{PAIN}/experiments/{experiment}")
        if "/DICOM/" in path
    ]
    assert [site.connect().read(f"{site.settings.home}/{path}", 0, 1 << 20) for path in archive] == [first, second]
    assert site.verify()["sound"]


def test_an_image_that_was_taken_half_written(site, landing):
    """The whole one comes later, under the same name: it is archived, and the half one is for a data steward."""
    experiment = site.register()
    content = files.dicom(experiment)
    put(landing, f"{T94}/dicom/a/1.dcm", content[: len(content) // 2])
    scan(site)
    while site.sweep()["held"]:
        pass
    put(landing, f"{T94}/dicom/a/1.dcm", content)
    assert scan(site).registered == 1
    (path,) = site.paths(f"studies/{PAIN}/experiments/{experiment}/DICOM")
    assert site.connect().read(f"{site.settings.home}/{path}", 0, 1 << 20) == content
    assert site.verify()["quarantined"] == {"truncated": 1}


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
    kills = 0
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", SCAN, str(workers), "once"], cwd=ROOT, env=site.environment(), stdout=subprocess.PIPE
        ) as process:
            for _ in range(chance.randint(1, 60)):
                process.stdout.readline()
            time.sleep(chance.uniform(0, 0.01))
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        if sum(landed(site).values()) == len(expected):
            break
    assert kills, "no kill met a scanner at work"
    summary = scan(site)
    assert summary.ok
    assert landed(site) == dict.fromkeys(expected, 1)
    assert mailbox(landing) == []
    assert site.verify()["sound"]


def test_two_scanners_share_a_landing_zone(site, landing):
    experiment = site.register()
    expected = [f"{T94}/dicom/{number % 3}/{number}.dcm" for number in range(90)]
    for number, path in enumerate(expected):
        put(landing, path, files.dicom(experiment, instance=number))
    command, where = [sys.executable, "-c", SCAN, "1", "once"], {"cwd": ROOT, "env": site.environment()}
    both = [
        subprocess.Popen(command, **where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    printed = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], printed
    assert landed(site) == dict.fromkeys(expected, 1)
    assert again(site) == []


def test_the_summary_is_json(site, landing):
    (landing / f"{T94}/dicom/link").symlink_to("/etc/passwd")
    assert json.loads(json.dumps(scan(site).as_dict()))["refused"] == {"symbolic link": 1}
    assert landed(site) == {}

"""On a real server, in one run, side by side: `python -m tests.bench server`, as the landing host's account on the
server's host.

The iRODS environment leads to the service account (mrdata), mrdata.yaml stands beside the server, and the account may
write into the landing zone and, with `archive.vault`, into the archive's vault. The same images by: plain `iput -r`;
`mrdata scan` with every policy, by one and by two clients; Orthanc; a client-side uploader (put, query, ten AVUs a
file, one by one), which needs no policy.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from irods.meta import iRODSMeta
from irods.models import DataObject

from microservices.zones.client_session import open_session
from microservices.zones.client_zone import IrodsZone
from mrdata.commands.zone_connection import settings as site_settings
from policy.zone import Condition
from policy.zone.settings import Settings
from tests.bench import orthanc
from tests.files import dicom

FILES = 2000
SIZE = 25_000
SERIES = 20
STUDY = "bench"
PLAIN = "iput -r into a plain collection, no policy"
WAYS = (
    ("`mrdata scan`: archived, hashed, forced to the disk, every policy; one client with one connection", 1, 1),
    ("the same with two connections", 1, 2),
    ("the same, two clients with one connection each", 2, 1),
)
"""Name, processes, workers of each."""


def rows() -> list[tuple[str, str, str]]:
    """Objects a second of each way, and the time from a registration's beginning to the object's place."""
    settings = site_settings()
    scanner = settings.scanners[0]
    folder = Path(settings.landing.folder) / scanner / "dicom" / f"bench{int(time.time())}"
    with zone() as admin, tempfile.TemporaryDirectory() as scratch:
        plain = f"{settings.home}/{folder.name}"
        admin.make_collection(plain)
        new = new_experiment(admin, settings, scanner)
        try:
            return _measure(admin, settings, scanner, folder, new, Path(scratch), plain)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def zone() -> IrodsZone:
    """A connection of the environment's account."""
    return IrodsZone(open_session())


def new_experiment(admin: IrodsZone, settings: Settings, scanner: str) -> str:
    """An experiment of the benchmarks' own study."""
    for rule, request in (
        ("mrdata_study", {"study": STUDY, "members": [admin.whoami().name], "subjects": ["P1"]}),
        (
            "mrdata_register",
            {
                "study": STUDY,
                "pseudonym": "P1",
                "owner": admin.whoami().name,
                "scanner": scanner,
                "scan_type": "phantom",
            },
        ),
    ):
        reply = json.loads(admin.rule(rule, json.dumps(request)))
        if "error" in reply:
            raise RuntimeError(reply["error"])
    return str(reply["experiment_id"])


def images(folder: Path, new: str, count: int, first: int = 0) -> list[Path]:
    """Images of 25 KB in 20 series, taken in turns."""
    folder.mkdir(parents=True)
    files = []
    for number in range(first, first + count):
        file = folder / f"MR.{number}"
        file.write_bytes(dicom(new, series=number % SERIES, instance=number, pixels=b"\0" * SIZE))
        files.append(file)
    return files


def _measure(
    admin: IrodsZone, settings: Settings, scanner: str, folder: Path, new: str, scratch: Path, plain: str
) -> list[tuple[str, str, str]]:
    rates: dict[str, float] = {}
    images(scratch / "iput", new, FILES)
    whole_folder = ["iput", "-r", str(scratch / "iput"), plain]
    rates[PLAIN] = FILES / timed(lambda: subprocess.run(whole_folder, check=True))
    for number, (way, processes, workers) in enumerate(WAYS, 1):
        images(folder / str(number), new, FILES, number * FILES)
        rates[way] = FILES / scan(FILES, processes, workers)
    files = images(scratch / "orthanc", new, FILES, 10 * FILES)
    if lacking := orthanc.missing():
        print(f"Orthanc is left out: this machine lacks {lacking}")
    else:
        rates["Orthanc, one client, storage synchronised"] = FILES / orthanc.post(files)
    uploader = images(scratch / "uploader", new, FILES // 4, 20 * FILES)
    rates[f"client-side uploader (the first {FILES // 4}): put, query, 10 AVUs"] = len(uploader) / timed(
        lambda: _upload(plain, uploader)
    )
    base = rates[PLAIN]
    return [
        (f"{FILES} DICOM files of 25 KB: {way}", f"{rate:.0f} objects/s", f"{rate / base:.2f}")
        for way, rate in rates.items()
    ]


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def scan(files: int, processes: int, workers: int) -> float:
    """Seconds until scanner processes have archived all files of the landing zone.

    From the first look to the last end.
    """
    command = [sys.executable, "-m", "tests.bench.scan_once", str(workers)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    summaries = [json.loads(one.communicate()[0]) for one in running]
    took = time.perf_counter() - began
    assert sum(one["registered"] for one in summaries) == files, summaries
    assert all(one["ok"] for one in summaries), summaries
    return took


def _upload(collection: str, files: list[Path]) -> None:
    with zone() as client:
        for file in files:
            path = f"{collection}/{file.name}"
            client.put(str(file), path)
            client.query(["DATA_ID"], Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", file.name))
            for number in range(10):
                client.session.metadata.add(DataObject, path, iRODSMeta(f"Attribute{number}", file.name))

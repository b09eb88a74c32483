"""On a real server, in one run, side by side: `python -m tests.bench server`, as the landing host's account on the server's host.

The iRODS environment leads to the service account (mrdata), mrdata.yaml stands beside the server, and the account may write
into the landing zone. The same images by: plain `iput -r`; registered into landing with every policy, by one and by two clients;
a client-side uploader (put, query, ten AVUs a file, one by one), which needs no policy; and automated-ingest's own REGISTER_SYNC
(where its extra and redis-server are installed; Redis and workers start before the clock does).
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from irods.meta import iRODSMeta
from irods.models import DataObject

from microservices.client import IrodsZone
from microservices.client_session import open_session
from mrdata.connect import settings as site_settings
from policy.layout import landing
from policy.settings import Settings
from policy.zone import Condition
from tests.bench import automated_ingest
from tests.files import dicom

FILES = 2000
SIZE = 25_000
SERIES = 20
STUDY = "bench"
PLAIN = "iput -r into a plain collection, no policy"


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
        ("mrdata_register", {"study": STUDY, "pseudonym": "P1", "owner": admin.whoami().name, "scanner": scanner, "scan_type": "phantom"}),
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
    rates[PLAIN] = FILES / _timed(lambda: subprocess.run(whole_folder, check=True))

    delays: list[float] = []
    one = images(folder / "one", new, FILES, FILES)
    rates["registered into landing, every policy, one client"] = FILES / _timed(lambda: _register(settings, one, delays))
    two = images(folder / "two", new, FILES, 2 * FILES)
    rates["the same, two clients"] = FILES / _timed(lambda: _two(settings, two))

    uploader = images(scratch / "uploader", new, FILES // 4, 3 * FILES)
    rates[f"client-side uploader (the first {FILES // 4}): put, query, 10 AVUs"] = len(uploader) / _timed(lambda: _upload(plain, uploader))
    if lacking := automated_ingest.missing():
        print(f"automated-ingest is left out: this machine lacks {lacking}")
    else:
        (scratch / "ingest").mkdir()
        taken = images(folder / "ingest", new, FILES, 4 * FILES)
        admin.make_collection(f"{plain}/ingest")
        seconds = automated_ingest.register(folder / "ingest", f"{plain}/ingest", settings.landing.resource, scratch / "ingest")
        count = len(admin.query(["DATA_NAME"], Condition("COLL_NAME", "=", f"{plain}/ingest")))
        assert count == len(taken), f"automated-ingest registered {count} of {len(taken)}"
        rates["automated-ingest's own REGISTER_SYNC into a plain collection, two Celery workers"] = FILES / seconds
    base = rates[PLAIN]
    table = [(f"{FILES} DICOM files of 25 KB: {way}", f"{rate:.0f} objects/s", f"{rate / base:.2f}") for way, rate in rates.items()]
    delays.sort()
    spread = f"median {statistics.median(delays) * 1000:.0f} ms, 95th percentile {delays[int(len(delays) * 0.95)] * 1000:.0f} ms"
    return [*table, ("from the request to its place, one client", spread, "")]


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _register(settings: Settings, files: list[Path], delays: list[float]) -> None:
    with zone() as client:
        for file in files:
            start = time.perf_counter()
            relative = file.relative_to(settings.landing.folder).as_posix()
            placed = client.register(str(file), f"{landing(settings)}/{relative}", settings.landing.resource)
            delays.append(time.perf_counter() - start)
            assert "/studies/" in placed, f"{file} was not placed: {placed}"


def _two(settings: Settings, files: list[Path]) -> None:
    halves = [threading.Thread(target=_register, args=(settings, half, [])) for half in (files[::2], files[1::2])]
    for half in halves:
        half.start()
    for half in halves:
        half.join()


def _upload(collection: str, files: list[Path]) -> None:
    with zone() as client:
        for file in files:
            path = f"{collection}/{file.name}"
            client.put(str(file), path)
            client.query(["DATA_ID"], Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", file.name))
            for number in range(10):
                client.session.metadata.add(DataObject, path, iRODSMeta(f"Attribute{number}", file.name))

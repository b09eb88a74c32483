"""5 GB of raw data archived on a real server, beside `cp` and `sha256sum` of the same file: `python -m tests.bench
raw`, as for `server`.

A copy counts when it is on the disk. Each way begins with the file out of the page cache.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path

from mrdata.commands.zone_connection import settings as site_settings
from mrdata.phantom.phantom_twix import write_large
from mrdata.phantom.water_phantom import Session
from tests.bench.server import new_experiment, scan, timed, zone

SIZE = 5 << 30
RUNS = 3
_COPY = ["sh", "-c", 'cp "$0" "$1" && sync "$1"']


def rows() -> list[tuple[str, str, str]]:
    """Medians of three runs, in turns."""
    settings = site_settings()
    scanner = settings.scanners[0]
    with zone() as admin:
        new = new_experiment(admin, settings, scanner)
    folder = Path(settings.landing.folder) / scanner / "twix" / new  # a masked file's name is no ID: its folder's is
    folder.mkdir()
    took: dict[str, list[float]] = {"cp, and sync": [], "sha256sum": [], "`mrdata scan`": []}
    with tempfile.TemporaryDirectory(dir=Path(settings.landing.folder).parent) as scratch:
        for run in range(RUNS):
            file, copy = _write(folder, new, run), Path(scratch) / "copy"
            for name, command in (("cp, and sync", _COPY), ("sha256sum", ["sha256sum", str(file)])):
                _forget(file)
                arguments = [*command, str(file), str(copy)] if command is _COPY else command
                took[name].append(timed(partial(subprocess.run, arguments, check=True, stdout=subprocess.DEVNULL)))
            copy.unlink()
            _forget(file)
            took["`mrdata scan`"].append(scan(1, processes=1, workers=1))
    slower = max(statistics.median(took[name]) for name in ("cp, and sync", "sha256sum"))
    return [
        (f"5 GiB of raw data: {name}", f"{statistics.median(times):.1f} s", f"{statistics.median(times) / slower:.2f}")
        for name, times in took.items()
    ]


def _write(folder: Path, new: str, run: int) -> Path:
    """A whole raw data file, each of its bytes written."""
    holes, file = folder.parent / f".sparse{run}.part", folder / f"meas_MID{run:05}_FID{os.getpid():06}_bench.dat"
    with holes.open("wb") as opened:
        write_large(opened, Session(new, datetime(2026, 1, 2, 9, run)), SIZE)
    subprocess.run(["cp", "--sparse=never", holes, file], check=True)
    subprocess.run(["sync", file], check=True)
    holes.unlink()
    return file


def _forget(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

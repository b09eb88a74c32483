"""Placing raw data: the same at every size, in time and in memory.

The large files are sparse: true head and tail, a hole between.
"""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

from mrdata.phantom.phantom_twix import Version, write_large
from mrdata.phantom.water_phantom import Session
from policy.zone.layout import landing
from tests.bench.site import connect, new_site

SIZES = {"1 MB": 1 << 20, "1 GB": 1 << 30, "8 GB": 8 << 30}
RUNS = 25


def rows() -> list[tuple[str, str, str]]:
    """Median time of one registration with placing and describing; peak memory over the idle process, in a process of
    its own.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        times, memory = fresh.submit(_measure).result()
    small = statistics.median(times["1 MB"])
    table = [
        (
            f"place a TWIX file of {label}",
            f"{statistics.median(t) * 1000:.1f} ms",
            f"{statistics.median(t) / small:.2f} of 1 MB",
        )
        for label, t in times.items()
    ]
    return [*table, ("memory over the idle process, 8 GB files among them", f"{memory:.1f} MiB", "")]


def _measure() -> tuple[dict[str, list[float]], float]:
    times: dict[str, list[float]] = {size: [] for size in SIZES}
    with new_site() as (folder, settings, new), connect(settings) as zone:
        session = Session(new, datetime(2026, 1, 2, 9, 0, 0, 123_000))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
        idle = _status("VmRSS")
        for run in range(RUNS):
            for label, size in SIZES.items():
                times[label].append(_place(zone, settings, folder, session, f"{run}_{label}", size))
        return times, (_status("VmHWM") - idle) / 1024


def _status(key: str) -> int:
    """KiB, from the kernel's account of this process."""
    return int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)).split()[1]
    )


def _place(zone, settings, folder, session, name, size) -> float:
    file = folder / "twix" / f"{name.replace(' ', '')}.dat"
    with open(file, "wb") as out:
        write_large(out, session, size, Version.VB)
    start = time.perf_counter()
    path = zone.register(str(file), f"{landing(settings)}/94T/twix/{file.name}", settings.landing.resource)
    took = time.perf_counter() - start
    assert "/studies/" in path, f"{name} was not placed: {path}"
    return took

"""Placing raw data: the same at every size, in time and in memory. The large files are sparse: true head and tail, a hole between."""

import resource
import statistics
import time
from datetime import datetime

from mrdata.phantom import Session
from mrdata.phantom_twix import Version, write_large
from policy.layout import landing
from tests.bench.site import connect, new_site

SIZES = {"1 MB": 1 << 20, "1 GB": 1 << 30, "8 GB": 8 << 30}
RUNS = 15


def rows() -> list[tuple[str, str, str]]:
    """Median time of one registration with placing and describing; growth of the process's peak memory."""
    times: dict[str, list[float]] = {size: [] for size in SIZES}
    with new_site() as (folder, settings, new), connect(settings) as zone:
        session = Session(new, datetime(2026, 1, 2, 9, 0, 0, 123_000))
        _place(zone, settings, folder, session, "warm", SIZES["1 MB"])
        idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for run in range(RUNS):
            for label, size in SIZES.items():
                times[label].append(_place(zone, settings, folder, session, f"{run}_{label}", size))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle
    small = statistics.median(times["1 MB"])
    table = [
        (f"place a TWIX file of {label}", f"{statistics.median(t) * 1000:.1f} ms", f"{statistics.median(t) / small:.2f} of 1 MB")
        for label, t in times.items()
    ]
    return [*table, ("memory over the idle process, all sizes", f"{peak / 1024:.1f} MiB", "")]


def _place(zone, settings, folder, session, name, size) -> float:
    file = folder / "twix" / f"{name.replace(' ', '')}.dat"
    with open(file, "wb") as out:
        write_large(out, session, size, Version.VB)
    start = time.perf_counter()
    path = zone.register(str(file), f"{landing(settings)}/94T/twix/{file.name}", settings.landing.resource)
    took = time.perf_counter() - start
    assert "/studies/" in path, f"{name} was not placed: {path}"
    return took

"""Nothing grows with what is archived: the first ten thousand images of an embedded zone, and the last of a million.

The catalog is filled by SQL in between.
"""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

from embedded.folder import ZoneFolder
from landing.progress import Lines
from landing.scanner import Scanner
from policy.zone import layout
from policy.zone.settings import Settings
from tests.bench.filling import Filling
from tests.bench.site import connect, new_site
from tests.files import dicom

OBJECTS = 10_000
ALL = 1_000_000


def rows() -> list[tuple[str, str, str]]:
    """Time for each ten thousand, 100 images a series, one scanner."""
    with new_site() as (folder, settings, new):
        first = _archive(folder, settings, new, 0)
        _fill(settings)
        last = _archive(folder, settings, new, OBJECTS)
    return [
        (f"archive the first {OBJECTS:,} images", f"{first:.2f} ms each", "1"),
        (f"archive the last {OBJECTS:,} of {ALL:,}", f"{last:.2f} ms each", f"{last / first:.2f} of the first"),
    ]


def _archive(folder: Path, settings: Settings, new: str, first: int) -> float:
    """Milliseconds an image."""
    for number in range(first, first + OBJECTS):
        (folder / "dicom" / f"{number}").write_bytes(dicom(new, series=number // 100, instance=number % 100))
    site, log = replace(settings, landing=replace(settings.landing, quiet_seconds=0.0)), io.StringIO()
    start = time.perf_counter()
    summary = Scanner(site, lambda: connect(settings), Lines(log)).run_once()
    assert summary.registered == OBJECTS, log.getvalue()
    return (time.perf_counter() - start) / OBJECTS * 1000


def _fill(settings: Settings) -> None:
    catalog = ZoneFolder.open(Path(settings.landing.folder).parent).catalog()
    users = dict(catalog.all("SELECT user_name, user_id FROM R_USER_MAIN"))
    (resource,) = catalog.one("SELECT resc_id FROM R_RESC_MAIN WHERE resc_name = ?", (settings.archive.resource,))
    readers = users[settings.account], users[layout.study_group("s")]
    with catalog.writing():
        for statement in Filling(settings, "s", ALL - 2 * OBJECTS, resource, readers).statements():
            catalog.run(statement)
    catalog.close()

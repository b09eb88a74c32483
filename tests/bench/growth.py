"""Nothing grows with what is archived: ten thousand objects, then ten thousand more."""

import time

from policy.layout import landing
from tests.bench.site import connect, new_site
from tests.files import dicom

OBJECTS = 10_000


def rows() -> list[tuple[str, str, str]]:
    """Time for each ten thousand, 100 images a series, one client."""
    took = []
    with new_site() as (folder, settings, new), connect(settings) as zone:
        for thousand in (0, 1):
            files = []
            for number in range(thousand * OBJECTS, (thousand + 1) * OBJECTS):
                file = folder / "dicom" / f"{number}"
                file.write_bytes(dicom(new, series=number // 100, instance=number % 100))
                files.append(file)
            start = time.perf_counter()
            for file in files:
                zone.register(str(file), f"{landing(settings)}/94T/dicom/{file.name}", settings.landing.resource)
            took.append(time.perf_counter() - start)
    per = [t / OBJECTS * 1000 for t in took]
    return [
        ("place the first 10,000 images", f"{per[0]:.2f} ms each", "1"),
        ("place 10,000 more", f"{per[1]:.2f} ms each", f"{per[1] / per[0]:.2f} of the first"),
    ]

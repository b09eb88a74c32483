"""DICOM objects a second through the whole path on the embedded zone, beside the same registration without a policy."""

import time

from policy.zone.layout import landing
from tests.bench.site import connect, new_site
from tests.files import dicom

OBJECTS = 1000


def rows() -> list[tuple[str, str, str]]:
    """One client; images of about 25 KB in 4 series, taken in turns: placed at birth, put and placed, plain."""
    with new_site() as (folder, settings, new):
        files = {}
        for way in ("register", "put", "plain"):
            for number in range(OBJECTS):
                file = folder / "dicom" / way / f"{number}"
                file.parent.mkdir(exist_ok=True, parents=True)
                file.write_bytes(dicom(new, series=number % 4, instance=number, pixels=b"\0\0" * 12000))
                files[way, number] = str(file)
        rates = {}
        with connect(settings) as zone:
            zone.make_collection(f"{settings.home}/plain")
            zone.make_collection(f"{landing(settings)}/94T/dicom/put")
            start = time.perf_counter()
            for number in range(OBJECTS):
                zone.register(files["plain", number], f"{settings.home}/plain/{number}", settings.landing.resource)
            rates["plain"] = OBJECTS / (time.perf_counter() - start)
            start = time.perf_counter()
            for number in range(OBJECTS):
                zone.register(
                    files["register", number],
                    f"{landing(settings)}/94T/dicom/register/{number}",
                    settings.landing.resource,
                )
            rates["register"] = OBJECTS / (time.perf_counter() - start)
            start = time.perf_counter()
            for number in range(OBJECTS):
                zone.put(files["put", number], f"{landing(settings)}/94T/dicom/put/{number}")
            rates["put"] = OBJECTS / (time.perf_counter() - start)
    plain = rates["plain"]
    return [
        ("register a DICOM file, no policy (embedded zone)", f"{plain:.0f} objects/s", "1"),
        (
            "register a DICOM file: placed at birth and described",
            f"{rates['register']:.0f} objects/s",
            f"{rates['register'] / plain:.2f}",
        ),
        ("put a DICOM file: placed by the post-PEP", f"{rates['put']:.0f} objects/s", f"{rates['put'] / plain:.2f}"),
    ]

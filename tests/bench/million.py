"""What each step costs with an empty archive, and with nearly a million images in it, on a real server: `python -m
tests.bench million`.

As for `server`; the catalog is filled by SQL in between, by the command `$MRDATA_PSQL` (default: psql of the account
postgres), and is as it was afterwards.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable

from microservices.zones.client_zone import IrodsZone
from mrdata.commands.zone_connection import settings as site_settings
from policy.zone import Condition, layout
from policy.zone.settings import Settings
from tests.bench.filling import Filling
from tests.bench.server import STUDY, new_experiment, zone
from tests.bench.steps import measure

FILES = 10_000
ALL = 1_000_000
PSQL = "runuser -u postgres -- psql --quiet --set=ON_ERROR_STOP=1 ICAT"


def rows() -> list[tuple[str, str, str]]:
    """Milliseconds of each step for the first images and for the last, and the ratio."""
    settings = site_settings()
    with zone() as admin:
        new = new_experiment(admin, settings, settings.scanners[0])
        filling = _filling(admin, settings)
    measure(settings, new, 200)
    first = measure(settings, new, FILES, 1000)
    try:
        _run(filling.statements())
        last = measure(settings, new, FILES, 1000 + FILES)
    finally:
        _run(filling.emptied())
    what = f"the last {FILES:,} of {ALL:,} images beside the first {FILES:,}"
    return [
        (f"{what}: {name}", f"{last[name]:.2f} ms", f"{last[name] / ms:.2f}" if ms else "")
        for name, ms in first.items()
    ]


def _filling(admin: IrodsZone, settings: Settings) -> Filling:
    def number(column: str, name: str, value: str) -> int:
        ((found,),) = admin.query([column], Condition(name, "=", value))
        return int(found)

    readers = (
        number("USER_ID", "USER_NAME", settings.account),
        number("USER_ID", "USER_NAME", layout.study_group(STUDY)),
    )
    return Filling(settings, STUDY, ALL - 2 * FILES, number("RESC_ID", "RESC_NAME", settings.archive.resource), readers)


def _run(statements: Iterable[str]) -> None:
    """In one transaction."""
    command = shlex.split(os.environ.get("MRDATA_PSQL", PSQL))
    text = "BEGIN;\n" + ";\n".join(statements) + ";\nCOMMIT;\nANALYZE;\n"
    subprocess.run(command, input=text, text=True, check=True, cwd="/", stdout=subprocess.DEVNULL)

"""`mrdata verify`: the policies' account of the zone, with the files of the landing zone, as a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from landing.names import is_temporary
from microservices.headers import read_header
from mrdata.progress import bar
from policy.context import Context
from policy.settings import Settings
from policy.verify import Report, verify
from policy.zone import Zone


def report(zone: Zone, settings: Settings, *, checksums: bool = True) -> dict[str, Any]:
    """The report as JSON holds it; `sound` tells whether every landed byte is accounted for."""
    files = landing_files(Path(settings.landing.folder))
    with bar("Verifying") as progress:
        found = verify(Context(zone, settings, read_header), files, checksums=checksums, progress=progress)
    return as_dict(found)


def landing_files(folder: Path) -> dict[str, int]:
    """Path below the landing folder -> size in bytes, of every file that is to be registered under this name."""
    found = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in names:
            file = Path(where) / name
            if not is_temporary(name):
                found[file.relative_to(folder).as_posix()] = file.lstat().st_size
    return found


def as_dict(found: Report) -> dict[str, Any]:
    """Counts, lists of paths, and the verdict."""
    return {
        "landed": found.landed,
        "archived": found.archived,
        "withdrawn": found.withdrawn,
        "quarantined": found.quarantined,
        "landing": found.landing,
        "set_aside": found.set_aside,
        "products": found.products,
        "waiting": found.waiting,
        "undescribed": found.undescribed,
        "lost": found.lost,
        "busy": found.busy,
        "sound": found.is_sound,
    }


def text(found: dict[str, Any]) -> str:
    """For people."""
    quarantined = sum(found["quarantined"].values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(found["quarantined"].items()))
    lines = [
        f"archived        {found['archived']}" + (f"  (withdrawn: {found['withdrawn']})" if found["withdrawn"] else ""),
        f"in quarantine   {quarantined}" + (f"  ({reasons})" if reasons else ""),
        f"in landing      {found['landing']}",
        f"set aside       {found['set_aside']}  (identical copies; one is archived)",
        f"products        {found['products']}  (made of archived images)",
        f"not registered  {len(found['waiting'])}",
        f"lost            {len(found['lost'])}",
    ]
    lines += [f"  lost: {entry}" for entry in found["lost"]]
    lines += [f"  busy: {path} is being written, or its writer was killed; verify again later" for path in found["busy"]]
    lines += [f"  not described: {path} (mrdata rule describe '{{\"path\": ...}}')" for path in found["undescribed"]]
    lines += [f"  not registered: {path} (mrdata scan)" for path in found["waiting"][:20]]
    verdict = "Every landed byte is accounted for." if found["sound"] else "Not every landed byte is accounted for: see above."
    return "\n".join([*lines, verdict])

"""`mrdata verify`: the policies' account of the zone, with the files of the landing zone, as a report."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from landing.disk import Signature
from landing.known import known
from landing.names import is_temporary, unfit
from landing.register import unchanged_checksum
from landing.tree import second_name, tree_of
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
    found.waiting = sorted({*found.waiting, *others(zone, settings, files)})
    return as_dict(found)


def others(zone: Zone, settings: Settings, files: Iterable[str]) -> Iterator[str]:
    """Those that are younger than what the archive has under their name, and not that: read are only these.

    This host's clock is taken for the file server's.
    """
    by_folder: dict[str, set[str]] = defaultdict(set)
    for relative in files:
        folder, _, name = relative.rpartition("/")
        by_folder[folder].add(name)
    root = os.path.abspath(settings.landing.folder)
    for folder, names in by_folder.items():
        for name, there in known(zone, root, folder, names)[0].items():
            if name not in names or there.in_place or not there.checksums:
                continue
            status = os.lstat(f"{root}/{folder}/{name}")
            if there.may_be_another(status.st_size, status.st_ctime):
                checksum = unchanged_checksum(f"{root}/{folder}/{name}", Signature.of(status))
                if checksum is not None and checksum not in there.checksums:
                    yield f"{folder}/{name}"


def landing_files(folder: Path) -> dict[str, int]:
    """Path below the landing folder -> size in bytes, of every file that is to be registered under this name."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            file = Path(where) / name
            relative = file.relative_to(folder).as_posix()
            in_tree = bool(tree_of(relative))
            renamed = in_tree and unfit(relative) is not None and (folder / second_name(relative)).exists()
            if not renamed and (in_tree or not is_temporary(name)):
                found[relative] = file.lstat().st_size
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

"""The corpus of real scanner files beside the project, and its way through a zone. `python -m tests.corpus` prints what became of it."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from mrdata.stamp import CannotStamp, stamp_dicom, stamp_twix

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def files() -> list[Path]:
    """All scanner and test files, without the licences and lists beside them."""
    listed = (FOLDER / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [FOLDER / line.split("\t")[0] for line in listed]


def stamped(file: Path, experiment: str) -> tuple[bytes, bool]:
    """The file with the ExperimentID as Patient Name and without direct identifiers; as it is where that cannot be done."""
    content = file.read_bytes()
    try:
        stamp = stamp_twix if "twix" in file.parts else stamp_dicom
        return stamp(content, experiment, clear_personal=True), True
    except CannotStamp:
        return content, False


def land_all(site, experiment: str) -> dict[str, tuple[Path, bool]]:
    """Registers every file; LandingPath -> (file, whether it was stamped). Raw data land in a folder named by the ExperimentID."""
    landed = {}
    for file in files():
        branch = f"twix/{experiment}" if "twix" in file.parts else "dicom"
        path = f"94T/{branch}/{file.relative_to(FOLDER).as_posix()}"
        content, was_stamped = stamped(file, experiment)
        site.land(path, content)
        landed[path] = (file, was_stamped)
    while site.sweep()["held"]:
        pass
    return landed


def fates(site) -> dict[str, tuple[str, str]]:
    """LandingPath -> (reason of the quarantine or the data type, detail)."""
    found = {}
    for path in site.paths("studies") + site.paths("quarantine"):
        avus = site.avus(path)
        fate = avus.get("Reason") or "archived"
        for landed in avus.get("LandingPath", "").split("|"):
            found[landed] = (fate, avus.get("Detail", ""))
    return found


def main() -> None:
    """Prints the counts under the strict settings and where patient characteristics are retained, and the fate of each odd file."""
    from tests.zone.conftest import Site

    for title, guard in (("strict (default)", {}), ("patient characteristics retained", {"retain_patient_characteristics": True})):
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder) / "zone", {"guard": guard})
            landed = land_all(site, site.register())
            found = fates(site)
            report = site.verify()
            count = sum(was for _, was in landed.values())
            print(f"## {title}\n\n{len(landed)} files, {count} stamped; in landing {report['landing']}, lost {len(report['lost'])}\n")
            for fate, number in Counter(fate for fate, _ in found.values()).most_common():
                print(f"| {fate} | {number} |")
            print(f"| identical to an archived file: one copy | {report['set_aside']} |\n", file=sys.stdout)
            site.close()
    rows = defaultdict(list)
    for path, (file, was_stamped) in landed.items():
        fate, detail = found[path]
        if fate != "archived" or "odd-derived" in path:
            rows[fate, detail, was_stamped].append(file.name)
    for (fate, detail, was_stamped), names in sorted(rows.items()):
        listed = ", ".join(f"`{name}`" for name in sorted(names))
        print(f"| {listed} | {'' if was_stamped else 'as it is'} | {fate} | {detail} |")


if __name__ == "__main__":
    main()

"""The corpus of real scanner files beside the project, and its way through a zone.

`python -m tests.corpus` prints what became of it.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from mrdata.phantom.stamp import CannotStamp, stamp_dicom, stamp_twix
from policy.zone import layout
from tests.zone.names import T94

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def files() -> list[Path]:
    """All scanner and test files, without the licences and lists beside them."""
    listed = (FOLDER / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [FOLDER / line.split("\t")[0] for line in listed]


def stamped(file: Path, experiment: str) -> tuple[bytes, bool]:
    """The file with the ExperimentID as Patient Name and without direct identifiers; as it is where that cannot be
    done.
    """
    content = file.read_bytes()
    try:
        stamp = stamp_twix if "twix" in file.parts else stamp_dicom
        return stamp(content, experiment, clear_personal=True), True
    except CannotStamp:
        return content, False


def land_all(site, experiment: str) -> dict[str, tuple[Path, bool]]:
    """Registers every file;

    LandingPath -> (file, whether it was stamped). Raw data land in a folder named by the ExperimentID.
    """
    landed = {}
    for file in files():
        branch = f"twix/{experiment}" if "twix" in file.parts else "dicom"
        path = f"{T94}/{branch}/{file.relative_to(FOLDER).as_posix()}"
        content, was_stamped = stamped(file, experiment)
        site.land(path, content)
        landed[path] = (file, was_stamped)
    site.rule("archive")  # a copy is set aside only while the archive has the first
    while site.sweep()["held"]:
        pass
    return landed


def fates(site) -> dict[str, tuple[str, str]]:
    """LandingPath -> (`archived` or the reason of the quarantine, detail)."""
    found = {}
    came_from = {path: [one.landing_path for one in origins] for path, origins in site.origins().items()}
    for path in site.paths("studies") + site.paths("quarantine"):
        avus = site.avus(path)
        quarantined = layout.quarantined(site.settings, f"{site.settings.home}/{path}")
        for landed in [quarantined.landing_path] if quarantined else came_from.get(f"{site.settings.home}/{path}", []):
            found[landed] = (
                avus.get("Reason") or "archived",
                re.sub(r" \(after \d+ tries\)$", "", avus.get("Detail", "")),
            )
    return found


def counts(site) -> dict[str, int]:
    """Files by fate; `one copy` are those that are identical to an archived one."""
    found = Counter(fate for fate, _ in fates(site).values())
    one_copy = site.verify()["set_aside"]
    return {**found, "archived": found["archived"] - one_copy, "one copy": one_copy}


GUARDS = {"strict (the default)": {}, "patient characteristics retained": {"retain_patient_characteristics": True}}


def main() -> None:
    """Prints docs/reference/odd-files.md: the counts under both settings of the guard, and the fate of each file that is not
    archived.
    """
    from tests.zone.embedded_site import EmbeddedSite

    print(HEAD)
    table: dict[str, dict[str, int]] = {}
    for title, guard in GUARDS.items():
        with tempfile.TemporaryDirectory() as folder:
            site = EmbeddedSite(Path(folder) / "zone", {"guard": guard})
            landed = land_all(site, site.register())
            table[title], found, report = counts(site), fates(site), site.verify()
            table[title] |= {"still in landing": report["landing"], "lost": len(report["lost"])}
            site.close()
    last = ("still in landing", "lost")
    print("| | " + " | ".join(GUARDS) + " |\n|--|" + "--:|" * len(GUARDS))
    for fate in sorted({fate for column in table.values() for fate in column}, key=lambda f: (f in last, f)):
        print(f"| {fate} | " + " | ".join(str(column.get(fate, 0)) for column in table.values()) + " |")
    print(f"| **files** | **{len(landed)}** | **{len(landed)}** |\n\n{MIDDLE}\n")
    print("| files | stamped | fate | what the quarantine says |\n|--|--|--|--|")
    rows = defaultdict(list)
    for path, (file, was_stamped) in landed.items():
        fate, detail = found[path]
        if fate != "archived":
            rows[fate, re.sub(r"(pain/experiments/)\S+", r"...", detail), was_stamped].append(file.name)
    for (fate, detail, was_stamped), names in sorted(rows.items()):
        shown = ", ".join(f"`{name}`" for name in sorted(set(names))[:6]) + (
            f" and more ({len(names)} files)" if len(set(names)) > 6 else ""
        )
        print(f"| {shown} | {'yes' if was_stamped else 'no'} | {fate} | `{detail[:200]}` |")


HEAD = """# What becomes of real and of odd files

All files of a collection of real scanner files (Siemens VB17, VE11, XA60, XA61, GE; every transfer syntax; raw data of VB19 and
VE11) and of broken ones made from them, through the embedded zone. Each was stamped with one registered ExperimentID and freed
of direct identifiers where that can be done without changing anything else; the others landed as they are. `python -m
tests.corpus` prints this page.
"""
MIDDLE = """`one copy`: the same bytes are archived already. `duplicate-different` is frequent because the collection holds the same image
in many encodings. Many small files of test suites have no pixel data and so count as cut off.

No file of an MRI scanner is refused for anything but its attributes. Ten files of pydicom's test suite are refused for a place that
may tell who the person is: three reports with text, an ECG with notes, an image with an overlay, and five in whose private attributes a
name or an ID may stand (GE nuclear medicine, HMC).

With patient characteristics retained, everything that is not archived:"""


if __name__ == "__main__":
    main()

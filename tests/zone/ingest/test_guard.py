"""Files that carry a name past the guard, each in another place: where they are in the end, why, and what everybody can
read of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mrdata.phantom.stamp import CannotStamp, stamp_dicom
from policy.ingest.decision import Reason
from policy.zone import layout
from tests import hostile
from tests.files import dicom
from tests.zone.names import PAIN, T94

REPORTS = Path(__file__).resolve().parents[4] / "shared" / "reports"
REPORTED = {
    "08_private_patient_name.dcm": "Patient's Name",
    "09_name_in_series_description.dcm": "SeriesDescription (",
    "10_burned_in.dcm": "text is burned into its pixels",
    "11_expdata_rda_name.rda": "PatientName",
}


def landing_paths(new: str) -> dict[str, tuple[str, bytes, str]]:
    """Name -> landing path, content, what the quarantine says; empty: it is archived."""
    files = {}
    for branch, table in ((f"dicom/{new}", hostile.DICOM), (f"expdata/{new}", hostile.EXPANDED)):
        files |= {name: (f"{T94}/{branch}/{name}", make(new), says) for name, (make, says) in table.items()}
    for name, says in REPORTED.items() if REPORTS.is_dir() else ():
        content = (REPORTS / name).read_bytes()
        if name.endswith(".dcm"):
            try:
                content = stamp_dicom(content, new)
            except CannotStamp:
                continue
        branch = "dicom" if name.endswith(".dcm") else "expdata"
        files[name] = (f"{T94}/{branch}/{new}/{name}", content, says)
    return files


def test_every_file_is_refused_with_its_reason(site):
    new = site.register()
    files = landing_paths(new)
    for path, content, _ in files.values():
        site.land(path, content)
    site.sweep()
    details = {}
    for path in site.paths("quarantine"):
        landed = layout.quarantined(site.settings, f"{site.settings.home}/{path}")
        details[landed.landing_path] = site.avus(path)["Detail"]
    for name, (path, _, says) in files.items():
        assert (path in details) is bool(says), name
        assert says in details.get(path, ""), name
    assert len(site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")) == sum(
        not says for _, says in hostile.DICOM.values()
    )
    told = repr(list(site.paths("studies"))) + repr(details)
    told += repr([site.avus(path) for path in (*site.paths("studies"), *site.paths("quarantine"))])
    told += repr([session["candidates"] for session in site.quarantine_sessions()])
    assert not [part for part in ("Simpson", "SIMPSON", "Homer", "1956", "Smith") if part in told]


def test_what_a_data_steward_accepts_tells_no_name_to_everybody(site):
    new = site.register()
    site.land(f"{T94}/dicom/{new}/a", hostile.series_description(new))
    site.sweep()
    (session,) = site.quarantine_sessions()
    site.rule("experiment_reassign", {"source": session["path"], "to": new, "accept_personal_data": True})
    (path,) = site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")
    assert "/77_series/" in path
    collection = path.rpartition("/")[0]
    assert "Homer" not in str(site.avus(path)) + str(site.avus(collection))


def test_a_header_that_costs_too_much_has_a_reason_of_its_own(site):
    new = site.register()
    for name in ("depth", "measurements"):
        site.land(f"{T94}/{'dicom' if name == 'depth' else 'twix'}/{new}/{name}", hostile.BOMBS[name]())
    site.land(f"{T94}/expdata/{new}/depth", hostile.bomb_of_depth())
    site.sweep()
    assert site.verify()["quarantined"] == {Reason.HEADER_TOO_LARGE: 3}


@pytest.mark.parametrize("typed", ["Smith01", "Mueller2"])
def test_a_name_that_looks_like_an_id_is_in_no_avu(site, typed):
    site.land(f"{T94}/dicom/a/{typed}", dicom(typed))
    site.sweep()
    (session,) = site.quarantine_sessions()
    assert session["header_says"] == typed
    everything = [site.avus(session["path"]), *map(site.avus, site.paths("quarantine"))]
    assert typed not in str(everything)

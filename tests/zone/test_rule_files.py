"""The administrator's rule files for the quarantine."""

from tests.files import dicom
from tests.zone.irule import irule
from tests.zone.names import PAIN, T94


def test_a_session_is_listed_and_refiled(site):
    assert "The quarantine is empty." in irule(site, "quarantine_list")
    new = site.register()
    wrong = ("2" if new[0] != "2" else "3") + new[1:]
    for number in (1, 2):
        site.land(f"{T94}/dicom/{number}", dicom(wrong, instance=number))
    site.sweep()
    listed = irule(site, "quarantine_list")
    assert f"typed at the scanner: {wrong}" in listed
    assert f"candidate {new} (1 wrong)" in listed
    session = listed.splitlines()[0]
    dry = irule(site, "experiment_reassign", source=session, to=new)
    assert "2 of 2 objects would be re-filed; nothing was changed" in dry
    assert len(site.paths("quarantine")) == 2
    assert "2 of 2 objects were re-filed." in irule(site, "experiment_reassign", source=session, to=new, commit="yes")
    assert site.paths("quarantine") == []
    assert len(site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")) == 2


def test_a_wrong_id_is_answered_with_the_reason(site):
    assert "Error: 'Z4KQ-STAP' is no ExperimentID" in irule(site, "experiment_reassign", source="x", to="Z4KQ-STAP")

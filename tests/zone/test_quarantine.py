"""The quarantine: candidates, and re-filing under the right ExperimentID."""

import pytest

from tests.files import dicom, twix


def mistyped(right: str) -> str:
    return ("2" if right[0] != "2" else "3") + right[1:]


@pytest.fixture
def session(site):
    """A registered experiment whose ID was mistyped: three images in quarantine."""
    new = site.register()
    for number in (1, 2, 3):
        site.land(f"94T/dicom/s/{number}", dicom(mistyped(new), instance=number, sop=f"1.2.{number}"))
    assert site.sweep() == {"quarantined": 3}
    (listed,) = site.rule("quarantine_list")["sessions"]
    return new, listed


def test_a_session_lists_reason_header_and_candidates(site, session):
    new, listed = session
    site.register(pseudonym="P2")
    site.register(scanner="3T")
    assert listed["reasons"] == {"mistyped": 3}
    assert listed["objects"] == 3
    assert listed["header_says"] == mistyped(new)
    (again,) = site.rule("quarantine_list")["sessions"]
    assert again["candidates"][0]["experiment"]["id"] == new
    assert again["candidates"][0]["distance"] == 1
    assert len(again["candidates"]) == 3


def test_candidates_prefer_the_scanner_then_the_youngest(site):
    from microservices.headers import read_header
    from policy.context import Context
    from policy.registry import Registry

    site.register(scanner="3T")
    here = site.register()
    nearest = Registry(Context(site.connect(), site.settings, read_header)).nearest(here, "94T")
    assert nearest[0].experiment.id == here
    assert [c.distance for c in nearest] == sorted(c.distance for c in nearest)


def test_a_dry_run_changes_nothing(site, session):
    new, listed = session
    before = site.paths()
    reply = site.rule("experiment_reassign", {"source": listed["path"], "to": new, "dry_run": True})
    assert reply["dry_run"] is True
    assert [m["target"].rpartition("/")[2] for m in reply["moves"]] == ["1_1.2.1.dcm", "2_1.2.2.dcm", "3_1.2.3.dcm"]
    assert site.paths() == before


def test_a_session_is_refiled_with_its_avus(site, session):
    new, listed = session
    site.rule("experiment_reassign", {"source": listed["path"], "to": new})
    root = f"studies/pain/experiments/{new}/DICOM/1_gre"
    assert site.paths(root) == [f"{root}/{n}_1.2.{n}.dcm" for n in (1, 2, 3)]
    avus = site.avus(f"{root}/1_1.2.1.dcm")
    assert avus.pop("Reassigned").endswith("by mrdata from quarantine")
    assert avus == {"SOPInstanceUID": "1.2.1", "LandingPath": "94T/dicom/s/1"}
    assert site.connect("alice").stat(f"{site.settings.home}/{root}/1_1.2.1.dcm") is not None
    assert site.rule("quarantine_list")["sessions"] == []
    assert site.verify()["sound"]


def test_a_name_that_is_not_the_experiments_needs_a_stewards_word(site):
    new = site.register()
    site.land("94T/dicom/a", dicom("SIMPSON^HOMER", sop="1.2.9"))
    site.sweep()
    (listed,) = site.rule("quarantine_list")["sessions"]
    (move,) = site.rule("experiment_reassign", {"source": listed["path"], "to": new})["moves"]
    assert move["target"] == ""
    assert "PatientName" in move["note"]
    assert len(site.paths("quarantine")) == 1


def test_a_wrong_but_registered_id_is_put_right(site):
    wrong, right = site.register(), site.register(study="sleep", owner="bob")
    site.land("94T/dicom/a", dicom(wrong, sop="1.2.8"))
    site.land("94T/twix/m.dat", twix(wrong))
    site.rule("experiment_reassign", {"source": wrong, "to": right})
    placed = f"studies/sleep/experiments/{right}/DICOM/1_gre/1_1.2.8.dcm"
    assert site.avus(placed)["Reassigned"].endswith(f"from {wrong}")
    assert site.connect("bob").stat(f"{site.settings.home}/{placed}") is not None
    assert site.connect("alice").stat(f"{site.settings.home}/{placed}") is None
    assert site.paths(f"studies/pain/experiments/{wrong}/DICOM") == []
    assert site.connect().stat(f"{site.settings.home}/studies/pain/experiments/{wrong}/DICOM/1_gre") is None
    assert site.paths(f"studies/sleep/experiments/{right}/TWIX") == [f"studies/sleep/experiments/{right}/TWIX/m.dat"]
    assert site.verify()["sound"]


@pytest.mark.parametrize(
    ("source", "to", "part"),
    [
        ("/tempZone/home/alice", None, "neither"), ("/tempZone/home/mrdata/quarantine/../studies", None, "neither"),
        ("Z4KQ-STAS", None, "never registered"), ("/tempZone/home/mrdata/quarantine/94T/none", None, "no object"),
        (None, "Z4KQ-STAP", "check character"), (None, "Z4KQ-STAS", "never registered"),
    ],
)  # fmt: skip
def test_wrong_requests(site, session, source, to, part):
    new, listed = session
    reply = site.ask("experiment_reassign", {"source": source or listed["path"], "to": to or new})
    assert part in reply["error"]
    assert len(site.paths("quarantine")) == 3


def test_what_was_cut_can_be_filed_all_the_same(site):
    new = site.register()
    site.land("94T/twix/m.dat", twix(new)[:-3000])
    while site.sweep()["held"]:
        pass
    (listed,) = site.rule("quarantine_list")["sessions"]
    site.rule("experiment_reassign", {"source": listed["path"], "to": new})
    assert site.paths(f"studies/pain/experiments/{new}/TWIX") == [f"studies/pain/experiments/{new}/TWIX/m.dat"]

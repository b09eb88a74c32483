"""The quarantine: candidates, and re-filing under the right ExperimentID."""

from pathlib import Path

import pytest

from policy.zone import data_object
from tests.files import dicom, twix
from tests.zone.ingest.test_ingest import _frame
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T3, T94


def mistyped(right: str) -> str:
    return ("2" if right[0] != "2" else "3") + right[1:]


@pytest.fixture
def session(site):
    """A registered experiment whose ID was mistyped: three images in quarantine."""
    new = site.register()
    for number in (1, 2, 3):
        site.land(f"{T94}/dicom/s/{number}", dicom(mistyped(new), instance=number, sop=f"1.2.{number}"))
    assert site.sweep() == {"quarantined": 3}
    (listed,) = site.quarantine_sessions()
    return new, listed


def test_a_session_lists_reason_header_and_candidates(site, session):
    new, listed = session
    site.register(pseudonym="P2")
    site.register(scanner=T3)
    assert listed["reasons"] == {"mistyped": 3}
    assert listed["objects"] == 3
    assert listed["header_says"] == mistyped(new)
    (again,) = site.quarantine_sessions()
    assert again["candidates"][0]["experiment"]["id"] == new
    assert again["candidates"][0]["distance"] == 1
    assert len(again["candidates"]) == 3


def test_candidates_prefer_the_scanner_then_the_youngest(site):
    from microservices.headers.header_reader import read_header
    from policy.zone.context import Context
    from policy.zone.registry import Registry

    site.register(scanner=T3)
    here = site.register()
    nearest = Registry(Context(site.connect(), site.settings, read_header)).nearest(here, T94)
    assert nearest[0].experiment.id == here
    assert [c.distance for c in nearest] == sorted(c.distance for c in nearest)


def test_the_nearest_is_found_among_many(site, monkeypatch):
    from microservices.headers.header_reader import read_header
    from policy.zone import registry
    from policy.zone.context import Context

    monkeypatch.setattr(registry, "LOOKS", 2)
    new = site.register()
    for _ in range(4):
        site.register()
    (first, *_) = registry.Registry(Context(site.connect(), site.settings, read_header)).nearest(mistyped(new), T94)
    assert (first.experiment.id, first.distance) == (new, 1)


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
    root = f"studies/{PAIN}/experiments/{new}/DICOM/1_gre"
    assert site.paths(root) == [f"{root}/{n}_1.2.{n}.dcm" for n in (1, 2, 3)]
    avus = site.avus(f"{root}/1_1.2.1.dcm")
    assert avus.pop("Reassigned").endswith(
        f"by mrdata from quarantine {'/'.join(listed['path'].split('/')[-2:])}: mistyped"
    )
    assert avus == {"LandingPath": f"{T94}/dicom/s/1"}
    assert site.connect(ALICE).stat(f"{site.settings.home}/{root}/1_1.2.1.dcm") is not None
    assert site.quarantine_sessions() == []
    assert site.verify()["sound"]


def test_a_name_that_is_not_the_experiments_needs_a_stewards_word(site):
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom("SIMPSON^HOMER", sop="1.2.9"))
    site.sweep()
    (listed,) = site.quarantine_sessions()
    (move,) = site.rule("experiment_reassign", {"source": listed["path"], "to": new})["moves"]
    assert move["target"] == ""
    assert "PatientName" in move["note"]
    assert len(site.paths("quarantine")) == 1
    told = site.rule("audit_history", {"experiment": new})["entries"]
    assert [(e["act"], e["details"].get("objects"), e["details"].get("held_back")) for e in told[1:]] == [
        ("re-filing", None, None),
        ("re-filed", "0", "1"),
    ]


def test_an_object_that_cannot_be_read_holds_up_no_other(site, session):
    new, listed = session
    path = sorted(site.paths("quarantine"))[1]
    ((file,),) = site.connect().query(["DATA_PATH"], *data_object(f"{site.settings.home}/{path}"))
    unreadable, content = Path(file), Path(file).read_bytes()
    unreadable.unlink()
    moves = site.rule("experiment_reassign", {"source": listed["path"], "to": new})["moves"]
    assert [bool(move["target"]) for move in moves] == [True, False, True]
    assert moves[1]["note"].startswith("failed: ")
    told = site.rule("audit_history", {"experiment": new})["entries"][-1]
    assert (told["act"], told["details"]["objects"], told["details"]["held_back"]) == ("re-filed", "2", "1")
    unreadable.write_bytes(content)
    (move,) = site.rule("experiment_reassign", {"source": listed["path"], "to": new})["moves"]
    assert move["target"]


def test_a_wrong_but_registered_id_is_put_right(site):
    wrong, right = site.register(), site.register(study=SLEEP, owner=BOB)
    site.land(f"{T94}/dicom/a", dicom(wrong, sop="1.2.8"))
    site.land(f"{T94}/twix/m.dat", twix(wrong))
    site.rule("experiment_reassign", {"source": wrong, "to": right})
    placed = f"studies/{SLEEP}/experiments/{right}/DICOM/1_gre/1_1.2.8.dcm"
    assert site.avus(placed)["Reassigned"].endswith("by mrdata from another experiment")
    (entry,) = (e for e in site.rule("audit_history", {"experiment": right})["entries"] if e["act"] == "re-filed")
    assert entry["details"]["source"] == wrong
    assert site.connect(BOB).stat(f"{site.settings.home}/{placed}") is not None
    assert site.connect(ALICE).stat(f"{site.settings.home}/{placed}") is None
    assert site.paths(f"studies/{PAIN}/experiments/{wrong}/DICOM") == []
    assert site.connect().stat(f"{site.settings.home}/studies/{PAIN}/experiments/{wrong}/DICOM/1_gre") is None
    assert site.paths(f"studies/{SLEEP}/experiments/{right}/TWIX") == [
        f"studies/{SLEEP}/experiments/{right}/TWIX/m.dat"
    ]
    assert site.verify()["sound"]


@pytest.mark.parametrize(
    ("source", "to", "part"),
    [
        (f"/ZONE/home/{ALICE}", None, "neither"), ("/ZONE/home/mrdata/quarantine/../studies", None, "neither"),
        ("Z4KQ-STAS", None, "never registered"), (f"/ZONE/home/mrdata/quarantine/{T94}/none", None, "no object"),
        (None, "Z4KQ-STAP", "check character"), (None, "Z4KQ-STAS", "never registered"),
    ],
)  # fmt: skip
def test_wrong_requests(site, session, source, to, part):
    new, listed = session
    source = (source or listed["path"]).replace("ZONE", site.settings.zone)
    reply = site.ask("experiment_reassign", {"source": source, "to": to or new})
    assert part in reply["error"]
    assert len(site.paths("quarantine")) == 3


def test_what_was_cut_can_be_filed_all_the_same(site):
    new = site.register()
    site.land(f"{T94}/twix/m.dat", twix(new)[:-3000])
    while site.sweep()["held"]:
        pass
    (listed,) = site.quarantine_sessions()
    site.rule("experiment_reassign", {"source": listed["path"], "to": new})
    assert site.paths(f"studies/{PAIN}/experiments/{new}/TWIX") == [f"studies/{PAIN}/experiments/{new}/TWIX/m.dat"]


def test_what_was_refiled_is_taken_back(site, session):
    """It is where it was and as it was; the log and the objects tell of both; again it finds nothing to do."""
    new, listed = session
    where = "/".join(listed["path"].split("/")[-2:])
    before = site.paths("quarantine")
    site.rule("experiment_reassign", {"source": listed["path"], "to": new, "by": "carol"})
    reply = site.rule("experiment_take_back", {"to": new, "session": where, "by": "carol"})
    assert len(reply["moves"]) == 3
    assert site.paths("quarantine") == before
    assert site.paths(f"studies/{PAIN}/experiments/{new}/DICOM") == []
    avus = site.avus(before[0])
    assert avus["Reason"] == "mistyped"
    assert "LandingPath" not in avus
    assert "by carol from quarantine" in avus["Reassigned"]
    assert "holds nothing that was re-filed" in site.ask("experiment_take_back", {"to": new, "session": where})["error"]
    assert site.verify()["sound"]
    site.rule("experiment_reassign", {"source": listed["path"], "to": new})
    assert len(site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")) == 3


def test_only_what_came_from_that_session_is_taken_back(site, session):
    new, listed = session
    site.land(f"{T94}/dicom/own/1", dicom(new, instance=9, sop="1.2.9"))
    site.rule("experiment_reassign", {"source": listed["path"], "to": new})
    other = f"{T94}/20260101_00000000"
    assert "holds nothing" in site.ask("experiment_take_back", {"to": new, "session": other})["error"]
    site.rule("experiment_take_back", {"to": new, "session": "/".join(listed["path"].split("/")[-2:])})
    assert [path.rpartition("/")[2] for path in site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")] == [
        "9_1.2.9.dcm"
    ]


def test_late_expanded_data_are_one_session_that_says_whose_it_is(make_site):
    """However the folder was typed; and the experiment's page shows it."""
    site = make_site(lifecycle={"settle_seconds": 0.0})
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new))
    site.rule("archive")
    assert site.rule("experiment_finalize", {"experiment": new})["state"] == "finalized"
    site.reconnect()
    site.land(f"{T94}/expdata/{new.replace('-', '').lower()}/a.txt", b"1")
    site.land(f"{T94}/expdata/{new}/deep/b.txt", b"2")
    assert site.sweep() == {"quarantined": 2}
    (listed,) = site.quarantine_sessions()
    assert (listed["header_says"], listed["objects"], listed["details"]) == (new, 2, ["its experiment is finalized"])
    avus = site.avus(listed["path"])
    assert (avus["HeaderSays"], avus["Candidate"]) == (new, new)
    from microservices.headers.header_reader import read_header
    from policy.views.experiment_page import suspects
    from policy.zone.context import Context

    (suspect,) = suspects(Context(site.connect(), site.settings, read_header), new)
    assert (suspect.path, suspect.distance) == (listed["path"], 0)


@pytest.mark.parametrize("folder", ["{id}/", ""])
def test_masked_raw_data_say_whose_they_are(site, folder):
    """By the folder in which they landed, or by the images of their exam."""
    new = site.register()
    frame = _frame(new)
    site.land(f"{T94}/dicom/a", dicom(new, FrameOfReferenceUID=frame))
    site.land(f"{T3}/twix/{folder.format(id=new)}m.dat", twix(new, masked=True, frame="" if folder else frame))
    site.sweep()
    (listed,) = site.quarantine_sessions()
    assert listed["reasons"] == {"wrong-scanner": 1}
    assert new not in str(listed["details"])
    assert site.avus(listed["path"])["HeaderSays"] == new


def test_an_id_is_said_as_it_is_written(site):
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new.replace("-", "").lower(), PatientBirthDate="19700101"))
    assert site.sweep() == {"quarantined": 1}
    (listed,) = site.quarantine_sessions()
    assert site.avus(listed["path"])["HeaderSays"] == new


def test_other_bytes_under_an_archived_name_say_whose_they_are(site):
    """Masked raw data that the images of their exam tell: nothing else in the session would."""
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new, FrameOfReferenceUID=_frame(new)))
    raw = twix(new, masked=True, frame=_frame(new))
    site.land(f"{T94}/twix/m.dat", raw)
    site.rule("archive")
    site.upload(f"{T94}/twix/m.dat", raw + bytes(512), user="mrdata")
    site.sweep()
    (listed,) = site.quarantine_sessions()
    assert listed["reasons"] == {"duplicate-different": 1}
    assert site.avus(listed["path"])["HeaderSays"] == new

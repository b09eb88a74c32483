"""What was known when an experiment was scanned: whatever becomes of it later, and however late the images come."""

import json
import subprocess
import time
from datetime import datetime, timedelta

import pytest

from mrdata.demonstration.pretend_castellum import PretendCastellum, Study
from policy.castellum.mixed_use import SubjectFile, subject_path
from policy.zone import AVU, Condition
from policy.zone.layout import studies
from tests.files import dicom, twix
from tests.zone.castellum.test_castellum import Polled
from tests.zone.ingest.test_quarantine import mistyped
from tests.zone.ingest.test_routes import Counted
from tests.zone.irule import irule
from tests.zone.names import ALICE, PAIN, T94


@pytest.fixture
def castellum():
    subjects = {
        f"P{n}": {"handedness": "left" if n % 3 == 0 else "right", "sex": "f", "age_group": "20-29"}
        for n in range(1, 7)
    }
    with PretendCastellum(Study(17, PAIN, "Pain in layers", members=[ALICE], subjects=subjects)).running() as castellum:
        yield castellum


@pytest.fixture
def polled(make_site, castellum, open_folder):
    made = Polled(make_site, castellum, open_folder)
    yield made
    made.forget()


def of_experiment(polled, experiment):
    return polled.site.avus(f"studies/{PAIN}/experiments/{experiment}")


def day(ago):
    """That of so many days ago, as an image tells it."""
    return (datetime.now() - timedelta(days=ago)).strftime("%Y%m%d")


def test_left_handed_when_scanned(polled, castellum):
    polled.good_poll()
    scanned, waiting = polled.site.register(pseudonym="P3"), polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    castellum.studies[PAIN].subjects["P3"] |= {"handedness": "both", "remark": "new"}
    polled.good_poll()
    found = polled.site.avus(f"studies/{PAIN}/experiments/{scanned}")
    assert (found["AtScan.handedness"], found.get("AtScan.remark")) == ("left", None)
    later = polled.site.avus(f"studies/{PAIN}/experiments/{waiting}")
    assert (later["AtScan.handedness"], later["AtScan.remark"]) == ("both", "new")
    where = [Condition("META_COLL_ATTR_NAME", "=", "AtScan.handedness"), Condition("META_COLL_ATTR_VALUE", "=", "left")]
    own = Condition("COLL_PARENT_NAME", "=", f"{studies(polled.site.settings)}/{PAIN}/experiments")
    assert [path.rpartition("/")[2] for (path,) in polled.zone.query(["COLL_NAME"], *where, own)] == [scanned]
    changes = polled.site.rule("castellum_changes", {"experiment": scanned})
    assert changes["changed"] == {"handedness": [["left"], ["both"]]}
    assert changes["added"] == {"remark": ["new"]}
    assert polled.site.rule("castellum_changes", {"experiment": waiting})["changed"] == {}


@pytest.mark.parametrize("now", [None, "", "n/a", [], "none of those that are allowed", "Anna Mueller"])
def test_a_value_that_is_gone_or_refused_changes_nothing_of_what_was_known(polled, castellum, now):
    polled.good_poll()
    scanned = polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    castellum.studies[PAIN].subjects["P3"]["handedness"] = now
    polled.good_poll()
    assert "handedness" not in polled.subject(PAIN, "P3")
    assert of_experiment(polled, scanned)["AtScan.handedness"] == "left"
    changes = polled.site.rule("castellum_changes", {"experiment": scanned})
    assert (changes["changed"], changes["no_longer_exported"]) == ({"handedness": [["left"], []]}, [])
    assert "handedness: left then, no value now" in irule(polled.site, "castellum_changes", experiment=scanned)
    polled.good_poll(check=True)
    assert of_experiment(polled, scanned)["AtScan.handedness"] == "left"


def test_what_one_answer_leaves_out_is_still_exported(polled, castellum):
    polled.good_poll()
    scanned = polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    del castellum.studies[PAIN].subjects["P3"]["handedness"]
    assert polled.good_poll()["changes"] == {"subjects changed": 1}
    assert of_experiment(polled, scanned)["AtScan.handedness"] == "left"


def test_what_is_no_longer_exported_goes_from_experiments_and_comes_back(polled, castellum):
    subjects = castellum.studies[PAIN].subjects
    polled.good_poll()
    scanned = polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    for attributes in subjects.values():
        del attributes["handedness"]
    polled.good_poll()
    assert "AtScan.handedness" not in of_experiment(polled, scanned)
    assert of_experiment(polled, scanned)["AtScan.sex"] == "f"
    changes = polled.site.rule("castellum_changes", {"experiment": scanned})
    assert changes["no_longer_exported"] == ["handedness"]
    assert "left" not in json.dumps(changes)
    subjects["P5"]["handedness"] = "right"  # it is exported again, though not for this subject
    polled.good_poll()
    assert of_experiment(polled, scanned)["AtScan.handedness"] == "left"


def test_what_is_no_longer_exported_goes_though_nobody_had_a_value_any_more(polled, castellum):
    subjects = castellum.studies[PAIN].subjects
    polled.good_poll()
    scanned, waiting = polled.site.register(pseudonym="P3"), polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    for attributes in subjects.values():
        attributes["handedness"] = None
    polled.good_poll()
    assert of_experiment(polled, scanned)["AtScan.handedness"] == "left"
    for attributes in subjects.values():
        del attributes["handedness"]
    assert polled.good_poll()["changes"] == {"studies changed": 1}
    assert "AtScan.handedness" not in of_experiment(polled, scanned)
    assert of_experiment(polled, waiting)["AtScan.sex"] == "f"


def test_a_subject_that_castellum_never_named_is_left_alone(polled, castellum):
    polled.site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["own"]})
    scanned, waiting = polled.site.register(pseudonym="own"), polled.site.register(pseudonym="own")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    before = of_experiment(polled, waiting)
    reply = polled.good_poll()
    assert reply["behind"] == 0
    castellum.studies[PAIN].subjects["P1"]["remark"] = "new"
    assert polled.good_poll()["changes"] == {"studies changed": 1, "subjects changed": 1}
    assert of_experiment(polled, waiting) == before
    assert not {name for name in of_experiment(polled, scanned) if name.startswith("AtScan")}


def past(polled, *versions):
    """The remote's history of P3 begins so: (days ago, its handedness), at noon."""
    stream = b""
    for ago, hand in versions:
        content = SubjectFile(PAIN, "P3", {"handedness": (hand,)}, "d1").content()
        when = int(datetime.now().replace(hour=12, minute=0, second=0).timestamp()) - ago * 86400
        stream += b"commit refs/heads/main\ncommitter MrData <mrdata@localhost> %d +0000\ndata 1\n.\n" % when
        stream += b"M 100644 inline %s\ndata %d\n%s\n" % (subject_path(PAIN, "P3").encode(), len(content), content)
    remote = str(polled.folder / "remote.git")
    subprocess.run(["git", "-c", "safe.directory=*", "-C", remote, "fast-import", "--quiet"], input=stream, check=True)
    subprocess.run(["chmod", "-R", "a+rwX", remote], check=True)


def test_the_day_of_the_scan_counts_when_its_first_image_comes_later(polled, castellum):
    past(polled, (5, "left"), (3, "right"))
    castellum.studies[PAIN].subjects["P3"]["handedness"] = "both"
    polled.good_poll()
    wanted = {
        0: "both",
        2: "right",
        3: "right",
        4: "left",
        5: "left",
        300: "left",
    }  # older than git: what was known first
    scanned = {ago: polled.site.register(pseudonym="P3") for ago in wanted}
    for ago, experiment in scanned.items():
        polled.site.land(f"{T94}/dicom/s{ago}/1", dicom(experiment, AcquisitionDate=day(ago)))
        polled.site.land(f"{T94}/dicom/s{ago}/2", dicom(experiment, instance=2, AcquisitionDate=day(ago)))
        polled.site.land(f"{T94}/dicom/s{ago}/3", dicom(experiment, series=2, AcquisitionDate=day(0)))
    reply = polled.good_poll()
    assert reply["changes"] == {}
    assert {ago: of_experiment(polled, e)["AtScan.handedness"] for ago, e in scanned.items()} == wanted
    assert not [e for e in scanned.values() if "AtScanDay" in of_experiment(polled, e)]
    newest, right, left = polled.git("rev-list", "main").split()
    commits = {ago: of_experiment(polled, e)["AtScanCommit"] for ago, e in scanned.items()}
    assert commits == {0: newest, 2: right, 3: right, 4: left, 5: left, 300: left}
    assert polled.site.rule("castellum_changes", {"experiment": scanned[4]})["changed"] == {
        "handedness": [["left"], ["both"]]
    }
    assert polled.good_poll()["avus"] == 0
    polled.good_poll(check=True)
    assert {ago: of_experiment(polled, e)["AtScan.handedness"] for ago, e in scanned.items()} == wanted


def test_a_session_that_is_refiled_shows_what_was_known_on_its_day(polled, castellum):
    past(polled, (5, "left"))
    castellum.studies[PAIN].subjects["P3"]["handedness"] = "left"
    polled.good_poll()
    new = polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(mistyped(new), AcquisitionDate=day(2)))
    polled.site.sweep()
    (session,) = polled.site.quarantine_sessions()
    castellum.studies[PAIN].subjects["P3"]["handedness"] = "both"
    polled.good_poll()
    assert of_experiment(polled, new)["AtScan.handedness"] == "both"  # it has no image yet
    (moved,) = polled.site.rule("experiment_reassign", {"source": session["path"], "to": new})["moves"]
    assert moved["target"]
    polled.good_poll()
    assert of_experiment(polled, new)["AtScan.handedness"] == "left"


def test_raw_data_and_expanded_data(polled, castellum):
    polled.good_poll()
    new, other = polled.site.register(pseudonym="P3"), polled.site.register(pseudonym="P3")
    for experiment in (new, other):
        polled.site.land(f"{T94}/expdata/{experiment}/protocol.txt", b"what will be done\n")
    castellum.studies[PAIN].subjects["P3"]["handedness"] = "both"
    polled.good_poll()
    assert of_experiment(polled, new)["AtScan.handedness"] == "both"  # Expanded Data are no scan
    polled.site.land(f"{T94}/twix/{new}.dat", twix(new))  # of a day before anything was known
    polled.good_poll()
    assert of_experiment(polled, new)["AtScan.handedness"] == "left"
    castellum.studies[PAIN].subjects["P3"]["handedness"] = "right"
    polled.good_poll()
    assert of_experiment(polled, new)["AtScan.handedness"] == "left"
    assert of_experiment(polled, other)["AtScan.handedness"] == "right"


def test_only_the_archive_says_of_which_day_a_scan_is(polled):
    polled.good_poll()
    waiting = polled.site.register(pseudonym="P3")
    own = f"/{polled.site.settings.zone}/home/mrdata/own{time.time_ns()}"
    polled.zone.make_collection(own)
    path = f"{studies(polled.site.settings)}/{PAIN}/experiments/{waiting}"
    for one in (own, path):
        polled.zone.annotate(one, add=[AVU("AtScanDay", day(1))])
    assert polled.good_poll()["avus"] == 0
    assert polled.site.avus(own) == {"AtScanDay": day(1)}
    assert of_experiment(polled, waiting)["AtScanDay"] == day(1)  # no image has come yet
    polled.zone.remove(own)


@pytest.mark.embedded
def test_an_object_of_a_known_series_asks_nothing_more(polled, monkeypatch):
    polled.good_poll()
    new = polled.site.register(pseudonym="P3")
    for number in (1, 2):
        polled.site.land(f"{T94}/dicom/s/{number}", dicom(new, instance=number))
    assert "AtScanDay" in of_experiment(polled, new)
    counted = Counted(monkeypatch)
    polled.site.land(f"{T94}/dicom/s/3", dicom(new, instance=3))
    assert sorted(counted.calls) == ["msiExecGenQuery", "msiMakeGenQuery", "msiModAVUMetadata"]

"""The rule files of administrators, run as irule runs them."""

import pytest

from microservices.headers.header_reader import read_header
from policy.records import review
from policy.zone.context import Context
from tests.files import dicom
from tests.zone.irule import RULES, irule
from tests.zone.names import ALICE, PAIN, STEWARD, T94


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
    back = irule(site, "experiment_take_back", to=new, session="/".join(session.split("/")[-2:]))
    assert "2 objects are in quarantine again." in back
    assert len(site.paths("quarantine")) == 2


def test_a_wrong_id_is_answered_with_the_reason(site):
    assert "Error: 'Z4KQ-STAP' is not an ExperimentID" in irule(site, "experiment_reassign", source="x", to="Z4KQ-STAP")


def test_an_experiment_is_registered(site):
    request = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot"}
    # irule goes on with what the server noted of its microservices
    new, collection, *_ = irule(site, "register", **request).split()
    assert collection == f"{site.settings.home}/studies/{PAIN}/experiments/{new}"
    assert site.connect().stat(collection)
    assert "Error: pseudonym: 'P9' is not a subject" in irule(site, "register", **{**request, "pseudonym": "P9"})


def test_what_failed_is_tried_again_and_the_sweep_is_done_now(make_site):
    site = make_site(sweep={"every_seconds": 1, "quiet_seconds": 0, "tries": 5, "retry_seconds": 1000})
    new = site.register()
    with site.broken("policy.ingest.decision.decide", "policy.ingest.sweep.decide"):
        path = site.upload(f"{T94}/dicom/a", dicom(new, instance=1))
        assert site.sweep() == {"held": 1}
    site.upload(f"{T94}/dicom/b", dicom(new, instance=2))
    assert "archived: 1" in irule(site, "sweep_now")
    assert site.paths(f"landing/{T94}/dicom") == [path.removeprefix(site.settings.home + "/")]
    assert f"archived: {site.settings.home}/studies/{PAIN}/experiments/{new}/DICOM/" in irule(site, "retry", path=path)
    assert site.paths(f"landing/{T94}/dicom") == []
    assert "Every object of the zone is as it was archived." in irule(site, "verify")
    assert "Error: " in irule(site, "retry", path="/nowhere")


def test_delay_rules_are_scheduled_once_and_stopped(site, server):
    assert "Error: *rule is one of sweep, archive" in irule(site, "sweep_schedule", rule="x")
    if server is None:
        pytest.skip("the embedded zone has no iqdel, and its delay rules are scheduled from the beginning")
    for rule in ("sweep", "archive"):
        assert f"mrdata_{rule} is scheduled, every 3600 s." in irule(site, "sweep_schedule", rule=rule, seconds="3600")
        assert f"mrdata_{rule} was scheduled already" in irule(site, "sweep_schedule", rule=rule, seconds="3600")
        assert "stop it first" in irule(site, "sweep_schedule", rule=rule, seconds="7")
        assert f"mrdata_{rule} (delay rule" in irule(site, "sweep_stop", rule=rule)
        assert f"mrdata_{rule} was not scheduled." in irule(site, "sweep_stop", rule=rule)


def test_health_tells_what_the_policies_work_with(site):
    told = irule(site, "health")
    assert site.settings.zone in told
    assert "pydicom" in told


def test_a_review_is_listed_and_answered(site):
    site.connect().group(site.settings.stewards, [STEWARD])
    key = f"{PAIN}/P1 2026-03-02T10:00:00Z"
    review.open_review(
        Context(site.connect(), site.settings, read_header), "vanished pseudonym", key, f"P1 of {PAIN} is gone"
    )
    listed = irule(site, "reviews")
    assert f"key: {key}" in listed
    assert f"P1 of {PAIN} is gone" in listed
    answer = {"key": key, "verdict": "keep: a mistake of the export"}
    assert f"Error: {ALICE} is not a data steward" in irule(site, "reviews", **answer, by=ALICE)
    assert "Error: key: 0 reviews" in irule(site, "reviews", **answer, kind="withdrawal", by=STEWARD)
    assert f"{key}: keep: a mistake of the export ({STEWARD})" in irule(site, "reviews", **answer, by=STEWARD)
    assert key not in irule(site, "reviews")
    (told,) = [line for line in irule(site, "reviews", closed="yes").splitlines() if "a mistake of the export" in line]
    assert f"verdict of {STEWARD}, " in told


def test_a_time_to_be_kept_is_extended(make_site):
    site = make_site(lifecycle={"settle_seconds": 0.0})
    new = site.register()
    site.land(f"{T94}/dicom/{new}/1", dicom(new))
    site.sweep()
    site.rule("archive")
    assert "is not finalized" in irule(site, "retention_extend", experiment=new, until="2099-12-31")
    site.rule("experiment_finalize", {"experiment": new})
    assert "Error: until: 'later' is not a date" in irule(site, "retention_extend", experiment=new, until="later")
    assert f"Error: {ALICE} is not a data steward" in irule(
        site, "retention_extend", experiment=new, until="2099-12-31", by=ALICE
    )
    assert f"{new} is kept until 2099-12-31." in irule(site, "retention_extend", experiment=new, until="2099-12-31")
    assert site.avus(f"studies/{PAIN}/experiments/{new}")["RetentionEnd"] == "2099-12-31"


def test_each_file_says_how_it_is_called():
    for file in RULES.glob("*.r"):
        head = file.read_text(encoding="utf-8").partition("def main")[0]
        assert f"irule -r irods_rule_engine_plugin-python-instance -F {file.name}" in head, file.name

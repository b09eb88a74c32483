"""Registering an experiment: what is made, who may read it, and what is refused."""

import pytest
import yaml

from policy.zone import Access
from policy.zone.experiment_id import parse
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T3, T94


def test_an_experiment_has_its_collections_record_and_avus(site):
    new = site.register(url="https://example.org/e/1", description="7T pilot, resting state")
    assert parse(new) == new
    path = f"studies/{PAIN}/experiments/{new}"
    avus = site.avus(path)
    registered = avus.pop("Registered")
    assert avus == {
        "ExperimentID": new, "StudyID": PAIN, "Pseudonym": "P1", "Owner": ALICE, "Scanner": T94, "ScanType": "pilot",
        "ExperimentURL": "https://example.org/e/1", "Description": "7T pilot, resting state", "State": "registered",
    }  # fmt: skip
    record = yaml.safe_load(site.connect().read(f"{site.settings.home}/{path}/experiment.yaml", 0, 10_000))
    assert record == {**avus, "Registered": registered}
    for data_type in ("DICOM", "TWIX", "EXP_DATA"):
        assert site.connect().stat(f"{site.settings.home}/{path}/{data_type}").is_collection


def test_the_study_reads_and_nobody_else(site):
    new = site.register()
    path = f"{site.settings.home}/studies/{PAIN}/experiments/{new}"
    assert site.connect(ALICE).stat(f"{path}/experiment.yaml") is not None
    assert site.connect(BOB).stat(f"{path}/experiment.yaml") is None
    assert site.connect(BOB).stat(path) is None
    assert site.connect().permissions(path) == {"mrdata": Access.OWN, f"study_{PAIN}": Access.READ}


def test_everybody_may_enter_the_studies_and_sees_his_own(site):
    from mrdata.commands.listing import entries

    site.register()
    studies = f"{site.settings.home}/studies"
    for user, own in ((ALICE, PAIN), (BOB, SLEEP)):
        assert f"{studies}/{own}" in [e.path for e in entries(site.connect(user), studies)]
        assert not any(
            other in e.path
            for e in entries(site.connect(user), studies, recursive=True)
            for other in {PAIN, SLEEP} - {own}
        )


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"study": "nowhere"}, "does not exist"), ({"study": f"../{PAIN}"}, "must not contain"), ({"pseudonym": "P9"}, "not a subject"),
        ({"study": SLEEP, "owner": BOB, "pseudonym": "P2"}, "not a subject"),
        ({"owner": BOB}, "not a member"), ({"owner": "nobody"}, "not a member"),
        ({"scanner": "7T"}, f"is not one of {T94}, {T3}"), ({"scan_type": "x"}, "is not one of"), ({"url": "javascript:x"}, "url"),
        ({"description": "Mr. Smith, born 3.4.1980"}, "looks like personal data"), ({"owner": ""}, "owner: missing"),
        ({"extra": "1"}, "unknown key 'extra'"), ({"description": "a\x00b"}, "control characters"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_with_a_reason(site, changes, part):
    request = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot", **changes}
    assert part in site.ask("register", request)["error"]
    assert site.paths("studies") == []


def test_an_inactive_study_accepts_no_experiment(site):
    site.rule("study", {"study": PAIN, "members": [ALICE], "active": False})
    request = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot"}
    assert "inactive" in site.ask("register", request)["error"]


def test_subjects_are_never_removed_and_members_follow_the_file(site):
    site.rule("study", {"study": PAIN, "members": [BOB], "subjects": ["P3"]})
    site.register(pseudonym="P1", owner=BOB)
    site.register(pseudonym="P3", owner=BOB)
    assert site.connect(ALICE).stat(f"{site.settings.home}/studies/{PAIN}") is None


@pytest.mark.parametrize(
    ("study", "part"),
    [
        ({"study": "a/b"}, "'a/b' must be"), ({"study": ""}, "must be"), ({"study": "a", "subjects": [1]}, "list of texts"),
        ({"study": "a", "members": ["nobody"]}, "not an iRODS user"), ({"study": "a", "names": []}, "unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_study_file(site, study, part):
    assert part in site.ask("study", study)["error"]


@pytest.mark.parametrize(
    "rule", ["register", "study", "sweep", "experiment_reassign", "prepare", "retry", "describe", "verify"]
)
def test_ordinary_users_cannot_call_administrators_rules(site, rule):
    from policy.zone import NotPermitted

    with pytest.raises(NotPermitted):
        site.ask(rule, {}, user=ALICE)

"""Castellum, from real sockets through git into the zone."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
import yaml

from irods_config import history
from mrdata.demonstration.pretend_castellum import FAULTS, STUDIES, PretendCastellum, Study
from policy.zone import AVU, Condition, ZoneError
from policy.zone.layout import erased, studies
from tests.files import dicom
from tests.zone.irule import irule
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, STEWARD, T94

FOLLOWS = ("MixedUseCommit", "CastellumPaused")
ALLOWED = {"handedness": ["left", "right", "both"], "sex": [], "age_group": [], "remark": []}
MANY = 12


class Polled:
    """A site with a Castellum, and what tests ask of both."""

    def __init__(self, make_site, castellum: PretendCastellum, open_folder, **settings: object) -> None:
        self.castellum, self.folder = castellum, open_folder
        (open_folder / "token").write_text(castellum.token)
        subprocess.run(["git", "init", "--quiet", "--bare", str(open_folder / "remote.git")], check=True)
        subprocess.run(["chmod", "-R", "a+rwX", str(open_folder / "remote.git")], check=True)
        given = {
            "source": "http", "url": castellum.url, "token_file": str(open_folder / "token"), "attributes": ALLOWED, "tries": 2,
            "retry_seconds": 0.01, "timeout_seconds": 30, "repository": str(open_folder / "mixed-use.git"), "remote": f"file://{open_folder}/remote.git",
        }  # fmt: skip
        self.site = make_site(castellum={**given, **settings})
        self.zone = self.site.connect()
        self.forget()

    def close(self) -> None:
        """The next site of the same server begins with nothing."""
        self.forget()
        self.site.close()

    def forget(self) -> None:
        """The zone follows nothing."""
        path = studies(self.site.settings)
        self.zone.annotate(path, remove=[avu for avu in self.zone.metadata(path) if avu.attribute in FOLLOWS])

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Within the block, a poll waits for a second; else for as long as a busy machine may need."""
        text = self.site.settings_file.read_text()
        held = yaml.safe_load(text)
        held["castellum"]["timeout_seconds"] = 1
        self._settle(yaml.safe_dump(held))
        try:
            yield
        finally:
            self._settle(text)

    def _settle(self, settings: str) -> None:
        self.site.settings_file.write_text(settings)
        self.site.reconnect()
        self.zone = self.site.connect()

    def poll(self, **request: object) -> dict:
        return self.site.rule("castellum_poll", request)

    def good_poll(self, **request: object) -> dict:
        reply = self.poll(**request)
        assert reply["good"], reply
        return reply

    def subject(self, study: str, pseudonym: str) -> dict[str, str]:
        found = self.site.avus(f"studies/{study}/subjects/{pseudonym}")
        return {name: value for name, value in found.items() if name not in ("MixedUseCommit", "PseudonymList")}

    def git(self, *arguments: str) -> str:
        """git's own word on the remote."""
        command = ["git", "-c", "safe.directory=*", "-C", str(self.folder / "remote.git"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", "main"))

    def reviews(self, kind: str = "") -> list[dict]:
        return [
            r
            for r in self.site.rule("reviews")["reviews"]
            if PAIN in r["key"] + r["text"] and (not kind or r["kind"] == kind)
        ]

    def picture(self) -> dict:
        """All that the zone shows of both studies, and git, without commits' names and times."""
        columns = ["COLL_NAME", "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE", "META_COLL_ATTR_UNITS"]
        rows = []
        for study in (PAIN, SLEEP):
            for where in (("=", study), ("like", f"{study}/%")):
                rows += self.zone.query(
                    columns, Condition("COLL_NAME", where[0], f"{studies(self.site.settings)}/{where[1]}")
                )
        shown = sorted((row[0], row[1], "" if "Commit" in row[1] else row[2], row[3]) for row in rows)
        members = {
            s: self.zone.query(["USER_NAME"], Condition("USER_GROUP_NAME", "=", f"study_{s}")) for s in (PAIN, SLEEP)
        }
        return {
            "avus": shown,
            "members": {s: sorted(rows) for s, rows in members.items()},
            "git": self.git("ls-tree", "-r", "main"),
        }


@pytest.fixture
def castellum():
    subjects = {
        f"P{n}": {"handedness": "left" if n % 3 == 0 else "right", "sex": "f", "age_group": "20-29"}
        for n in range(1, MANY + 1)
    }
    pain = Study(17, PAIN, "Pain in layers", members=[ALICE], subjects=subjects)
    sleep = Study(18, SLEEP, "Sleep", members=[BOB], subjects={"P1": {"handedness": "right", "secret": "not allowed"}})
    with PretendCastellum(pain, sleep).running() as castellum:
        yield castellum


@pytest.fixture
def polled(make_site, castellum, open_folder, request):
    made = Polled(make_site, castellum, open_folder, **getattr(request, "param", {}))
    made.site.unschedule("%mrdata_castellum_poll(%")
    yield made
    made.forget()


def test_studies_and_subjects_come(polled):
    reply = polled.good_poll()
    assert reply["changes"] == {"studies new": 2, "subjects new": MANY + 1}
    assert (reply["requests"], reply["pushed"], reply["studies"]) == (3, True, 2)
    found = polled.site.avus(f"studies/{PAIN}")
    assert (found["Title"], found["StudyState"], found["StudyID"]) == ("Pain in layers", "active", PAIN)
    assert polled.subject(PAIN, "P3") == {"Pseudonym": "P3", "handedness": "left", "sex": "f", "age_group": "20-29"}
    assert polled.subject(SLEEP, "P1") == {"Pseudonym": "P1", "handedness": "right"}
    where = [Condition("META_COLL_ATTR_NAME", "=", "handedness"), Condition("META_COLL_ATTR_VALUE", "=", "left")]
    below = Condition("COLL_PARENT_NAME", "=", f"{studies(polled.site.settings)}/{PAIN}/subjects")
    assert sorted(p.rpartition("/")[2] for (p,) in polled.zone.query(["COLL_NAME"], *where, below)) == [
        "P12",
        "P3",
        "P6",
        "P9",
    ]
    # The members of the study may read it, others may not
    assert polled.site.connect(ALICE).stat(f"{studies(polled.site.settings)}/{PAIN}/subjects/P3") is not None
    assert polled.site.connect(BOB).stat(f"{studies(polled.site.settings)}/{PAIN}/subjects/P3") is None
    assert polled.git("log", "--format=%s", "main").strip() == f"Castellum: 2 studies new, {MANY + 1} subjects new"


def test_nothing_changed_writes_nothing(polled):
    polled.good_poll()
    before, files = polled.picture(), _files(polled.folder)
    reply = polled.good_poll()
    assert (reply["changes"], reply["commit"], reply["avus"], reply["pushed"], reply["requests"]) == (
        {},
        "",
        0,
        False,
        3,
    )
    assert polled.picture() == before
    after = _files(polled.folder)
    changed = {name for name in after if after[name] != files.get(name)}
    assert changed <= {"mixed-use.git.poll.json"}
    assert set(after) == set(files)


def _files(folder):
    return {
        str(f.relative_to(folder)): (f.stat().st_mtime_ns, f.stat().st_size) for f in folder.rglob("*") if f.is_file()
    }


def test_a_change_costs_what_changed(polled, castellum):
    polled.good_poll()
    castellum.studies[PAIN].subjects["P2"]["handedness"] = "both"
    reply = polled.good_poll()
    assert (reply["changes"], reply["avus"]) == (
        {"subjects changed": 1},
        5,
    )  # one value, the subject's commit, the zone's
    assert polled.subject(PAIN, "P2")["handedness"] == "both"
    assert polled.git("diff-tree", "--no-commit-id", "--name-only", "-r", "main").split() == [
        f"studies/{PAIN}/subjects/P2.yaml"
    ]


def test_messages_and_logs_hold_no_values(polled, castellum):
    polled.good_poll()
    castellum.studies[PAIN].subjects["P2"] = {"handedness": "both", "remark": "somebody@example.org"}
    reply = polled.good_poll()
    text = polled.git("log", "--format=%B", "main")
    assert "P2" not in text
    assert "both" not in text
    assert "somebody" not in json.dumps(reply)
    status = json.dumps(polled.site.rule("castellum_status"))
    assert castellum.token not in status + json.dumps(reply)
    assert not any(b"somebody" in f.read_bytes() for f in polled.folder.rglob("*.json"))


def test_what_looks_like_a_person_is_refused_and_reported(polled, castellum):
    castellum.studies[PAIN].subjects["P2"]["remark"] = "Anna Müller"
    castellum.studies[PAIN].subjects["P4"]["remark"] = "call 0176 1234567"
    reply = polled.good_poll()
    assert [(r["pseudonym"], r["attribute"]) for r in reply["refused"]] == [("P2", "remark"), ("P4", "remark")]
    assert "remark" not in polled.subject(PAIN, "P2")
    assert len(polled.reviews("refused value")) == 2
    assert "Müller" not in json.dumps(polled.reviews(), ensure_ascii=False)
    assert "Anna" not in polled.git("grep", "-h", "-e", ".", "main")
    polled.good_poll()
    assert len(polled.reviews("refused value")) == 2


def test_an_attribute_that_is_not_exported_any_more_goes_and_stays_in_history(polled, castellum):
    polled.good_poll()
    for attributes in castellum.studies[PAIN].subjects.values():
        del attributes["sex"]
    assert polled.good_poll()["changes"] == {"studies changed": 1, "subjects changed": MANY}
    assert "sex" not in polled.subject(PAIN, "P1")
    assert '"sex": "f"' in polled.git("show", f"main~1:studies/{PAIN}/subjects/P1.yaml")


def test_a_study_that_ends_stays_readable_and_takes_no_more(polled, castellum):
    polled.good_poll()
    new = polled.site.register()
    castellum.studies[PAIN].status = "finished"
    castellum.studies[PAIN].subjects.clear()  # a finished study names nobody
    before = polled.subject(PAIN, "P1")
    assert polled.good_poll()["changes"] == {"studies ended": 1}
    assert polled.site.avus(f"studies/{PAIN}")["StudyState"] == "inactive"
    assert polled.subject(PAIN, "P1") == before
    request = {"study": PAIN, "pseudonym": "P1", "owner": ALICE, "scanner": T94, "scan_type": "pilot"}
    assert "inactive" in polled.site.ask("register", request)["error"]
    assert polled.site.connect(ALICE).stat(f"{studies(polled.site.settings)}/{PAIN}/experiments/{new}") is not None
    assert polled.git("show", f"main:studies/{PAIN}/subjects/P1.yaml")


def test_a_study_that_is_not_listed_any_more_has_ended(polled, castellum):
    polled.good_poll()
    study = castellum.studies.pop(SLEEP)
    assert polled.good_poll()["changes"] == {"studies ended": 1}
    assert polled.site.avus(f"studies/{SLEEP}")["StudyState"] == "inactive"
    assert polled.subject(SLEEP, "P1")["handedness"] == "right"
    assert polled.good_poll()["changes"] == {}
    castellum.studies[SLEEP] = study
    assert polled.good_poll()["changes"] == {"studies changed": 1}
    assert polled.site.avus(f"studies/{SLEEP}")["StudyState"] == "active"


def test_a_pseudonym_that_vanishes_opens_a_review(polled, castellum):
    polled.good_poll()
    before = polled.subject(PAIN, "P2")
    gone = castellum.studies[PAIN].subjects.pop("P2")
    assert polled.good_poll()["changes"] == {"subjects vanished": 1}
    found = polled.subject(PAIN, "P2")
    assert found.pop("VanishedSince")
    assert found == before
    (review,) = polled.reviews("vanished pseudonym")
    assert "P2" in review["text"]
    assert polled.good_poll()["changes"] == {}
    polled.site.rule("review_close", {"key": review["key"], "verdict": "a mistake; it comes back"})
    polled.good_poll()
    assert polled.reviews("vanished pseudonym") == []
    castellum.studies[PAIN].subjects["P2"] = gone
    polled.good_poll()
    assert polled.subject(PAIN, "P2") == before
    time.sleep(1)  # a review is asked for once for a moment at which somebody vanished
    del castellum.studies[PAIN].subjects["P2"]
    polled.good_poll()
    assert len(polled.reviews("vanished pseudonym")) == 1


LIST = [f for f in FAULTS if f not in ("status 503 once", "cut page", "no attributes", "smaller")]
"""Of the two studies one may end, and a study in the list has no attributes."""


@pytest.mark.parametrize("where", ["list", "subjects"])
def test_an_error_is_never_a_removal(polled, castellum, where):
    polled.good_poll()
    before = polled.picture()
    for fault in LIST if where == "list" else [*LIST, "no attributes", "smaller"]:
        castellum.faults[STUDIES if where == "list" else castellum.studies[PAIN].path] = fault
        with polled.impatient() if fault in ("slow", "drip") else nullcontext():
            reply = polled.poll()
        assert not reply["good"], fault
        assert (reply["alarm"] or reply["faults"]) if where == "list" else PAIN in reply["faults"], fault
        assert (reply["commit"], reply["avus"]) == ("", 0), fault
        assert polled.picture() == before, fault
    assert polled.site.rule("castellum_status")["bad_in_a_row"] > len(LIST) - 1
    castellum.faults.clear()
    castellum.studies[PAIN].subjects["P1"]["handedness"] = "both"
    assert polled.good_poll()["changes"] == {"subjects changed": 1}
    assert polled.site.rule("castellum_status")["bad_in_a_row"] == 0


def test_a_wrong_token_changes_nothing(polled, castellum):
    polled.good_poll()
    before = polled.picture()
    castellum.token = "another"
    assert "is not accepted" in polled.poll()["alarm"]
    assert polled.picture() == before


def test_a_smaller_answer_waits_for_a_person(polled, castellum):
    polled.good_poll()
    for number in range(1, 7):
        del castellum.studies[PAIN].subjects[f"P{number}"]
    reply = polled.poll()
    assert f"6 of {MANY} pseudonyms" in reply["faults"][PAIN]
    assert reply["changes"] == {}
    assert len(polled.reviews("smaller answer")) == 1
    assert polled.good_poll(accept_smaller=[PAIN])["changes"] == {"subjects vanished": 6}
    assert len(polled.reviews("vanished pseudonym")) == 6
    assert polled.subject(PAIN, "P1")["handedness"] == "right"


@pytest.mark.parametrize("polled", [{"vanish_percent": 30}], indirect=True, ids=["30 percent"])
def test_who_has_vanished_long_ago_makes_no_answer_larger(polled, castellum):
    subjects = castellum.studies[PAIN].subjects
    polled.good_poll()
    for number in range(1, 9):
        del subjects[f"P{number}"]
        if number % 2 == 0:
            assert polled.good_poll()["changes"] == {"subjects vanished": 2}
    gone = [subjects.pop(f"P{number}") for number in (9, 10, 11)]
    subjects |= {f"P{number}": {"sex": "f"} for number in (1, 2, 3, 4)}  # who comes back was not named either
    reply = polled.poll()
    assert "3 of 4 pseudonyms" in reply["faults"][PAIN]
    assert (reply["good"], reply["changes"]) == (False, {})
    subjects |= dict(zip(("P9", "P10", "P11"), gone, strict=True))
    assert polled.good_poll()["changes"] == {"subjects changed": 4}


def test_a_name_instead_of_a_pseudonym_is_told_nowhere(polled, castellum):
    polled.good_poll()
    castellum.studies[PAIN].subjects["Anna Mueller"] = {"sex": "f"}
    castellum.studies[SLEEP].members = [BOB, "Berta Schmidt"]
    reply = polled.poll()
    assert f"subject {MANY + 1} of its answer is a text of 12 characters" in reply["faults"][PAIN]
    assert reply["without_account"] == {SLEEP: ["a text of 13 characters"]}
    told = json.dumps([reply, polled.site.rule("castellum_status"), polled.reviews()])
    told += (polled.folder / "mixed-use.git.poll.json").read_text()
    assert not [name for name in ("Anna", "Mueller", "Berta", "Schmidt") if name in told]


def test_one_study_without_an_answer_stops_no_other(polled, castellum):
    polled.good_poll()
    castellum.faults[castellum.studies[PAIN].path] = "status 403"
    castellum.studies[SLEEP].subjects["P1"]["handedness"] = "left"
    reply = polled.poll()
    assert set(reply["faults"]) == {PAIN}
    assert polled.subject(SLEEP, "P1")["handedness"] == "left"


def test_a_study_cannot_change_its_name_or_its_pseudonym_list(polled, castellum):
    polled.good_poll()
    before = polled.picture()
    castellum.studies[PAIN].name = f"{PAIN}2"
    assert f"was {PAIN}" in polled.poll()["faults"][f"{PAIN}2"]
    assert polled.picture() == before
    castellum.studies[PAIN].name = PAIN
    castellum.studies[PAIN].domains = ["another"]
    assert "pseudonym list another" in polled.poll()["faults"][PAIN]
    assert polled.picture() == before


def test_members_come_and_go_and_wait_for_their_accounts(polled, castellum):
    castellum.studies[PAIN].members = [ALICE, "nobody.yet"]
    reply = polled.good_poll()
    assert reply["without_account"] == {PAIN: ["nobody.yet"]}
    assert polled.good_poll()["avus"] == 0
    castellum.studies[PAIN].members = [ALICE, BOB]
    polled.good_poll()
    rows = polled.zone.query(["USER_NAME"], Condition("USER_GROUP_NAME", "=", f"study_{PAIN}"))
    assert {ALICE, BOB} <= {name for (name,) in rows}
    polled.zone.group(f"study_{PAIN}", [BOB])
    polled.good_poll()
    assert ALICE in {
        name for (name,) in polled.zone.query(["USER_NAME"], Condition("USER_GROUP_NAME", "=", f"study_{PAIN}"))
    }
    castellum.studies[PAIN].members = []  # is not believed
    polled.good_poll()
    assert ALICE in {
        name for (name,) in polled.zone.query(["USER_NAME"], Condition("USER_GROUP_NAME", "=", f"study_{PAIN}"))
    }


def test_a_withdrawn_subject_stays_hidden_and_what_was_told_meanwhile_counts_after_its_restoration(polled, castellum):
    polled.good_poll()
    scanned = polled.site.register(pseudonym="P3")
    polled.site.land(f"{T94}/dicom/s/1", dicom(scanned))
    polled.zone.group(polled.site.settings.stewards, [STEWARD])
    polled.site.rule("withdraw", {"study": PAIN, "pseudonym": "P3", "by": STEWARD, "dry_run": False})
    castellum.studies[PAIN].subjects["P3"] = {"handedness": "both", "remark": "new"}
    for attributes in castellum.studies[PAIN].subjects.values():
        attributes.pop("sex", "")
    polled.good_poll()
    shown = polled.site.avus(f"studies/{PAIN}/subjects/P3") | polled.site.avus(f"studies/{PAIN}/experiments/{scanned}")
    assert not {name for name in shown if "handedness" in name or "sex" in name}
    polled.site.rule("restore", {"study": PAIN, "pseudonym": "P3", "by": STEWARD})
    polled.good_poll()
    found = polled.subject(PAIN, "P3")
    assert (found["handedness"], found.get("sex"), found["remark"]) == ("both", None, "new")
    experiment = polled.site.avus(f"studies/{PAIN}/experiments/{scanned}")
    assert (experiment["AtScan.handedness"], experiment.get("AtScan.sex")) == ("left", None)


def test_a_withdrawn_subject_that_vanishes_is_asked_about_when_it_is_restored(polled, castellum):
    polled.good_poll()
    polled.zone.group(polled.site.settings.stewards, [STEWARD])
    polled.site.rule("withdraw", {"study": PAIN, "pseudonym": "P3", "by": STEWARD, "dry_run": False})
    del castellum.studies[PAIN].subjects["P3"]
    polled.good_poll()
    assert polled.reviews("vanished pseudonym") == []
    assert set(polled.subject(PAIN, "P3")) == {"State", "StateSince"}
    polled.site.rule("restore", {"study": PAIN, "pseudonym": "P3", "by": STEWARD})
    polled.good_poll()
    assert "P3" in polled.reviews("vanished pseudonym")[0]["text"]
    assert polled.subject(PAIN, "P3")["VanishedSince"]


def test_an_erased_subject_that_is_still_exported_stays_away_and_a_steward_is_told(make_site, castellum, open_folder):
    polled = Polled(
        partial(make_site, lifecycle={"settle_seconds": 0.0, "withdrawal_days": 0.0, "due_again_hours": 0.0}),
        castellum,
        open_folder,
    )
    secret, path = "XQ5512", f"{studies(polled.site.settings)}/{PAIN}/subjects/XQ5512"
    castellum.studies[PAIN].subjects[secret] = {"handedness": "left"}
    polled.good_poll()
    polled.zone.group(polled.site.settings.stewards, [STEWARD])
    polled.site.rule(
        "withdraw", {"study": PAIN, "pseudonym": secret, "by": STEWARD, "dry_run": False}
    )  # and erased: no day is waited for
    assert polled.zone.stat(path) is None
    reply = polled.good_poll()  # nothing has changed in Castellum: what was erased is still there
    assert reply["still_exported"] == [f"{PAIN}/{secret}"]
    castellum.studies[PAIN].subjects[secret] = {"handedness": "both", "sex": "f"}
    castellum.studies[PAIN].subjects["P3"]["handedness"] = "both"
    assert polled.good_poll()["changes"] == {"subjects changed": 2}
    assert polled.subject(PAIN, "P3")["handedness"] == "both"
    assert f"{PAIN}/{secret}, which was erased" in irule(polled.site, "castellum_poll", check="yes")
    polled.site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P3", secret]})
    assert polled.zone.stat(path) is None
    request = {"study": PAIN, "pseudonym": secret, "owner": ALICE, "scanner": T94, "scan_type": "pilot"}
    assert "not a subject" in polled.site.ask("register", request)["error"]
    (review,) = polled.reviews("erased subject")
    assert "still exports" in review["text"]
    assert _named_after(polled, secret) == []
    del castellum.studies[PAIN].subjects[secret]
    reply = polled.good_poll(check=True)
    assert (reply["changes"], reply["still_exported"]) == ({"subjects vanished": 1}, [])
    assert polled.reviews("vanished pseudonym") == []
    assert polled.zone.stat(path) is None
    # Its hash is the service account's alone
    below = Condition("COLL_NAME", "=", f"{erased(polled.site.settings)}/{PAIN}")
    assert len(polled.zone.query(["DATA_NAME"], below)) == 1
    for user in (ALICE, STEWARD):
        assert polled.site.connect(user).query(["DATA_NAME"], below) == []
    polled.forget()


def _named_after(polled, word: str) -> list[str]:
    """Whatever in the zone has the word in its path, in an AVU, or in a review."""
    columns = [["COLL_NAME"], ["COLL_NAME", "DATA_NAME"], ["META_COLL_ATTR_VALUE"], ["META_DATA_ATTR_VALUE"]]
    rows = ["/".join(row) for wanted in columns for row in polled.zone.query(wanted)]
    return [text for text in [*rows, *(json.dumps(review) for review in polled.reviews())] if word in text]


def test_nothing_is_registered_for_a_vanished_pseudonym_until_a_steward_keeps_it(polled, castellum):
    polled.good_poll()
    gone = castellum.studies[PAIN].subjects.pop("P2")
    polled.good_poll()
    request = {"study": PAIN, "pseudonym": "P2", "owner": ALICE, "scanner": T94, "scan_type": "pilot"}
    assert "Castellum has not named 'P2'" in polled.site.ask("register", request)["error"]
    assert polled.site.register(pseudonym="P1")
    (review,) = polled.reviews("vanished pseudonym")
    polled.site.rule("review_close", {"key": review["key"], "verdict": "Keep: Castellum's mistake"})
    assert polled.site.register(pseudonym="P2")
    castellum.studies[PAIN].subjects["P2"] = gone
    polled.good_poll()
    time.sleep(1)  # a review is asked for once for a moment at which somebody vanished
    del castellum.studies[PAIN].subjects["P2"]
    polled.good_poll()
    (review,) = polled.reviews("vanished pseudonym")
    polled.site.rule("review_close", {"key": review["key"], "verdict": "deleted there"})
    assert "Castellum has not named 'P2'" in polled.site.ask("register", request)["error"]
    castellum.studies[PAIN].subjects["P2"] = gone
    polled.good_poll()
    assert polled.site.register(pseudonym="P2")


def test_a_push_that_fails_blocks_nothing(polled, castellum):
    polled.good_poll()
    (polled.folder / "remote.git").rename(polled.folder / "away.git")
    castellum.studies[PAIN].subjects["P1"]["handedness"] = "both"
    reply = polled.good_poll()
    assert reply["push_error"]
    assert polled.subject(PAIN, "P1")["handedness"] == "both"
    (polled.folder / "away.git").rename(polled.folder / "remote.git")
    reply = polled.good_poll()
    assert (reply["pushed"], reply["push_error"], reply["changes"]) == (True, "", {})
    assert polled.commits() == 2


def test_a_repository_that_is_lost(polled, castellum):
    polled.good_poll()
    before = polled.picture()
    polled.folder.joinpath("mixed-use.git").rename(polled.folder / "lost.git")
    assert polled.good_poll()["changes"] == {}  # it came back from the remote
    assert polled.picture() == before
    for name in ("mixed-use.git", "remote.git"):
        polled.folder.joinpath(name).rename(polled.folder / f"lost again {name}")
    subprocess.run(["git", "init", "--quiet", "--bare", str(polled.folder / "remote.git")], check=True)
    subprocess.run(["chmod", "-R", "a+rwX", str(polled.folder / "remote.git")], check=True)
    assert "new_history" in polled.site.ask("castellum_poll")["error"]
    assert polled.good_poll(new_history=True)["commit"]
    assert polled.picture() == before


@pytest.mark.parametrize("polled", [{"remote": ""}], indirect=True)
def test_a_repository_that_is_lost_comes_back_from_a_backup(polled, castellum, tmp_path):
    repository = polled.folder / "mixed-use.git"
    first = polled.good_poll()["commit"]
    new = polled.site.register()
    polled.site.land(f"{T94}/dicom/1", dicom(new))
    assert polled.site.avus(f"studies/{PAIN}/experiments/{new}")["AtScanCommit"] == first
    assert history.save(repository, tmp_path / "saved.tar", tmp_path / "trial") == first
    repository.rename(polled.folder / "lost.git")
    assert f"lacks the commit {first}" in polled.site.ask("castellum_poll")["error"]
    assert repository.exists(), "the poll that was refused has begun an empty one"
    history.put_back(tmp_path / "saved.tar", first, repository)
    subprocess.run(["chmod", "-R", "a+rwX", str(repository)], check=True)
    assert polled.good_poll()["changes"] == {}
    assert "handedness" not in polled.site.rule("castellum_changes", {"experiment": new})["changed"]
    for subject in castellum.studies[PAIN].subjects.values():
        subject["handedness"] = "both"
    second = polled.good_poll()
    assert second["changes"] == {"subjects changed": MANY}
    assert "handedness" in polled.site.rule("castellum_changes", {"experiment": new})["changed"]

    repository.rename(polled.folder / "lost again.git")  # and the backup is older than what the zone follows
    before = polled.site.avus(f"studies/{PAIN}/experiments/{new}")
    history.put_back(tmp_path / "saved.tar", first, repository)
    subprocess.run(["chmod", "-R", "a+rwX", str(repository)], check=True)
    assert f"lacks the commit {second['commit']}" in polled.site.ask("castellum_poll")["error"]
    assert polled.good_poll(new_history=True)["changes"] == {"subjects changed": MANY}
    assert polled.good_poll()["changes"] == {}
    assert polled.site.avus(f"studies/{PAIN}/experiments/{new}") == before
    assert polled.subject(PAIN, "P1")["handedness"] == "both"


def test_check_mends_the_zone(polled):
    polled.good_poll()
    before = polled.picture()
    path = f"{studies(polled.site.settings)}/{PAIN}/subjects/P1"
    polled.zone.annotate(
        path, add=[AVU("handedness", "left", "mixed-use")], remove=[AVU("handedness", "right", "mixed-use")]
    )
    assert polled.good_poll()["avus"] == 0
    assert polled.good_poll(check=True)["avus"] > 0
    assert polled.picture() == before


def test_pause_schedule_and_status(polled):
    polled.good_poll()
    assert polled.site.rule("castellum_pause")["paused"]
    assert set(polled.poll()) == {"paused"}
    assert polled.site.rule("castellum_status")["paused"]
    assert polled.good_poll(even_if_paused=True)
    assert polled.site.rule("castellum_pause", {"pause": False}) == {"paused": ""}
    polls = polled.site.rule("castellum_status")["polls"]
    try:
        polled.site.rule("castellum_schedule", {"seconds": 1})
        with polled.site.delay_server():
            end = time.monotonic() + 60
            while (status := polled.site.rule("castellum_status"))["polls"] < polls + 2 and time.monotonic() < end:
                time.sleep(0.3)
        assert status["polls"] >= polls + 2
        assert (status["bad_in_a_row"], [s["every"] for s in status["scheduled"]]) == (0, ["1s"])
    finally:
        polled.site.unschedule("%mrdata_castellum_poll(%")


def test_setting_up_the_zone_ends_no_pause(polled):
    """It replaces a delay rule that is stuck also while somebody rewrites the repository."""
    polled.good_poll()
    since = polled.site.rule("castellum_pause")["paused"]
    try:
        assert polled.site.rule("castellum_poll_every", {"seconds": 3600})["scheduled"] == "mrdata_castellum_poll"
        assert polled.poll() == {"paused": since}
        assert "stop it first" in polled.site.ask("castellum_schedule", {"seconds": 7})["error"]
        assert polled.poll() == {"paused": since}
        polled.site.rule("castellum_schedule", {"seconds": 3600})
        assert polled.good_poll()["changes"] == {}
    finally:
        polled.site.unschedule("%mrdata_castellum_poll(%")


def test_one_poll_at_a_time_and_a_dead_holder_blocks_nobody(polled):
    holds = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True);"
        " time.sleep(600)"
    )
    lock = polled.folder / "mixed-use.git.lock"
    lock.touch()
    lock.chmod(0o666)
    holder = subprocess.Popen(["python3", "-c", holds, str(lock)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    assert set(polled.poll()) == {"running"}
    assert polled.site.rule("castellum_status")["running"]
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert polled.good_poll()["commit"]


def test_status_and_changes_leave_the_lock_file_of_a_poll_that_commits(polled):
    polled.good_poll()
    new = polled.site.register()
    lock = polled.folder / "mixed-use.git/refs/heads/main.lock"
    lock.touch()
    assert polled.site.rule("castellum_status")["commit"]
    assert polled.site.rule("castellum_changes", {"experiment": new})["experiment"] == new
    assert lock.exists()
    lock.unlink()


def test_a_folder_of_exports(make_site, castellum, open_folder):
    exports = open_folder / "exports"
    exports.mkdir()
    (exports / f"{PAIN}.tsv").write_text("participant_id\thandedness\nsub-P1\tleft\nsub-P2\tright\n")
    os.utime(exports / f"{PAIN}.tsv", (1, 1))
    polled = Polled(make_site, castellum, open_folder, source="folder", folder=str(exports))
    try:
        assert polled.good_poll()["changes"] == {"studies new": 1, "subjects new": 2}
        assert polled.subject(PAIN, "P1") == {"Pseudonym": "P1", "handedness": "left"}
        assert polled.site.avus(f"studies/{PAIN}")["Title"] == "Pain"  # as it was: the export does not tell
        (exports / f"{PAIN}.tsv").unlink()
        assert polled.good_poll()["changes"] == {}
        assert polled.subject(PAIN, "P1")["handedness"] == "left"
    finally:
        polled.forget()


def test_rule_files(polled):
    assert "subjects new" in irule(polled.site, "castellum_poll")
    assert "Nothing has changed." in irule(polled.site, "castellum_poll")
    assert "commit" in irule(polled.site, "castellum_status")
    new = polled.site.register()
    assert "Nothing has changed" in irule(polled.site, "castellum_changes", experiment=new)
    assert "paused" in irule(polled.site, "castellum_pause")
    assert "paused" in irule(polled.site, "castellum_poll")
    try:
        assert "scheduled" in irule(polled.site, "castellum_schedule", seconds="3600")
    finally:
        polled.site.unschedule("%mrdata_castellum_poll(%")
    assert polled.site.rule("castellum_status")["paused"] == ""


def test_without_settings_it_says_so(site):
    assert "not configured" in site.ask("castellum_poll")["error"]


def test_only_the_service_account_polls(polled, castellum):
    with pytest.raises(ZoneError):
        polled.site.ask("castellum_poll", user=ALICE)
    assert not castellum.requests

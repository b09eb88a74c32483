"""Commands for people: users, studies, registration by a member, the quarantine and re-filing."""

import json

import pytest

from policy.zone.layout import quarantine
from tests.files import dicom

SCAN = ("--study", "pain", "--pseudonym", "P1", "--scanner", "94T", "--type", "pilot")


@pytest.fixture
def steward(mrdata):
    mrdata("user", "add", "sheila", "--steward")
    return "sheila"


def test_users_are_added_and_listed(mrdata):
    assert "zoe is a user" in mrdata("user", "add", "zoe")
    assert "zoe is a user and a data steward" in mrdata("user", "add", "zoe", "--steward")
    assert {"name": "zoe", "is_data_steward": True} in json.loads(mrdata("user", "--json"))
    assert "zoe  (data steward)" in mrdata("user")
    assert "a user 'zoe' already" in mrdata("user", "add", "zoe", status=1)
    assert "no name for a user" in mrdata("user", "add", "a b", status=1)


def test_on_a_server_users_are_iadmins(mrdata, tmp_path):
    environment = tmp_path / "irods_environment.json"
    environment.write_text("{}")
    (tmp_path / "mrdata.yaml").write_text("zone: z\n")
    server = {"MRDATA_ZONE": "", "IRODS_ENVIRONMENT_FILE": str(environment)}
    server["MRDATA_SETTINGS"] = str(tmp_path / "mrdata.yaml")
    assert "iadmin mkuser zoe rodsuser" in mrdata("user", "add", "zoe", status=1, **server)
    assert "iadmin lu" in mrdata("user", status=1, **server)


def test_a_study_from_a_file_and_from_options(mrdata, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("study: vision\ntitle: Seeing\nmembers: [bob]\nsubjects: ['007']\n")
    assert "studies/vision" in mrdata("study", "create", str(file))
    mrdata("study", "create", "smell", "--member", "bob", "--member", "alice", "--subject", "S1", "--title", "Nose")
    assert "vision  Seeing  bob  1 subject\n" in mrdata("study")
    assert "smell  Nose  alice, bob  1 subject\n" in mrdata("study", "--user", "bob")
    assert "vision" not in mrdata("study", "--user", "alice")
    rows = {row["study"]: row for row in json.loads(mrdata("study", "--json"))}
    assert rows["vision"]["subjects"] == ["007"]
    assert "--member excludes it" in mrdata("study", "create", str(file), "--member", "alice", status=2)
    assert "mrdata user add" in mrdata("study", "create", "x", "--member", "nobody", status=1)
    for wrong in ("- a\n", "study: [\n", "a text"):
        file.write_text(wrong)
        assert str(file) in mrdata("study", "create", str(file), status=1)


def test_a_member_registers_and_nobody_else(site, mrdata):
    """As on the web pages: the service account does it, and the audit log says for whom."""
    new = mrdata("register", *SCAN, "--user", "alice").strip()
    assert site.avus(f"studies/pain/experiments/{new}")["Owner"] == "alice"
    assert site.rule("audit_history", {"experiment": new})["entries"][0]["who"] == "alice"
    assert "bob is not a member of study 'pain'" in mrdata("register", *SCAN, "--user", "bob", status=1)
    other = mrdata("register", *SCAN, "--by", "alice").strip()
    assert site.rule("audit_history", {"experiment": other})["entries"][0]["who"] == "alice"
    assert "bob is not a member" in mrdata("register", *SCAN, "--by", "bob", "--owner", "alice", status=1)
    assert "does not go with" in mrdata("register", *SCAN, "--by", "alice", "--user", "bob", status=1)


def test_a_session_is_listed_refiled_and_taken_back(site, mrdata, steward):
    new = site.register()
    typed = new[:2] + ("A" if new[2] != "A" else "B") + new[3:]
    site.land("94T/dicom/a", dicom(typed))
    site.sweep()
    told = mrdata("quarantine", "--user", steward)
    session = told.split("  ")[0]
    assert "1 file since" in told
    assert f"typed at the scanner: {typed}" in told
    assert f"{new} (1 wrong character; study pain, alice)" in told
    assert "nothing in quarantine that fits" in mrdata("quarantine", "--scanner", "3T")
    assert session in mrdata("quarantine", "--scanner", "94T", "--reason", "mistyped")
    assert "alice is not a data steward" in mrdata("quarantine", "--user", "alice", status=1)
    assert "alice is not a data steward" in mrdata("refile", session, new, "--user", "alice", status=1)
    foreseen = mrdata("refile", session, new, "--dry-run", "--user", steward)
    assert f"1 file of 1 would be re-filed under {new}" in foreseen
    assert "Nothing was changed" in foreseen
    assert mrdata("quarantine").startswith(session)
    done = mrdata("refile", session, new, "--user", steward)
    assert (
        f"1 file of 1 re-filed under {new}\n       1 in {site.settings.home}/studies/pain/experiments/{new}/DICOM"
        in done
    )
    assert "nothing in quarantine" in mrdata("quarantine")
    acts = [(e["act"], e["who"]) for e in site.rule("audit_history", {"experiment": new})["entries"]]
    assert ("re-filed", steward) in acts
    assert "1 file of 1 back in quarantine" in mrdata("quarantine", "take-back", session, new, "--user", steward)
    assert session in mrdata("quarantine")
    assert "was never registered" in mrdata("refile", session, "Z4KQ-STAS", status=1)
    assert "`mrdata quarantine` lists" in mrdata("refile", "94T/nowhere", new, status=1)


def test_a_session_is_discarded_and_kept(site, mrdata, steward):
    site.land("94T/dicom/a", dicom("Phantom"))
    site.sweep()
    session = mrdata("quarantine").split("  ")[0]
    assert "would be discarded; nothing was changed" in mrdata(
        "quarantine", "discard", session, "--reason", "phantom", "--dry-run"
    )
    told = mrdata("quarantine", "discard", session, "--reason", "phantom", "--user", steward)
    assert "1 file, " in told
    assert "discarded; erased in" in told
    assert "is kept" in mrdata("quarantine", "keep", session, "--user", steward)
    assert "is not discarded" in mrdata("quarantine", "keep", session, status=1)
    assert site.paths(quarantine(site.settings).removeprefix(site.settings.home + "/"))

"""A session in quarantine is discarded by a data steward, for a reason of the list, and erased later."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from microservices.headers.header_reader import read_header
from policy.ingest import discard
from policy.schedule import lifecycle
from policy.zone import AVU, data_object, layout
from policy.zone.context import Context
from tests.files import dicom
from tests.zone import audit_log
from tests.zone.intake import files, knows_vault
from tests.zone.irule import irule
from tests.zone.landing.test_landing import put, scan
from tests.zone.names import ALICE, T94
from tests.zone.withdrawal.test_withdrawal import describe_site

PHANTOM = "a phantom or a test"


@pytest.fixture
def site(make_site):
    return describe_site(make_site, due_again_hours=0.0)


@pytest.fixture
def session(site):
    """The path of one with two images of a phantom."""
    for number in (1, 2):
        site.land(f"{T94}/dicom/phantom/{number}", dicom("PHANTOM", instance=number))
    site.sweep()
    (listed,) = site.quarantine_sessions()
    return listed["path"]


def run(site, days: float) -> dict[str, int]:
    """The lifecycle's run, where what is discarded is kept for so many days."""
    settings = replace(site.settings, discard=replace(site.settings.discard, days=days))
    return lifecycle.run(Context(site.connect(), settings, read_header))


def acts(site, session: str) -> list[str]:
    """Of the audit log about a session, by what was done."""
    where = session.removeprefix(layout.quarantine(site.settings) + "/")
    told = [json.loads(text) for _, text in sorted(audit_log.files(site))]
    return [
        one["act"].removeprefix("session ")
        for one in told
        if one["act"].startswith("session ") and one["details"]["session"] == where
    ]


def test_what_is_discarded_is_erased_when_its_time_is_over(site, session):
    request = {"session": session, "reason": PHANTOM}
    assert site.rule("quarantine_discard", {**request, "dry_run": True})["objects"] == 2
    assert discard.since(Context(site.connect(), site.settings, read_header), session) is None
    site.rule("quarantine_discard", {**request, "dry_run": False})
    assert run(site, 30.0)["erased"] == 0
    gone = [Path(file) for path in site.paths("quarantine") for (file,) in _files(site, path)]
    assert len(gone) == 2
    assert run(site, 0.0)["erased"] == 1
    assert site.paths("quarantine") == []
    assert [file for file in gone if file.exists()] == []
    assert site.connect().stat(session) is None
    assert acts(site, session)[-3:] == ["quarantined", "discarded", "erased"]
    assert site.verify()["sound"]


def _files(site, path: str) -> list[tuple[str, ...]]:
    return site.connect().query(["DATA_PATH"], *data_object(f"{site.settings.home}/{path}"))


def test_what_comes_later_is_not_discarded_with_it(site, session, monkeypatch):
    site.rule("quarantine_discard", {"session": session, "reason": PHANTOM, "dry_run": False})
    later = site.connect()
    mark = discard.since(Context(later, site.settings, read_header), session)
    site.land(f"{T94}/dicom/phantom/3", dicom("PHANTOM", instance=3))
    site.sweep()
    for path in site.paths("quarantine"):
        if path.endswith("/3"):
            since = site.avus(path)["Quarantined"]
            assert since >= mark.value
            later.annotate(
                f"{site.settings.home}/{path}",
                add=[replace(mark, attribute="Quarantined", value="2999-01-01T00:00:00Z", unit="")],
            )
            later.annotate(
                f"{site.settings.home}/{path}", remove=[replace(mark, attribute="Quarantined", value=since, unit="")]
            )
    assert run(site, 0.0)["erased"] == 1
    assert [path.rpartition("/")[2] for path in site.paths("quarantine")] == ["3"]
    assert discard.since(Context(later, site.settings, read_header), session) is None
    assert run(site, 0.0)["erased"] == 0


def test_it_can_be_kept_or_refiled_until_then(site, session):
    new = site.register()
    site.rule("quarantine_discard", {"session": session, "reason": PHANTOM, "dry_run": False})
    site.rule("quarantine_keep", {"session": session})
    assert "is not discarded" in site.ask("quarantine_keep", {"session": session})["error"]
    assert run(site, 0.0)["erased"] == 0
    assert acts(site, session)[-3:] == ["quarantined", "discarded", "kept"]
    site.rule("quarantine_discard", {"session": session, "reason": PHANTOM, "dry_run": False})
    site.rule("experiment_reassign", {"source": session, "to": new, "accept_personal_data": True})
    run(site, 0.0)
    assert len([path for path in site.paths() if f"{new}/DICOM/" in path]) == 2
    assert site.verify()["sound"]


def test_only_data_stewards_discard_and_only_sessions_for_a_reason(site, session):
    request = {"session": session, "reason": PHANTOM, "dry_run": False}
    assert "not a data steward" in site.ask("quarantine_discard", {**request, "by": ALICE})["error"]
    assert "not a data steward" in site.ask("quarantine_keep", {"session": session, "by": ALICE})["error"]
    assert "is not a reason" in site.ask("quarantine_discard", {**request, "reason": "Jane Doe"})["error"]
    assert "dry_run is missing" in site.ask("quarantine_discard", {"session": session, "reason": PHANTOM})["error"]
    new = site.register()
    for path in (
        layout.quarantine(site.settings),
        layout.parent(session),
        f"{session}/dicom",
        f"{session}/../{T94}",
        site.settings.home,
    ):
        assert (
            "is not the path of a session" in site.ask("quarantine_discard", {**request, "session": path})["error"]
        ), path
    experiment = f"{layout.studies(site.settings)}/x/experiments/{new}"
    assert "is not the path of a session" in site.ask("quarantine_discard", {**request, "session": experiment})["error"]
    assert len(site.paths("quarantine")) == 2


def test_files_that_were_taken_go_with_it(make_site):
    """Nobody would find them again: the intake's retention removes only what the archive has."""
    site = make_site(lifecycle={"settle_seconds": 0.0, "due_again_hours": 0.0})
    knows_vault(site)
    put(Path(site.settings.landing.folder), f"{T94}/dicom/phantom/1", dicom("PHANTOM"))
    assert scan(site).registered == 1
    site.sweep()
    (listed,) = site.quarantine_sessions()
    assert [one for one in files(site) if one.endswith("/phantom/1")] != []
    site.rule("quarantine_discard", {"session": listed["path"], "reason": PHANTOM, "dry_run": False})
    assert run(site, 0.0)["erased"] == 1
    assert [one for one in files(site) if one.endswith("/phantom/1")] == []
    assert site.verify()["sound"]


def test_the_administrators_rule_file(site, session):
    assert "2 objects" in irule(site, "quarantine_discard", session=session, reason=PHANTOM)
    assert "2 objects" in irule(site, "quarantine_discard", session=session, reason=PHANTOM, commit="yes")
    assert "The session is kept." in irule(site, "quarantine_discard", session=session, commit="keep")


def test_a_day_seen_by_a_clock_that_was_ahead_is_replaced(make_site):
    site = describe_site(make_site)
    site.land(f"{T94}/dicom/phantom/1", dicom("PHANTOM"))
    site.sweep()
    (listed,) = site.quarantine_sessions()
    site.rule("quarantine_discard", {"session": listed["path"], "reason": PHANTOM, "dry_run": False})
    site.connect().annotate(listed["path"], add=[AVU(discard.DUE_SEEN, "2999-01-01T00:00:00Z")])
    assert run(site, 0.0)["waiting"] == 1
    (seen,) = (avu.value for avu in site.connect().metadata(listed["path"]) if avu.attribute == discard.DUE_SEEN)
    assert seen < "2999"

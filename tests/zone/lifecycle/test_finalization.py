"""From the last object to the finalized experiment, and what late files then do."""

import hashlib
import json
import re
import time
from dataclasses import replace
from datetime import datetime

import pytest

from microservices.headers.header_reader import read_header
from policy.lifecycle import finalization
from policy.lifecycle.retention import later, notices, today
from policy.records.audit_check import check
from policy.studies import authorization
from policy.zone import AVU, Condition, ZoneError, layout
from policy.zone.context import Context
from tests.files import dicom
from tests.zone.audit_log import files
from tests.zone.names import ALICE, BOB, PAIN, T94

NOW = {"lifecycle": {"settle_seconds": 0.0, "finished_hours": 0.0, "finalized_days": 0.0}}


@pytest.fixture
def site(make_site):
    return make_site(lifecycle={"settle_seconds": 0.0})


def scanned(site, images: int = 3, **registration: str) -> str:
    """An experiment with images on the archive resource."""
    new = site.register(**registration)
    for number in range(1, images + 1):
        site.land(f"{T94}/dicom/{new}/{number}", dicom(new, series=1 + number // 3, instance=number))
    site.land(f"{T94}/expdata/{new}/log o'y.txt", b"of the experiment")
    site.sweep()
    site.rule("archive")
    return new


def state(site, experiment: str, study: str = PAIN) -> str:
    return site.avus(f"studies/{study}/experiments/{experiment}").get("State", "")


def test_the_states_of_an_experiment(site):
    new = site.register()
    assert state(site, new) == "registered"
    site.land(f"{T94}/dicom/1", dicom(new))
    assert state(site, new) == "acquiring"
    assert site.rule("experiment_finish", {"experiment": new, "by": ALICE})["state"] == "finished"
    site.reconnect()
    site.land(f"{T94}/dicom/2", dicom(new, instance=2))
    assert state(site, new) == "acquiring"
    site.rule("archive")
    assert site.rule("experiment_finalize", {"experiment": new, "by": ALICE})["state"] == "finalized"
    assert state(site, new) == "finalized"
    changes = [
        e["details"] for e in site.rule("audit_history", {"experiment": new})["entries"] if e["act"] == "state changed"
    ]
    assert [change["after"] for change in changes] == ["acquiring", "finished", "acquiring", "finished", "finalized"]


def test_the_record_is_archived_before_it_is_sealed(site):
    new = site.register()
    record = f"{layout.study(site.settings, PAIN)}/experiments/{new}/{layout.RECORD}"
    assert site.rule("experiment_finalize", {"experiment": new})["state"] == "finalized"
    columns = (
        ["DATA_RESC_NAME"],
        Condition("COLL_NAME", "=", layout.parent(record)),
        Condition("DATA_NAME", "=", layout.RECORD),
    )
    assert site.connect().query(*columns) == [(site.settings.archive.resource,)]


def test_time_finishes_and_finalizes(make_site):
    site = make_site(**NOW)
    new = scanned(site)
    empty = site.register()
    first = site.rule("lifecycle")
    assert first["finished"] >= 1
    assert state(site, new) in ("finished", "finalized")
    site.rule("lifecycle")
    assert (state(site, new), state(site, empty)) == ("finalized", "registered")


def test_silence_is_counted_from_the_last_object(make_site):
    site = make_site(lifecycle={"settle_seconds": 0.0, "finished_hours": 1.0})
    new = scanned(site)
    site.rule("lifecycle")
    assert state(site, new) == "acquiring"


def test_only_owner_and_stewards_have_a_word(site):
    new = scanned(site)
    for rule in ("experiment_finish", "experiment_finalize", "experiment_reopen"):
        assert "data steward" in site.ask(rule, {"experiment": new, "by": BOB})["error"]
    assert "not a data steward" in site.ask("experiment_reopen", {"experiment": new, "by": ALICE})["error"]
    assert "error" in site.ask("experiment_finish", {"experiment": "0000-0000"})
    with pytest.raises(ZoneError):
        site.ask("experiment_finish", {"experiment": new}, user=ALICE)
    assert state(site, new) == "acquiring"


def test_a_finalized_experiment_is_read_only(site):
    new = scanned(site)
    site.rule("experiment_finalize", {"experiment": new})
    base = f"{layout.study(site.settings, PAIN)}/experiments/{new}"
    zone = site.connect()
    kept = ("/DICOM/", "/EXP_DATA/", "/experiment.yaml")  # all that the manifest lists
    objects = [p for p in site.paths(f"studies/{PAIN}/experiments/{new}") if any(one in p for one in kept)]
    assert len(objects) == 5
    for path in (f"{site.settings.home}/{one}" for one in objects):
        for attempt in (
            lambda path=path: zone.write(path, b"x"),
            lambda path=path: zone.remove(path),
            lambda path=path: zone.move(path, f"{site.settings.home}/{PAIN}moved"),
        ):
            with pytest.raises(ZoneError):
                attempt()
    with pytest.raises(ZoneError):
        zone.write(f"{base}/DICOM/new", b"x")
    assert site.connect(ALICE).read(f"{site.settings.home}/{objects[0]}", 0, 4)
    assert site.verify()["sound"]


def test_the_manifest_tells_what_there_is(site):
    new = scanned(site)
    reply = site.rule("experiment_finalize", {"experiment": new, "by": ALICE})
    zone, base = site.connect(), f"{layout.study(site.settings, PAIN)}/experiments/{new}"
    content = zone.read(f"{base}/manifest.1.json", 0, 1 << 20)
    assert hashlib.sha256(content).hexdigest() == reply["sha256"]
    entry = next(
        e
        for e in site.rule("audit_history", {"experiment": new})["entries"]
        if e["details"].get("after") == "finalized"
    )
    assert entry["details"]["sha256"] == reply["sha256"]
    manifest = json.loads(content)
    assert [one["path"] for one in manifest["objects"]][-2:] == ["EXP_DATA/log o'y.txt", "experiment.yaml"]
    for one in manifest["objects"]:
        held = zone.read(f"{base}/{one['path']}", 0, 1 << 20)
        assert (len(held), hashlib.sha256(held).hexdigest()) == (one["size"], one["sha256"])
        said = {(a.attribute, a.value, a.unit) for a in zone.metadata(f"{base}/{one['path']}")}
        assert {tuple(avu) for avu in one["avus"]} == said
    assert ["Pseudonym", "P1", ""] in manifest["collections"][""]
    assert sum("DICOM/" in name for name in manifest["collections"]) == 2
    verdict = check(files(site), [manifest["audit"], entry["hash"]])
    assert verdict.is_sound, verdict.faults


def test_late_files_are_kept_flagged_and_accepted_into_a_further_manifest(site):
    new = scanned(site)
    site.rule("experiment_finalize", {"experiment": new})
    site.reconnect()
    site.land(f"{T94}/dicom/late", dicom(new, series=9))
    assert site.sweep() == {"quarantined": 1}
    (session,) = site.quarantine_sessions()
    assert session["reasons"] == {"closed": 1}
    assert (
        "not a data steward"
        in site.ask("experiment_accept_late", {"session": session["path"], "experiment": new, "by": BOB})["error"]
    )
    assert "is finalized" in site.ask("experiment_reassign", {"source": session["path"], "to": new})["error"]
    reply = site.rule("experiment_accept_late", {"session": session["path"], "experiment": new})
    assert len(reply["moves"]) == 1
    assert "archive resource" in reply["waits_for"]
    site.rule("archive")
    site.rule("lifecycle")
    assert state(site, new) == "finalized"
    names = [p.rpartition("/")[2] for p in site.paths(f"studies/{PAIN}/experiments/{new}")]
    assert {"manifest.1.json", "manifest.2.json"} <= set(names)
    assert site.verify()["sound"]


def test_finalizing_again_changes_nothing(site):
    new = scanned(site)
    site.rule("experiment_finalize", {"experiment": new})
    before = site.paths("studies"), site.avus(f"studies/{PAIN}/experiments/{new}")
    assert site.rule("experiment_finalize", {"experiment": new})["state"] == "finalized"
    assert site.rule("experiment_reopen", {"experiment": new})["state"] == "finished"
    site.rule("experiment_finalize", {"experiment": new})
    after = site.paths("studies"), site.avus(f"studies/{PAIN}/experiments/{new}")
    assert after[0] == before[0]
    assert after[1].pop("StateSince") >= before[1].pop("StateSince")
    assert after[1] == before[1]


def test_the_seconds_that_are_left_are_told(make_site):
    site = make_site(lifecycle={"settle_seconds": 60.0})
    new = scanned(site)
    before = time.time()
    reply = site.rule("experiment_finalize", {"experiment": new, "by": ALICE})
    found = re.fullmatch(r"files that may be on their way \((\d+) s left\)", reply["waits_for"])
    assert found, reply
    assert 60 - (time.time() - before) - 1 <= int(found[1]) <= 61
    experiment = authorization.experiment(context_of(site), new)

    def after(seconds: float) -> str:
        return finalization.obstacle(replace(context_of(site), now=lambda: before + seconds), experiment)

    assert "(3 s left)" in after(58) or "(2 s left)" in after(58)
    assert after(62) == ""


def context_of(site) -> Context:
    return Context(site.connect(), site.settings, read_header)


def test_who_asked_when_and_what_it_waits_for(make_site):
    site = make_site(lifecycle={"settle_seconds": 0.0, "every_seconds": 300})
    new = site.register()
    site.upload(f"{T94}/dicom/{new}/1", dicom(new))
    site.sweep()

    def asked():
        return finalization.asked(context_of(site), authorization.experiment(context_of(site), new))

    assert asked() is None
    site.rule("experiment_finalize", {"experiment": new, "by": ALICE})
    first = asked()
    assert (first.by, first.waits_for) == (ALICE, "1 object that is not on the archive resource yet")
    assert abs(datetime.fromisoformat(first.since).timestamp() - time.time()) < 60
    site.rule("experiment_finalize", {"experiment": new, "by": "mrdata"})
    assert asked() == first, "who asked first"
    site.rule("archive")
    assert asked().waits_for == "its turn: experiments are finalized every 5 minutes"
    site.reconnect()
    site.upload(f"{T94}/dicom/{new}/2", dicom(new, instance=2))
    site.sweep()
    assert state(site, new) == "acquiring"
    assert asked().waits_for.startswith(
        "the end of the scan: files have come since. It goes on after 12 hours without a file"
    )
    site.rule("archive")
    site.rule("experiment_finalize", {"experiment": new, "by": ALICE})
    assert state(site, new) == "finalized"
    assert asked() is None


def test_a_look_begins_nothing_and_ends_what_was_asked_for(site):
    new = scanned(site)
    assert (
        "not asked for any more"
        in site.ask("experiment_finalize", {"experiment": new, "by": ALICE, "look": True})["error"]
    )
    assert state(site, new) == "acquiring"
    path = f"{site.settings.home}/studies/{PAIN}/experiments/{new}"
    site.inside().annotate(path, add=[AVU("FinalizeAsked", ALICE)])  # as an earlier version noted it
    assert finalization.asked(context_of(site), authorization.experiment(context_of(site), new)).since == ""
    reply = site.rule("experiment_finalize", {"experiment": new, "by": ALICE, "look": True})
    assert (reply["state"], state(site, new)) == ("acquiring", "acquiring"), (
        "what comes just now is not declared finished again and again"
    )
    assert "the end of the scan" in reply["waits_for"]
    assert "data steward" in site.ask("experiment_finalize", {"experiment": new, "by": BOB, "look": True})["error"]
    site.rule("experiment_finish", {"experiment": new, "by": ALICE})
    reply = site.rule("experiment_finalize", {"experiment": new, "by": ALICE, "look": True})
    assert (reply["state"], state(site, new)) == ("finalized", "finalized")
    assert site.rule("experiment_finalize", {"experiment": new, "by": ALICE, "look": True}) == {
        "state": "finalized",
        "waits_for": "",
    }


def test_the_end_of_retention_and_its_notices(make_site):
    site = make_site(lifecycle={"settle_seconds": 0.0}, retention={"years": 1})
    site.rule(
        "study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"], "retention_years": 3}
    )
    three = scanned(site)
    end = site.rule("experiment_finalize", {"experiment": three})["retention_end"]
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
    zone, now = site.connect(), time.time()
    assert end == later(today(Context(zone, site.settings, read_header)), 3).isoformat()

    def at(days: float) -> int:
        return notices(Context(zone, site.settings, read_header, now=lambda: now + days * 86400))

    own = f"{PAIN} {end[:7]}"

    def mine() -> list[str]:
        return sorted(r["key"].rpartition(" ")[2] for r in site.rule("reviews")["reviews"] if r["key"].startswith(own))

    at(1)
    assert mine() == []
    at(2.05 * 365)
    assert mine() == ["365"]
    at(2.06 * 365)
    assert mine() == ["365"]
    at(3 * 365 - 80)
    assert mine() == ["365", "91"]
    at(3 * 365 - 20)
    assert mine() == ["30", "365", "91"]
    assert state(site, three) == "finalized"
    assert (
        "not a data steward"
        in site.ask("retention_extend", {"experiment": three, "until": "2999-01-01", "by": ALICE})["error"]
    )
    assert "later date" in site.ask("retention_extend", {"experiment": three, "until": "2020-01-01"})["error"]
    assert site.rule("retention_extend", {"experiment": three, "until": "2999-01-01"})["retention_end"] == "2999-01-01"
    zone.annotate(
        f"{site.settings.home}/studies",
        remove=[a for a in zone.metadata(f"{site.settings.home}/studies") if a.attribute == "RetentionLooked"],
    )


def test_an_interrupted_change_is_finished_by_the_log(site):
    """Killed when both states are there, or none."""
    new = scanned(site)
    path = f"{site.settings.home}/studies/{PAIN}/experiments/{new}"
    site.rule("experiment_finish", {"experiment": new})
    site.inside().annotate(path, add=[AVU("State", "acquiring")])
    site.rule("lifecycle")
    assert state(site, new) == "finished"
    site.inside().annotate(path, remove=[AVU("State", "finished")])
    site.rule("experiment_finish", {"experiment": new})
    assert state(site, new) == "finished"

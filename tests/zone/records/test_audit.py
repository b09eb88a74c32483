"""The audit log: appended by several agents at once, read by stewards alone, checked without a zone."""

import json
import threading

import pytest

from microservices.headers.header_reader import read_header
from policy.records import audit
from policy.records.audit_check import check
from policy.zone import ZoneError
from policy.zone.context import Context
from policy.zone.layout import audit as root
from policy.zone.layout import landing
from tests.files import dicom
from tests.zone.audit_log import files
from tests.zone.names import ALICE, BOB, PAIN, STEWARD, T94


@pytest.fixture
def context(site):
    return Context(site.connect(), site.settings, read_header)


def test_entries_follow_each_other(site, context):
    before = audit.end(context)
    first = audit.record(context, "tried", experiment="2222-3333", study=PAIN, what="ä 'quote'")
    second = audit.record(context, "tried", by=ALICE)
    assert before == f"{first.number - 1}:{first.previous}"
    assert (second.number, second.previous, second.who) == (first.number + 1, first.hash, ALICE)
    assert first.details == {"what": "ä 'quote'"}
    assert audit.end(context) == second.anchor
    verdict = check(files(site), [first.hash, second.anchor])
    assert verdict.is_sound, verdict.faults
    assert verdict.last == second.anchor


def test_another_agent_goes_on_where_one_stopped(site, context):
    audit.record(context, "tried")
    with site.new_connection() as zone:
        other = audit.record(Context(zone, site.settings, read_header), "tried")
    again = audit.record(context, "tried")
    assert (again.number, again.previous) == (other.number + 1, other.hash)


def test_writers_at_once_never_share_a_number(site):
    """Each of four writers has a connection of its own, as agents have."""
    made, faults = [], []
    drafts = {path for path, _ in files(site) if "draft" in path}  # of killed writers, on a server that others share

    def write():
        try:
            with site.new_connection() as zone:
                context = Context(zone, site.settings, read_header)
                made.extend(audit.record(context, "tried") for _ in range(8))
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len({entry.number for entry in made}) == 32
    verdict = check(files(site), [entry.anchor for entry in made])
    assert verdict.is_sound, verdict.faults
    assert {path for path, _ in files(site) if "draft" in path} <= drafts


def test_the_history_of_an_experiment(site, context):
    one = audit.record(context, "tried", experiment="7777-8888")
    audit.record(context, "tried", experiment="9999-0000")
    two = audit.record(context, "tried again", experiment="7777-8888")
    assert audit.history(context, "7777-8888")[-2:] == [one, two]
    rows = site.connect(ALICE).query(["META_DATA_ATTR_VALUE"])
    assert ("7777-8888",) not in rows


def test_only_stewards_read_the_log(site, context):
    entry = audit.record(context, "tried")
    path = audit.path_of(root(site.settings), entry.number)
    zone = site.connect()
    zone.group(site.settings.stewards, [STEWARD])
    try:
        assert audit.parsed(site.connect(STEWARD).read(path, 0, 10000)) == entry
        assert site.connect(ALICE).stat(path) is None
        with pytest.raises(ZoneError):
            site.connect(ALICE).read(path, 0, 10000)
        with pytest.raises(ZoneError):
            site.connect(STEWARD).write(path, b"{}")
        with pytest.raises(ZoneError):
            site.connect(STEWARD).remove(path)
    finally:
        zone.group(site.settings.stewards, [])


def test_a_new_thousand_begins_a_new_collection(make_site, server):
    """The entry 999 is put there by hand; the collection of the next thousand is there and empty already."""
    if server is not None:
        pytest.skip("the log of a server's zone has begun already")
    site = make_site()
    zone, context = site.connect(), Context(site.connect(), site.settings, read_header)
    last = audit.sealed(audit.Entry(999, "2026-01-01T00:00:00Z", "mrdata", "tried"))
    zone.make_collection(f"{root(site.settings)}/000/000")
    zone.write(audit.path_of(root(site.settings), 999), audit.written(last))
    zone.make_collection(f"{root(site.settings)}/000/001")
    assert audit.end(context) == last.anchor
    entry = audit.record(context, "tried")
    assert (entry.number, entry.previous) == (1000, last.hash)
    assert zone.stat(f"{root(site.settings)}/000/001/000001000.json") is not None


def entries(count: int) -> list[tuple[str, bytes]]:
    """A sound log."""
    made = [audit.sealed(audit.Entry(0, "2026-01-01T00:00:00Z", "mrdata", "tried", "2222-3333", PAIN, {"n": "0"}))]
    for n in range(1, count):
        made.append(
            audit.sealed(
                audit.Entry(n, "2026-01-01T00:00:00Z", "mrdata", "tried", "", "", {"n": str(n)}, made[-1].hash)
            )
        )
    return [(audit.path_of("", e.number)[1:], audit.written(e)) for e in made]


def forged(content: bytes, **changes: object) -> bytes:
    """An edit by somebody who knows how hashes are made."""
    held = json.loads(content) | changes
    return audit.written(audit.sealed(audit.Entry(**held | {"hash": ""})))


def test_every_edit_removal_and_exchange_is_found():
    """Each of 1100 entries in turn."""
    log = entries(1100)
    anchor = audit.parsed(log[-1][1]).anchor
    assert check(log, [anchor]).is_sound
    for n, (path, content) in enumerate(log):
        near = slice(max(n - 2, 0), n + 3)
        window, at = log[near], n - max(n - 2, 0)
        base = [] if near.start == 0 else log[:1]
        edited = [*window[:at], (path, content.replace(b"mrdata", b"nobody")), *window[at + 1 :]]
        assert any(f"{n}: edited" in fault for fault in check(base + edited).faults)
        cut = check(window[:at] + window[at + 1 :] if n < 1099 else window[:at], [anchor] if n == 1099 else []).faults
        assert any(fault.startswith((f"{n}: removed", "anchor")) for fault in cut)
        if n < 1099:
            other = at + 1
            swapped = list(window)
            swapped[at], swapped[other] = (window[at][0], window[other][1]), (window[other][0], window[at][1])
            assert any(f"{n}: exchanged" in fault for fault in check(swapped).faults)
            resealed = [*window[:at], (path, forged(content, who="nobody")), *window[at + 1 :]]
            assert any(f"{n + 1}: does not follow" in fault for fault in check(resealed).faults)


def test_with_an_anchor_a_cut_end_and_a_new_log_are_found():
    log = entries(20)
    anchor = audit.parsed(log[15][1]).anchor
    assert check(log[:15]).is_sound
    assert not check(log[:15], [anchor]).is_sound
    assert check(log[:16], [anchor]).is_sound
    assert check(log[:16], [anchor.partition(":")[2]]).is_sound
    anew = [audit.sealed(audit.Entry(0, "2026-01-01T00:00:00Z", "mrdata", "forged"))]
    for n in range(1, 20):
        anew.append(audit.sealed(audit.Entry(n, "2026-01-01T00:00:00Z", "mrdata", "tried", previous=anew[-1].hash)))
    forged_log = [(audit.path_of("", e.number)[1:], audit.written(e)) for e in anew]
    assert check(forged_log).is_sound
    assert not check(forged_log, [anchor]).is_sound


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"number":1}', b"\xff\xfe", b'{"number": 3'])
def test_what_is_no_entry_is_an_edit(content):
    log = entries(5)
    log[3] = (log[3][0], content)
    assert any(fault.startswith("3: edited") for fault in check(log).faults)


def test_what_does_not_belong_into_the_log_is_told():
    assert check([*entries(2), ("000/000/draft-0123", b"")]).is_sound
    for path in ("notes.txt", "000/001/000000001.json", "000000001.json"):
        assert not check([*entries(2), (path, entries(2)[1][1])]).is_sound


def test_each_act_on_an_experiment_is_in_its_history_once(site, context):
    """Not each object: three files of two series are two acts."""
    right, wrong = site.register(), site.register()
    for series, instance in ((1, 1), (1, 2), (2, 1)):
        site.land(f"{T94}/dicom/{series}.{instance}", dicom(wrong, series=series, instance=instance))
    with site.new_connection() as another:
        file = site.landing_file(f"{T94}/dicom/9", dicom(wrong, series=1, instance=9))
        another.register(str(file), f"{landing(site.settings)}/{T94}/dicom/9", site.settings.landing.resource)
    acts = ["registered", "state changed", "series begun", "series begun"]
    assert [entry.act for entry in audit.history(context, wrong)] == acts
    site.rule("experiment_reassign", {"source": wrong, "to": right})
    assert [entry.act for entry in audit.history(context, wrong)] == [
        *acts,
        "re-filing elsewhere",
        "re-filed elsewhere",
    ]
    away = audit.history(context, right)
    assert [entry.act for entry in away] == [
        "registered",
        "re-filing",
        "state changed",
        "series begun",
        "series begun",
        "re-filed",
    ]
    assert (away[1].details, away[-1].details) == ({"source": wrong, "asked": "4"}, {"source": wrong, "objects": "4"})
    assert {entry.study for entry in away} == {PAIN}


def test_a_session_in_quarantine_is_told_once_and_without_what_was_typed(site, context):
    begin = int(audit.end(context).partition(":")[0])
    for instance in (1, 2):
        site.land(f"{T94}/dicom/SIMPSON/{instance}", dicom("SIMPSON^HOMER", instance=instance))
    site.sweep()
    new = [content for path, content in files(site) if "draft" not in path and int(path[-14:-5]) > begin]
    assert [audit.parsed(content).act for content in new] == ["session quarantined"]
    assert not any(b"SIMPSON" in content.upper() for content in new)


def test_changes_of_a_study_are_told_without_its_subjects(site, context):
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
    begin = int(audit.end(context).partition(":")[0])
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
    assert int(audit.end(context).partition(":")[0]) == begin
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [BOB], "subjects": ["P1", "P2", "XYZ77"]})
    (new,) = [
        audit.parsed(content) for path, content in files(site) if "draft" not in path and int(path[-14:-5]) > begin
    ]
    assert (new.act, new.study) == ("study changed", PAIN)
    assert new.details == {"members_added": BOB, "members_removed": ALICE, "subjects_added": "1"}

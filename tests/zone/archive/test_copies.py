"""Copies of what is archived when it is registered: queued by who registers, made by the delay rule, waited for by
finalization.
"""

import json
import time

import pytest

from microservices.headers.header_reader import read_header
from microservices.zones.server_zone import ServerZone
from policy.archive import copies
from policy.zone import Condition, ZoneError, layout
from policy.zone.context import Context
from tests.files import dicom
from tests.zone.archive.test_archive import replicas
from tests.zone.dying import Killed
from tests.zone.intake import archived_at_birth, knows_vault
from tests.zone.names import ALICE, PAIN, T94

ARCHIVE, COPY = "archiveResc", "demoResc"
BOTH = {(ARCHIVE, "1"), (COPY, "1")}


@pytest.fixture
def site(make_site):
    made = make_site(archive={"give_up_seconds": 0, "copies": [COPY]}, lifecycle={"settle_seconds": 0.0})
    knows_vault(made)
    return made


@pytest.fixture
def born(site):
    """Two objects that were archived when they were registered, and their experiment, whose record is archived."""
    new = site.register()
    site.rule("archive")
    return new, [archived_at_birth(site, f"{T94}/dicom/s/{number}", dicom(new, instance=number)) for number in (1, 2)]


def context(site, **later) -> Context:
    return Context(site.connect(), site.settings, read_header, **later)


def records(site) -> list[str]:
    """Of this test's paths."""
    zone, where = site.connect(), copies.collection(site.settings)
    found = [f"{where}/{name}" for (name,) in zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", where))]
    return [path for path in found if PAIN in zone.read(path, 0, 1 << 16).decode()]


def test_what_is_queued_gets_its_copies(site, born):
    _, paths = born
    assert all(replicas(site, path)[0] == {(ARCHIVE, "1")} for path in paths)
    assert site.rule("archive") == {}
    copies.queue(context(site), paths)
    assert len(records(site)) == 1
    assert site.rule("archive") == {"copied": 2}
    for path in paths:
        where, checksums = replicas(site, path)
        assert (where, len(checksums)) == (BOTH, 1)
    assert records(site) == []
    assert site.rule("archive") == {}


def test_without_copies_nothing_is_queued(make_site):
    site = make_site()
    copies.queue(context(site), ["/z/x"])
    assert site.connect().stat(copies.collection(site.settings)) is None or records(site) == []


def test_finalization_waits_for_copies_and_asks_for_them(site, born):
    """Whoever registered them was killed before he queued them."""
    new, _ = born
    assert (
        "2 objects that lack copies" in site.rule("experiment_finalize", {"experiment": new, "by": ALICE})["waits_for"]
    )
    site.rule("experiment_finalize", {"experiment": new, "by": ALICE})
    assert len(records(site)) == 1  # asked for once
    assert site.rule("archive") == {"copied": 2}
    assert site.rule("experiment_finalize", {"experiment": new, "by": ALICE})["waits_for"] == ""


def test_what_is_finalized_gets_copies_too(make_site):
    """The resource was added later; the lock is taken off for that moment only."""
    site = make_site(lifecycle={"settle_seconds": 0.0})
    knows_vault(site)
    new = site.register()
    site.rule("archive")
    path = archived_at_birth(site, f"{T94}/dicom/s/1", dicom(new))
    assert site.rule("experiment_finalize", {"experiment": new, "by": ALICE})["waits_for"] == ""
    knows_vault(site, copies=[COPY])
    copies.queue(context(site), [path])
    assert site.rule("archive")["copied"] == 1
    assert replicas(site, path)[0] == BOTH
    with pytest.raises(ZoneError):
        site.connect().write(path, b"x")


def test_queued_before_it_is_registered(site, born):
    """Then a kill in between loses nothing; what never comes is forgotten after an hour."""
    new, (path, _) = born
    home = f"{layout.study(site.settings, PAIN)}/experiments/{new}/EXP_DATA"
    copies.queue(context(site), [path, f"{home}/later", "/elsewhere/x"])
    assert site.rule("archive") == {"copied": 1}
    (record,) = records(site)
    assert json.loads(site.connect().read(record, 0, 9999))["paths"] == [f"{home}/later"]
    assert archived_at_birth(site, f"{T94}/expdata/{new}/later", b"later") == f"{home}/later"
    assert site.rule("archive") == {"copied": 1}
    assert records(site) == []
    copies.queue(context(site), [f"{home}/never"])
    copies.make(context(site))
    assert len(records(site)) == 1
    copies.make(context(site, now=lambda: time.time() + 4000))
    assert records(site) == []


def test_a_record_that_is_half_written_does_no_harm(site, born):
    where = copies.collection(site.settings)
    copies.queue(context(site), born[1])
    half = f"{where}/{int(time.time()):011d}.half.json"
    site.connect().write(half, b'{"paths": ["')
    assert site.rule("archive") == {"copied": 2}
    assert site.connect().stat(half) is not None
    copies.make(context(site, now=lambda: time.time() + 4000))
    assert site.connect().stat(half) is None


@pytest.mark.embedded
def test_what_fails_is_tried_again(site, born, monkeypatch):
    def full(zone, path, resource):
        raise ZoneError("no space left on device")

    copies.queue(context(site), born[1])
    with monkeypatch.context() as patch:
        patch.setattr(ServerZone, "replicate", full)
        assert site.rule("archive") == {"uncopied": 2}
    assert site.rule("archive") == {"copied": 2}


def test_killed_anywhere_it_goes_on(site, born):
    """Between any two steps of the rule."""
    verbs = ("replicate", "write", "erase", "rename", "checksum")
    paths = born[1]
    with site.counted([("microservices.zones.server_zone", "ServerZone", verb) for verb in verbs]) as killer:
        for step in range(30):
            copies.queue(context(site), [*paths, f"{paths[0]}.later"])
            killer.left = step
            try:
                site.rule("archive")
            except (Killed, ZoneError):
                assert killer.has_struck
                site.reconnect()
            else:
                if not killer.has_struck:
                    break
            killer.left = -1
            site.rule("archive")
            assert all(replicas(site, path)[0] == BOTH for path in paths)
            for path in paths:
                site.connect().trim(path, COPY)
        killer.left = -1
    assert step > 2
    copies.make(context(site, now=lambda: time.time() + 4000))
    assert records(site) == []

"""The account of every byte while the zone goes on: what others are busy with is waited for, what moves is followed."""

import threading

import pytest

from microservices.headers import read_header
from policy import verify
from policy.context import Context
from tests.files import dicom
from tests.zone.irule import irule
from tests.zone.names import T94

GOOD, LOCKED = "1", "4"


@pytest.fixture
def placed(site) -> list[str]:
    new = site.register()
    return [site.land(f"{T94}/dicom/{number}", dicom(new, instance=number)) for number in (1, 2)]


def mark(site, path: str, status: str) -> None:
    site.iadmin("modrepl", "logical_path", path, "replica_number", "0", "DATA_REPL_STATUS", status)


@pytest.mark.parametrize("checksums", [False, True])
def test_what_is_being_copied_is_waited_for(site, placed, checksums):
    mark(site, placed[0], LOCKED)
    copied = threading.Timer(1.2, mark, (site, placed[0], GOOD))
    copied.start()
    try:
        found = site.verify(checksums=checksums)
    finally:
        copied.join()
    assert found["sound"], found
    assert (found["archived"], found["lost"], found["busy"]) == (2, [], [])


def test_what_stays_locked_is_told_and_not_called_lost(site, placed, monkeypatch):
    monkeypatch.setattr(verify, "PATIENCE_SECONDS", 0.0)
    mark(site, placed[0], LOCKED)
    found = site.verify()
    printed = irule(site, "verify", checksums="no")
    mark(site, placed[0], GOOD)
    assert (found["busy"], found["lost"], found["sound"]) == ([placed[0]], [], False)
    assert f"busy, verify again later: {placed[0]}" in printed
    assert "NOT everything is as it should be." in printed
    assert "Every byte is accounted for." in irule(site, "verify")


def test_what_has_no_good_replica_is_lost(site, placed):
    mark(site, placed[1], "0")
    found = site.verify()
    mark(site, placed[1], GOOD)
    assert (found["lost"], found["busy"]) == ([f"{placed[1]}: has no good replica"], [])


def while_it_verifies(site, act) -> verify.Report:
    """The account of all, with something done after the first object."""
    acts = [act]

    def progress(done: int, of: int) -> None:
        if acts:
            acts.pop()()

    return verify.verify(Context(site.connect(), site.settings, read_header), progress=progress)


def test_what_is_moved_meanwhile_is_found_where_it_is_then(site, placed):
    before, after = max(placed), f"{site.settings.home}/landing/{T94}/moved"
    site.connect().make_collection(after.rpartition("/")[0])
    found = while_it_verifies(site, lambda: site.connect().move(before, after))
    assert not [text for text in found.lost if before in text or after in text]
    assert before not in found.undescribed
    site.connect().move(after, before)


def test_what_is_erased_meanwhile_is_told(site, placed):
    found = while_it_verifies(site, lambda: site.connect().erase(max(placed)))
    assert [text for text in found.lost if text.startswith(f"{max(placed)}: went away while")]

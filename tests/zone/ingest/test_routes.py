"""Every way into landing: the object is caught exactly once, and a policy that fails never reaches the client and loses
nothing.
"""

import time

import pytest

from policy.ingest import decision
from policy.zone.layout import landing
from tests.files import dicom
from tests.zone.names import ALICE, PAIN, T94
from tests.zone.ways import ADMINISTRATORS, AT_ONCE, BY_SWEEP, LARGE

MIB = 1 << 20


def archived(site, new):
    """Paths of the experiment's images, each with its AVUs; fails where one is described twice or not at all."""
    found = site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")
    for path in found:
        assert set(site.avus(path)) == {"LandingPath"}
        assert "|" not in site.avus(path)["LandingPath"]
    return found


@pytest.mark.parametrize("way", AT_ONCE)
def test_is_placed_at_once(site, way):
    new = site.register()
    AT_ONCE[way](site, f"{landing(site.settings)}/{T94}/dicom/MR.1", dicom(new, sop="1.2.3"))
    assert archived(site, new) == [f"studies/{PAIN}/experiments/{new}/DICOM/1_gre/1_1.2.3.dcm"]
    assert site.sweep() == {}
    assert site.verify()["archived"] == 1


@pytest.mark.parametrize("way", BY_SWEEP)
def test_is_placed_by_the_sweep(site, way):
    new = site.register()
    BY_SWEEP[way](site, f"{landing(site.settings)}/{T94}/dicom/MR.1", dicom(new, sop="1.2.3"))
    assert archived(site, new) == []
    assert site.sweep() == {"archived": 1}
    assert archived(site, new) == [f"studies/{PAIN}/experiments/{new}/DICOM/1_gre/1_1.2.3.dcm"]
    assert site.sweep() == {}


@pytest.mark.parametrize("way", LARGE)
def test_large_files(site, way):
    new = site.register()
    LARGE[way](site, f"{landing(site.settings)}/{T94}/dicom/MR.1", dicom(new, sop="1.2.3", pixels=b"\1\2" * (17 * MIB)))
    site.sweep()
    (path,) = archived(site, new)
    assert site.connect().stat(f"{site.settings.home}/{path}").size > 32 * MIB
    assert site.verify()["sound"]


def test_touch_makes_an_empty_object_that_is_not_recognised(site):
    site.clients.itouch(f"{landing(site.settings)}/{T94}/dicom/new")
    assert site.sweep() == {"quarantined": 1}
    assert site.verify()["quarantined"] == {"not-recognised": 1}


@pytest.mark.parametrize("way", {**AT_ONCE, **BY_SWEEP})
@pytest.mark.parametrize("broken", ["decide", "settings"])
def test_a_policy_that_fails_never_reaches_the_client(site, way, broken):
    new = site.register()
    with (
        site.broken_settings()
        if broken == "settings"
        else site.broken("policy.ingest.registration_hooks.decide", "policy.ingest.sweep.decide")
    ):
        site.reconnect()
        {**AT_ONCE, **BY_SWEEP}[way](site, f"{landing(site.settings)}/{T94}/dicom/MR.1", dicom(new, sop="1.2.3"))
    assert archived(site, new) == []
    assert len(site.paths("landing")) == 1
    site.reconnect()
    assert site.sweep() == {"archived": 1}
    assert len(archived(site, new)) == 1


@pytest.mark.parametrize("way", AT_ONCE)
def test_ordinary_users_files_wait_for_the_sweep(site, way):
    if way in ADMINISTRATORS:
        pytest.skip("only administrators register files in place")
    new = site.register()
    with site.acting_as(ALICE):
        AT_ONCE[way](site, f"{landing(site.settings)}/{T94}/dicom/MR.1", dicom(new, sop="1.2.3"))
    assert archived(site, new) == []
    assert site.sweep() == {"archived": 1}
    assert len(archived(site, new)) == 1


@pytest.mark.parametrize("way", BY_SWEEP)
def test_the_sweep_comes_by_itself(site, way):
    new = site.register()
    with site.delay_server(), site.acting_as(ALICE):
        BY_SWEEP[way](site, f"{landing(site.settings)}/{T94}/dicom/MR.1", dicom(new, sop="1.2.3"))
        end = time.monotonic() + 30
        while not archived(site, new) and time.monotonic() < end:
            time.sleep(0.2)
    assert len(archived(site, new)) == 1


def test_every_reason_is_one_that_decide_or_the_sweep_gives():
    assert {str(reason) for reason in decision.Reason} == {
        "no-id", "mistyped", "unregistered", "closed", "wrong-scanner", "conflict", "personal-data", "truncated", "damaged",
        "header-too-large", "not-recognised", "duplicate-different", "failed",
    }  # fmt: skip


class Counted:
    """Counts the microservices that a rule calls."""

    def __init__(self, monkeypatch):
        from embedded.engine import callback

        self.calls = []
        real = callback._dispatch

        def dispatch(agent, name, values):
            self.calls.append(name)
            return real(agent, name, values)

        monkeypatch.setattr(callback, "_dispatch", dispatch)


@pytest.mark.embedded
def test_a_registration_costs_a_constant_number_of_catalog_calls(site, monkeypatch):
    new = site.register()
    for number in (1, 2):
        site.land(f"{T94}/dicom/{number}", dicom(new, instance=number))
    counted = Counted(monkeypatch)
    for number in range(3, 8):
        counted.calls.clear()
        site.land(f"{T94}/dicom/{number}", dicom(new, instance=number))
        assert sorted(counted.calls) == ["msiExecGenQuery", "msiMakeGenQuery", "msiModAVUMetadata"]


@pytest.mark.embedded
def test_the_sweep_asks_as_much_whether_little_or_much_is_archived(site, monkeypatch):
    new = site.register()
    site.land(f"{T94}/dicom/0", dicom(new, instance=0))
    counted = Counted(monkeypatch)

    def calls_of_one(number):
        site.upload(f"{T94}/dicom/{number}", dicom(new, instance=number))
        counted.calls.clear()
        assert site.sweep() == {"archived": 1}
        return len(counted.calls)

    first = calls_of_one(1)
    for number in range(10, 40):
        site.land(f"{T94}/dicom/{number}", dicom(new, instance=number))
    assert calls_of_one(2) == first


@pytest.mark.embedded
def test_outside_landing_a_policy_enforcement_point_does_nothing(site, monkeypatch):
    counted = Counted(monkeypatch)
    site.reconnect()
    for way in (AT_ONCE["iput"], AT_ONCE["icp"], AT_ONCE["imv"], BY_SWEEP["PRC put"]):
        way(site, f"{site.settings.home}/elsewhere{id(way)}", b"x")
    assert counted.calls == []

"""A wrong clock erases nothing."""

import time
from dataclasses import replace

import pytest

from microservices.headers.header_reader import read_header
from policy.records import clock, review, withdrawal_record
from policy.schedule import lifecycle
from policy.withdrawal.erasure import has_receipt
from policy.zone.context import Context
from tests.zone.withdrawal.test_withdrawal import describe_site, scanned

DAY = 86400.0


@pytest.fixture
def withdrawn_site(make_site):
    """Erases after 30 days, of which two runs a day apart have to be sure."""
    site = describe_site(make_site)
    new = scanned(site)
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    return site, new


def context(site, ahead: float = 0.0) -> Context:
    """Whose clock is so many seconds ahead of the catalog's."""
    return Context(site.connect(), site.settings, read_header, now=lambda: time.time() + ahead)


def alarms(site) -> list[str]:
    """Also those of other tests on a server: they share its reviews."""
    return [one.text for one in review.reviews(context(site)) if one.kind == clock.REVIEW]


@pytest.mark.parametrize(
    ("ahead", "why"),
    [pytest.param(40 * DAY, "the catalog's", id="ahead"), pytest.param(-2 * 3600.0, "newest entry", id="behind")],
)
def test_a_clock_that_disagrees_with_the_zones_is_told_and_erases_nothing(withdrawn_site, ahead, why):
    site, new = withdrawn_site
    at_once = replace(
        site.settings, lifecycle=replace(site.settings.lifecycle, withdrawal_days=-1.0, due_again_hours=0.0)
    )
    before = alarms(site)
    for later in (0.0, 2 * DAY):
        counts = lifecycle.run(replace(context(site, ahead + (later if ahead > 0 else 0.0)), settings=at_once))
        assert (counts["waiting"], counts["erased"]) == (1, 0)
    assert withdrawal_record.load(context(site), new) is not None
    new_ones = [text for text in alarms(site) if text not in before]
    assert all(why in text for text in new_ones)
    assert new_ones or [text for text in before if why in text]
    assert lifecycle.run(replace(context(site), settings=at_once))["erased"] == 1


def test_a_day_that_has_come_is_seen_by_two_runs_a_day_apart(withdrawn_site):
    site, new = withdrawn_site
    due, before = replace(site.settings, lifecycle=replace(site.settings.lifecycle, withdrawal_days=0.0)), alarms(site)
    for _ in range(2):
        assert lifecycle.run(replace(context(site), settings=due))["waiting"] == 1
    held = withdrawal_record.load(context(site), new)
    assert held.due_seen
    held.due_seen = withdrawal_record.now(context(site, -DAY - 60))
    withdrawal_record.save(context(site), held)
    assert lifecycle.run(replace(context(site), settings=due))["erased"] == 1
    assert has_receipt(context(site), new)
    assert alarms(site) == before


def test_a_day_seen_by_a_clock_that_was_ahead_does_not_count(withdrawn_site):
    site, new = withdrawn_site
    held = withdrawal_record.load(context(site), new)
    held.due_seen = withdrawal_record.now(context(site, 400 * DAY))
    withdrawal_record.save(context(site), held)
    due = replace(site.settings, lifecycle=replace(site.settings.lifecycle, withdrawal_days=0.0))
    assert lifecycle.run(replace(context(site), settings=due))["waiting"] == 1
    assert withdrawal_record.load(context(site), new).due_seen <= withdrawal_record.now(context(site))

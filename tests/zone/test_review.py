"""Reviews: asked for once, judged once, seen by data stewards alone."""

import pytest

from microservices.headers import read_header
from policy import review
from policy.context import Context, Refused
from policy.zone import NotFound, NotPermitted, ZoneError
from tests.zone.names import ALICE, PAIN

KEY = f"{PAIN}/P1 2026-01-02"


@pytest.fixture
def context(site):
    return Context(site.inside(), site.settings, read_header)


def own(found):
    return [r for r in found if PAIN in r.key]


def test_once_for_a_key_and_once_a_verdict(context):
    assert own(review.reviews(context)) == []
    assert review.open_review(context, "vanished", KEY, "P1 is gone: withdrawn?")
    assert not review.open_review(context, "vanished", KEY, "another text")
    (waiting,) = own(review.reviews(context))
    assert (waiting.kind, waiting.text, waiting.verdict) == ("vanished", "P1 is gone: withdrawn?", "")
    judged = review.close_review(context, KEY, "moved to another study")
    assert (judged.by, judged.opened) == ("mrdata", waiting.opened)
    assert own(review.reviews(context)) == []
    assert own(review.reviews(context, closed=True)) == [judged]
    with pytest.raises(Refused, match="0 reviews"):
        review.close_review(context, KEY, "again")
    assert not review.open_review(context, "vanished", KEY, "after the verdict")
    assert own(review.reviews(context)) == []


def test_a_verdict_says_something(context):
    review.open_review(context, "vanished", KEY, "P1 is gone")
    with pytest.raises(Refused, match="verdict"):
        review.close_review(context, KEY, "  ")


def test_only_stewards_see_any(site, context):
    review.open_review(context, "vanished", KEY, "P1 is gone")
    path = review._path(context, "vanished", KEY, review._REVIEW)
    assert site.connect().permissions(path).get(site.settings.stewards) == "read"
    other = Context(site.connect(ALICE), site.settings, read_header)
    assert own(review.reviews(other)) == []
    with pytest.raises((NotFound, NotPermitted, ZoneError)):
        other.zone.read(path, 0, 100)

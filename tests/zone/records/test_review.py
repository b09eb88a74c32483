"""Reviews: asked for once, judged once, seen by data stewards alone."""

import hashlib
import json

import pytest

from microservices.headers.header_reader import read_header
from policy.records import review
from policy.zone import NotFound, NotPermitted, ZoneError
from policy.zone.context import Context, Refused
from tests.zone.names import ALICE, PAIN, STEWARD

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


def test_only_a_steward_s_word_closes_one(site, context):
    """The service account asks for people: it says for whom, and the rule judges whether he may."""
    site.connect().group(site.settings.stewards, [STEWARD])
    review.open_review(context, "vanished", KEY, "P1 is gone")
    asked = {"key": KEY, "verdict": "deleted there"}
    assert f"{ALICE} is not a data steward" in site.ask("review_close", {**asked, "by": ALICE})["error"]
    assert len(own(review.reviews(context))) == 1
    assert site.rule("review_close", {**asked, "by": STEWARD})["by"] == STEWARD
    assert own(review.reviews(context)) == []


def test_one_key_asked_for_twice_is_told_apart_by_its_kind(context):
    for kind in ("vanished", "retention"):
        review.open_review(context, kind, KEY, kind)
    with pytest.raises(Refused, match="2 reviews"):
        review.close_review(context, KEY, "seen")
    assert review.close_review(context, KEY, "seen", kind="retention").text == "retention"
    assert [one.kind for one in own(review.reviews(context))] == ["vanished"]


def test_lists_are_read_page_by_page(context, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 2)
    before = review.waiting(context)[1]
    keys = [f"{KEY} {number}" for number in range(3)]
    for key in keys:
        review.open_review(context, "vanished", key, "P1 is gone")
    count = review.waiting(context)[1]
    assert count == before + 3
    waiting = [one for page in range(-(-count // 2)) for one in review.waiting(context, page)[0]]
    assert len(waiting) == count
    assert {one.key for one in own(waiting)} == set(keys)
    for one in own(waiting)[:2]:
        assert review.numbered(context, one.number) == one
        review.close_review(context, one.key, "seen")
    assert review.waiting(context)[1] == before + 1
    judged = {one.key: one for one in review.judged(context)[0]}
    assert set(judged) == {one.key for one in own(waiting)[:2]}
    assert review.numbered(context, own(waiting)[0].number).verdict == "seen"
    assert review.numbered(context, "0" * 16) is None


def test_the_audit_log_tells_of_a_word_and_nothing_that_was_typed(site, context):
    new = site.register()
    review.open_review(context, "withdrawal", f"{new} 2026-01-02T00:00:00Z", "it has to be kept")
    review.close_review(context, f"{new} 2026-01-02T00:00:00Z", "erase: Jane Doe insists")
    entry = site.rule("audit_history", {"experiment": new})["entries"][-1]
    assert (entry["act"], entry["details"]["kind"]) == ("review closed", "withdrawal")
    path = review._path(context, "withdrawal", f"{new} 2026-01-02T00:00:00Z", review._VERDICT)
    content = context.zone.read(path, 0, 10000)
    assert entry["details"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert "Jane" not in json.dumps(entry)


def test_only_stewards_see_any(site, context):
    review.open_review(context, "vanished", KEY, "P1 is gone")
    path = review._path(context, "vanished", KEY, review._REVIEW)
    assert site.connect().permissions(path).get(site.settings.stewards) == "read"
    other = Context(site.connect(ALICE), site.settings, read_header)
    assert own(review.reviews(other)) == []
    with pytest.raises((NotFound, NotPermitted, ZoneError)):
        other.zone.read(path, 0, 100)

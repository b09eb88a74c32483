"""The ExperimentID: what it forgives, and that its check character finds what people mistype."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.zone import experiment_id
from policy.zone.experiment_id import ALPHABET, distance, draw, looks_meant, parse


@pytest.mark.parametrize("typed", ["Z4KQ-STAS", "z4kqstas", " Z4KQ STAS ", "Z4KQ^STAS", "Z4KQ-STAS^^^^", "Z4KQ_STAS"])
def test_forgives_how_it_was_typed(typed):
    assert parse(typed) == "Z4KQ-STAS"


@pytest.mark.parametrize(
    "typed", ["", "Z4KQ-STAP", "Z4KQ-STA", "Z4KQ-STASS", "xxxxxxxx", "Z4KQ-ST*S", "SIMPSON^HOMER", "ſ4KQ-STAS"]
)
def test_refuses_what_is_none(typed):
    assert parse(typed) is None


def test_letters_that_look_like_digits_are_repaired():
    drawn = next(d for d in (draw() for _ in range(1000)) if "0" in d and "1" in d)
    assert parse(drawn.replace("0", "O").replace("1", "l")) == drawn


@given(st.integers(0, 7), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_found(position, character):
    right = draw().replace("-", "")
    wrong = right[:position] + character + right[position + 1 :]
    assert (parse(wrong) is None) == (wrong != right)


@given(st.integers(0, 6))
def test_every_swap_of_neighbours_is_found(position):
    right = draw().replace("-", "")
    wrong = right[:position] + right[position + 1] + right[position] + right[position + 2 :]
    assert (parse(wrong) is None) == (wrong != right)


def test_a_drawn_one_with_one_wrong_character_still_looks_meant():
    for right in (draw() for _ in range(500)):
        assert all(looks_meant(f"{right[:at]}B{right[at + 1 :]}") for at in range(len(right)))


def test_draws_are_valid_and_differ():
    drawn = {draw() for _ in range(500)}
    assert len(drawn) == 500
    assert all(parse(d) == d for d in drawn)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Z4KQ-STAS", "z4kq stas", 0),
        ("Z4KQ-STAS", "Z4KQ-SATS", 1),
        ("Z4KQ-STAS", "Z4K-STAS", 1),
        ("Z4KQ-STAS", "Z4KQ-STA7", 1),
        ("AB", "", 2),
    ],
)
def test_distance(a, b, expected):
    assert distance(a, b) == distance(b, a) == expected


@pytest.mark.parametrize(
    ("typed", "meant"), [("Z4KQ-STAP", True), ("Z4KQSTA", True), ("SIMPSON^HOMER^J", False), ("phantom", False)]
)
def test_looks_meant(typed, meant):
    assert looks_meant(typed) is meant


def test_the_check_is_iso_7064():
    assert experiment_id.parse("1234-567P") == "1234-567P"
    assert experiment_id.parse("ABCD-EFGX") == "ABCD-EFGX"

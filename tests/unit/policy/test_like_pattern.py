"""Patterns of SQL's like, in linear time."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.zone.like_pattern import like

LETTERS = st.text("ab%_.\\\n*", max_size=12)


@given(LETTERS, LETTERS)
def test_it_fits_what_a_regular_expression_fits(pattern, text):
    expression = re.escape(pattern).replace("%", ".*").replace("_", ".")
    assert like(pattern)(text) is bool(re.fullmatch(expression, text, re.DOTALL))


@pytest.mark.parametrize(
    "pattern", ["%" * 10_000 + "x", "%a" * 5_000 + "x", "%" + "_" * 5_000 + "x%", "%a_" * 3_000 + "b"]
)
def test_no_pattern_takes_long(pattern):
    fits, began = like(pattern), time.perf_counter()
    assert not fits("a" * 10_000)
    assert time.perf_counter() - began < 2

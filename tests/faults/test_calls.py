"""The n-th call fails: a few of all, and those that once found a fault of MrData."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.faults.calls import Fault
from tests.faults.checker import Wrong
from tests.faults.machine import Bench, again
from tests.faults.scenarios import SCENARIOS, VERIFY

WHOLE = [("register", Fault.TORN)]
"""Each call of these: a record that was half written told for ever that an object is lost."""
FAILED: list[str] = []
"""Cases in which something was wrong once."""
_FEW = 8


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


@pytest.mark.parametrize(("name", "fault"), WHOLE)
def test_each_call(bench: Bench, name: str, fault: Fault) -> None:
    number = 1
    while (case := bench.call(SCENARIOS[name], fault, number)).where:
        assert case.findings == [], case
        number += 1
    assert number > 1


@pytest.mark.parametrize("name", FAILED)
def test_what_failed_once(bench: Bench, name: str) -> None:
    case = again(bench, name)
    assert case.findings == [], case


def test_a_few_of_all(bench: Bench) -> None:
    chance = random.Random(11)
    for _ in range(_FEW):
        name, fault = chance.choice(["scan", "withdraw"]), chance.choice(list(Fault))
        case = bench.call(SCENARIOS[name], fault, chance.randint(1, 60))
        assert case.findings == [], case


def test_verify_never_says_more_than_it_knows(bench: Bench) -> None:
    for fault in (Fault.EIO, Fault.CUT):
        case = bench.call(VERIFY, fault, 3)
        assert case.where
        assert Wrong.UNNOTICED not in {one.wrong for one in case.findings}, case

"""Power loss: at a few changes of everything, and at those that once found a fault of MrData."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.disk import Loss
from tests.faults.machine import Bench
from tests.faults.power import fails

STEPS = [
    ("scan", Loss.ALL, (63, 218)),
    ("register", Loss.ALL, (32,)),
    ("finalize", Loss.ALL, (18, 63)),
    ("finalize", Loss.SOME, (63,)),
]
"""Records that were not forced to the disk: nothing was registered any more, an experiment was never finalized, for
ever.
"""
FAILED: list[tuple[str, Loss, int]] = []
"""Cases in which something was wrong once."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


@pytest.mark.parametrize(("name", "loss", "steps"), STEPS)
def test_a_few_steps(bench: Bench, name: str, loss: Loss, steps: tuple[int, ...]) -> None:
    for step in steps:
        case = fails(bench, name, loss, step)
        assert case.where
        assert case.findings == [], case


@pytest.mark.parametrize(("name", "loss", "step"), FAILED)
def test_what_failed_once(bench: Bench, name: str, loss: Loss, step: int) -> None:
    case = fails(bench, name, loss, step)
    assert case.findings == [], case

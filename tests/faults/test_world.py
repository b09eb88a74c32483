"""Worlds: a short one, and those that once found a fault of MrData."""

from __future__ import annotations

import pytest

from tests.faults.machine import Bench
from tests.faults.world import World

SEEDS = [1]
FAILED: list[int] = []
"""Seeds in which something was wrong once."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_life(seed: int) -> None:
    with Bench() as bench:
        life = World(bench, seed).live(20)
    assert life.findings == [], life
    assert life.faults


@pytest.mark.parametrize("seed", FAILED)
def test_what_failed_once(seed: int) -> None:
    with Bench() as bench:
        life = World(bench, seed).live()
    assert life.findings == [], life

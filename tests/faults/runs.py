"""Runs of all kinds, on several processors, until so many faults were injected."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from queue import Empty

from tests.faults import power
from tests.faults.calls import Fault
from tests.faults.checker import Wrong, counted
from tests.faults.disk import Loss
from tests.faults.machine import Bench, Case, scenario_of
from tests.faults.scenarios import SCENARIOS, VERIFY
from tests.faults.world import World

STRIDE = 8
"""A pass through a scenario strikes at each call of so many."""
SHARES = {"calls": 6, "power": 2, "world": 2}
"""Of ten faults."""
_PROGRESS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """One case, or (`world`) one life: faults that were injected, and what was wrong in which."""

    kind: str
    faults: int
    name: str
    wrong: Counter[Wrong]
    told: str = ""


@dataclass(slots=True)
class Total:
    """Of one kind."""

    faults: int = 0
    failed: int = 0
    wrong: Counter[Wrong] = field(default_factory=Counter)

    def add(self, step: Step) -> None:
        """Adds a step."""
        self.faults += step.faults
        self.failed += bool(step.wrong)
        self.wrong += step.wrong

    def line(self, kind: str, seed: int) -> str:
        """What docs/reference/reliability.md says of a run."""
        counts = ", ".join(f"{wrong} {self.wrong[wrong]}" for wrong in Wrong)
        return f"{kind}: {self.faults} faults injected, {self.faults - self.failed} survived, {counts}, seed {seed}"


def run(faults: int, seed: int, seconds: float, workers: int = 2) -> dict[str, Total]:
    """Injects so many faults, or as many as there is time for; prints progress and what is wrong."""
    steps: Queue[Step | str] = multiprocessing.get_context("fork").Queue()
    wanted = {kind: faults * share // sum(SHARES.values()) for kind, share in SHARES.items()}
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_work, args=(number, workers, seed, wanted, steps)) for number in range(workers)
    ]
    for process in processes:
        process.start()
    totals = {kind: Total() for kind in SHARES}
    began = said = time.monotonic()
    try:
        while time.monotonic() - began < seconds and any(totals[kind].faults < count for kind, count in wanted.items()):
            try:
                step = steps.get(timeout=5.0)
            except Empty:
                if not any(process.is_alive() for process in processes):
                    break
                continue
            if isinstance(step, str):
                print(step, file=sys.stderr, flush=True)
                break
            totals[step.kind].add(step)
            if step.wrong:
                print(f"{step.kind} {step.name}: {step.told}", flush=True)
            if time.monotonic() - said > _PROGRESS_SECONDS:
                said = time.monotonic()
                done = sum(total.faults for total in totals.values())
                print(f"{done} of {faults} faults, {done / (said - began):.1f} a second", file=sys.stderr, flush=True)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
    return totals


def _work(number: int, workers: int, seed: int, wanted: dict[str, int], steps: Queue[Step | str]) -> None:
    """One processor's part: the kinds take turns, so that each is done at the same time as the others."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    chance = random.Random(f"{seed} {number}")
    try:
        with Bench(number) as bench:
            kinds = {
                "calls": _calls(bench, chance),
                "power": _power(bench, chance),
                "world": _worlds(bench, seed, number, workers),
            }
            done = dict.fromkeys(kinds, 0)
            while kinds:
                kind = min(kinds, key=lambda one: done[one] / max(1, wanted[one]))
                step = next(kinds[kind], None)
                if step is None or done[kind] > wanted[kind]:
                    del kinds[kind]
                    continue
                done[kind] += step.faults
                steps.put(step)
    except Exception:  # noqa: BLE001 - told to who started it
        import traceback

        steps.put(traceback.format_exc())


def _calls(bench: Bench, chance: random.Random) -> Iterator[Step]:
    """Passes through each scenario with each fault, at other calls each time."""
    pairs = list(itertools.product([*SCENARIOS, VERIFY.name], Fault))
    for start in chance.sample(range(1, STRIDE + 1), STRIDE):
        for name, fault in chance.sample(pairs, len(pairs)):
            for number in itertools.count(start, STRIDE):
                case = bench.call(scenario_of(name), fault, number)
                if not case.where:
                    break
                yield _step("calls", case)


def _power(bench: Bench, chance: random.Random) -> Iterator[Step]:
    pairs = list(itertools.product(power.NAMES, Loss))
    for start in chance.sample(range(1, STRIDE + 1), STRIDE):
        for name, loss in chance.sample(pairs, len(pairs)):
            for number in itertools.count(start, STRIDE):
                case = power.fails(bench, name, loss, number)
                if not case.where:
                    break
                yield _step("power", case)


def _worlds(bench: Bench, seed: int, number: int, workers: int) -> Iterator[Step]:
    for one in itertools.count(seed * 1_000_000 + number, workers):
        life = World(bench, one).live()
        told = (
            "\n  ".join([*(f"{found.wrong}: {found.what}" for found in life.findings), *life.told[-40:]])
            if life.findings
            else ""
        )
        yield Step("world", life.faults, f"seed {one}", counted(life.findings), told)


def _step(kind: str, case: Case) -> Step:
    told = "\n  ".join([case.where, *(f"{one.wrong}: {one.what}" for one in case.findings)])
    return Step(kind, 1, case.name, counted(case.findings), told)

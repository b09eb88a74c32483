"""One case after the other.

A fault is injected while something is done, the normal work goes on, the checker counts.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from embedded import iadmin
from microservices.rules import rule_table
from microservices.zones.server_zone import ServerZone
from policy.zone import ZoneError
from tests.faults import checker, children, scenarios
from tests.faults.calls import Fault, strike
from tests.faults.checker import Finding, Wrong
from tests.faults.scenarios import SCENARIOS, VERIFY, Scenario
from tests.faults.site import Site, copy, scratch

Aftermath = Callable[[Path], list[Finding]]


@dataclass(frozen=True, slots=True)
class Case:
    """What came of a fault. `name` is enough to do it again; `where`: what it struck, empty where it struck nothing."""

    name: str
    where: str
    findings: list[Finding] = field(default_factory=list)


class Bench:
    """Makes the zone of each scenario once, and copies it for each case."""

    def __init__(self, number: int = 0) -> None:
        rule_table.BACKGROUND = 0  # archiving yields the processors, which would make this process wait
        server: Any = ServerZone
        server._iadmin = _iadmin
        self.folder = scratch(number)
        self.case = self.folder / "case"
        self._made: set[str] = set()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def lay(self, scenario: Scenario) -> Path:
        """A fresh copy of what a scenario prepares, where it was made."""
        template = self.folder / scenario.name
        if scenario.name not in self._made:
            shutil.rmtree(self.case, ignore_errors=True)
            scenario.prepare(Site.make(self.case, **scenario.settings))
            self.case.rename(template)
            self._made.add(scenario.name)
            self._warm(scenario, template)
        copy(template, self.case)
        return self.case

    def _warm(self, scenario: Scenario, template: Path) -> None:
        """Does it all once without a fault, in this process: what is imported and compiled on the way, each child has
        then.
        """
        copy(template, self.case)
        site = Site(self.case)
        scenario.act(site)
        found = [] if scenario is VERIFY else aftermath(self.case)
        if found:
            raise AssertionError(f"{scenario.name}, without a fault: {found}")
        gc.freeze()  # what there is now, no child has to copy
        gc.disable()

    def call(self, scenario: Scenario, fault: Fault, number: int) -> Case:
        """The n-th call of a scenario fails."""
        case, note = self.lay(scenario), self.folder / "note"
        note.unlink(missing_ok=True)

        def act() -> object:
            site = Site(case)
            strike(fault, number, note)
            return _told(scenario.act(site))

        ended = children.run(act)
        name = f"{scenario.name}:{fault}:{number}"
        if not note.exists():
            return Case(name, "")
        where = note.read_text()
        if ended.hangs:
            return Case(name, where, [Finding(Wrong.DISORDER, "hangs")])
        if scenario is VERIFY:
            return Case(name, where, _of_verify(ended))
        return Case(name, where, [*self.settle(case), *unexpected(ended.error)])

    def settle(self, case: Path) -> list[Finding]:
        """The normal work goes on to rest, and so does the intake's retention; what is wrong then."""
        ended = children.run(partial(aftermath, case))
        if ended.result is None:
            return [Finding(Wrong.DISORDER, f"the normal work fails: {ended.error or 'it hangs'}")]
        return ended.result


def unexpected(error: str) -> list[Finding]:
    """What a traceback tells that no process may end with: a fault is a ZoneError or a LandingError; of the retention,
    an OSError too.
    """
    last = error.strip().rpartition("\n")[2]
    is_told = (
        not error
        or ("landing/intake_retention.py" in error and last.startswith("OSError"))
        or last.startswith(("policy.zone.", "policy.zone.lock.", "landing.landing_errors."))
    )
    return [] if is_told else [Finding(Wrong.DISORDER, f"ends with {last}\n{error}")]


def _iadmin(zone: ServerZone, *arguments: str) -> None:
    """The administrator's command in this process: it takes a third of a second to start one."""
    if iadmin.main([*zone._settings.iadmin[3:], *arguments]) != 0:
        raise ZoneError(f"iadmin {' '.join(arguments)} failed")


def aftermath(case: Path) -> list[Finding]:
    """To rest, checked, tidied, checked."""
    site = Site(case)
    waits = site.rest()
    found = checker.check(site, tidied=False, waits=waits)
    if not found:
        site.tidy()
        found = checker.check(site, tidied=True)
    return found


def calls(bench: Bench, names: list[str], *, stride: int = 1, start: int = 1) -> Iterator[Case]:
    """Every fault at each call of these scenarios; with a stride, at some."""
    for name in names:
        for fault in Fault:
            number = start
            while (case := bench.call(scenario_of(name), fault, number)).where:
                yield case
                number += stride


def scenario_of(name: str) -> Scenario:
    """By its name."""
    return VERIFY if name == VERIFY.name else SCENARIOS[name]


def again(bench: Bench, name: str) -> Case:
    """A case by its name: `scan:kill:17`."""
    scenario, fault, number = name.split(":")
    return bench.call(scenario_of(scenario), Fault(fault), int(number))


def _told(answer: object) -> object:
    """What a child may tell of an answer."""
    return answer if isinstance(answer, dict) else None


def _of_verify(ended: children.Ended[object]) -> list[Finding]:
    report = ended.result
    if isinstance(report, dict) and report["sound"]:
        return [Finding(Wrong.UNNOTICED, "verify says that all is well")]
    return []


__all__ = ["Bench", "Case", "again", "calls", "scenarios"]

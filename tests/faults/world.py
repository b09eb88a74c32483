"""The world: random operations of scanner, users, stewards and clock, any process of which may be killed or meet a
fault.

Everything follows from a seed, but for what processes that work at the same time do first.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from policy.zone import layout
from policy.zone.layout import DataType
from tests.faults import catalog, children
from tests.faults.books import Act
from tests.faults.calls import Fault, strike
from tests.faults.checker import Finding, Wrong
from tests.faults.machine import Bench, aftermath, unexpected
from tests.faults.scenarios import Scenario
from tests.faults.site import ALICE, SCANNER, STUDY, Site
from tests.files import dicom, twix

STEPS = 40
_CHECK_EVERY = 10
_FAR = (1, 5, 25, 120, 400)
"""A fault strikes at one of so many first calls."""
_NAMES = "abcdefgh"


def _begins(site: Site) -> None:
    """Two experiments, of which one has an image."""
    one, _ = site.register(), site.register()
    site.land("first", dicom(one), DataType.DICOM, one)


_QUICK = {"finished_hours": 0.0, "finalized_days": 30.0}
ERASING = Scenario("world that erases", _begins, Site.scan, {**_QUICK, "withdrawal_days": 0.0})
RESTORING = Scenario("world that restores", _begins, Site.scan, _QUICK)
ELSEWHERE = Scenario("world without vault", _begins, Site.scan, {**_QUICK, "vault": False})
WORLDS = (ERASING, RESTORING, ELSEWHERE)


@dataclass(slots=True)
class Growing:
    """A file that somebody is writing."""

    opened: BinaryIO
    name: str
    content: bytes
    experiment: str


@dataclass(slots=True)
class Life:
    """What came of a world. `told`: what was done, a line for each step, up to what is wrong."""

    seed: int
    faults: int = 0
    findings: list[Finding] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


class World:
    """One, by its seed."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench = bench
        self._case = bench.lay(WORLDS[seed % len(WORLDS)])
        self._site = Site(self._case)
        self._chance = random.Random(seed)
        self._life = Life(seed)
        self._number = 0
        self._growing: list[Growing] = []
        self._contents: dict[str, tuple[bytes, DataType]] = {}
        """Content that landed, by its SHA-256, with its kind."""
        self._experiments = self._known()

    def live(self, steps: int = STEPS) -> Life:
        """Lives, until something is wrong or the steps are done."""
        for step in range(1, steps + 1):
            self._step()
            if (step % _CHECK_EVERY == 0 or step == steps) and self._is_wrong():
                break
        for one in self._growing:
            one.opened.close()
        return self._life

    def _step(self) -> None:
        happenings: list[tuple[int, Callable[[], None]]] = [
            (5, self._image),
            (2, self._raw_data),
            (3, self._tree),
            (1, self._stranger),
            (2, self._comes_again),
            (2, self._begins_to_grow),
            (3, self._grows),
            (2, self._is_replaced),
            (14, self._processes),
        ]
        weights, choices = zip(*happenings, strict=True)
        self._chance.choices(choices, weights)[0]()

    def _is_wrong(self) -> bool:
        """Everything comes to rest, and is checked."""
        while self._growing:
            self._grows()
        ended = children.run(partial(aftermath, self._case))
        self._life.findings += (
            ended.result
            if ended.result is not None
            else [Finding(Wrong.DISORDER, f"the normal work fails: {ended.error}")]
        )
        self._site = Site(self._case)
        return bool(self._life.findings)

    # The scanner, and people at the landing zone

    def _known(self) -> list[str]:
        return sorted(
            one for one, states in catalog.experiments(self._site.folder, self._site.settings).items() if states
        )

    def _one(self) -> str:
        return self._chance.choice(self._experiments)

    def _name(self) -> str:
        self._number += 1
        return f"{self._chance.choice(_NAMES)}/{self._number}"

    def _lands(self, name: str, content: bytes, kind: DataType, experiment: str = "") -> None:
        digest = self._site.land(name, content, kind, experiment)
        self._contents[digest] = content, kind
        self._tell(f"{name} of {experiment or 'nobody'} lands")

    def _image(self) -> None:
        for _ in range(self._chance.randint(1, 3)):
            one = self._one()
            self._number += 1
            self._lands(self._name(), dicom(one, instance=self._number), DataType.DICOM, one)

    def _raw_data(self) -> None:
        one = self._one()
        self._number += 1
        self._lands(f"meas{self._number}.dat", twix(one) + b"%d" % self._number, DataType.TWIX, one)

    def _tree(self) -> None:
        one = self._one()
        for _ in range(self._chance.randint(1, 3)):
            self._number += 1
            self._lands(
                f"{one}/{self._chance.choice(_NAMES)}/it's {self._number}%",
                b"of a tree %d" % self._number,
                DataType.EXP_DATA,
                one,
            )

    def _stranger(self) -> None:
        self._number += 1
        self._lands(self._name(), dicom(f"SIMPSON^HOMER {self._number}"), DataType.DICOM)

    def _comes_again(self) -> None:
        known = {
            key: one
            for key, one in self._contents.items()
            if self._site.books.contents[key].experiments and one[1] is DataType.DICOM
        }
        if known:
            digest = self._chance.choice(sorted(known))
            content, kind = known[digest]
            (experiment,) = sorted(self._site.books.contents[digest].experiments)[:1]
            self._lands(self._name(), content, kind, experiment)

    def _begins_to_grow(self) -> None:
        one, name = self._one(), self._name()
        self._number += 1
        content = dicom(one, instance=self._number, pixels=b"\0\1" * 16)
        opened = self._site.write(name, b"", DataType.DICOM).open("ab", buffering=0)
        opened.write(content[: len(content) // 2])
        self._growing.append(Growing(opened, name, content, one))
        self._tell(f"{name} of {one} begins to grow")

    def _grows(self) -> None:
        if self._growing:
            one = self._growing.pop(self._chance.randrange(len(self._growing)))
            one.opened.write(one.content[len(one.content) // 2 :])
            one.opened.close()
            self._contents[self._site.books.landed(one.content, one.name, DataType.DICOM, one.experiment)] = (
                one.content,
                DataType.DICOM,
            )
            self._tell(f"{one.name} is whole")

    def _is_replaced(self) -> None:
        """Other bytes under a name that was used: over the old ones where they lie in the mailbox still."""
        folder = self._site.landing / SCANNER / "dicom"
        growing = {one.name for one in self._growing}
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).as_posix() not in growing
        )
        one = self._one()
        self._number += 1
        if files:
            file = self._chance.choice(files)
            self._site.books.replaced(_digest(file))
            self._lands(file.relative_to(folder).as_posix(), dicom(one, instance=self._number), DataType.DICOM, one)

    # Processes

    def _processes(self) -> None:
        """One to three work at the same time; each may meet a fault."""
        works: list[Callable[[], object]] = []
        notes: list[Path] = []
        for number in range(self._chance.choice((1, 1, 1, 2, 3))):
            name, work = self._work()
            fault, count = self._chance.choice(list(Fault)), self._chance.randint(1, self._chance.choice(_FAR))
            notes.append(self._bench.folder / f"note{number}")
            notes[-1].unlink(missing_ok=True)
            works.append(partial(_struck, self._case, work, fault, count, notes[-1]))
            self._tell(f"{name}, {fault} at {count}")
        ended = children.together(works)
        for one, note in zip(ended, notes, strict=True):
            self._life.faults += note.exists()
            self._life.findings += unexpected(one.error)
            where = note.read_text() if note.exists() else "no fault"
            self._tell(
                f"  {where}: {one.error.strip().rpartition(chr(10))[2] or ('killed' if one.is_killed else one.result)}"
            )
        self._site = Site(self._case)
        self._experiments = sorted({*self._known(), *self._experiments})

    def _work(self) -> tuple[str, Callable[[Site], object]]:
        one, two = self._one(), self._one()
        act = self._chance.choice(list(Act))
        choices: list[tuple[int, str, Callable[[Site], object]]] = [
            (12, "scanner", Site.scan),
            (8, "delay rules", Site.rules),
            (4, f"{act} {one}", lambda site: site.act(act, one)),
            (2, f"re-file under {one}", lambda site: _refile(site, one)),
            (1, f"re-file {two} under {one}", lambda site: _refile_experiment(site, two, one)),
            (2, "tidy", Site.tidy),
            (1, "register", lambda site: site.ask("register", _REQUEST)),
        ]
        _, name, work = self._chance.choices(choices, [weight for weight, *_ in choices])[0]
        return name, work

    def _tell(self, line: str) -> None:
        self._life.told.append(line)


_REQUEST = {"study": STUDY, "pseudonym": "P2", "owner": ALICE, "scanner": SCANNER, "scan_type": "pilot"}


def _struck(case: Path, work: Callable[[Site], object], fault: Fault, number: int, note: Path) -> object:
    site = Site(case)
    strike(fault, number, note)
    answer = work(site)
    return str(answer)[:200] if isinstance(answer, dict) else None


def _path(site: Site, experiment: str) -> str:
    return f"{layout.study(site.settings, STUDY)}/experiments/{experiment}"


def _refile(site: Site, to: str) -> object:
    """A session in quarantine."""
    sessions = site.rule("quarantine_list")["sessions"]
    return _refile_all(site, sessions[0]["path"], sessions[0]["path"], to) if sessions else None


def _refile_experiment(site: Site, source: str, to: str) -> object:
    """What comes while it is re-filed may be re-filed with it."""
    for digest, content in sorted(site.books.contents.items()):
        if source in content.experiments:
            site.books.refile(digest, to, done=False)
    return _refile_all(site, source, _path(site, source), to)


def _refile_all(site: Site, source: str, collection: str, to: str) -> object:
    """All that is in a collection just now."""
    held = catalog.read(site.folder, site.settings)
    digests = {held.at(path) for path in held.below(collection)} & site.books.contents.keys()
    return site.refile(source, to, sorted(digests))


def _digest(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


__all__ = ["Life", "World", "os"]

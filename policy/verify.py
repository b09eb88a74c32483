"""Proves that nothing is lost: every landed byte is in landing, in the archive, in quarantine or set aside, and is what it was.

The zone goes on meanwhile: what is being written, copied or moved just then is asked for again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from policy import layout, origin, quarantine
from policy.context import Context
from policy.experiment import State
from policy.replicas import BUSY
from policy.zone import GOOD, Condition, NotFound, ZoneError

PATIENCE_SECONDS = 60.0
"""So long, in all, a run waits for what others are busy with."""
_PAUSE_SECONDS = 0.5


@dataclass(slots=True)
class Report:
    """Counts of data objects, and the paths of everything that is not as it should be."""

    archived: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    withdrawn: int = 0
    """Of `archived`: nobody can reach them, and nothing tells any more how they landed."""
    landing: int = 0
    set_aside: int = 0
    """Identical copies in the trash; one copy is in the archive."""
    products: int = 0
    """Objects that were made of archived ones, and never landed; those that were replaced are in the trash."""
    waiting: list[str] = field(default_factory=list)
    """Files of the landing zone that are not registered yet."""
    undescribed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Objects without a good replica, or whose bytes are no longer those that were archived."""
    busy: list[str] = field(default_factory=list)
    """Objects that were being written or copied as long as we waited, or whose writer was killed: nothing is known of their bytes."""

    @property
    def landed(self) -> int:
        """All data objects that ever arrived and are accounted for."""
        return self.archived + sum(self.quarantined.values()) + self.landing

    @property
    def is_sound(self) -> bool:
        """Whether every byte is accounted for."""
        return not self.lost and not self.undescribed and not self.busy


@dataclass(slots=True)
class _Object:
    """A data object: `sizes` of its good replicas by number; `is_busy`: one of its replicas is being written, or is locked for that."""

    path: str
    sizes: dict[str, int] = field(default_factory=dict)
    is_busy: bool = False


@dataclass(slots=True)
class _Patience:
    """What is left of a run's waiting."""

    seconds: float

    def wait(self) -> bool:
        """A moment; False when there is nothing left."""
        if self.seconds <= 0:
            return False
        time.sleep(_PAUSE_SECONDS)
        self.seconds -= _PAUSE_SECONDS
        return True


def verify(
    context: Context,
    files: Mapping[str, int] | None = None,
    *,
    checksums: bool = True,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Looks at every object once. `files` are the landing zone's: path below the landing folder -> size in bytes."""
    report = Report()
    objects = _objects(context)
    landed = _landing_paths(context, (found.path for found in objects.values()))
    known: dict[str, set[int]] = {}  # empty: without a good replica, which is told already
    withdrawn, patience = _withdrawn(context), _Patience(PATIENCE_SECONDS)
    for count, (number, found) in enumerate(sorted(objects.items(), key=lambda item: item[1].path), 1):
        _count(context, report, found.path, landed.get(found.path, []), withdrawn)
        sizes = _look(context, report, number, found, checksums, patience)
        for name in landed.get(found.path, []):  # several objects may have come under a name
            known.setdefault(name, set()).update(sizes.values())
        progress(count, len(objects))
    report.undescribed = [path for path in report.undescribed if _is_undescribed(context, path)]
    report.quarantined = dict(Counter(_reasons(context)))
    report.waiting = sorted(files or {})
    return report


def _objects(context: Context) -> dict[str, _Object]:
    """DATA_ID, which stays when an object is moved -> the object."""
    found: dict[str, _Object] = {}
    settings = context.settings
    roots = [layout.landing(settings), layout.studies(settings), layout.quarantine(settings)]
    for root in [*roots, *(_trash(context) + path.removeprefix(settings.home) for path in roots)]:
        below = _asked(context, Condition("COLL_NAME", "like", root + "%"))
        found.update({number: one for number, one in below.items() if one.path.startswith(root + "/")})
    return {number: one for number, one in found.items() if not layout.is_record(context.settings, one.path)}


def _asked(context: Context, condition: Condition) -> dict[str, _Object]:
    """DATA_ID -> the object, for those that a condition selects."""
    found: dict[str, _Object] = {}
    columns = ["DATA_ID", "COLL_NAME", "DATA_NAME", "DATA_REPL_NUM", "DATA_REPL_STATUS", "DATA_SIZE"]
    for identity, collection, name, number, status, size in context.zone.query(columns, condition):
        one = found.setdefault(identity, _Object(f"{collection}/{name}"))
        if status == GOOD:
            one.sizes[number] = int(size)
        one.is_busy |= status in BUSY
    return found


def _trash(context: Context) -> str:
    return f"/{context.settings.zone}/trash/home/{context.settings.account}"


def _landing_paths(context: Context, paths: Iterable[str]) -> dict[str, list[str]]:
    """Path -> what it was in the landing zone; an archived object may have landed several times with the same bytes."""
    found = {
        one: [one_of.landing_path for one_of in origins]
        for one, origins in origin.of_all(context, layout.studies(context.settings)).items()
    }
    for path in paths:
        if landed := layout.quarantined(context.settings, path) or layout.landed(context.settings, path):
            found[path] = [landed.landing_path]
    return found


def _reasons(context: Context) -> list[str]:
    below = Condition("COLL_NAME", "like", layout.quarantine(context.settings) + "/%")
    attribute = Condition("META_DATA_ATTR_NAME", "=", quarantine.REASON)
    return [row[2] for row in context.zone.query(["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"], below, attribute)]


def _withdrawn(context: Context) -> set[str]:
    """The collections of withdrawn experiments."""
    state = [Condition("META_COLL_ATTR_NAME", "=", "State"), Condition("META_COLL_ATTR_VALUE", "=", State.WITHDRAWN)]
    return {path for (path,) in context.zone.query(["COLL_NAME"], *state)}


def _count(context: Context, report: Report, path: str, landing_paths: list[str], withdrawn: set[str]) -> None:
    if path.startswith(layout.landing(context.settings) + "/"):
        report.landing += 1
    elif layout.is_product(context.settings, path.replace(_trash(context), context.settings.home, 1)):
        report.products += 1
    elif path.startswith(_trash(context) + "/"):
        report.set_aside += 1
    elif path.startswith(layout.studies(context.settings) + "/"):
        report.archived += 1
        if "/".join(path.split("/")[: layout.studies(context.settings).count("/") + 4]) in withdrawn:
            report.withdrawn += 1
        elif not landing_paths:
            report.undescribed.append(path)


def _look(context: Context, report: Report, number: str, found: _Object, checksums: bool, patience: _Patience) -> dict[str, int]:
    """Looks at an object's replicas, again while others are busy with it; the sizes of its good ones."""
    before = None
    while fault := _fault(context, found, checksums):
        if found.is_busy:
            if not patience.wait():
                report.busy.append(found.path)
                return found.sizes
        elif found == before:
            report.lost.append(f"{found.path}: {fault}")
            return found.sizes
        before, now = found, _asked(context, Condition("DATA_ID", "=", number))
        if number not in now:
            report.lost.append(f"{found.path}: went away while everything was verified, as what is erased for good does")
            return {}
        found = now[number]
    return found.sizes


def _fault(context: Context, found: _Object, checksums: bool) -> str:
    if not found.sizes:
        return "has no good replica"
    if not checksums:
        return ""
    try:
        context.zone.checksum(found.path, verify=True)
    except ZoneError as error:
        return str(error)
    return ""


def _is_undescribed(context: Context, path: str) -> bool:
    """Asked again: what is placed at birth is described a moment after it was registered."""
    try:
        return not origin.of_object(context, path)
    except NotFound:
        return False

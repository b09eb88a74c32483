"""Proves that nothing is lost: every landed byte is in landing, in the archive, in quarantine or set aside, and is what it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from policy import layout, quarantine
from policy.context import Context
from policy.experiment import State
from policy.zone import Condition, ZoneError


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

    @property
    def landed(self) -> int:
        """All data objects that ever arrived and are accounted for."""
        return self.archived + sum(self.quarantined.values()) + self.landing

    @property
    def is_sound(self) -> bool:
        """Whether every byte is accounted for."""
        return not self.lost and not self.undescribed


def verify(
    context: Context,
    files: Mapping[str, int] | None = None,
    *,
    checksums: bool = True,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Looks at every object once. `files` are the landing zone's: path below the landing folder -> size in bytes."""
    report = Report()
    replicas = _replicas(context)
    landed = _landing_paths(context, replicas)
    known: dict[str, int] = {}
    withdrawn = _withdrawn(context)
    for count, (path, sizes) in enumerate(sorted(replicas.items()), 1):
        _count(context, report, path, landed.get(path, []), withdrawn)
        fault = _fault(context, path, sizes, checksums)
        if fault:
            report.lost.append(f"{path}: {fault}")
        known.update({name: max(sizes.values(), default=0) for name in landed.get(path, [])})
        progress(count, len(replicas))
    report.quarantined = dict(Counter(_reasons(context)))
    for name, size in sorted((files or {}).items()):
        if name not in known:
            report.waiting.append(name)
        elif known[name] != size:
            report.lost.append(f"{name}: the file in the landing zone has {size} bytes, the archive has {known[name]}")
    return report


def _replicas(context: Context) -> dict[str, dict[str, int]]:
    """Path -> number of each good replica -> size. Objects with no good replica have none."""
    found: dict[str, dict[str, int]] = {}
    settings = context.settings
    roots = [layout.landing(settings), layout.studies(settings), layout.quarantine(settings)]
    for root in [*roots, *(_trash(context) + path.removeprefix(settings.home) for path in roots)]:
        rows = context.zone.query(
            ["COLL_NAME", "DATA_NAME", "DATA_REPL_NUM", "DATA_REPL_STATUS", "DATA_SIZE"], Condition("COLL_NAME", "like", root + "%")
        )
        for collection, name, number, status, size in rows:
            if f"{collection}/".startswith(root + "/"):
                replicas = found.setdefault(f"{collection}/{name}", {})
                if status == "1":
                    replicas[number] = int(size)
    return {path: sizes for path, sizes in found.items() if not layout.is_record(context.settings, path)}


def _trash(context: Context) -> str:
    return f"/{context.settings.zone}/trash/home/{context.settings.account}"


def _landing_paths(context: Context, paths: Iterable[str]) -> dict[str, list[str]]:
    """Path -> what it was in the landing zone; an archived object may have landed several times with the same bytes."""
    rows = context.zone.query(
        ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"],
        Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%"),
        Condition("META_DATA_ATTR_NAME", "=", "LandingPath"),
    )
    found: dict[str, list[str]] = {}
    for collection, name, value in rows:
        found.setdefault(f"{collection}/{name}", []).append(value)
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


def _fault(context: Context, path: str, sizes: dict[str, int], checksums: bool) -> str:
    if not sizes:
        return "has no good replica"
    if not checksums:
        return ""
    try:
        context.zone.checksum(path, verify=True)
    except ZoneError as error:
        return str(error)
    return ""

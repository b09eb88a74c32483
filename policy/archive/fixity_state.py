"""Keeps the state of the verification of checksums: counts by year, the allowance, the forecast, damage that was found.

    <home>/fixity/state.json
    <home>/fixity/damage/<year>/<time>_<hash>.json    what was damaged in one collection
    <home>/fixity/reports/fixity-<year>.{html,csv}

If the state is lost, counts start again at 0. The oldest checksums are still verified first: dates are AVUs of the
collections.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields

from policy.archive.replicas import Finding
from policy.zone import Access, Condition, layout, small_object
from policy.zone.context import Context

DAY = 86400
VERIFIED = "ChecksumVerified"
"""AVU of a collection: the date (ISO 8601, UTC) on which all its objects were verified last."""
FAULT = "FixityFault"
"""AVU of an object whose bytes could not be repaired: `damaged` or `lost`."""
_LARGEST = 1 << 24


@dataclass(slots=True)
class Year:
    """What was done in a year (UTC). Bytes as read, all replicas counted."""

    objects: int = 0
    read: int = 0
    repaired: int = 0
    damaged: int = 0
    lost: int = 0
    failed: int = 0
    drills: int = 0
    drilled: int = 0
    drill_faults: int = 0


@dataclass(slots=True)
class State:
    """Times are seconds since 1970, sizes bytes. `balance`: what may be read now; below 0 after a large object."""

    balance: float = 0.0
    ran: float = 0.0
    discovered: int = 0
    """Collections that were made before are known."""
    collection: str = ""
    after: str = ""
    """Where in which collection the last run ended: the path of an object."""
    total: int = 0
    """All replicas of the archive; counted once a day."""
    oldest: str = ""
    """The date (ISO 8601) on which the oldest was verified."""
    forecast_days: float = 0.0
    """Nothing will be unverified for longer, if the archive does not grow faster than it is read."""
    foreseen: float = 0.0
    halted: str = ""
    """A resource on which too much was damaged: nothing is verified until somebody has looked at it."""
    drilled: float = 0.0
    reported: int = 0
    """The last year whose report was written by itself."""
    years: dict[str, Year] = field(default_factory=dict)

    def year(self, now: float) -> Year:
        """The counts of the year of a time."""
        return self.years.setdefault(time.strftime("%Y", time.gmtime(now)), Year())


@dataclass(frozen=True, slots=True)
class Damage:
    """One object in a record of damage. `time` is UTC, ISO 8601."""

    time: str
    outcome: str
    path: str
    resources: list[str]
    text: str


def load(context: Context) -> State:
    """The state as the last run left it; a new one if no run has left any."""
    held = small_object.load(context.zone, f"{layout.fixity(context.settings)}/state.json")
    if held is None:
        return State()
    known = {f.name for f in fields(State)}  # a release before or after this one may know others
    years = {year: Year(**counts) for year, counts in held.pop("years", {}).items()}
    return State(**{name: value for name, value in held.items() if name in known}, years=years)


def save(context: Context, state: State) -> None:
    """Replaces what is there."""
    prepare(context)
    path = f"{layout.fixity(context.settings)}/state.json"
    small_object.write(context.zone, path, (json.dumps(asdict(state), indent=1) + "\n").encode())


def prepare(context: Context) -> None:
    """The collection of it all, for the data stewards to read."""
    path = layout.fixity(context.settings)
    if context.zone.stat(path) is None:
        context.zone.make_collection(path)
        context.zone.permit(path, context.settings.stewards, Access.READ)
        context.zone.inherit(path)


def note(context: Context, findings: Iterable[Finding]) -> None:
    """Keeps what was found damaged."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))
    found = [Damage(when, f.outcome, f.path, list(f.bad), f.text) for f in findings]
    text = json.dumps([asdict(damage) for damage in found], ensure_ascii=False, indent=1) + "\n"
    prepare(context)
    folder = f"{layout.fixity(context.settings)}/damage/{when[:4]}"
    context.zone.make_collection(folder)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    small_object.write(context.zone, f"{folder}/{when.replace('-', '').replace(':', '')}_{digest}.json", text.encode())


def damage(context: Context, year: str) -> list[Damage]:
    """What was found damaged in a year, in order of time."""
    folder = f"{layout.fixity(context.settings)}/damage/{year}"
    rows = context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", folder))
    names = sorted(name for (name,) in rows if name.endswith(".json"))
    return [Damage(**held) for name in names for held in json.loads(context.zone.read(f"{folder}/{name}", 0, _LARGEST))]

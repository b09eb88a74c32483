"""One experiment as a page shows it: its series, raw data and Expanded Data, and what in quarantine may belong to it.

A constant number of queries; their rows are series and raw data files, never images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from policy.ingest.quarantine import CANDIDATE, REASON
from policy.zone import Among, Condition, layout
from policy.zone.context import Context
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType
from policy.zone.registry import UNLIKE

_SHOWN = (
    "SeriesNumber",
    "SeriesDescription",
    "ProtocolName",
    "RepetitionTime",
    "EchoTime",
    "FlipAngle",
    "SeriesInstanceUID",
)


@dataclass(frozen=True, slots=True)
class Series:
    """Images of one series.

    Times in seconds, the angle in degrees, as texts of the vocabulary; empty where the header does not say.
    """

    path: str
    number: str
    description: str
    protocol: str
    repetition_time: str
    echo_time: str
    flip_angle: str
    images: int
    first: str
    """The name of one of its objects, the first in the order of texts."""
    raw: list[str] = field(default_factory=list)
    """Names of raw data files of the same protocol."""

    @property
    def name(self) -> str:
        """Its collection's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw data file. `size` in bytes; `series` are the numbers of series of the same protocol."""

    path: str
    size: int
    protocol: str
    repetition_time: str
    echo_time: str
    flip_angle: str
    series: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of Expanded Data (`/`: the top) and how many files are in it."""

    name: str
    files: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What an experiment holds."""

    series: list[Series]
    raw: list[Raw]
    expanded: list[Folder]

    @property
    def images(self) -> int:
        """Of all series."""
        return sum(s.images for s in self.series)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A session in quarantine that may belong to an experiment. `distance` counts wrong characters of the typed ID."""

    path: str
    scanner: str
    session: str
    distance: int
    objects: int
    reasons: list[str]


def overview(context: Context, experiment: Experiment) -> Overview:
    """By four queries, as the asking user."""
    zone, dicom, twix = context.zone, f"{experiment.path}/{DataType.DICOM}", f"{experiment.path}/{DataType.TWIX}"
    held = {
        path: (int(count), first)
        for path, count, first in zone.select(
            ["COLL_NAME", "count(DATA_ID)", "min(DATA_NAME)"], Condition("COLL_NAME", "like", f"{experiment.path}/%")
        )
        if path.startswith(experiment.path + "/")
    }
    told = _avus(
        zone.select(
            ["COLL_NAME", "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE"],
            Condition("COLL_PARENT_NAME", "=", dicom),
            Among("META_COLL_ATTR_NAME", _SHOWN),
        )
    )
    files = zone.query(["DATA_NAME", "DATA_SIZE"], Condition("COLL_NAME", "=", twix)) if twix in held else []
    raw_told = _avus(
        zone.select(
            ["DATA_NAME", "META_DATA_ATTR_NAME", "META_DATA_ATTR_VALUE"],
            Condition("COLL_NAME", "=", twix),
            Among("META_DATA_ATTR_NAME", _SHOWN),
        )
        if files
        else []
    )
    series = [
        _series(path, told.get(path, {}), *held.get(path, (0, ""))) for path in sorted(set(told) | _below(held, dicom))
    ]
    raw = [
        _raw(twix, name, int(size), raw_told.get(name, {}))
        for name, size in sorted({row[0]: row[1] for row in files}.items())
    ]
    expanded = f"{experiment.path}/{DataType.EXP_DATA}"
    folders = [
        Folder(path[len(expanded) :].lstrip("/") or "/", count)
        for path, (count, _) in sorted(held.items())
        if f"{path}/".startswith(expanded + "/")
    ]
    series.sort(key=lambda s: (int(s.number) if s.number.isdigit() else 0, s.path))
    return Overview([_with_raw(s, raw) for s in series], [_with_series(r, series) for r in raw], folders)


def suspects(service: Context, experiment_id: str) -> list[Suspect]:
    """The sessions in quarantine that may mean this experiment, the likeliest first.

    As the service account: others may not look.
    """
    zone = service.zone
    rows = zone.query(
        ["COLL_NAME", "META_COLL_ATTR_UNITS"],
        Condition("META_COLL_ATTR_NAME", "=", CANDIDATE),
        Condition("META_COLL_ATTR_VALUE", "=", experiment_id),
    )
    root = layout.quarantine(service.settings) + "/"
    near = {
        path: int(unit.rpartition(" ")[2])
        for path, unit in rows
        if path.startswith(root) and unit.rpartition(" ")[2].isdigit()
    }
    found: list[Suspect] = []
    for path, distance in sorted(near.items(), key=lambda item: (item[1], item[0])):
        if distance < UNLIKE and len(found) < 10:
            count, reasons = contents(service, path)
            if count:
                scanner, session = path.removeprefix(root).split("/")[:2]
                found.append(Suspect(path, scanner, session, distance, count, reasons))
    return found


def contents(service: Context, session: str) -> tuple[int, list[str]]:
    """How many objects a session in quarantine holds, and the reasons, the most frequent first."""
    rows = service.zone.select(
        ["COLL_NAME", "META_DATA_ATTR_VALUE", "count(DATA_ID)"],
        Condition("META_DATA_ATTR_NAME", "=", REASON),
        Condition("COLL_NAME", "like", f"{session}/%"),
    )
    counts = Counter[str]()
    for collection, reason, count in rows:
        if collection.startswith(session + "/"):
            counts[reason] += int(count)
    return counts.total(), sorted(counts, key=lambda reason: (counts[reason], reason), reverse=True)


def image_of(context: Context, series: str) -> str | None:
    """The path of the first image of a series (InstanceNumber 1), or of any;

    None for an empty series or one that is not to be seen.
    """
    for root in (
        "1_1.%",
        "1_2.%",
        "%",
    ):  # <InstanceNumber>_<SOPInstanceUID>.dcm: `_` stands for any character, a UID has a root and a dot
        rows = context.zone.select(
            ["min(DATA_NAME)"], Condition("COLL_NAME", "=", series), Condition("DATA_NAME", "like", root)
        )
        if rows and rows[0][0]:
            return f"{series}/{rows[0][0]}"
    return None


def _below(held: dict[str, tuple[int, str]], parent: str) -> set[str]:
    return {path for path in held if layout.parent(path) == parent}


def _avus(rows: Sequence[tuple[str, ...]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, name, value in rows:
        found.setdefault(key, {})[name] = value
    return found


def _series(path: str, avus: dict[str, str], images: int, first: str) -> Series:
    number, _, described = path.rpartition("/")[2].partition("_")
    return Series(
        path,
        avus.get("SeriesNumber", number),
        avus.get("SeriesDescription", described),
        avus.get("ProtocolName", ""),
        avus.get("RepetitionTime", ""),
        avus.get("EchoTime", ""),
        avus.get("FlipAngle", ""),
        images,
        first,
    )


def _raw(collection: str, name: str, size: int, avus: dict[str, str]) -> Raw:
    return Raw(
        f"{collection}/{name}",
        size,
        avus.get("ProtocolName", ""),
        avus.get("RepetitionTime", ""),
        avus.get("EchoTime", ""),
        avus.get("FlipAngle", ""),
    )


def _same(one: Series | Raw, other: Series | Raw) -> bool:
    """Of one measurement, as far as both say: protocol, repetition time and flip angle."""
    return bool(one.protocol) and (
        one.protocol == other.protocol
        and (not one.repetition_time or not other.repetition_time or one.repetition_time == other.repetition_time)
        and (not one.flip_angle or not other.flip_angle or one.flip_angle == other.flip_angle)
    )


def _with_raw(series: Series, raw: Sequence[Raw]) -> Series:
    return replace(series, raw=[r.name for r in raw if _same(series, r)])


def _with_series(raw: Raw, series: Sequence[Series]) -> Raw:
    return replace(raw, series=[s.number for s in series if _same(s, raw)])

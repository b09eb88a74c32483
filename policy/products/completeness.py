"""The products of a series: when a series is complete, what state its products are in, and what has to be made.

A series' collection carries the state of its products; the products' own collection carries where they come from:

    <experiment>/DICOM/<series>      ProductState, ProductDetail, InputsChecksum
    <experiment>/PRODUCTS/<series>   ProductState, DerivedFrom, Inputs, InputsChecksum, MadeBy

A product belongs to exactly the images of its `InputsChecksum`. Whatever comes later makes it outdated, and it is made
again. Who makes products is a process outside the server (`products`); everything that it has to know is in the zone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from policy.zone import AVU, Condition, layout
from policy.zone.context import Context
from policy.zone.experiment import State
from policy.zone.layout import DataType
from policy.zone.settings import Products

STATE, DETAIL, INPUTS_CHECKSUM = OF_SERIES = ("ProductState", "ProductDetail", "InputsChecksum")
DERIVED_FROM, INPUTS, MADE_BY = "DerivedFrom", "Inputs", "MadeBy"


class ProductState(StrEnum):
    """What the AVU `ProductState` of a series says. A series that is still arriving has none."""

    DONE = "done"
    FAILED = "failed"
    """Something could not be made;

    ProductDetail tells what. Tried again on demand, with other images or another converter.
    """
    INCOMPLETE = "incomplete"
    """Instance numbers are missing, and have been for long."""
    OUTDATED = "outdated"
    """The products are of other images than the series holds now."""


class Verdict(StrEnum):
    """What is to be done with a series now."""

    SETTLED = "settled"
    WAITING = "waiting"
    INCOMPLETE = "incomplete"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Image:
    """One object of a series. `arrived` in seconds since 1970; `checksum` is empty where none is kept."""

    name: str
    checksum: str
    size: int
    arrived: int
    good: bool

    @property
    def instance(self) -> int | None:
        """The instance number (DICOM PS3.3 C.7.6.1), which its name begins with."""
        number = self.name.partition("_")[0]
        return int(number) if number.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Series:
    """A series as the catalog has it."""

    path: str
    images: tuple[Image, ...]
    avus: dict[str, str]

    @property
    def name(self) -> str:
        """That of its collection, and of its products'."""
        return self.path.rpartition("/")[2]

    @property
    def experiment(self) -> str:
        """The path of the experiment's collection."""
        return layout.parent(layout.parent(self.path))

    @property
    def products(self) -> str:
        """The collection of its products."""
        return f"{self.experiment}/{layout.PRODUCTS}/{self.name}"

    @property
    def state(self) -> str:
        """The state of its products; empty where there are none yet."""
        return self.avus.get(STATE, "")

    @property
    def inputs_checksum(self) -> str:
        """One checksum for names and checksums of all images: SHA-256 in hexadecimal digits."""
        lines = sorted(f"{image.name}\n{image.checksum}\n" for image in self.images)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def paths(context: Context, below: str = "", among: Collection[str] | None = None) -> list[str]:
    """The collections of all series in the archive (or below a collection of it), except those of withdrawn
    experiments.

    Those of `among`, if it is given: then what the archive holds costs nothing.
    """
    if among is None:
        pattern = f"{layout.studies(context.settings)}/%/experiments/%/{DataType.DICOM}"
        among = [path for (path,) in context.zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "like", pattern))]
    found = [path for path in among if is_series(context, path) and path.startswith(below)]
    withdrawn = _experiments_that_are(context, State.WITHDRAWN) if found else set()
    return sorted(path for path in found if layout.parent(layout.parent(path)) not in withdrawn)


def is_series(context: Context, path: str) -> bool:
    """Whether this is where the archive has a series."""
    below = path.removeprefix(layout.studies(context.settings) + "/").split("/")
    return layout.experiment_of(context.settings, path) is not None and len(below) == 5 and below[3] == DataType.DICOM


def load(context: Context, path: str) -> Series:
    """The series of a collection: two queries."""
    columns = ["DATA_NAME", "DATA_CHECKSUM", "DATA_SIZE", "DATA_CREATE_TIME", "DATA_REPL_STATUS"]
    replicas: dict[str, list[Image]] = {}
    for name, checksum, size, arrived, status in context.zone.query(columns, Condition("COLL_NAME", "=", path)):
        replicas.setdefault(name, []).append(Image(name, checksum, int(size), int(arrived), status == "1"))
    avus = context.zone.query(["META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE"], Condition("COLL_NAME", "=", path))
    return Series(path, tuple(_one(replicas[name]) for name in sorted(replicas)), {row[0]: row[1] for row in avus})


def missing(series: Series) -> list[int]:
    """The instance numbers from 1 (or 0) up to the highest that no image has.

    None can be told missing after the last.
    """
    there = {image.instance for image in series.images if image.instance is not None}
    return [number for number in range(1, max(there, default=0)) if number not in there]


def repeated(series: Series) -> list[str]:
    """The SOP Instance UIDs that several images have, under different instance numbers: one of them is not what the
    scanner made.
    """
    uids = Counter(image.name.partition("_")[2] for image in series.images if image.instance is not None)
    return sorted(uid.removesuffix(".dcm") for uid, images in uids.items() if images > 1)


def flaws(series: Series) -> str:
    """What keeps products from being made, for a person; empty where nothing does."""
    told = [f"instance numbers {listed(numbers)} are missing"] if (numbers := missing(series)) else []
    told += [f"SOP Instance UID {uid} stands under several instance numbers" for uid in repeated(series)]
    return "; ".join(told)


def judge(series: Series, settings: Products, now: float, converter: str) -> Verdict:
    """What is to be done with the series. `converter` is the version that would convert it."""
    same = series.avus.get(INPUTS_CHECKSUM) == series.inputs_checksum
    if same and (
        series.state == ProductState.DONE
        or (series.state == ProductState.FAILED and series.avus.get(MADE_BY) == converter)
    ):
        return Verdict.SETTLED
    quiet = now - max((image.arrived for image in series.images), default=now)
    if quiet < settings.quiet_seconds or not all(image.good for image in series.images):
        return Verdict.WAITING
    if not flaws(series):
        return Verdict.DUE
    return Verdict.INCOMPLETE if quiet >= settings.incomplete_seconds else Verdict.WAITING


def note(context: Context, path: str, state: ProductState, detail: str = "", **more: str) -> None:
    """Sets the state on a series' collection, or on that of its products.

    Other AVUs take the place of what they were; empty ones go.
    """
    new = [AVU(name, value) for name, value in {STATE: str(state), DETAIL: detail, **more}.items() if value]
    old = [avu for avu in context.zone.metadata(path) if avu.attribute in (STATE, DETAIL, *more)]
    context.zone.annotate(
        path, add=[avu for avu in new if avu not in old], remove=[avu for avu in old if avu not in new]
    )


def orphans(context: Context, live: set[str]) -> Iterator[str]:
    """Collections of products whose series is no longer where it was: re-filed under another experiment.

    `live`: `paths`.
    """
    withdrawn = _experiments_that_are(context, State.WITHDRAWN)
    rows = context.zone.query(
        ["COLL_NAME", "META_COLL_ATTR_VALUE"], Condition("META_COLL_ATTR_NAME", "=", DERIVED_FROM)
    )
    for path, series in rows:
        if (
            layout.is_product(context.settings, path)
            and series not in live
            and layout.parent(layout.parent(path)) not in withdrawn
        ):
            yield path


def listed(numbers: list[int]) -> str:
    """Numbers as ranges, shortened.

    >>> listed([1, 2, 3, 7]), listed([5])
    ('1-3, 7', '5')
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return ", ".join(texts[:10]) + (f" and {len(texts) - 10} more" if len(texts) > 10 else "")


def _one(replicas: list[Image]) -> Image:
    """An object of its replicas: a good one, as old as the oldest. Archiving does not count as an arrival."""
    best = max(replicas, key=lambda image: (image.good, image.checksum))
    return Image(best.name, best.checksum, best.size, min(image.arrived for image in replicas), best.good)


def _experiments_that_are(context: Context, state: State) -> set[str]:
    conditions = Condition("META_COLL_ATTR_NAME", "=", "State"), Condition("META_COLL_ATTR_VALUE", "=", state)
    return {path for (path,) in context.zone.query(["COLL_NAME"], *conditions)}

"""What the archive has already where a file would go: the same SOP instance anywhere in it, or an object of the same
path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from policy.ingest import describe
from policy.ingest.decision import Placement
from policy.zone import GOOD, Among, Condition, layout
from policy.zone.context import Context
from policy.zone.layout import DataType

_COLUMNS = ["COLL_NAME", "DATA_NAME", "DATA_CHECKSUM", "DATA_RESC_NAME", "DATA_REPL_STATUS", "DATA_PATH"]


@dataclass(slots=True)
class Occupant:
    """An object of the archive: the checksums of its good replicas on the archive resource, and the files of all its
    replicas.
    """

    path: str
    archived: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def find(context: Context, wanted: Sequence[tuple[Placement, str]]) -> list[Occupant | None]:
    """The occupant of each placement with its path. One query for all images, one for each other collection."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for placement, path in wanted:
        collection, _, name = path.rpartition("/")
        names["" if _is_instance(placement) else collection].add(name)
    found: dict[str, Occupant] = {}
    for collection, some in names.items():
        conditions = [Condition("COLL_NAME", "=", collection)] if collection else []
        _take(
            context,
            found,
            (row for condition in _named(some) for row in context.zone.query(_COLUMNS, *conditions, condition)),
        )
    by_name = {one.path.rpartition("/")[2]: one for one in found.values() if "/DICOM/" in one.path}
    return [
        found.get(path) or (by_name.get(placement.name) if _is_instance(placement) else _by_uid(context, placement))
        for placement, path in wanted
    ]


def _is_instance(placement: Placement) -> bool:
    return placement.data_type is DataType.DICOM and describe.named_by_uid(placement.header)


def _named(names: set[str]) -> list[Condition | Among]:
    """Names with a quote or a backslash are asked for one by one."""
    plain = tuple(sorted(name for name in names if not set(name) & set("'\\")))
    odd = [Condition("DATA_NAME", "=", name) for name in sorted(names - set(plain))]
    return [*([Among("DATA_NAME", plain)] if plain else []), *odd]


def _take(context: Context, found: dict[str, Occupant], rows: Iterable[tuple[str, ...]]) -> None:
    for collection, name, checksum, resource, status, file in rows:
        path = f"{collection}/{name}"
        if layout.experiment_of(context.settings, path):
            one = found.setdefault(path, Occupant(path))
            one.files.add(file)
            if checksum and resource == context.settings.archive.resource and status == GOOD:
                one.archived.add(checksum)


def _by_uid(context: Context, placement: Placement) -> Occupant | None:
    """An image whose UID no name holds as it is."""
    if placement.data_type is not DataType.DICOM:
        return None
    named = Condition("META_DATA_ATTR_NAME", "=", "SOPInstanceUID")
    found: dict[str, Occupant] = {}
    value = Condition("META_DATA_ATTR_VALUE", "=", placement.header.sop_instance_uid)
    _take(context, found, context.zone.query(_COLUMNS, named, value))
    return next(iter(found.values()), None)

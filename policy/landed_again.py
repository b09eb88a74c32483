"""Files that landed a second time with the bytes of an archived object: no second object is made, the landing is written down.

<experiment>/landed_again.<batch>.<n>.json    {"landings": [{"landing_path": ..., "batch": ..., ...}]}
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields

from policy import checksums, layout
from policy.context import Context
from policy.findings import Finding, Kind, Look
from policy.zone import GOOD, Condition, NotFound, ZoneError, data_object

_NAME = re.compile(r"landed_again\.[\w.-]+\.json")
_PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One landing. `time` is UTC, ISO 8601; `checksum` as iRODS writes it; `object` is the path below the experiment's collection."""

    landing_path: str
    batch: str
    time: str
    by: str
    size: int
    checksum: str
    object: str


def records(context: Context, experiment_path: str) -> list[str]:
    """The objects that hold an experiment's entries."""
    named = Condition("COLL_NAME", "=", experiment_path), Condition("DATA_NAME", "like", "landed_again.%")
    return sorted(f"{experiment_path}/{name}" for (name,) in context.zone.query(["DATA_NAME"], *named) if _NAME.fullmatch(name))


def read(context: Context, record: str) -> list[Entry]:
    """The entries of one object. ValueError where it does not hold them."""
    stat = context.zone.stat(record)
    size, content = stat.size if stat else 0, b""
    while len(content) < size and (piece := context.zone.read(record, len(content), _PIECE)):
        content += piece
    try:
        held = json.loads(content)["landings"]
        return [Entry(**{one.name: entry[one.name] for one in fields(Entry)}) for entry in held]
    except (KeyError, TypeError) as error:
        raise ValueError(f"does not hold landings: {error!r}") from error


def entries(context: Context, experiment_path: str) -> list[Entry]:
    """All landings of an experiment that made no object. ValueError where a record cannot be read."""
    return [entry for record in records(context, experiment_path) for entry in read(context, record)]


def looks(context: Context, experiment_path: str, after: str) -> Iterator[Look]:
    """Verifies that an object has the bytes of each landing: the one that the entry names, or another one of the archive."""
    for record in records(context, experiment_path):
        if record > after:
            try:
                findings = [Finding(Kind.LANDED_AGAIN, record, text) for text in _faults(context, experiment_path, read(context, record))]
            except NotFound:
                findings = []  # erased meanwhile
            except ValueError as error:
                findings = [Finding(Kind.LANDED_AGAIN, record, f"cannot be read: {error}")]
            except ZoneError as error:
                findings = [Finding(Kind.UNSEEN, record, str(error))]
            yield Look(record, Counter({"landed_again": 1}), findings)


def _faults(context: Context, experiment_path: str, landings: list[Entry]) -> Iterator[str]:
    elsewhere = [one for one in landings if not _has(context, f"{experiment_path}/{one.object}", one.checksum)]
    found = checksums.objects(context, (one.checksum for one in elsewhere))
    for one in elsewhere:
        if not any(path.startswith(layout.studies(context.settings) + "/") for path in found.get(one.checksum, [])):
            yield f"{one.landing_path} of batch {one.batch} had the bytes of {one.object}; no object of the archive has them now"


def _has(context: Context, path: str, checksum: str) -> bool:
    good = Condition("DATA_REPL_STATUS", "=", GOOD), Condition("DATA_CHECKSUM", "=", checksum)
    return bool(checksum) and bool(context.zone.query(["DATA_ID"], *data_object(path), *good))

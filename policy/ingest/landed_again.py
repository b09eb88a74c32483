"""Files that landed with bytes that the archive had already: no second object is made, and each landing is written
down.

<experiment>/landed_again.<batch>.<digits>.json   one object for each batch and experiment; written again, it says the
same
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

from policy.ingest.origin import Origin
from policy.zone import Condition, layout, small_object
from policy.zone.context import Context

_NAME = "landed_again."


@dataclass(frozen=True, slots=True)
class Landing:
    """One landing. `object` is the path of the object with these bytes below the experiment, `time` UTC in ISO 8601,
    `size` in bytes.
    """

    landing_path: str
    batch: str
    time: str
    by: str
    size: int
    checksum: str
    object: str = ""

    @classmethod
    def of(cls, context: Context, origin: Origin, size: int, checksum: str) -> Landing:
        """A landing that is noticed now."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))
        return cls(origin.landing_path, origin.batch, when, context.zone.whoami().name, size, checksum)


def note(context: Context, there: str, landings: Sequence[Landing]) -> None:
    """Writes down that the bytes of the archived object `there` landed again."""
    experiment = layout.experiment_path(context.settings, there)
    listed = [{**asdict(one), "object": there.removeprefix(experiment + "/")} for one in landings]
    named = json.dumps(sorted((one.batch, one.landing_path) for one in landings))
    batch = layout.safe(landings[0].batch) or "put"
    path = f"{experiment}/{_NAME}{batch}.{hashlib.sha256(named.encode()).hexdigest()[:12]}.json"
    small_object.write(context.zone, path, (json.dumps({"landings": listed}, ensure_ascii=False) + "\n").encode())


def everywhere(context: Context) -> Iterator[tuple[str, Landing]]:
    """Of each experiment: the path of the object with these bytes, and the landing. Raises ZoneError."""
    below = Condition("COLL_NAME", "like", f"{layout.studies(context.settings)}/%")
    named = Condition("DATA_NAME", "like", f"{_NAME}%")
    for path in sorted({path for (path,) in context.zone.query(["COLL_NAME"], below, named)}):
        yield from ((f"{path}/{one.object}", one) for one in entries(context, path))


def entries(context: Context, experiment_path: str) -> Iterator[Landing]:
    """What landed again of an experiment. Raises ZoneError, and ValueError if a record cannot be read."""
    for record in records(context, experiment_path):
        yield from read(context, record)


def records(context: Context, experiment_path: str) -> list[str]:
    """The objects that hold an experiment's landings."""
    rows = context.zone.query(
        ["DATA_NAME"], Condition("COLL_NAME", "=", experiment_path), Condition("DATA_NAME", "like", f"{_NAME}%")
    )
    return sorted({f"{experiment_path}/{name.removesuffix('.new')}" for (name,) in rows if name.startswith(_NAME)})


def read(context: Context, record: str) -> list[Landing]:
    """The landings of one object; empty if the object is gone. Raises ValueError if it does not hold landings."""
    try:
        held = small_object.load(context.zone, record)
        if held is None and context.zone.stat(record) is not None:
            raise ValueError("is not JSON")
        return [
            Landing(**{one.name: entry[one.name] for one in fields(Landing)})
            for entry in (held or {"landings": []})["landings"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"does not hold landings: {error!r}") from error

"""A batch of owned files: one call decides about all, the next registers them where it said.

What the rule answers, the agent remembers: it is all that a registration of a batch may then do (`may_register`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy import birth, landed_again, layout, occupant, place
from policy.context import Context, Decided, Refused
from policy.ingest import Placement, decide
from policy.landed_again import Landing
from policy.layout import Landed
from policy.lock import Busy
from policy.objects import read_file
from policy.origin import Origin
from policy.registry import Registry
from policy.zone import Condition, ZoneError, data_object


class Outcome(StrEnum):
    """What is to become of an owned file."""

    PLACED = "placed"
    """To be registered at `path`, in the archive."""
    RESTS = "rests"
    """To be registered at `path`, in landing, where the sweep goes on."""
    SAME = "same"
    """The archive has these bytes at `path`: nothing is to be registered."""
    KNOWN = "known"
    """Registered already, by a request of which nothing was heard: it is at `path`."""
    LATER = "later"
    """Another file of the batch takes its path: to be asked about again."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A file that nobody else can change. `size` in bytes, `checksum` as iRODS writes it."""

    landing_path: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind`: the data type of what is placed."""

    outcome: Outcome
    path: str
    kind: str = ""


def decide_all(context: Context, batch: str, folder: str, files: Sequence[Owned], *, resumed: bool = False) -> list[Answer]:
    """What is to become of each file `<folder>/<landing_path>`. With `resumed`, it may be registered already."""
    context.memory.decided.clear()
    answers: dict[int, Answer] = {}
    placed: list[tuple[int, Placement, place.Place]] = []
    for number, file in enumerate(files):
        if resumed and (path := _known(context, f"{folder}/{file.landing_path}", file)):
            answers[number] = _found_again(context, path)
        elif (prepared := _prepared(context, f"{folder}/{file.landing_path}", file)) is None:
            answers[number] = _resting(context, batch, folder, file)
        else:
            placed.append((number, *prepared))
    occupants = occupant.find(context, [(placement, target.path) for _, placement, target in placed])
    again: defaultdict[str, list[Landing]] = defaultdict(list)
    taken: set[str] = set()
    for (number, placement, target), there in zip(placed, occupants, strict=True):
        file, name = files[number], target.path
        if there is None and name not in taken:
            taken.add(name)
            context.memory.decided[name] = Decided(f"{folder}/{file.landing_path}", target.avus)
            answers[number] = Answer(Outcome.PLACED, name, placement.data_type)
        elif there is None:
            answers[number] = Answer(Outcome.LATER, name)
        elif f"{folder}/{file.landing_path}" in there.files:
            answers[number] = _found_again(context, there.path)
        elif file.checksum in there.archived:
            again[there.path].append(Landing.of(context, Origin(file.landing_path, batch), file.size, file.checksum))
            answers[number] = Answer(Outcome.SAME, there.path)
        else:
            answers[number] = _resting(context, batch, folder, file)
    for path, landings in again.items():
        landed_again.note(context, path, landings)
    return [answers[number] for number in range(len(files))]


def may_register(context: Context, files: Mapping[str, str]) -> bool:
    """Whether a batch may be registered: path -> file. In MrData's collections only what was decided on this connection."""
    home = context.settings.home + "/"
    decided = context.memory.decided
    return all(not path.startswith(home) or (path in decided and decided[path].file == file) for path, file in files.items())


def _prepared(context: Context, file: str, owned: Owned) -> tuple[Placement, place.Place] | None:
    """Its place in the archive, with the collection made; None for what is in doubt, which the sweep settles."""
    placement = _placement(context, file, owned)
    try:
        return (placement, place.prepare(context, placement)) if placement else None
    except (Refused, Busy) as error:
        context.zone.log(f"a file of a batch rests in landing: {error}")
        return None


def _placement(context: Context, file: str, owned: Owned) -> Placement | None:
    """Its place in the archive; None for what is in doubt, which the sweep settles."""
    landed = layout.landed(context.settings, f"{layout.landing(context.settings)}/{owned.landing_path}")
    if landed is None:
        return None
    try:
        decision = decide(read_file(context, file, owned.size), landed, Registry(context), context.settings)
    except (OSError, ZoneError) as error:
        context.zone.log(f"a file of a batch could not be read, and rests in landing: {_told(error)}")
        return None
    return decision if isinstance(decision, Placement) else None


def _told(error: OSError | ZoneError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)


def _found_again(context: Context, path: str) -> Answer:
    """Whoever registered it may have been killed before it was described."""
    if layout.experiment_of(context.settings, path):
        birth.describe(context, path)
    return Answer(Outcome.KNOWN, path)


def _resting(context: Context, batch: str, folder: str, file: Owned) -> Answer:
    """Its path in landing, or one beside it where another file rests under its name."""
    path = f"{layout.landing(context.settings)}/{file.landing_path}"
    if path in context.memory.decided or context.zone.query(["DATA_ID"], *data_object(path)):
        path = layout.beside(context.settings, path, batch)
    context.zone.make_collection(layout.parent(path))
    context.memory.decided[path] = Decided(f"{folder}/{file.landing_path}", [])
    return Answer(Outcome.RESTS, path)


def _known(context: Context, where: str, file: Owned) -> str:
    """Where the object is that this very file is registered as, or that has its bytes and its origin; empty where there is none."""
    for collection, name, registered in context.zone.query(
        ["COLL_NAME", "DATA_NAME", "DATA_PATH"], Condition("DATA_CHECKSUM", "=", file.checksum)
    ):
        path = f"{collection}/{name}"
        landed: Landed | None = layout.quarantined(context.settings, path) or layout.landed(context.settings, path)
        if registered == where or (landed and landed.landing_path == file.landing_path):
            return path
    return ""

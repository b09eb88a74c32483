"""A batch of owned files: one call decides about all, the next registers them where it said.

What the rule answers, the agent remembers: it is all that a registration of a batch may then do (`may_register`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy.ingest import landed_again, occupant, origin, place, registration_hooks
from policy.ingest.decision import Placement, decide
from policy.ingest.landed_again import Landing
from policy.ingest.origin import Origin
from policy.zone import Condition, ZoneError, data_object, layout
from policy.zone.context import Context, Decided, Refused
from policy.zone.header import Header
from policy.zone.host_files import NotRegular, opened
from policy.zone.layout import Landed
from policy.zone.lock import Busy
from policy.zone.log import Level, tell
from policy.zone.object_files import read_open
from policy.zone.registry import Registry


class Outcome(StrEnum):
    """What is to become of an owned file."""

    PLACED = "placed"
    """To be registered at `path`, in the archive."""
    RESTS = "rests"
    """To be registered at `path`, in landing, where the sweep goes on."""
    SAME = "same"
    """The archive has these bytes at `path`: nothing is to be registered."""
    KNOWN = "known"
    """Registered already, by a process that was killed or by a request whose answer was lost: it is at `path`."""
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


def decide_all(
    context: Context, batch: str, folder: str, files: Sequence[Owned], *, resumed: bool = False
) -> list[Answer]:
    """Decides about each file `<folder>/<landing_path>`. With `resumed`, a file may be registered already.

    Raises `Refused` if a file is not one of this batch, in the intake or in the archive's vault, or is not a regular
    file.
    """
    context.memory.decided.clear()
    for file in files:
        _demand_owned(context, batch, folder, file)
    answers: dict[int, Answer] = {}
    placed: list[tuple[int, Placement, place.Place]] = []
    for number, file in enumerate(files):
        if resumed and (path := _known(context, f"{folder}/{file.landing_path}", file)):
            answers[number] = _registered(context, path)
        elif (prepared := _prepared(context, f"{folder}/{file.landing_path}", file)) is None:
            answers[number] = _resting(context, batch, folder, file)
        else:
            placed.append((number, *prepared))
    occupants = occupant.find(context, [(placement, target.path) for _, placement, target in placed])
    again: defaultdict[str, list[int]] = defaultdict(list)
    taken: set[str] = set()
    for (number, placement, target), there in zip(placed, occupants, strict=True):
        file, name = files[number], target.path
        where = f"{folder}/{file.landing_path}"
        if there is None and name not in taken:
            taken.add(name)
            context.memory.decided[name] = Decided(where, target.avus)
            answers[number] = Answer(Outcome.PLACED, name, placement.data_type)
        elif there is None:
            answers[number] = Answer(Outcome.LATER, name)
        elif where in there.files:
            answers[number] = _registered(context, there.path)
        elif file.checksum in there.archived:
            again[there.path].append(number)
        else:
            answers[number] = _resting(context, batch, folder, file)
    for path, numbers in again.items():
        same = _landed_again(context, batch, path, [files[number] for number in numbers])
        answers |= {
            number: Answer(Outcome.SAME, path) if same else _resting(context, batch, folder, files[number])
            for number in numbers
        }
    return [answers[number] for number in range(len(files))]


def may_register(context: Context, files: Mapping[str, str]) -> bool:
    """Whether a batch (path -> file) may be registered. In MrData's collections, only files about which was decided on
    this connection may be.

    The files have to be there still: the process that asked may have been killed, and another process may have gone on
    with them.
    """
    home = context.settings.home + "/"
    decided = context.memory.decided
    own = {path: file for path, file in files.items() if path.startswith(home)}
    return all(path in decided and decided[path].file == file and os.path.lexists(file) for path, file in own.items())


def _demand_owned(context: Context, batch: str, folder: str, file: Owned) -> None:
    """Others may change, or own, whatever lies elsewhere."""
    where = f"{folder}/{file.landing_path}"
    is_plain = not {"", ".", ".."} & set(file.landing_path.split("/"))
    if (
        not is_plain
        or batch.startswith(".")
        or origin.of_file(context.settings, where) != Origin(file.landing_path, batch)
    ):
        raise Refused(
            "a file is not in a folder of this batch; landing.folder and archive.vault of mrdata.yaml have to be the"
            " same here and on the landing host"
        )


def _prepared(context: Context, file: str, owned: Owned) -> tuple[Placement, place.Place] | None:
    """Its place in the archive, with the collection made; None if it is in doubt: the sweep settles it."""
    placement = _placement(context, file, owned)
    try:
        return (placement, place.prepare(context, placement)) if placement else None
    except (Refused, Busy) as error:
        tell(context.zone, "batch", f"a file rests in landing: {error}", level=Level.WARNING)
        return None


def _placement(context: Context, file: str, owned: Owned) -> Placement | None:
    """Its place in the archive; None if it is in doubt: the sweep settles it."""
    landed = layout.landed(context.settings, f"{layout.landing(context.settings)}/{owned.landing_path}")
    if landed is None:
        return None
    try:
        decision = decide(_header(context, file, owned), landed, Registry(context), context.settings)
    except NotRegular as error:
        raise Refused("a file of the batch is not a regular file, or a folder above it is a symbolic link") from error
    except (OSError, ZoneError) as error:
        tell(context.zone, "batch", "a file could not be read, and rests in landing", error=error)
        return None
    return decision if isinstance(decision, Placement) else None


def _header(context: Context, file: str, owned: Owned) -> Header:
    """Who has a folder of the intake open still could turn it into a link."""
    root = context.settings.landing.folder.rstrip("/")
    root = root if file.startswith(f"{root}/{layout.INTAKE}/") else context.settings.archive.vault.rstrip("/")
    with opened(root, file.removeprefix(f"{root}/")) as descriptor:
        return read_open(context, os.dup(descriptor), owned.size)


def _resting(context: Context, batch: str, folder: str, file: Owned) -> Answer:
    """Lets a file rest in landing: under its own path, or under another one if another file has that."""
    path, where = f"{layout.landing(context.settings)}/{file.landing_path}", f"{folder}/{file.landing_path}"
    other = context.memory.decided.get(path)
    if (other and other.file != where) or context.zone.query(["DATA_ID"], *data_object(path)):
        path = layout.beside(context.settings, path, batch)
    context.zone.make_collection(layout.parent(path))
    context.memory.decided[path] = Decided(where, [])
    return Answer(Outcome.RESTS, path)


def _landed_again(context: Context, batch: str, path: str, files: Sequence[Owned]) -> bool:
    """Writes down that these files landed again.

    Returns False if that cannot be done: the object was re-filed to an experiment that is finalized.
    """
    try:
        landed_again.note(
            context,
            path,
            [Landing.of(context, Origin(one.landing_path, batch), one.size, one.checksum) for one in files],
        )
    except ZoneError as error:
        tell(context.zone, "batch", "it landed again, which could not be written down", path=path, error=error)
        return False
    return True


def _registered(context: Context, path: str) -> Answer:
    """Describes an object that is registered already: a process that was killed, or cut off, may not have done that."""
    if layout.experiment_of(context.settings, path):
        registration_hooks.describe(context, path)
    return Answer(Outcome.KNOWN, path)


def _known(context: Context, where: str, file: Owned) -> str:
    """The object that has this very file, or rests with these bytes and this origin; empty where there is none."""
    for row in context.zone.query(["COLL_NAME", "DATA_NAME"], Condition("DATA_PATH", "=", where)):
        return "/".join(row)
    rows = context.zone.query(["COLL_NAME", "DATA_NAME"], Condition("DATA_CHECKSUM", "=", file.checksum))
    for path in map("/".join, rows):
        landed: Landed | None = layout.quarantined(context.settings, path) or layout.landed(context.settings, path)
        if landed and landed.landing_path == file.landing_path:
            return path
    return ""

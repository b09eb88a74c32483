"""Takes files into the intake that an earlier MrData registered where they landed: others can still change them there.

All of them make one batch. A file is renamed, then the catalog is told. A process that is killed in between leaves a
replica whose file is in the intake already, and the next run tells the catalog. This module does nothing about files in
the mailbox that are not registered.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from policy.zone import Condition, durability, layout
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.log import Level, tell

BATCH = "earlier"
"""The batch of these files. It is marked as done from its beginning: all its files are registered."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """A replica that is a file of the mailbox: the object's path, the file, and where the file goes."""

    path: str
    file: str
    target: Path

    @property
    def can_be_taken(self) -> bool:
        """Whether there is a regular file, in the mailbox or in the intake already."""
        if self.target.exists():
            return True
        try:
            return stat.S_ISREG(os.lstat(self.file).st_mode)
        except FileNotFoundError:
            return False


def found(context: Context) -> list[InPlace]:
    """All replicas that are files of the mailbox."""
    mailbox = context.settings.landing.folder.rstrip("/") + "/"
    # A backslash escapes in PostgreSQL's LIKE: `_` stands for it, as for any character.
    below = Condition("DATA_PATH", "like", mailbox.replace("\\", "_") + "%")
    rows = context.zone.query(["COLL_NAME", "DATA_NAME", "DATA_PATH"], below)
    batch = Path(mailbox, layout.INTAKE, BATCH)
    here = sorted(
        row for row in rows if row[2].startswith(mailbox) and not row[2].startswith(f"{mailbox}{layout.INTAKE}/")
    )
    return [
        InPlace(f"{collection}/{name}", file, batch / file.removeprefix(mailbox)) for collection, name, file in here
    ]


def count(context: Context) -> dict[str, int]:
    """Counts what `take_in` would do: how many are `left`, and of how many the file cannot be taken and `stays`.

    Raises `Refused` as `take_in` does.
    """
    counts = Counter({"left": 0, "stays": 0})
    for one in found(context):
        with _explained(one):
            counts["left" if one.can_be_taken else "stays"] += 1
    return dict(counts)


def take_in(context: Context, most: int = 100_000_000) -> dict[str, int]:
    """Takes up to `most` of them in. Returns how many were `taken`, how many are `left`, and of how many the file
    `stays` where it is.

    A file `stays` if it is not a regular file, or not there. Raises `Refused` if the mailbox does not let MrData rename
    its files.
    """
    counts = Counter({"taken": 0, "left": 0, "stays": 0})
    for one in found(context):
        with _explained(one):
            if not one.can_be_taken:
                counts["stays"] += 1
                tell(
                    context.zone,
                    "take in",
                    "its file in the mailbox is not a regular file, or not there; it stays registered as it is",
                    path=one.path,
                    level=Level.WARNING,
                )
            elif counts["taken"] >= most:
                counts["left"] += 1
            else:
                _take(context, one)
                counts["taken"] += 1
    return dict(counts)


def _take(context: Context, one: InPlace) -> None:
    if not one.target.exists():
        done = Path(context.settings.landing.folder, layout.INTAKE, BATCH, ".done")
        if not done.exists():
            done.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
            done.touch()
        one.target.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
        os.rename(one.file, one.target)
    durability.force(str(one.target))
    context.zone.relocate(one.path, one.file, str(one.target))


@contextmanager
def _explained(one: InPlace) -> Iterator[None]:
    """Within the block, raises `Refused` for what the file system refuses, with what to grant."""
    try:
        yield
    except OSError as error:
        raise Refused(
            f"{one.file} cannot be taken into the intake: {error.strerror}. The account that runs the server needs to"
            f" enter and write the folders of the landing zone, and {layout.INTAKE} has to be on the same file system",
            ErrorKind.UNAVAILABLE,
        ) from error

"""Files that an earlier MrData registered where they landed, where others can still change them: they are taken into the intake.

All of them make one batch. The file is renamed, then the catalog is told: whoever is killed in between leaves a replica whose file is in
the intake already, and the next run tells the catalog. What is in the mailbox and not registered is no concern of this module.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from policy import durability, layout
from policy.context import Context, Refused
from policy.zone import Condition

BATCH = "earlier"
"""The batch of the files that were taken so. It is marked as done from its beginning: all its files are registered."""


def found(context: Context) -> list[tuple[str, str]]:
    """Objects with a replica that is a file of the mailbox, and that file."""
    mailbox = _mailbox(context) + "/"
    # A backslash escapes in PostgreSQL's LIKE: `_` stands for it, as for any character.
    below = Condition("DATA_PATH", "like", mailbox.replace("\\", "_") + "%")
    rows = context.zone.query(["COLL_NAME", "DATA_NAME", "DATA_PATH"], below)
    intake = f"{mailbox}{layout.INTAKE}/"
    return sorted((f"{row[0]}/{row[1]}", row[2]) for row in rows if row[2].startswith(mailbox) and not row[2].startswith(intake))


def take_in(context: Context, most: int = 100_000_000) -> dict[str, int]:
    """Takes up to `most` of them in: how many were `taken`, and how many are `left`.

    What is no regular file, or is not there, counts as `stays`. Refused where the mailbox does not let MrData rename its files.
    """
    counts = Counter({"taken": 0, "stays": 0, "left": 0})
    mailbox, batch = _mailbox(context), Path(_mailbox(context), layout.INTAKE, BATCH)
    for path, file in found(context):
        if counts["taken"] >= most:
            counts["left"] += 1
            continue
        target = batch / file.removeprefix(f"{mailbox}/")
        try:
            _make(batch, target.parent)
            here = target.exists() or _renamed(file, target)
        except OSError as error:
            raise Refused(
                f"{file} cannot be taken into the intake: {error.strerror}. The account that runs the server needs to enter and "
                f"write the folders of {mailbox}, and {layout.INTAKE} has to be on the same file system"
            ) from error
        if here:
            durability.force(str(target))
            context.zone.relocate(path, file, str(target))
        else:
            context.zone.log(f"{path}: its file in the mailbox is no regular file, or is not there; it stays registered as it is")
        counts["taken" if here else "stays"] += 1
    return dict(counts)


def _mailbox(context: Context) -> str:
    return context.settings.landing.folder.rstrip("/")


def _make(batch: Path, folder: Path) -> None:
    if not (batch / ".done").exists():
        batch.mkdir(mode=0o770, parents=True, exist_ok=True)
        (batch / ".done").touch()
    folder.mkdir(mode=0o770, parents=True, exist_ok=True)


def _renamed(file: str, target: Path) -> bool:
    """Renames a regular file; False where it is none."""
    try:
        if not stat.S_ISREG(os.lstat(file).st_mode):
            return False
        os.rename(file, target)
    except FileNotFoundError:
        return False
    return True

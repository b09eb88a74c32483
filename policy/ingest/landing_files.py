"""Files of the landing host that objects came from: they are erased with the objects. iRODS leaves them where they are.

    <landing folder>/.intake/<batch>/<landing path>     taken, and kept for a time after the archive has it; or
    registered there
    <vault>/landed/<batch>/<landing path>               copied to be archived, by a process that was killed before it
    was registered
    <landing folder>/<landing path>                     earlier releases registered files where they landed

Removed is only what has the bytes of the object, looked at when nobody can exchange it any more
(`policy.zone.file_removal`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policy.ingest import landed_again, origin
from policy.ingest.origin import Origin
from policy.records.withdrawal_record import Record
from policy.zone import Condition, checksum_text, data_object, file_removal, host_files, layout, subtree
from policy.zone.context import Context
from policy.zone.file_removal import Outcome, Root
from policy.zone.host_files import NotRegular, Seen
from policy.zone.log import Level, tell

_COLUMNS = ["DATA_SIZE", "DATA_CHECKSUM", "DATA_PATH", "DATA_CREATE_TIME"]
_ANY = "*"
"""Stands for a batch where none in particular is meant."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A file that landed. `checksum` is iRODS's text.

    Where that is empty, `file` is what iRODS takes for the object and has never read: then `made`, when it was
    registered (seconds since 1970), tells a file of the mailbox from a later one.
    """

    origin: Origin
    size: int
    checksum: str
    made: int = 0


def of_experiment(context: Context, record: Record) -> set[Landed]:
    """All that landed for a withdrawn experiment: as the record tells, the catalog, and the records of what landed
    again.
    """
    found = set(_of_objects(context, record.path, record))
    for path in (*record.sessions, layout.uploads(context.settings, record.experiment.scanner, record.key)):
        found |= set(_of_objects(context, path))
    found |= {
        Landed(Origin(one.landing_path, one.batch), one.size, one.checksum)
        for one in landed_again.entries(context, record.path)
    }
    return found


def of_object(context: Context, path: str) -> set[Landed]:
    """The files of one object: the one that it is, if that is in the landing zone, and those where it landed."""
    rows = context.zone.query(["COLL_NAME", "DATA_NAME", *_COLUMNS], *data_object(path))
    content = {(int(size), checksum) for _, _, size, checksum, *_ in rows if checksum}
    told = origin.of_object(context, path)
    return {*_in_place(context, rows), *(Landed(one, *held) for one in told for held in content)}


def in_place(context: Context, path: str) -> set[Landed]:
    """The files of the landing host that are replicas of what is at or below a path."""
    rows = subtree.rows(context, path, ["DATA_NAME", *_COLUMNS])
    return set(
        _in_place(context, rows or context.zone.query(["COLL_NAME", "DATA_NAME", *_COLUMNS], *data_object(path)))
    )


def remove(context: Context, landed: Iterable[Landed]) -> bool:
    """Removes the files; whether none is left. What stays is logged, without names: they may tell who it was."""
    landed = list(landed)
    for root, _ in _roots(context, _ANY) if landed else ():
        file_removal.recover(root)  # what is to go may lie aside, where a killed process left it
    stays = [
        why
        for one in landed
        for root, relative in _places(context, one)
        if (why := _remove(context, root, relative, one))
    ]
    for why in sorted(set(stays)):
        tell(
            context.zone,
            "remove landing files",
            f"{stays.count(why)} files could not be removed: {why}",
            level=Level.WARNING,
        )
    return not stays


def remove_folders(context: Context, landed: Iterable[Origin]) -> None:
    """Removes the empty collections and folders in which files landed: their names may tell who it was."""
    collections = {(layout.parent(one.landing_path), one.batch) for one in landed}
    for relative, batch in sorted(collections):
        branch = "/".join(relative.split("/")[:2])
        subtree.erase_empty(
            context, f"{layout.landing(context.settings)}/{relative}", f"{layout.landing(context.settings)}/{branch}"
        )
        for root, within in _roots(context, batch):
            file_removal.remove_folders(root, f"{within}{relative}", f"{within}{branch}")


def _of_objects(context: Context, path: str, record: Record | None = None) -> Iterator[Landed]:
    """Of the objects below a collection: their files, and what their AVUs tell now or told before they were hidden."""
    rows = subtree.rows(context, path, ["DATA_NAME", *_COLUMNS])
    yield from _in_place(context, rows)
    told = origin.of_all(context, path)
    for one, avus in (record.avus if record else {}).items():
        told[one] = [
            *told.get(one, []),
            *(Origin(value, unit) for name, value, unit in avus if name == origin.LANDING_PATH),
        ]
    content: dict[str, set[tuple[int, str]]] = {}
    for collection, name, size, checksum, *_ in rows:
        if checksum:
            content.setdefault(f"{collection}/{name}", set()).add((int(size), checksum))
    for one, origins in told.items():
        yield from (Landed(where, *held) for where in origins for held in content.get(one, ()))


def _in_place(context: Context, rows: Iterable[tuple[str, ...]]) -> Iterator[Landed]:
    """The files that are replicas themselves."""
    for _, _, size, checksum, file, made in rows:
        where = origin.of_file(context.settings, file) or origin.of_mailbox(context.settings, file)
        if where and file.startswith(context.settings.landing.folder.rstrip("/") + "/"):
            yield Landed(where, int(size), checksum, int(made))


def _roots(context: Context, batch: str) -> Iterator[tuple[Root, str]]:
    """Where files of a batch, or of the mailbox, may be; and the path from there to its scanners' folders."""
    yield file_removal.landing(context.settings), f"{layout.INTAKE}/{batch}/" if batch else ""
    vault = file_removal.vault(context.settings)
    if vault and batch:
        yield vault, f"{layout.LANDED}/{batch}/"


def _places(context: Context, landed: Landed) -> Iterator[tuple[Root, str]]:
    for root, within in _roots(context, landed.origin.batch):
        relative = f"{within}{landed.origin.landing_path}"
        # In the vault, what an object names is iRODS's to remove.
        if within.startswith(layout.INTAKE) or not within or not _is_named(context, f"{root.folder}/{relative}"):
            yield root, relative


def _is_named(context: Context, file: str) -> bool:
    return bool(context.zone.query(["DATA_ID"], Condition("DATA_PATH", "=", file)))


def _remove(context: Context, root: Root, relative: str, landed: Landed) -> str:
    """Why it stays; empty where it does not, or where another file has its name."""
    if not root.is_here:
        return "their folder is not on this host; run mrdata_lifecycle on the landing host"
    try:
        digest = (
            checksum_text.hexadecimal(landed.origin.landing_path, landed.checksum)
            if landed.checksum
            else _unread(root, relative, landed)
        )
    except (FileNotFoundError, NotADirectoryError, NotRegular):
        return ""
    except OSError as error:
        return error.strerror or str(error)
    outcome, why = file_removal.remove(root, relative, {digest}, landed.size) if digest else (Outcome.OTHER, "")
    return why if outcome in (Outcome.FAILED, Outcome.ASIDE) else ""


def _unread(root: Root, relative: str, landed: Landed) -> str | None:
    """The SHA-256 of the file of an object that has no checksum; None where the file is not the one that was
    registered.

    Only MrData writes into the intake. In the mailbox a file that changed since it was registered is another one.
    """
    with host_files.opened(root.folder, relative) as descriptor:
        seen = Seen.of(os.fstat(descriptor))
        in_time = bool(landed.origin.batch) or int(seen.changed) <= landed.made
        return host_files.sha256(descriptor) if seen.size == landed.size and in_time else None

"""The replicas of an archived object: read again, compared with their checksums, repaired from a good one.

A damaged replica goes only when another one has been read and found good a moment before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policy.archive import archiving
from policy.zone import GOOD, Condition, Damaged, NotFound, ZoneError, seal
from policy.zone.context import Context
from policy.zone.log import tell

BUSY = ("2", "3", "4")
"""Intermediate, and the two kinds of locked (irods/objInfo.h)."""


class Outcome(StrEnum):
    """What came out of a look at an object."""

    SOUND = "sound"
    REPAIRED = "repaired"
    DAMAGED = "damaged"
    """A replica is damaged, a good one is left, and the repair failed."""
    LOST = "lost"
    """No replica is good: only a copy outside the zone can help."""
    FAILED = "failed"
    """Not looked at: a resource or its host does not answer."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Replica:
    """What the catalog says of a replica. `size` in bytes."""

    number: str
    resource: str
    status: str
    checksum: str
    size: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out of a look at an object. `read`: bytes that were read; `bad`: the resources of damaged replicas."""

    outcome: Outcome
    path: str
    read: int = 0
    bad: tuple[str, ...] = ()
    text: str = ""


def of_collection(context: Context, collection: str) -> dict[str, list[Replica]]:
    """Path -> replicas, of the objects of one collection (not below it)."""
    columns = ["DATA_NAME", "DATA_REPL_NUM", "DATA_RESC_NAME", "DATA_REPL_STATUS", "DATA_CHECKSUM", "DATA_SIZE"]
    found: dict[str, list[Replica]] = {}
    for name, number, resource, status, checksum, size in context.zone.query(
        columns, Condition("COLL_NAME", "=", collection)
    ):
        found.setdefault(f"{collection}/{name}", []).append(Replica(number, resource, status, checksum, int(size)))
    return found


def check(context: Context, path: str, replicas: list[Replica]) -> Finding:
    """Reads every replica again; repairs what is damaged, and makes what is missing on the resources of the archive."""
    good = [replica for replica in replicas if replica.status == GOOD]
    read = sum(replica.size for replica in good)
    try:
        if not good:
            busy = any(replica.status in BUSY for replica in replicas)
            why = "it is being written, or its writer was killed" if busy else "no replica is good in the catalog"
            return Finding(Outcome.FAILED if busy else Outcome.LOST, path, text=why)
        try:
            context.zone.checksum(path, verify=True)
        except Damaged as fault:
            return _repair(context, path, good, str(fault))
        return _complete(context, path, replicas, read)
    except NotFound as error:
        if context.zone.stat(path) is None:
            return Finding(Outcome.GONE, path)
        return Finding(Outcome.FAILED, path, text=str(error))
    except ZoneError as error:
        return Finding(Outcome.FAILED, path, text=str(error))


def _complete(context: Context, path: str, replicas: list[Replica], read: int) -> Finding:
    """Replicas on resources of the archive that lack a good one: after a resource was added, or when a repair was
    interrupted.
    """
    there = {replica.resource for replica in replicas if replica.status == GOOD}
    if not there & set(archiving.resources(context)):
        return Finding(Outcome.SOUND, path, read)  # not archived yet: `policy.archive.archiving` makes its replicas
    missing = [resource for resource in archiving.resources(context) if resource not in there]
    for resource in missing:
        with seal.unsealed(context, path):
            context.zone.replicate(path, resource)
        tell(context.zone, "fixity", f"it has a replica on {resource} now, which it lacked", path=path)
    return Finding(Outcome.SOUND, path, read)


def _repair(context: Context, path: str, good: list[Replica], fault: str) -> Finding:
    zone, read = context.zone, 2 * sum(replica.size for replica in good)
    kept = {replica.checksum for replica in good if replica.checksum}
    if len(kept) > 1:
        return Finding(
            Outcome.LOST, path, read, text="its replicas have different checksums: which one is right has to be judged"
        )
    bad = [replica for replica in good if not _is_sound(context, path, replica, kept)]
    resources = tuple(replica.resource for replica in bad)
    if not bad:  # read in vain once, well the second time: a fault of reading
        return Finding(Outcome.FAILED, path, read, text=f"{fault}; a second look found no fault")
    if len(bad) == len(good):
        return Finding(Outcome.LOST, path, read, resources, fault)
    try:
        with seal.unsealed(context, path):
            for replica in bad:
                zone.trim(path, replica.resource)
                zone.replicate(path, replica.resource)
        zone.checksum(path, verify=True)
    except ZoneError as error:
        return Finding(Outcome.DAMAGED, path, read, resources, f"the repair failed: {error}")
    return Finding(Outcome.REPAIRED, path, read, resources, fault)


def _is_sound(context: Context, path: str, replica: Replica, kept: set[str]) -> bool:
    """Whether its bytes are those of the checksum.

    One without a checksum of its own must have the one of the others.
    """
    try:
        return context.zone.checksum(path, verify=True, replica=replica.number) in kept
    except Damaged:
        return False

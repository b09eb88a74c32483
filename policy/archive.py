"""Archives what is placed: a replica on the archive resource, compared with its source, forced to the disk, before the source's goes.

Each step leaves a state from which the next run goes on: an object is done when its only replicas are good ones on the archive
resource. iRODS leaves a file that was registered in place in the landing zone; the landing host removes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from policy import durability, expanded, layout, unfinished
from policy.context import Context
from policy.volume import Tally
from policy.zone import GOOD, Condition, NotFound, ZoneError, data_object


def archive(context: Context) -> Counter[str]:
    """Archives every object of the studies that has a replica elsewhere; how many were `archived`, `failed`, `gone`.

    What a process that died has left unfinished is put right first: so many were `given_up`.
    """
    done, tally = Counter({"given_up": unfinished.give_up(context)}), Tally()
    for path in outside(context):
        outcome = archive_object(context, path)
        done[outcome] += 1
        if outcome == "archived":
            tally.add(context, path)
    tally.keep(context)
    return +done  # without what is 0


def resources(context: Context) -> list[str]:
    """Where everything that is archived has a replica; the first is the archive resource."""
    return [context.settings.archive.resource, *context.settings.archive.copies]


def outside(context: Context) -> Iterator[str]:
    """Objects of the studies with a good, quiet replica that is not on the archive resource. Costs nothing for what is archived."""
    quiet_since = f"{int(context.now() - context.settings.sweep.quiet_seconds):011d}"
    rows = context.zone.query(
        ["COLL_NAME", "DATA_NAME"],
        Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%"),
        *(Condition("DATA_RESC_NAME", "!=", resource) for resource in resources(context)),
        Condition("DATA_REPL_STATUS", "=", GOOD),
        Condition("DATA_MODIFY_TIME", "<=", quiet_since),
    )
    for row in rows:
        if row[0].startswith(layout.studies(context.settings) + "/"):
            yield "/".join(row)


def archive_object(context: Context, path: str) -> str:
    """Replicates, compares, forces to the disk, trims an object: `archived`, `failed` (logged, tried again at the next run) or `gone`."""
    zone = context.zone
    try:
        checksum = zone.checksum(path)
        there = [resource for resource in resources(context) if _good(context, path, resource, checksum)]
        for resource in resources(context):
            if resource not in there:
                zone.replicate(path, resource)
            files = _good(context, path, resource, checksum)
            if not files:
                raise ZoneError(f"the replica on {resource} is not good, or its checksum is not {checksum}")
            for file in files:
                durability.force(file)
        if there:  # an earlier run was interrupted: what it wrote may not have survived the interruption
            zone.checksum(path, verify=True)
        if expanded.is_metadata(context, path):
            expanded.describe(context, path)  # before the last step: interrupted, it is done again
        for source in _resources(context, path) - set(resources(context)):
            zone.trim(path, source)
    except NotFound as error:
        if zone.stat(path) is None:
            return "gone"
        zone.log(f"archiving {path} failed: {error}")
        return "failed"
    except ZoneError as error:
        zone.log(f"archiving {path} failed: {error}")
        return "failed"
    return "archived"


def _good(context: Context, path: str, resource: str, checksum: str) -> list[str]:
    """The files of the good replicas with this checksum on a resource."""
    good = [Condition("DATA_REPL_STATUS", "=", GOOD), Condition("DATA_CHECKSUM", "=", checksum)]
    return [file for (file,) in context.zone.query(["DATA_PATH"], *data_object(path), Condition("DATA_RESC_NAME", "=", resource), *good)]


def _resources(context: Context, path: str) -> set[str]:
    return {name for (name,) in context.zone.query(["DATA_RESC_NAME"], *data_object(path))}

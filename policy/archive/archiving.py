"""Archives what is placed: makes a replica on the archive resource, compares it with its source, forces it to the disk,
and only then removes the source's replica.

It does this for objects that were not archived when they were registered: objects that users put, and files of a
landing host that does not have the archive's vault. It looks at the source before and after, and decides again about
what was archived (`policy.archive.placement_check`). Each step leaves a state from which the next run goes on: an
object is done when its only replicas are good ones on the archive resource. iRODS leaves a file that was registered in
place where it is; the landing host removes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from policy.archive import copies, placement_check, sources, unfinished
from policy.ingest import expanded_data, origin, registration_hooks
from policy.ingest.decision import Quarantine, Reason
from policy.records import withdrawal_record
from policy.records.archived_volume import Tally
from policy.zone import GOOD, Condition, Damaged, NotFound, ZoneError, data_object, durability, layout
from policy.zone.context import Context
from policy.zone.experiment import State
from policy.zone.log import Level, tell


def archive(context: Context) -> Counter[str]:
    """Archives every object of the studies that has a replica elsewhere. Counts how many were `archived`,
    `quarantined`, `failed`, `gone`.

    First gives up what a process that died has left unfinished (`given_up`). At the end makes the copies that are
    queued (`copied`, `uncopied`).
    """
    done, tally = Counter({"given_up": unfinished.give_up(context)}), Tally()
    for path in outside(context):
        outcome = archive_object(context, path)
        done[outcome] += 1
        if outcome == "archived":
            tally.add(context, path)
    tally.keep(context)
    done.update(copies.make(context))
    return +done  # without what is 0


def resources(context: Context) -> list[str]:
    """Where everything that is archived has a replica; the first is the archive resource."""
    return [context.settings.archive.resource, *context.settings.archive.copies]


def outside(context: Context) -> Iterator[str]:
    """Objects of the studies with a good, quiet replica that is not on the archive resource.

    Costs nothing for what is archived.
    """
    quiet_since = f"{int(context.now() - context.settings.sweep.quiet_seconds):011d}"
    rows = context.zone.query(
        ["COLL_NAME", "DATA_NAME"],
        Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%"),
        *(Condition("DATA_RESC_NAME", "!=", resource) for resource in resources(context)),
        Condition("DATA_REPL_STATUS", "=", GOOD),
        Condition("DATA_MODIFY_TIME", "<=", quiet_since),
    )
    for row in rows:
        path = "/".join(row)
        is_draft = path.endswith(layout.DRAFTS) and layout.is_record(context.settings, path)
        if path.startswith(layout.studies(context.settings) + "/") and not is_draft:
            yield path


def archive_object(context: Context, path: str) -> str:
    """Replicates, compares, forces to the disk, decides again, describes, trims an object.

    `archived`, `quarantined`, `failed` (logged, tried again at the next run) or `gone`.
    """
    zone = context.zone
    try:
        with sources.held(context, path, resources(context)) as files:
            _replicate(context, path, files)
        checked = placement_check.check(context, path, _number(context, path))
        if checked and checked.landed and checked.verdict:
            placement_check.carry_out(
                context, path, checked.header, checked.experiment, checked.landed, checked.verdict
            )
            tell(
                zone,
                "archive",
                f"it was quarantined when it was archived: {checked.verdict.reason}",
                path=path,
                level=Level.WARNING,
            )
            return "quarantined"
        _describe(context, path, checked)
        for source in _resources(context, path) - set(resources(context)):
            zone.trim(path, source)
    except ZoneError as error:
        if isinstance(error, NotFound) and zone.stat(path) is None:
            return "gone"
        tell(zone, "archive", "it could not be archived", path=path, error=error)
        is_replaced = isinstance(error, sources.OtherSize | Damaged) and _is_replaced(context, path)
        return "quarantined" if is_replaced and _quarantine(context, path) else "failed"
    return "archived"


def _is_replaced(context: Context, path: str) -> bool:
    """Whether no replica holds the size and the checksum that were registered, so that no later run can archive it."""
    rows = context.zone.query(
        ["DATA_REPL_NUM", "DATA_RESC_NAME"], *data_object(path), Condition("DATA_REPL_STATUS", "=", GOOD)
    )
    if {resource for _, resource in rows} & set(resources(context)):
        return False
    for number, _ in rows:
        try:
            with sources.held(context, path, resources(context)):
                context.zone.checksum(path, verify=True, replica=number)
        except (sources.OtherSize, Damaged):
            continue
        except ZoneError:  # it cannot be read now
            return False
        return False
    return bool(rows)


def _quarantine(context: Context, path: str) -> bool:
    """Moves an object into the quarantine whose file is not the one that was registered;

    False where it never landed.
    """
    found = placement_check.landed_of(context, path)
    if found is None:
        return False
    experiment, landed = found
    verdict = Quarantine(
        Reason.DAMAGED,
        "its file is not the one that was registered: put the right one into the landing zone",
        experiment.id,
    )
    placement_check.carry_out(context, path, None, experiment, landed, verdict)
    return True


def _replicate(context: Context, path: str, files: list[sources.Source]) -> None:
    """Makes the replicas that are missing. They go again where a source has changed meanwhile."""
    zone = context.zone
    checksum = zone.checksum(path)
    rows = zone.query(["DATA_RESC_NAME", "DATA_REPL_STATUS", "DATA_CHECKSUM"], *data_object(path))
    missing = [resource for resource in resources(context) if (resource, GOOD, checksum) not in rows]
    made: list[str] = []
    try:
        for resource in resources(context):
            if resource in missing:
                zone.replicate(path, resource)
                made.append(resource)
            durability.demand_replica(context, path, resource, checksum)
        for resource in set(resources(context)) - set(missing):  # an interrupted run wrote these
            made += _made_again(context, path, resource, checksum)
        for source in files:
            source.demand_unchanged()
    except sources.Changed:
        for resource in made:
            zone.trim(path, resource)
        raise


def _made_again(context: Context, path: str, resource: str, checksum: str) -> list[str]:
    """Makes a replica again, from a source that is sound, if it has not survived what interrupted the run that wrote
    it: its resource.
    """
    zone = context.zone
    try:
        zone.checksum(path, verify=True)
    except Damaged:
        rows = zone.query(
            ["DATA_RESC_NAME", "DATA_REPL_NUM"], *data_object(path), Condition("DATA_REPL_STATUS", "=", GOOD)
        )
        for number in (number for name, number in rows if name not in resources(context)):
            zone.checksum(path, verify=True, replica=number)
            zone.trim(path, resource)
            zone.replicate(path, resource)
            durability.demand_replica(context, path, resource, checksum)
            return [resource]
        raise
    return []


def _describe(context: Context, path: str, checked: placement_check.Checked | None) -> None:
    """What has to be told before the last step: interrupted, it is done again.

    Of what is withdrawn, only its record tells.
    """
    if checked and checked.experiment.state == State.WITHDRAWN:
        if origins := origin.of_object(context, path):
            withdrawal_record.keep(context, checked.experiment.id, path, [one.avu for one in origins])
        return
    if checked:
        with suppress(NotFound):  # nothing tells how it landed, as of what an administrator put there by hand
            registration_hooks.describe(context, path, checked.header)
    origin.keep(context, path)
    if expanded_data.is_metadata(context, path):
        expanded_data.describe(context, path)


def _number(context: Context, path: str) -> str:
    """The number of the good replica on the archive resource."""
    here = Condition("DATA_RESC_NAME", "=", context.settings.archive.resource), Condition("DATA_REPL_STATUS", "=", GOOD)
    rows = context.zone.query(["DATA_REPL_NUM"], *data_object(path), *here)
    if not rows:
        raise NotFound(f"{path} has no good replica on {context.settings.archive.resource}")
    return rows[0][0]


def _resources(context: Context, path: str) -> set[str]:
    return {name for (name,) in context.zone.query(["DATA_RESC_NAME"], *data_object(path))}

"""Gives back what was withdrawn: AVUs, permissions, copies, and last the state that the experiment had."""

from __future__ import annotations

from policy.castellum import zone_sync
from policy.ingest import quarantine
from policy.records import audit, event, withdrawal_record
from policy.records.withdrawal_record import Phase, Record
from policy.studies import state
from policy.studies.state import Act
from policy.withdrawal import references
from policy.zone import AVU, Access, Condition, Exists, NotFound, layout, lock, subtree
from policy.zone.context import Context
from policy.zone.experiment import State
from policy.zone.log import tell
from policy.zone.service_access import writable


def restore(context: Context, record: Record, by: str) -> list[str]:
    """What could not go back to where it was, in words. Done again, it goes on."""
    if record.phase != Phase.RESTORING:
        told = "" if record.is_subject else record.key
        audit.record(context, "restored", experiment=told, study=record.study, by=by, record=record.key)
        record.phase, record.restored_by = Phase.RESTORING, by
        withdrawal_record.save(context, record)
    faults: list[str] = []
    for one in record.experiments:
        with lock.held(context, one, Act.RESTORE):
            own = withdrawal_record.load(context, one)
            faults += restore(context, own, by) if own else []
    faults += [fault for kept, path in record.kept.items() if (fault := _give_back(context, record, kept, path))]
    _describe(context, record, record.path, record.path)
    _permit(context, record, record.path, record.path)
    if record.is_subject:
        zone = context.zone
        zone.annotate(
            record.path, remove=[avu for avu in zone.metadata(record.path) if avu.attribute in state.ATTRIBUTES]
        )
    else:
        _elsewhere(context, record)
        state.change(context, record.experiment, Act.RESTORE, State(record.before), by)
    zone_sync.look_again(context)  # the AVUs are those of the withdrawal: Castellum may have told something else since
    context.zone.erase(withdrawal_record.base(context, record.key))
    return faults


def _describe(context: Context, record: Record, path: str, here: str) -> None:
    """The AVUs of what lay at and below `path`, and is at and below `here` now."""
    for one in sorted(p for p in record.avus if f"{p}/".startswith(path + "/")):
        try:
            context.zone.annotate(here + one.removeprefix(path), add=[AVU(*avu) for avu in record.avus[one]])
        except NotFound as error:
            tell(context.zone, "restore", "AVUs could not be restored", error=error)


def _permit(context: Context, record: Record, path: str, here: str) -> None:
    """The permissions of what lay there. What all of it had is given in one go."""
    held = {p: levels for p, levels in record.access.items() if f"{p}/".startswith(path + "/")}
    all_have = set.intersection(*(set(levels.items()) for levels in held.values())) if held else set()
    rest = {p: set(levels.items()) - all_have for p, levels in held.items()}
    stat, account = context.zone.stat(here), context.settings.account
    for name, level in sorted(all_have):
        if name != account and stat:
            context.zone.permit(here, name, Access(level), recursive=stat.is_collection)
    for one, levels in rest.items():
        for name, level in sorted(levels):
            if name != account and context.zone.stat(here + one.removeprefix(path)):
                context.zone.permit(here + one.removeprefix(path), name, Access(level))


def _elsewhere(context: Context, record: Record) -> None:
    zone, group = context.zone, layout.study_group(record.study)
    outbox = event.collection(context.settings, record.study, record.key)
    uploads = layout.uploads(context.settings, record.experiment.scanner, record.key)
    for path, access in ((uploads, Access.WRITE), (outbox, Access.READ)):
        if zone.stat(path) is not None:
            zone.permit(path, group, access, recursive=True)
    inside = (record.path, *record.kept.values())
    for path in sorted(p for p in record.avus if not any(f"{p}/".startswith(one + "/") for one in inside)):
        try:
            _name_again(context, record, path)
        except NotFound as error:
            tell(context.zone, "restore", "AVUs elsewhere that named it could not be restored", error=error)
    says = AVU(quarantine.SAYS_WITHDRAWN, audit.about(record.key))
    came_since = (
        Condition("META_COLL_ATTR_NAME", "=", says.attribute),
        Condition("META_COLL_ATTR_VALUE", "=", says.value),
    )
    for (session,) in subtree.rows(context, layout.quarantine(context.settings), [], *came_since):
        zone.annotate(session, add=[AVU(quarantine.HEADER_SAYS, record.key)], remove=[says])


def _name_again(context: Context, record: Record, path: str) -> None:
    """What stands elsewhere as it was masked, and has not changed since, names the experiment again."""
    there = set(context.zone.metadata(path))
    for avu in (AVU(*parts) for parts in record.avus[path]):
        masked = references.masked(record.key, avu)
        if masked is None or masked in there:
            context.zone.annotate(path, add=[avu], remove=[masked] if masked else [])


def _give_back(context: Context, record: Record, kept: str, path: str) -> str:
    """Moves a copy back to where it lay, and says where else it is if that place is taken or gone."""
    zone, account, target = context.zone, context.settings.account, path
    stat = zone.stat(kept)
    if stat is not None:
        _describe(context, record, path, kept)
        _permit(context, record, path, kept)
        if zone.stat(layout.parent(path)) is None:
            target = f"/{context.settings.zone}/home/{stat.owner}/{path.rpartition('/')[2]}"
        target = _move(context, kept, target, record.key)
    there = zone.stat(target)
    if there is not None and account not in record.access.get(path, {}) and account in zone.permissions(target):
        zone.permit(target, account, Access.NULL, recursive=there.is_collection)
    return "" if target == path else f"{path} is now {target}"


def _move(context: Context, kept: str, target: str, key: str) -> str:
    with writable(context, layout.parent(target)):
        for candidate in (target, *(f"{target}.{key}.{n}" for n in range(1, 100))):
            try:
                context.zone.move(kept, candidate)
            except Exists:
                continue
            return candidate
    raise Exists(f"{target} and 99 further names are taken")

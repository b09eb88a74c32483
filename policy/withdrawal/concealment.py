"""Hides what is withdrawn: writes its AVUs and permissions into the record, then takes away the permissions, then the
AVUs.

An experiment stays where it is, locked or not. Data that derive from it and lie elsewhere are moved: their owner owns
the collection in which they lie, and could give himself access again.
"""

from __future__ import annotations

from policy.archive.fixity_state import FAULT, VERIFIED
from policy.records import event, withdrawal_record
from policy.records.withdrawal_record import Record
from policy.studies import state
from policy.studies.state import Act
from policy.withdrawal import derived_data, erasure, references
from policy.zone import AVU, Access, layout, subtree
from policy.zone.context import Context
from policy.zone.experiment import State
from policy.zone.service_access import writable

FIXITY = (VERIFIED, FAULT)
"""AVUs that tell nothing of it, and by which its bytes go on being verified."""


def hide(context: Context, record: Record) -> bool:
    """Whether anything was to be hidden that was not hidden yet."""
    zone, account = context.zone, context.settings.account
    copies = {} if record.is_subject else derived_data.find(context, record.key, record.path, record.kept.values())
    access, avus = subtree.access(context, record.path), _telling(context, record)
    named = {} if record.is_subject else references.avus(context, record.key, record.path)
    _note(context, record, copies, access, avus | named)
    if record.is_subject:
        if AVU("State", State.WITHDRAWN) not in zone.metadata(record.path):
            state.put(context, record.path, State.WITHDRAWN)
    else:
        state.change(context, record.experiment, Act.WITHDRAW, State.WITHDRAWN, record.by)
    names = {name for one in access.values() for name in one} - {account}
    for name in sorted(names):
        zone.permit(record.path, name, Access.NULL, recursive=True)
    for path in copies:
        _take(context, record, path)
    for one, found in avus.items():
        zone.annotate(one, remove=found)
    for kept in record.kept:
        for one, found in everything(context, kept)[1].items():
            zone.annotate(one, remove=found)
    if not record.is_subject:
        _elsewhere(context, record, named)
        erasure.ask(context, record)
    if not record.pruned:
        zone.prune()
        record.pruned = True
        withdrawal_record.save(context, record)
    return bool(names or avus or copies or named)


def _telling(context: Context, record: Record) -> dict[str, list[AVU]]:
    """Path -> the AVUs that have to be hidden. Its state stays, and the days on which it was verified."""
    own = (*FIXITY, *state.ATTRIBUTES)
    found = {
        one: [avu for avu in avus if avu.attribute not in (own if one == record.path else FIXITY)]
        for one, avus in subtree.avus(context, record.path).items()
    }
    return {one: avus for one, avus in found.items() if avus}


def everything(context: Context, path: str) -> tuple[dict[str, dict[str, Access]], dict[str, list[AVU]]]:
    """Access and AVUs of an object, or of a collection and all below it; nothing where there is nothing."""
    stat = context.zone.stat(path)
    if stat is None:
        return {}, {}
    if stat.is_collection:
        return subtree.access(context, path), subtree.avus(context, path)
    return {path: context.zone.permissions(path)}, {path: context.zone.metadata(path)}


def _note(
    context: Context,
    record: Record,
    copies: dict[str, bool],
    access: dict[str, dict[str, Access]],
    avus: dict[str, list[AVU]],
) -> None:
    """Brings the record up to date before anything is taken away."""
    account = context.settings.account
    changed = [
        record.note_access(one, {n: a for n, a in levels.items() if n != account}) for one, levels in access.items()
    ]
    changed += [record.note_avus(one, found) for one, found in avus.items()]
    for path, others in copies.items():
        held, found = everything(context, path)
        changed += [record.note_access(one, levels) for one, levels in held.items()]
        changed += [record.note_avus(one, those) for one, those in found.items()]
        changed.append(
            record.note_copy(path, f"{withdrawal_record.base(context, record.key)}/copies", others, context.zone.stat)
        )
    if not record.is_subject:
        new = [one for one in references.sessions(context, record.key) if one not in record.sessions]
        record.sessions += new
        changed.append(bool(new))
    if any(changed):
        withdrawal_record.save(context, record)


def _take(context: Context, record: Record, path: str) -> None:
    zone, account = context.zone, context.settings.account
    target = next(kept for kept, was in record.kept.items() if was == path and zone.stat(kept) is None)
    stat = zone.stat(path)
    is_collection = stat is not None and stat.is_collection
    zone.permit(path, account, Access.OWN, recursive=is_collection)
    held, _ = everything(context, path)
    for name in sorted({name for one in held.values() for name in one} - {account}):
        zone.permit(path, name, Access.NULL, recursive=is_collection)
    zone.make_collection(layout.parent(target))
    with writable(context, layout.parent(path)):
        zone.move(path, target)


def _elsewhere(context: Context, record: Record, named: dict[str, list[AVU]]) -> None:
    """The landing collection of its uploads, its events, and the AVUs that name it."""
    zone, group = context.zone, layout.study_group(record.study)
    uploads = layout.uploads(context.settings, record.experiment.scanner, record.key)
    for path in (uploads, event.collection(context.settings, record.study, record.key)):
        if zone.stat(path) is not None and group in zone.permissions(path):
            zone.permit(path, group, Access.NULL, recursive=True)
    for path, avus in named.items():
        instead = [references.masked(record.key, avu) for avu in avus]
        zone.annotate(path, add=[avu for avu in instead if avu], remove=avus)

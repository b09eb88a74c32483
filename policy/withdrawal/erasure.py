"""Erases what was withdrawn, when its time to be restored has passed and nothing speaks against it.

It erases every replica, past the trash; identical files that had been set aside; what lay in quarantine; copies; files
in the landing zone. A receipt stays: how much was erased, when, and who withdrew it. It says nothing about the person.
"""

from __future__ import annotations

import json

from policy.castellum import zone_sync
from policy.ingest import landing_files, origin
from policy.ingest.origin import Origin
from policy.lifecycle import retention
from policy.records import audit, clock, event, review, withdrawal_record
from policy.records.clock import Due
from policy.records.withdrawal_record import Phase, Record
from policy.studies import erased_subjects
from policy.withdrawal import references
from policy.zone import AVU, Access, Condition, ZoneError, durability, layout, small_object, subtree
from policy.zone.context import Context
from policy.zone.log import Level, tell

REVIEW = "withdrawal"
SESSION = "withdrawn quarantine"
"""Kinds of reviews: of a withdrawal, and of a quarantine session that may be of what is withdrawn."""
ERASE = "erase"
"""A verdict that begins with this lets it be erased."""
TOLD = "EventsToErase"
"""AVU of the outbox of an erased experiment whose earlier events are still there; everybody may see it, and it says
nothing else.
"""


def conflicts(context: Context, retention_end: str, shared: list[str]) -> list[str]:
    """The reasons for which a data steward has to decide before it is erased."""
    found = [f"it has to be kept until {retention_end}"] if retention_end > retention.today(context).isoformat() else []
    return found + ([f"{len(shared)} of its derived copies derive from other experiments as well"] if shared else [])


def doubts(context: Context, experiment: str, sessions: list[str]) -> list[str]:
    """How many of the sessions in quarantine that came under its ID may be another experiment's, as a sentence.

    A data steward decides about each of these sessions.
    """
    doubtful = [one for one in sessions if references.is_doubtful(context, experiment, one)]
    return [f"{len(doubtful)} of its sessions in quarantine may be another experiment's"] if doubtful else []


def ask(context: Context, record: Record) -> None:
    """Asks the data stewards for these decisions, once for a withdrawal and once for each such session."""
    for session in record.sessions:
        if references.is_doubtful(context, record.key, session):
            where = _within(context, session)
            text = (
                f"Experiment {record.key} of study {record.study} is withdrawn, and the quarantine session {where} came"
                " under its ID. It may be another experiment's: look at the session, and re-file what belongs"
                f" elsewhere. With a verdict that begins with `{ERASE}` the session is erased with the experiment; with"
                " any other it stays in quarantine. Nothing is erased before."
            )
            review.open_review(context, SESSION, f"{_key(record)} {where}", text)
    found = conflicts(context, record.retention_end, record.shared)
    if found:
        text = (
            f"Experiment {record.key} of study {record.study} is withdrawn, and nobody finds it any more. Before it is"
            f" erased: {'; '.join(found)}. With a verdict that begins with `{ERASE}` it is erased when its time to be"
            " restored has passed; else it stays hidden while this holds."
        )
        review.open_review(context, REVIEW, _key(record), text)


def is_due(context: Context, record: Record) -> bool:
    """Whether nothing has to be waited for."""
    if context.now() - withdrawal_record.seconds(record.since) < context.settings.lifecycle.withdrawal_days * 86400:
        return False
    if record.is_subject:
        return all(has_receipt(context, one) for one in record.experiments)
    if not all(word for _, word in _words(context, record)):
        return False
    if not conflicts(context, record.retention_end, record.shared):
        return True
    return review.verdict(context, REVIEW, _key(record)).lower().startswith(ERASE)


def is_confirmed(context: Context, record: Record) -> bool:
    """Whether what is due may be erased: the clock can be believed, and another run has found it due some hours ago."""
    due = clock.due(context, record.key, record.due_seen)
    if due is Due.SEEN:
        record.due_seen = withdrawal_record.now(context)
        withdrawal_record.save(context, record)
    return due is Due.YES


def erase(context: Context, record: Record) -> str:
    """Erases it. Returns `erased`, or `waiting` if its files in the landing zone cannot be removed."""
    if record.phase != Phase.ERASING:
        record.sessions = _erasable(context, record)  # once erasing has begun, what is left of a session tells nothing
        record.counts = _counts(context, record)
        told = {name: str(count) for name, count in record.counts.items()}
        audit.record(context, "erasing", experiment=_about(record), study=record.study, record=record.key, **told)
        record.phase = Phase.ERASING
        withdrawal_record.save(context, record)
    origins = {
        Origin(value, unit)
        for avus in record.avus.values()
        for name, value, unit in avus
        if name == origin.LANDING_PATH
    }
    if not record.is_subject:
        aside = _set_aside(context, record)
        landed = landing_files.of_experiment(context, record)
        landed |= {one for path in (*record.kept, *aside) for one in landing_files.in_place(context, path)}
        if not landing_files.remove(context, landed):
            tell(
                context.zone,
                "erase",
                "it cannot be erased: its files in the landing zone stay",
                experiment=record.key,
                level=Level.WARNING,
            )
            return "waiting"
        origins |= {one.origin for one in landed}
        for path in aside:
            _erase(context, path)
            subtree.erase_empty(context, layout.parent(path), _trash(context))
    else:  # before it is gone: whatever names it again is to find this
        erased_subjects.note(context, record.study, record.path.rpartition("/")[2], record.key)
    for path in _doomed(context, record):
        found = [
            layout.quarantined(context.settings, one) or layout.landed(context.settings, one)
            for one in subtree.objects(context, path)
        ]
        origins |= {Origin(one.landing_path) for one in found if one}
        _erase(context, path)
    landing_files.remove_folders(context, origins)
    if not has_receipt(context, record.key):
        _receipt(context, record)
    if record.is_subject:
        zone_sync.look_again(context)  # whether Castellum still exports it
    context.zone.prune()
    context.zone.erase(withdrawal_record.base(context, record.key))
    return "erased"


def forget_events(context: Context) -> None:
    """Erases the earlier events of erased experiments if no hook waits for any of them: they name series and times.

    The event `erased` itself stays.
    """
    named = [Condition("META_COLL_ATTR_NAME", "=", TOLD), Condition("META_COLL_ATTR_VALUE", "=", "yes")]
    for (base,) in context.zone.query(["COLL_NAME"], *named):
        if base.startswith(event.outbox(context.settings) + "/"):  # anybody may put AVUs on his own collections
            try:
                _forget_events(context, base)
            except ZoneError as error:
                tell(context.zone, "erase", "earlier events could not be erased", error=error)


def has_receipt(context: Context, key: str) -> bool:
    """Whether it is erased."""
    return context.zone.stat(_receipt_path(context, key)) is not None


def _forget_events(context: Context, base: str) -> None:
    hooks = {avu.unit for avu in context.zone.metadata(base) if avu.attribute == event.PENDING}
    last = event.names(context, base)[-1:]
    if hooks.isdisjoint(context.settings.events.hooks) and [event.kind_of(name) for name in last] == [
        event.Kind.ERASED
    ]:
        for path in subtree.objects(context, base):
            if path != f"{base}/{last[0]}":
                _erase(context, path)
        context.zone.annotate(base, remove=[AVU(TOLD, "yes")])


def _doomed(context: Context, record: Record) -> list[str]:
    if record.is_subject:
        return [record.path]
    return [
        *record.kept,
        *record.sessions,
        layout.uploads(context.settings, record.experiment.scanner, record.key),
        record.path,
    ]


def _words(context: Context, record: Record) -> list[tuple[str, str]]:
    """The sessions that may be another experiment's, each with the verdict; empty while it waits."""
    doubtful = [one for one in record.sessions if references.is_doubtful(context, record.key, one)]
    return [
        (one, review.verdict(context, SESSION, f"{_key(record)} {_within(context, one)}").lower()) for one in doubtful
    ]


def _erasable(context: Context, record: Record) -> list[str]:
    kept = {one for one, word in _words(context, record) if not word.startswith(ERASE)}
    return [one for one in record.sessions if one not in kept]


def _within(context: Context, session: str) -> str:
    """`<scanner>/<session>`."""
    return session.removeprefix(layout.quarantine(context.settings) + "/")


def _erase(context: Context, path: str) -> None:
    stat = context.zone.stat(path)
    if stat is not None:
        context.zone.permit(path, context.settings.account, Access.OWN, recursive=stat.is_collection)
        durability.erase(context.zone, path)


def _trash(context: Context) -> str:
    """The service account's."""
    return f"/{context.settings.zone}/trash/home/{context.settings.account}"


def _set_aside(context: Context, record: Record) -> list[str]:
    """Identical copies in the service account's trash."""
    found: list[str] = []
    for checksum in sorted({checksum for *_, checksum in _objects(context, record.path)} - {""}):
        rows = context.zone.query(["COLL_NAME", "DATA_NAME"], Condition("DATA_CHECKSUM", "=", checksum))
        found += [
            f"{collection}/{name}" for collection, name in rows if f"{collection}/".startswith(_trash(context) + "/")
        ]
    return found


def _objects(context: Context, path: str) -> list[tuple[str, ...]]:
    """(collection, name, size, checksum); checksums that are not there yet are computed."""
    rows = subtree.rows(context, path, ["DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM"])
    for collection, name, _, checksum in rows:
        if not checksum:
            context.zone.checksum(f"{collection}/{name}")
    return (
        rows
        if all(row[3] for row in rows)
        else subtree.rows(context, path, ["DATA_NAME", "DATA_SIZE", "DATA_CHECKSUM"])
    )


def _counts(context: Context, record: Record) -> dict[str, int]:
    rows = {row[:3] for row in subtree.rows(context, record.path, ["DATA_NAME", "DATA_SIZE"])}
    counts = {"objects": len(rows), "bytes": sum(int(size) for _, _, size in rows)}
    if not record.is_subject:
        counts["copies"] = sum(
            len(subtree.objects(context, kept)) or 1 for kept in record.kept if context.zone.stat(kept)
        )
        counts["quarantined"] = sum(len(subtree.objects(context, session)) for session in record.sessions)
    return counts


def _receipt(context: Context, record: Record) -> None:
    zone, path = context.zone, _receipt_path(context, record.key)
    if not record.is_subject:
        event.emit(context, event.Kind.ERASED, record.experiment, once=record.since)
        context.zone.annotate(event.collection(context.settings, record.study, record.key), add=[AVU(TOLD, "yes")])
    told = {name: str(count) for name, count in record.counts.items()}
    entry = audit.record(context, "erased", experiment=_about(record), study=record.study, record=record.key, **told)
    receipt = {
        "receipt": record.key,
        "study": record.study,
        "withdrawn": record.since,
        "withdrawn_by": record.by,
        "erased": entry.time,
        "counts": record.counts,
        "audit": entry.anchor,
    }
    if zone.stat(layout.receipts(context.settings)) is None:
        zone.make_collection(layout.receipts(context.settings))
        zone.permit(layout.receipts(context.settings), context.settings.stewards, Access.READ)
        zone.inherit(layout.receipts(context.settings))
    small_object.write(zone, path, (json.dumps(receipt, indent=1) + "\n").encode())


def _receipt_path(context: Context, key: str) -> str:
    return f"{layout.receipts(context.settings)}/{key}.json"


def _about(record: Record) -> str:
    return "" if record.is_subject else record.key


def _key(record: Record) -> str:
    """One for each withdrawal: a restored experiment may be withdrawn again."""
    return f"{record.key} {record.since}"

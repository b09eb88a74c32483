"""Empties the quarantine: a data steward discards a session that belongs to no experiment, and after a set time it is
erased.

The mark is on the session's collection (AVU `Discarded`: when, with the reason as its unit). What comes into the
session later is not discarded with it. Until it is erased, a data steward may keep the session after all, or re-file
it.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from policy.ingest import landing_files, quarantine
from policy.ingest.origin import Origin
from policy.records import audit, clock
from policy.records.clock import Due
from policy.studies import authorization
from policy.zone import AVU, Access, Condition, ZoneError, durability, layout, lock, subtree
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.lock import Busy
from policy.zone.log import tell

DISCARDED = "Discarded"
DUE_SEEN = "DiscardDueSeen"
"""AVU of a discarded session: when a run first found that it is due to be erased."""
_EVER = "9"
"""Later than any time."""


class Reason(StrEnum):
    """Why a session belongs to no experiment: the audit log holds nothing that was typed."""

    PHANTOM = "a phantom or a test"
    MISTAKE = "scanned or exported by mistake"
    NO_DATA = "not data of a study: notes, programs, exports of others"
    TWICE = "archived under an experiment already"
    OTHER = "another reason"


def discard(context: Context, session: str, reason: str, by: str, *, dry_run: bool) -> dict[str, int | float]:
    """Marks a session (its path) to be erased. Returns how many objects and bytes, and in how many days.

    Raises `Refused` and `Busy`.
    """
    authorization.demand_steward(context, by)
    if reason not in list(Reason):
        raise Refused(f"{reason!r} is not a reason to discard something; one of: {', '.join(Reason)}")
    with lock.held(context, _key(context, session), "discard"):
        counts = _counts(context, session, _EVER)
        if not counts["objects"]:
            raise Refused(
                f"nothing is in {session}; `mrdata quarantine` lists what is in quarantine", ErrorKind.NOT_FOUND
            )
        if not dry_run:
            told = {"session": _within(context, session), "reason": reason, "objects": str(counts["objects"])}
            audit.record(context, "session discarded", by=by, **told)
            _mark(context, session, [AVU(DISCARDED, clock.shown(context.now()), reason)])
    return {**counts, "days": context.settings.discard.days}


def keep(context: Context, session: str, by: str) -> None:
    """Takes the mark away again. Raises `Refused` if the session has none."""
    authorization.demand_steward(context, by)
    with lock.held(context, _key(context, session), "keep"):
        if since(context, session) is None:
            raise Refused(f"{session} is not discarded, or is erased already", ErrorKind.CONFLICT)
        audit.record(context, "session kept", by=by, session=_within(context, session))
        _mark(context, session, [])


def since(context: Context, session: str) -> AVU | None:
    """The mark of a session that is discarded: its value is when, its unit why."""
    return next((avu for avu in context.zone.metadata(session) if avu.attribute == DISCARDED), None)


def run(context: Context) -> Counter[str]:
    """Erases what is due, as part of the lifecycle: how many sessions were `erased`, wait (`waiting`), are `busy`, or
    `failed`.
    """
    counts: Counter[str] = Counter()
    root = layout.quarantine(context.settings) + "/"
    for (session,) in context.zone.query(["COLL_NAME"], Condition("META_COLL_ATTR_NAME", "=", DISCARDED)):
        if not session.startswith(root):
            continue
        try:
            with lock.held(context, _key(context, session), "erase", wait=0.0):
                counts[_go_on(context, session)] += 1
        except Busy:
            counts["busy"] += 1
        except (Refused, ZoneError) as error:
            tell(context.zone, "discard", "a discarded session could not be erased", error=error)
            counts["failed"] += 1
    del counts[""]
    return counts


def _go_on(context: Context, session: str) -> str:
    mark = since(context, session)
    if mark is None or context.now() - clock.seconds(mark.value) < context.settings.discard.days * 86400:
        return ""
    seen = next((avu.value for avu in context.zone.metadata(session) if avu.attribute == DUE_SEEN), "")
    due = clock.due(context, _key(context, session), seen)
    if due is Due.SEEN:
        _mark(context, session, [mark, AVU(DUE_SEEN, clock.shown(context.now()))])
    return _erase(context, session, mark.value) if due is Due.YES else "waiting"


def _erase(context: Context, session: str, discarded: str) -> str:
    """What lay there when it was discarded, with its files of the landing zone; what came since stays."""
    paths = _objects(context, session, discarded)
    counts, origins = _counts(context, session, discarded), set[Origin]()
    for path in paths:
        landed = landing_files.of_object(context, path)
        if not landing_files.remove(context, landed):
            return "waiting"
        one = layout.quarantined(context.settings, path)
        origins |= {held.origin for held in landed} | ({Origin(one.landing_path)} if one else set())
        context.zone.permit(path, context.settings.account, Access.OWN)
        durability.erase(context.zone, path)
        subtree.erase_empty(context, layout.parent(path), session)
    landing_files.remove_folders(context, origins)
    audit.record(
        context,
        "session erased",
        session=_within(context, session),
        **{name: str(count) for name, count in counts.items()},
    )
    _mark(context, session, [])
    subtree.erase_empty(context, session, layout.quarantine(context.settings))
    return "erased"


def _objects(context: Context, session: str, until: str) -> list[str]:
    """Those that are there since that time or before; an object without its own AVUs is being moved just now."""
    rows = subtree.rows(
        context, session, ["DATA_NAME", "META_DATA_ATTR_VALUE"], Condition("META_DATA_ATTR_NAME", "=", quarantine.SINCE)
    )
    return sorted({f"{collection}/{name}" for collection, name, when in rows if when <= until})


def _counts(context: Context, session: str, until: str) -> dict[str, int]:
    wanted = set(_objects(context, session, until))
    rows = subtree.rows(context, session, ["DATA_NAME", "DATA_ID", "DATA_SIZE"])
    sizes = {number: int(size) for collection, name, number, size in rows if f"{collection}/{name}" in wanted}
    return {"objects": len(sizes), "bytes": sum(sizes.values())}


def _mark(context: Context, session: str, mark: list[AVU]) -> None:
    """Gives a session these AVUs instead of those that it has for being discarded."""
    held = [avu for avu in context.zone.metadata(session) if avu.attribute in (DISCARDED, DUE_SEEN)]
    context.zone.annotate(
        session, add=[avu for avu in mark if avu not in held], remove=[avu for avu in held if avu not in mark]
    )


def _within(context: Context, session: str) -> str:
    """`<scanner>/<session>`. Raises `Refused` if the path is not a session in quarantine."""
    root = layout.quarantine(context.settings) + "/"
    scanner, slash, name = session.removeprefix(root).partition("/")
    if not session.startswith(root) or not scanner or not slash or not name or "/" in name or ".." in (scanner, name):
        raise Refused(f"{session!r} is not the path of a session in quarantine; `mrdata quarantine` lists them")
    return f"{scanner}/{name}"


def _key(context: Context, session: str) -> str:
    """The lock's."""
    return f"session-{_within(context, session).replace('/', '-')}"

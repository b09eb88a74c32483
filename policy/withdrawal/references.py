"""What names an experiment outside its own collection: sessions in quarantine, and AVUs, whose values every user of the
zone can read.

The cost of the search follows from what is in quarantine, and from what was ever re-filed; not from what is archived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from policy.ingest import quarantine
from policy.ingest.decision import Reason
from policy.ingest.origin import LANDING_PATH
from policy.ingest.refiling import REASSIGNED
from policy.records import audit
from policy.zone import AVU, Condition, experiment_id, layout, subtree
from policy.zone.context import Context

_DOUBTS = {
    Reason.NO_ID, Reason.MISTYPED, Reason.UNREGISTERED, Reason.WRONG_SCANNER, Reason.CONFLICT, Reason.FAILED,
}  # fmt: skip
"""Reasons for which the ExperimentID that a file came under may be the wrong one, or was never read."""
_WITHDRAWN = "a withdrawn experiment"


@dataclass(slots=True)
class _Session:
    """What a session in quarantine says about the experiment to which it belongs."""

    says: set[str] = field(default_factory=set)
    """ExperimentIDs without hyphen; for one that is withdrawn, the hash that stands for it."""
    folders: dict[str, set[str]] = field(default_factory=dict)
    """Collection -> the ExperimentIDs (without hyphen) by which folders of the landing zone were named."""


def sessions(context: Context, experiment: str) -> list[str]:
    """The sessions in quarantine that came under this ExperimentID, however it was typed, or whose reasons name it."""
    root, wanted = layout.quarantine(context.settings), _names(experiment)
    held = _told(context, root)
    found = {
        path
        for path, session in held.items()
        if wanted & session.says or any(wanted & named for named in session.folders.values())
    }
    return sorted(found | {_session_of(root, path) for path in _details(context, experiment)})


def is_doubtful(context: Context, experiment: str, session: str) -> bool:
    """Whether what lies in a session may be another experiment's; of one in which nothing lies any more, no."""
    told = _told(context, session).get(session, _Session())
    reasons = Condition("META_DATA_ATTR_NAME", "=", quarantine.REASON)
    rows = subtree.rows(context, session, ["META_DATA_ATTR_VALUE"], reasons)
    wanted = _names(experiment)
    if not rows:
        return False
    if _DOUBTS & {reason for _, reason in rows} or (told.says | set().union(*told.folders.values())) - wanted:
        return True
    return not told.says and not all(told.folders.get(collection) for collection, _ in rows)


def avus(context: Context, experiment: str, path: str) -> dict[str, list[AVU]]:
    """Path -> the AVUs outside the experiment's collection `path` that name it: in quarantine, and of what was
    re-filed.
    """
    root = layout.quarantine(context.settings)
    found: dict[str, list[AVU]] = {}
    for attribute in (quarantine.HEADER_SAYS, quarantine.CANDIDATE):
        named = Condition("META_COLL_ATTR_NAME", "=", attribute)
        for one, value, unit in subtree.rows(context, root, ["META_COLL_ATTR_VALUE", "META_COLL_ATTR_UNITS"], named):
            if experiment_id.normalise(value) in _names(experiment):
                found.setdefault(one, []).append(AVU(attribute, value, unit))
    for one, avu in [*_details(context, experiment).items(), *_refiled(context, experiment)]:
        if not one.startswith(path + "/"):
            found.setdefault(one, []).append(avu)
    return found


def masked(experiment: str, avu: AVU) -> AVU | None:
    """The AVU as it stands while the experiment is withdrawn: it says the same and not whose it is.

    None: it says nothing then.
    """
    if avu.attribute == quarantine.CANDIDATE:
        return None
    if avu.attribute == quarantine.HEADER_SAYS:
        return AVU(quarantine.SAYS_WITHDRAWN, audit.about(experiment))
    if avu.attribute == LANDING_PATH:
        *folders, name = avu.value.split("/")
        hidden = [
            audit.about(experiment) if experiment_id.normalise(one) in _names(experiment) else one for one in folders
        ]
        return AVU(avu.attribute, "/".join([*hidden, name.replace(experiment, audit.about(experiment))]), avu.unit)
    text = re.sub(rf"\S*/{re.escape(experiment)}\b\S*", _WITHDRAWN, avu.value)
    return AVU(avu.attribute, text.replace(experiment, _WITHDRAWN), avu.unit)


def _names(experiment: str) -> set[str]:
    """How it is told in `_Session`."""
    return {experiment_id.normalise(experiment), audit.about(experiment)}


def _told(context: Context, path: str) -> dict[str, _Session]:
    """The sessions at or below `path` and what each tells."""
    root = layout.quarantine(context.settings)
    found: dict[str, _Session] = {}
    for attribute in (quarantine.HEADER_SAYS, quarantine.SAYS_WITHDRAWN):
        for one, value in subtree.rows(
            context, path, ["META_COLL_ATTR_VALUE"], Condition("META_COLL_ATTR_NAME", "=", attribute)
        ):
            is_hash = attribute == quarantine.SAYS_WITHDRAWN
            found.setdefault(_session_of(root, one), _Session()).says.add(
                value if is_hash else experiment_id.normalise(value)
            )
    for one in subtree.collections(context, path):
        landed = layout.quarantined(context.settings, f"{one}/x")
        parsed = (experiment_id.parse(folder) for folder in landed.folders) if landed else ()
        if named := {experiment_id.normalise(folder) for folder in parsed if folder}:
            found.setdefault(_session_of(root, one), _Session()).folders[one] = named
    return found


def _details(context: Context, experiment: str) -> dict[str, AVU]:
    """Objects in quarantine whose reason names it in words."""
    named = (
        Condition("META_DATA_ATTR_NAME", "=", quarantine.DETAIL),
        Condition("META_DATA_ATTR_VALUE", "like", f"%{experiment}%"),
    )
    rows = subtree.rows(
        context,
        layout.quarantine(context.settings),
        ["DATA_NAME", "META_DATA_ATTR_VALUE", "META_DATA_ATTR_UNITS"],
        *named,
    )
    return {f"{collection}/{name}": AVU(quarantine.DETAIL, value, unit) for collection, name, value, unit in rows}


def _refiled(context: Context, experiment: str) -> list[tuple[str, AVU]]:
    """Objects that were taken from it, or landed in a folder that it names, and belong to another experiment now."""
    was = Condition("META_DATA_ATTR_NAME", "=", REASSIGNED)
    columns = ["COLL_NAME", "DATA_NAME", "META_DATA_ATTR_VALUE"]
    found: list[tuple[str, AVU]] = []
    for collection, name, value in context.zone.query(
        columns, was, Condition("META_DATA_ATTR_VALUE", "like", f"%from {experiment}")
    ):
        found.append((f"{collection}/{name}", AVU(REASSIGNED, value)))
    letters = experiment.replace("-", "%")  # however it was written: with the hyphen or without
    refiled = was, Condition("META_DATA_ATTR_VALUE", "like", "%")
    for pattern in (f"%{letters}%", f"%{letters.lower()}%"):
        landed = Condition("META_DATA_ATTR_NAME", "=", LANDING_PATH), Condition("META_DATA_ATTR_VALUE", "like", pattern)
        for one in map("/".join, context.zone.query(["COLL_NAME", "DATA_NAME"], *refiled, *landed)):
            held = (avu for avu in context.zone.metadata(one) if avu.attribute == LANDING_PATH)
            found += [(one, avu) for avu in held if masked(experiment, avu) != avu and (one, avu) not in found]
    root = layout.studies(context.settings) + "/"
    return [(path, avu) for path, avu in found if path.startswith(root)]


def _session_of(root: str, path: str) -> str:
    return "/".join(path.split("/")[: root.count("/") + 3])

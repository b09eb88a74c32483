"""Pseudonyms that Castellum names no longer: a data steward is asked, and nothing new is registered for them until one
has spoken.
"""

from __future__ import annotations

from policy.records import review
from policy.zone import layout
from policy.zone.context import Context

KIND = "vanished pseudonym"
"""Of reviews."""
KEEP = "keep"
"""A verdict that begins with this lets experiments be registered for it again."""
SINCE = "VanishedSince"
"""AVU of a subject: since when Castellum does not name it; UTC, ISO 8601."""


def ask(context: Context, study: str, pseudonym: str, since: str) -> None:
    """Asks a data steward, once for a moment at which it vanished."""
    text = (
        f"Castellum does not name the pseudonym {pseudonym} of the active study {study} any more. Withdrawn, deleted,"
        " or a mistake? Nothing was erased, its attributes stay, and no new experiment is registered for it. Withdraw"
        f" the subject in MrData, or put it back in Castellum. With a verdict that begins with `{KEEP}`, experiments"
        " are registered for it again."
    )
    review.open_review(context, KIND, _key(study, pseudonym, since), text)


def bars(context: Context, study: str, pseudonym: str) -> str:
    """Since when nothing can be registered for a subject of the zone; empty where something can."""
    path = f"{layout.study(context.settings, study)}/subjects/{pseudonym}"
    since = max((avu.value for avu in context.zone.metadata(path) if avu.attribute == SINCE), default="")
    if not since or review.verdict(context, KIND, _key(study, pseudonym, since)).lower().startswith(KEEP):
        return ""
    return since


def _key(study: str, pseudonym: str, since: str) -> str:
    return f"{study}/{pseudonym} {since}"

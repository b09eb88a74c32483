"""How old a checksum will get before it is verified again."""

from __future__ import annotations

import calendar
import time

from policy.archive.fixity_state import DAY, VERIFIED, State
from policy.records import review
from policy.zone import GOOD, Condition, layout
from policy.zone.context import Context


def foresee(context: Context, state: State) -> None:
    """Counts the archive, and says how old a checksum will get at most: each waits for those before it."""
    mine = Condition("COLL_NAME", "like", layout.studies(context.settings) + "/%")
    ((total,),) = context.zone.select(["sum(DATA_SIZE)"], mine, Condition("DATA_REPL_STATUS", "=", GOOD))
    rows = context.zone.select(
        ["META_COLL_ATTR_VALUE", "count(COLL_ID)"],
        Condition("META_COLL_ATTR_NAME", "=", VERIFIED),
        mine,
        order="META_COLL_ATTR_VALUE",
    )
    state.total, state.oldest = int(total or 0), rows[0][0] if rows else ""
    state.forecast_days = longest(
        [(_age(context, date), int(count)) for date, count in rows], _cycle(context, state.total)
    )
    state.foreseen = context.now()
    limit = context.settings.fixity.oldest_days
    if state.forecast_days > limit:
        text = (
            f"At {context.settings.fixity.bytes_per_day} bytes a day, some checksums will not be verified for "
            f"{state.forecast_days:.0f} days; {limit} are allowed (fixity.oldest_days). Raise fixity.bytes_per_day."
        )
        review.open_review(context, "fixity", f"forecast {time.strftime('%Y-%m', time.gmtime(context.now()))}", text)


def longest(ages: list[tuple[float, int]], cycle: float) -> float:
    """Days at most between two verifications: (age in days, collections) the oldest first; `cycle` days read everything
    once.

    Collections count as equally large.

    >>> longest([(100.0, 1), (10.0, 1)], 50.0)
    125.0
    """
    whole, before, most = sum(count for _, count in ages), 0, cycle
    for age, count in ages:
        before += count
        most = max(most, age + cycle * before / whole)
    return most


def _cycle(context: Context, total: int) -> float:
    settings = context.settings.fixity
    return max(float(settings.rest_days), total / settings.bytes_per_day) if settings.bytes_per_day else float("inf")


def _age(context: Context, date: str) -> float:
    return max(0.0, (context.now() - calendar.timegm(time.strptime(date, "%Y-%m-%d"))) / DAY)

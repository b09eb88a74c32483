"""Checks that the clock can be believed, before something is erased because its day has come: it cannot be brought
back.

A clock that has jumped disagrees with the catalog's, or with the newest entry of the audit log. Only people notice a
jump of all clocks together: what is due has to be due in two runs, a day apart, before it is erased.
"""

from __future__ import annotations

import calendar
import time
from enum import StrEnum

from policy.records import audit, review
from policy.zone import lock
from policy.zone.context import Context
from policy.zone.log import Level, tell

TOLERANCE = 3600.0
"""Seconds by which two clocks may differ."""
REVIEW = "clock"


def fault(context: Context, key: str) -> str:
    """What speaks against the clock; empty where nothing does.

    The lock of `key` is held: the catalog has just dated it.
    """
    now, newest = context.now(), audit.newest(context)
    if newest and now < seconds(newest.time) - TOLERANCE:
        return f"it shows {shown(now)}, and the audit log's newest entry ({newest.number}) is of {newest.time}"
    dated = lock.dated(context, key)
    if dated is not None and abs(now - dated) > TOLERANCE:
        return f"it shows {shown(now)}, and the catalog's {shown(dated)}"
    return ""


class Due(StrEnum):
    """What becomes of something whose day has come."""

    YES = "yes"
    SEEN = "seen"
    """A run has to find it due once more, `lifecycle.due_again_hours` later: this one's time is to be kept for it."""
    NO = "no"


def due(context: Context, key: str, seen: str) -> Due:
    """Whether what is due may be erased now;

    `seen`: when a run first found it due, if one has. The lock of `key` is held.
    """
    if found := fault(context, key):
        raise_alarm(context, found)
        return Due.NO
    hours = context.settings.lifecycle.due_again_hours
    if hours and (not seen or seconds(seen) > context.now()):  # or seen by a clock that was ahead
        return Due.SEEN
    return Due.YES if not hours or context.now() - seconds(seen) >= hours * 3600 else Due.NO


def raise_alarm(context: Context, found: str) -> None:
    """Asks the data stewards to look, once a day."""
    text = (
        f"The clock of the server that runs MrData's policies cannot be believed: {found}. Nothing that was withdrawn"
        " is erased meanwhile. Have the clocks of all servers of the zone set right."
    )
    tell(context.zone, "clock", text, level=Level.ERROR)
    review.open_review(context, REVIEW, shown(context.now())[:10], text)


def seconds(when: str) -> float:
    """A time of an audit entry in seconds since 1970."""
    return float(calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ")))


def shown(when: float) -> str:
    """Seconds since 1970 as an audit entry's time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))

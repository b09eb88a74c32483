"""Whether the clock can be believed. Whoever erases something because its day has come asks here first: it cannot be brought back.

A clock that has jumped disagrees with the catalog's, or with the newest entry of the audit log. One that takes all of them along
is seen by people only: so what is due has to be due in two runs, a day apart.
"""

from __future__ import annotations

import calendar
import time

from policy import audit, lock, review
from policy.context import Context

TOLERANCE = 3600.0
"""Seconds by which two clocks may differ."""
REVIEW = "clock"


def fault(context: Context, key: str) -> str:
    """What speaks against the clock; empty where nothing does. The lock of `key` is held: the catalog has just dated it."""
    now, newest = context.now(), audit.newest(context)
    if newest and now < seconds(newest.time) - TOLERANCE:
        return f"it shows {_shown(now)}, and the audit log's newest entry ({newest.number}) is of {newest.time}"
    dated = lock.dated(context, key)
    if dated is not None and abs(now - dated) > TOLERANCE:
        return f"it shows {_shown(now)}, and the catalog's {_shown(dated)}"
    return ""


def raise_alarm(context: Context, found: str) -> None:
    """Asks the data stewards to look, once a day."""
    text = (
        f"The clock of the server that runs MrData's policies cannot be believed: {found}. Nothing that was withdrawn is erased meanwhile. "
        "Have the clocks of all servers of the zone set right."
    )
    context.zone.log(f"ALARM: {text}")
    review.open_review(context, REVIEW, _shown(context.now())[:10], text)


def seconds(when: str) -> float:
    """A time of an audit entry in seconds since 1970."""
    return float(calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ")))


def _shown(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))

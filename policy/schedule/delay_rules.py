"""The delay rules: each is scheduled once."""

from __future__ import annotations

from policy.zone import Condition
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.settings import Settings


def periods(settings: Settings) -> dict[str, int]:
    """The delay rules of a site -> their periods in seconds; the rule `<name>_every` schedules one."""
    return {
        "mrdata_sweep": settings.sweep.every_seconds,
        "mrdata_archive": settings.archive.every_seconds,
        "mrdata_events": settings.events.every_seconds,
        "mrdata_lifecycle": settings.lifecycle.every_seconds,
        "mrdata_fixity": settings.fixity.every_seconds,
        "mrdata_board": settings.board.every_seconds,
        **({"mrdata_castellum_poll": settings.castellum.every_seconds} if settings.castellum.source else {}),
    }


def every(context: Context, rule: str, seconds: int) -> dict[str, object]:
    """Schedules `rule` every `seconds` seconds, as the client user. Does nothing if it is scheduled already.

    Raises `Refused` while it is scheduled with another period.
    """
    if seconds < 1:
        raise Refused("seconds: must be 1 or more")
    period = f"{seconds}s"
    waiting = context.zone.query(
        ["RULE_EXEC_ID", "RULE_EXEC_FREQUENCY"], Condition("RULE_EXEC_NAME", "like", f"%{rule}(%")
    )
    for number, frequency in waiting:
        if frequency.split(" ")[0] != period:
            raise Refused(
                f"{rule} is scheduled already (delay rule {number}, {frequency}); stop it first", ErrorKind.CONFLICT
            )
    if not waiting:
        context.zone.delay(rule, "{}", seconds)
    return {"scheduled": rule, "seconds": seconds, "already": bool(waiting)}

"""Who may call a rule."""

from __future__ import annotations

from enum import StrEnum

from policy.zone import Condition, account
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind


class Callers(StrEnum):
    """Groups of people; the values are what an error says to somebody else."""

    ADMINISTRATORS = "only administrators (rodsadmin) may"
    SERVICE = "only the service account may; another administrator calls it with clientUserName=mrdata"
    STEWARDS = "only data stewards and administrators may"


def demand(context: Context, callers: Callers, rule: str) -> None:
    """Raises Refused unless the client belongs to `callers`."""
    if not _belongs(context, callers):
        raise Refused(f"{context.zone.whoami().name} may not call {rule}: {callers}", ErrorKind.NOT_PERMITTED)


def _belongs(context: Context, callers: Callers) -> bool:
    """Whether the client belongs to `callers`. An administrator of another zone does not count as one here."""
    user, settings = context.zone.whoami(), context.settings
    if callers is Callers.ADMINISTRATORS:
        return user.is_admin
    if callers is Callers.SERVICE:
        return user.is_admin and (user.name, user.zone) == (settings.account, settings.zone)
    if user.is_admin or user.zone != settings.zone:
        return user.is_admin
    group = Condition("USER_GROUP_NAME", "=", settings.stewards)
    return bool(context.zone.query(["USER_NAME"], group, *account.named(user.name, user.zone)))

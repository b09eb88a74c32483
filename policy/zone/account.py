"""Finds accounts and groups by name.

A name alone is an account of this zone. An account of another zone is written `name#zone`, and is a stranger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from policy.zone import Among, Condition


class _Asked(Protocol):
    """As much of a Zone as these look-ups need."""

    @property
    def name(self) -> str: ...

    def query(self, columns: Sequence[str], *conditions: Condition | Among) -> list[tuple[str, ...]]: ...


def shown(name: str, zone: str, own: str) -> str:
    """The name of an account of `zone`, where `own` is this zone; as iRODS takes it wherever it takes names."""
    return name if zone == own else f"{name}#{zone}"


def named(name: str, own: str) -> tuple[Condition, Condition]:
    """The account of this name in this zone."""
    return Condition("USER_NAME", "=", name), of(own)


def of(own: str) -> Condition:
    """Accounts of this zone alone."""
    return Condition("USER_ZONE", "=", own)


def members(zone: _Asked, group: str) -> set[str]:
    """The users in a group; empty if the group does not exist."""
    rows = zone.query(["USER_NAME", "USER_ZONE"], Condition("USER_GROUP_NAME", "=", group))
    return {shown(user, where, zone.name) for user, where in rows} - {group}

"""What is below a collection."""

from __future__ import annotations

from collections.abc import Sequence

from policy.zone import AVU, Access, Condition, access_named, account
from policy.zone.context import Context

_PARTS = ("NAME", "VALUE", "UNITS")


def rows(context: Context, path: str, columns: Sequence[str], *conditions: Condition) -> list[tuple[str, ...]]:
    """Rows that begin with a collection (`COLL_NAME` is put before `columns`): of `path` itself and of all below it."""
    wanted = ["COLL_NAME", *columns]
    found = context.zone.query(wanted, Condition("COLL_NAME", "=", path), *conditions)
    # A backslash escapes in PostgreSQL's LIKE: `_` stands for it, as for any character.
    pattern = path.replace("\\", "_") + "/%"
    found += context.zone.query(wanted, Condition("COLL_NAME", "like", pattern), *conditions)
    return [row for row in found if f"{row[0]}/".startswith(path + "/")]


def objects(context: Context, path: str) -> list[str]:
    """The data objects in a collection and below it, sorted."""
    return sorted({f"{collection}/{name}" for collection, name in rows(context, path, ["DATA_NAME"])})


def collections(context: Context, path: str) -> list[str]:
    """The collection and those below it, sorted."""
    return sorted({collection for (collection,) in rows(context, path, [])})


def avus(context: Context, path: str) -> dict[str, list[AVU]]:
    """Path -> the AVUs of the collection, of those below it and of their objects; what has none is not there."""
    found: dict[str, list[AVU]] = {}
    for collection, *avu in rows(context, path, [f"META_COLL_ATTR_{part}" for part in _PARTS]):
        found.setdefault(collection, []).append(AVU(*avu))
    for collection, name, *avu in rows(context, path, ["DATA_NAME", *(f"META_DATA_ATTR_{part}" for part in _PARTS)]):
        found.setdefault(f"{collection}/{name}", []).append(AVU(*avu))
    return found


def access(context: Context, path: str) -> dict[str, dict[str, Access]]:
    """Path -> who may do what, of the collection, of those below it and of their objects."""
    found: dict[str, dict[str, Access]] = {}
    names: dict[str, str] = {}
    for collection, user, level in rows(context, path, ["COLL_ACCESS_USER_ID", "COLL_ACCESS_NAME"]):
        if user not in names:
            ((name, zone),) = context.zone.query(["USER_NAME", "USER_ZONE"], Condition("USER_ID", "=", user))
            names[user] = account.shown(name, zone, context.settings.zone)
        found.setdefault(collection, {})[names[user]] = access_named(level)
    for collection, name, user, zone, level in rows(
        context, path, ["DATA_NAME", "USER_NAME", "USER_ZONE", "DATA_ACCESS_NAME"]
    ):
        found.setdefault(f"{collection}/{name}", {})[account.shown(user, zone, context.settings.zone)] = access_named(
            level
        )
    return found


def erase_empty(context: Context, path: str, stop: str) -> None:
    """Erases a collection in which nothing is left, and those above it, up to `stop`, which stays."""
    while path.startswith(stop + "/"):
        parts = [rows(context, path, ["DATA_NAME"]), [one for one in collections(context, path) if one != path]]
        if any(parts):
            return
        if context.zone.stat(path) is not None:
            context.zone.erase(path)
        path = path.rpartition("/")[0]

"""What is below a collection."""

from __future__ import annotations

from collections.abc import Sequence

from policy.context import Context
from policy.zone import Condition


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

"""GenQuery2 text for `policy.zone.Zone.select`: ordered, limited, counted; values are escaped, names are checked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy.zone import Among, Condition, Either

_COLUMN = re.compile(r"[A-Z][A-Z0-9_]*")
_AGGREGATE = re.compile(r"(count|min|max|sum)\(([A-Z][A-Z0-9_]*)\)")


def text(
    columns: Sequence[str], conditions: Sequence[Condition | Among | Either], order: str, descending: bool, limit: int
) -> str:
    """Writes the query. ValueError for an unknown column, and for a pattern with a backslash, which would escape in it.

    >>> text(["COLL_NAME", "count(DATA_ID)"], [Condition("COLL_NAME", "like", "/z/o'y/%")], "", False, 10)
    "select COLL_NAME, count(distinct DATA_ID) where COLL_NAME like '/z/o''y/%' group by COLL_NAME limit 10"
    """
    asked = [_asked(column) for column in columns]
    plain = [column for column in columns if _COLUMN.fullmatch(column)]
    where = " and ".join(_condition(c) for c in conditions)
    whole = f"select {'distinct ' if len(plain) == len(columns) else ''}{', '.join(asked)}"
    whole += f" where {where}" if where else ""
    if plain and len(plain) < len(columns):
        whole += f" group by {', '.join(plain)}"
    if order:
        if order not in plain:
            raise ValueError(f"{order!r} is not among the columns")
        whole += f" order by {order} {'desc' if descending else 'asc'}"
    return f"{whole} limit {int(limit)}"


def _asked(column: str) -> str:
    if found := _AGGREGATE.fullmatch(column):
        return f"{found[1]}({'distinct ' if found[1] == 'count' else ''}{found[2]})"
    return _name(column)


def _name(column: str) -> str:
    if not _COLUMN.fullmatch(column):
        raise ValueError(f"{column!r} is not a GenQuery column")
    return column


def _condition(condition: Condition | Among | Either) -> str:
    if isinstance(condition, Either):
        if not condition.conditions:
            raise ValueError("none of no conditions holds")
        return f"({' or '.join(_condition(one) for one in condition.conditions)})"
    if isinstance(condition, Among):
        return f"{_name(condition.column)} in ({', '.join(_quoted(value) for value in condition.values)})"
    if condition.operator == "like" and "\\" in condition.value:
        raise ValueError(f"{condition.value!r}: a backslash in a pattern")
    return f"{_name(condition.column)} {condition.operator} {_quoted(condition.value)}"


def _quoted(value: str) -> str:
    """A quote doubles, and \\xHH stands for a byte.

    So a backslash must not stand alone (server/genquery2/dsl/lexer.l).
    """
    return "'" + value.replace("\\", "\\x5c").replace("'", "''") + "'"

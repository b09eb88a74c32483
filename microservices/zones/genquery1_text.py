"""Queries in GenQuery1: over the rule engine it uses the agent's own catalog connection, where GenQuery2 opens one at
each call.

The catalog reads each condition once more (plugins/database/src/general_query.cpp) and stumbles where a quote meets
`||` or `&&`; in a pattern, a backslash escapes. Such a value is asked for with a pattern that matches a little more,
and filtered here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from policy.zone import Among, Condition
from policy.zone.like_pattern import like

Rows = list[tuple[str, ...]]
Ask = Callable[[Sequence[str], Sequence[Condition | Among]], Rows]
_ANY = str.maketrans({"'": "_", "\\": "_"})
_COLUMN = re.compile(r"[A-Z][A-Z0-9_]*")


def run(callback: Any, columns: Sequence[str], conditions: Sequence[Condition | Among]) -> Rows:  # noqa: ANN401
    """Queries over the rule engine; returns the distinct rows.

    RuntimeError as the rule engine raises it; ValueError for a text that is not a column name.
    """
    return distinct(lambda columns, conditions: _rows(callback, columns, conditions), columns, conditions)


def distinct(ask: Ask, columns: Sequence[str], conditions: Sequence[Condition | Among]) -> Rows:
    """Queries with `ask`; returns the distinct rows.

    `ask` gets only conditions that the catalog can take. ValueError for a text that is not a column name.
    """
    for column in (*columns, *(c.column for c in conditions)):
        if not _COLUMN.fullmatch(column):
            raise ValueError(f"{column!r} is not a GenQuery column")
    odd = [c for c in conditions if isinstance(c, Condition) and _is_odd(c)]
    given = [_widened(c) if isinstance(c, Condition) and c in odd else c for c in conditions]
    rows = ask([*columns, *(c.column for c in odd)], given)
    for position, condition in enumerate(odd, len(columns)):
        fits = like(condition.value) if condition.operator == "like" else condition.value.__eq__
        wanted = condition.operator != "!="
        rows = [row for row in rows if fits(row[position]) is wanted]
    return list(dict.fromkeys(row[: len(columns)] for row in rows)) if odd else rows


def clause(condition: Condition | Among, quoted: Callable[[str], str]) -> str:
    """Operator and value of a condition;

    `quoted` makes a literal of a text. ValueError for what GenQuery1's `in` cannot hold.
    """
    if isinstance(condition, Condition):
        return f"{condition.operator} {quoted(condition.value)}"
    if not condition.values or any("'" in value or "\\" in value for value in condition.values):
        raise ValueError(
            f"{condition.values!r}: GenQuery1's `in` takes at least one value, and no quotes or backslashes"
        )
    return f"in ({', '.join(quoted(value) for value in condition.values)})"


def _is_odd(condition: Condition) -> bool:
    quoted_bars = "'" in condition.value and ("||" in condition.value or "&&" in condition.value)
    return quoted_bars or (
        condition.operator == "like" and "\\" in condition.value
    )  # a backslash escapes in SQL's like


def _widened(condition: Condition) -> Condition:
    if condition.operator not in ("=", "!=", "like"):
        raise ValueError(
            f"{condition.operator} {condition.value!r}: GenQuery1 cannot hold a quote together with || or &&"
        )
    return Condition(condition.column, "like", "%" if condition.operator == "!=" else condition.value.translate(_ANY))


def _escaped(value: str) -> str:
    """A quote doubles, and \\xHH stands for a byte, so a backslash must not stand alone (lib/genquery1/dsl/lexer.l)."""
    return "'" + value.replace("\\", "\\x5c").replace("'", "''") + "'"


def _rows(callback: Any, columns: Sequence[str], conditions: Sequence[Condition | Among]) -> Rows:  # noqa: ANN401
    import irods_types

    where = " and ".join(f"{c.column} {clause(c, _escaped)}" for c in conditions)
    wanted = callback.msiMakeGenQuery(", ".join(columns), where, irods_types.GenQueryInp())["arguments"][2]
    page = callback.msiExecGenQuery(wanted, irods_types.GenQueryOut())["arguments"][1]
    rows: Rows = []
    while True:
        rows += (tuple(str(page.sqlResult[c].row(r)) for c in range(len(columns))) for r in range(page.rowCnt))
        if page.continueInx <= 0:
            return rows
        page = callback.msiGetMoreRows(wanted, page, 0)["arguments"][1]

"""What the parsers of GenQuery1 and GenQuery2 share: walking over tokens, and building SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from embedded.errors import IrodsError
from embedded.query.shape import Token, tokens

Sql = Any
"""A part of a statement, or the module that builds them: sqlglot's `exp`, imported when the first query comes."""

READ_OBJECT = 1050
"""token_id of the permission that a user needs to see an object (icatSysInserts.sql)."""


class Cursor:
    """Walks over the tokens of a shape. Keywords are told regardless of case, column names are not."""

    def __init__(self, shape: str) -> None:
        self._tokens = tokens(shape)
        self._index = 0

    @property
    def now(self) -> Token:
        return self._tokens[self._index]

    def next(self) -> Token:
        token = self.now
        self._index += 1
        return token

    def word(self, *keywords: str) -> str | None:
        """Takes the keyword, if one of these is next."""
        if self.now.kind == "word" and self.now.value.lower() in keywords:
            return self.next().value.lower()
        return None

    def take(self, *kinds: str) -> Token | None:
        """Takes the token, if it is of one of these kinds."""
        return self.next() if self.now.kind in kinds else None

    def expect(self, *kinds: str) -> Token:
        """Takes the token, or INPUT_ARG_NOT_WELL_FORMED_ERR."""
        token = self.take(*kinds)
        if token is None:
            raise IrodsError(
                "INPUT_ARG_NOT_WELL_FORMED_ERR", f"unexpected {self.now.value or 'end'}, expected {' or '.join(kinds)}"
            )
        return token


def number(value: str) -> int:
    """A literal that is compared with a column of numbers; PostgreSQL refuses others."""
    try:
        return int(value)
    except ValueError:
        raise IrodsError("CAT_SQL_ERR", f"invalid input syntax for type bigint: {value!r}") from None


def pattern(value: str) -> str:
    """A literal that `like` takes; PostgreSQL refuses one that ends in its escape character."""
    if (len(value) - len(value.rstrip("\\"))) % 2:
        raise IrodsError("CAT_SQL_ERR", "LIKE pattern must not end with escape character")
    return value


def plain(value: str) -> str:
    """A literal that is compared with a text."""
    return value


@dataclass(slots=True)
class Statement:
    """SQL with named parameters: `p<i>` takes literal i through `binders[i]`; `user_id` is the asking user."""

    sql: str
    width: int
    binders: list[tuple[int, Callable[[str], object]]] = field(default_factory=list)

    def parameters(self, literals: list[str], user_id: int, **more: object) -> dict[str, object]:
        """The values for `sqlite3.Connection.execute`."""
        return {f"p{index}": bind(literals[index]) for index, bind in self.binders} | {"user_id": user_id} | more


def readable(exp: Sql, table: str, key: str) -> Sql:
    """Makes a condition: the asking user may read the object whose id is `table.key`."""
    access = (
        exp.select("1")
        .from_("R_OBJT_ACCESS AS oa")
        .join("R_USER_GROUP AS ug", on="ug.group_user_id = oa.user_id")
        .where(
            exp.EQ(this=exp.column("object_id", "oa"), expression=exp.column(key, table)),
            exp.EQ(this=exp.column("user_id", "ug"), expression=exp.Placeholder(this="user_id")),
            exp.GTE(this=exp.column("access_type_id", "oa"), expression=exp.Literal.number(READ_OBJECT)),
        )
    )
    return exp.Exists(this=access)


def like(exp: Sql, column: Sql, value: Sql) -> Sql:
    """LIKE as PostgreSQL reads it.

    Case-sensitive (a pragma of the connection), with backslash as the escape character.
    """
    return exp.Escape(this=exp.Like(this=column, expression=value), expression=exp.Literal.string("\\"))

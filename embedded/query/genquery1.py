"""GenQuery1: read as iRODS 5.0 reads it (lib/genquery1/dsl), translated to SQL as
plugins/database/src/general_query.cpp does.

Known to differ: rows are ordered by code point, where PostgreSQL follows its locale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from embedded.errors import IrodsError
from embedded.query.columns import GENQUERY1, LINKS, TABLES, Column
from embedded.query.parser import Cursor, Sql, Statement, like, number, pattern, plain, readable
from embedded.query.shape import split

NO_DISTINCT = 0x40
UPPER_CASE_WHERE = 0x200
_FEW = 8
"""Up to this number, values of a further AVU are looked up one by one."""
_AGGREGATES = {"min": "MIN", "max": "MAX", "sum": "SUM", "avg": "AVG", "count": "COUNT"}
_ORDERS = {"order": "ASC", "order_asc": "ASC", "order_desc": "DESC"}
_COMPARISONS = {"=": "EQ", "!=": "NEQ", "<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE"}


@dataclass(frozen=True, slots=True)
class Part:
    """`operator` and the indices of its literals, joined to the part before it by `connector` (`||` or `&&`)."""

    connector: str
    operator: str
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query as parsed: (column, function) pairs, and (column, parts) pairs."""

    selected: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, tuple[Part, ...]], ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A query and the literals that its parts point at."""

    query: Query
    literals: list[str]

    def statement(self, *, options: int, restricted: bool, offset: bool) -> Statement:
        """Writes the SQL; `restricted`: of what the user may read. CAT_ codes if iRODS could not make SQL of it."""
        return _compile(self.query, options & (NO_DISTINCT | UPPER_CASE_WHERE), restricted, offset)


def parse(text: str) -> Parsed:
    """Parses a query. INPUT_ARG_NOT_WELL_FORMED_ERR, NO_COLUMN_NAME_FOUND or INVALID_GENQUERY_AGGREGATE_FUNCTION for a
    query that iRODS refuses.
    """
    shape, literals = split(text)
    query = _parse(shape)
    for column, parts in query.conditions:
        nested = len(parts) > 1 or parts[0].operator in ("in", "between")
        if nested and any("'" in literals[index] for part in parts for index in part.literals):
            query = _reread(query, column, parts, literals)
    return Parsed(query, literals)


@lru_cache(maxsize=1024)
def _parse(shape: str) -> Query:
    cursor = Cursor(shape)
    if not cursor.word("select"):
        raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", "a query begins with select")
    selected = [_projection(cursor)]
    while cursor.take(","):
        selected.append(_projection(cursor))
    conditions = []
    if cursor.word("where"):
        conditions.append(_condition(cursor))
        while cursor.word("and"):
            conditions.append(_condition(cursor))
    cursor.expect("end")
    return Query(tuple(selected), tuple(conditions))


_KEYWORDS = {"select", "where", "like", "in", "between", "and", "not", "begin_of", "parent_of"}


def _name(cursor: Cursor) -> str:
    token = cursor.expect("word")
    if token.value.lower() in _KEYWORDS:
        raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", f"unexpected {token.value}")
    return token.value


def _column(name: str) -> str:
    if name not in GENQUERY1:
        raise IrodsError("NO_COLUMN_NAME_FOUND", f"column [{name}] not supported")
    return name


def _projection(cursor: Cursor) -> tuple[str, str]:
    name = _name(cursor)
    if not cursor.take("("):
        return _column(name), ""
    column = _column(_name(cursor))
    cursor.expect(")")
    if name.lower() not in _AGGREGATES and name.lower() not in _ORDERS:
        raise IrodsError("INVALID_GENQUERY_AGGREGATE_FUNCTION", f"aggregate function [{name}] not supported")
    return column, name.lower()


def _condition(cursor: Cursor) -> tuple[str, tuple[Part, ...]]:
    name = _name(cursor)
    parts = [_part(cursor, "")]
    while connector := cursor.take("||", "&&"):
        parts.append(_part(cursor, connector.kind))
    return _column(name), tuple(parts)


def _part(cursor: Cursor, connector: str) -> Part:
    def literal() -> int:
        return int(cursor.expect("text").value)

    if comparison := cursor.take(*_COMPARISONS):
        return Part(connector, comparison.kind, (literal(),))
    if cursor.word("not"):
        if not cursor.word("like"):
            raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", "only like can follow not")
        return Part(connector, "not like", (literal(),))
    if operator := cursor.word("like", "begin_of", "parent_of"):
        if operator == "parent_of" and connector:
            raise IrodsError(
                "CAT_INVALID_ARGUMENT", "parent_of stands first"
            )  # insertWhere: at most 10 characters to the quote
        return Part(connector, operator, (literal(),))
    if cursor.word("between"):
        return Part(connector, "between", (literal(), literal()))
    if cursor.word("in"):
        parenthesis = cursor.take("(")
        values = [literal()]
        while cursor.take(","):
            values.append(literal())
        if parenthesis:
            cursor.expect(")")
        return Part(connector, "in", tuple(values))
    raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", f"unexpected {cursor.now.value or 'end'}")


def _reread(query: Query, column: str, parts: tuple[Part, ...], literals: list[str]) -> Query:
    """Parses a condition a second time, as iRODS does: a quote in a literal then splits it differently.

    iRODS's parser writes the condition as text again, and general_query.cpp parses that text.
    """
    quoted = [", ".join("'" + literals[index] + "'" for index in part.literals) for part in parts]
    text = "".join(
        f" {part.connector} {part.operator} {values}" for part, values in zip(parts, quoted, strict=True)
    ).strip()
    again: list[Part] = []
    connector = ""
    while True:
        blank = "".join("'" + (" " * len(t) if n % 2 else t) for n, t in enumerate(text.split("'")))[1:]
        ends = [(at, sign) for sign in ("||", "&&") if (at := blank.find(sign)) >= 0]
        at, sign = min(ends) if ends else (len(text), "")
        again.append(_insert_where(connector, text[:at], literals))
        if not sign:
            break
        connector, text = sign, text[at + 2 :]
    return Query(query.selected, tuple((name, tuple(again) if old is parts else old) for name, old in query.conditions))


def _insert_where(connector: str, text: str, literals: list[str]) -> Part:
    start = text.find("'")
    operator = text[:start].strip()
    if start < 0 or text.rfind("'") == start:
        raise IrodsError("CAT_INVALID_ARGUMENT")
    pieces = text[start:].split("'")
    values = pieces[1 : len(pieces) - 1 : 2] if operator in ("in", "between") else [text[start + 1 : text.rfind("'")]]
    if operator == "between" and len(values) != 2:
        raise IrodsError("CAT_INVALID_ARGUMENT")
    literals += values
    return Part(connector, operator, tuple(range(len(literals) - len(values), len(literals))))


class _Joins:
    """Which tables a query needs, found as tScan() does: depth first over the foreign keys, from the last table that
    was asked for.
    """

    def __init__(self, wanted: list[str], start: str) -> None:
        self._missing = set(wanted)
        self._done: set[str] = set()
        self.links: list[tuple[str, str, str, str]] = []
        self._scan(start, -1)
        if self._missing:
            raise IrodsError("CAT_FAILED_TO_LINK_TABLES", f"no way from {start} to {', '.join(sorted(self._missing))}")

    def _scan(self, table: str, came_by: int) -> bool:
        if table in self._done:
            return False
        keep = table in self._missing
        self._missing.discard(table)
        self._done.add(table)
        for here, there in ((0, 2), (2, 0)):
            for index, link in enumerate(LINKS):
                if not self._missing:
                    return keep
                if index != came_by and link[here] == table and self._scan(link[there], index):
                    keep = True
                    self.links.append(link)
        return keep


class _Compiler:
    def __init__(self, query: Query, options: int, restricted: bool) -> None:
        from sqlglot import exp

        self.exp: Sql = exp
        self.query = query
        self.upper = bool(options & UPPER_CASE_WHERE)
        self.distinct = not options & NO_DISTINCT
        self.restricted = restricted
        self.binders: list[tuple[int, Sql]] = []
        self.seen: dict[str, int] = {}
        self.multi = {kind: self._count(f"META_{kind}_ATTR_NAME") for kind in ("DATA", "COLL")}
        self.wide = {kind: self._wide(f"META_{kind}_ATTR_VALUE") for kind in self.multi}

    def _count(self, name: str) -> int:
        return sum(column == name for column, _ in self.query.conditions)

    def _wide(self, name: str) -> list[bool]:
        return [len(parts[0].literals) > _FEW for column, parts in self.query.conditions if column == name]

    def statement(self, offset: bool) -> Statement:
        exp = self.exp
        wanted = [GENQUERY1[name].table for name, _ in self.query.selected]
        wanted += [GENQUERY1[name].table for name, _ in self.query.conditions]
        start = GENQUERY1[self.query.conditions[-1][0]].table if self.query.conditions else wanted[-1]
        joins = _Joins(wanted, start)
        aliases = dict.fromkeys(wanted + [table for link in joins.links for table in (link[0], link[2])])
        where = [self._condition(name, parts) for name, parts in self.query.conditions]
        where += [exp.EQ(this=exp.column(b, a), expression=exp.column(d, c)) for a, b, c, d in joins.links]
        where += self._further_avus(aliases)
        if self.restricted:
            where += [
                readable(exp, t, k) for t, k in (("R_DATA_MAIN", "data_id"), ("R_COLL_MAIN", "coll_id")) if t in aliases
            ]
        select = self._selected(exp.select())
        for alias in aliases:
            table = exp.alias_(exp.to_table(TABLES.get(alias) or TABLES[_base(alias)]), alias, table=True)
            select = (
                select.from_(table)
                if not select.args.get("from_") and not select.args.get("from")
                else select.join(table, join_type="INNER")
            )
        if where:
            select = select.where(*where)
        if offset:
            select = select.limit(-1).offset(exp.Placeholder(this="offset"))
        return Statement(select.sql(dialect="sqlite"), len(self.query.selected), self.binders)

    def _selected(self, select: Sql) -> Sql:
        exp = self.exp
        grouped: list[Sql] = []
        orders: list[Sql] = []
        first: dict[str, Sql] = {}
        for name, function in self.query.selected:
            column = self._plain(GENQUERY1[name])
            aggregate = _AGGREGATES.get(function)
            select = select.select(exp.func(aggregate, column.copy()) if aggregate else column.copy())
            if not aggregate:
                grouped.append(column)
                first.setdefault(name, column)
            if function in _ORDERS:
                descending = _ORDERS[function] == "DESC"
                orders.append(exp.Ordered(this=column.copy(), desc=descending, nulls_first=not descending))
        orders += [
            exp.Ordered(this=first[name].copy(), nulls_first=True)
            for name in ("COLL_NAME", "DATA_NAME", "DATA_REPL_NUM")
            if name in first
        ]
        if grouped and len(grouped) < len(self.query.selected):
            select = select.group_by(*[column.copy() for column in grouped])
        if orders:
            select = select.order_by(*orders)
        return select.distinct() if self.distinct else select

    def _plain(self, column: Column) -> Sql:
        return self.exp.column(column.name, column.table)

    def _occurrence(self, name: str) -> Sql:
        """The column in a condition: the second, third... attribute name or value asked for is that of another AVU."""
        column = GENQUERY1[name]
        for kind, count in self.multi.items():
            if name in (f"META_{kind}_ATTR_NAME", f"META_{kind}_ATTR_VALUE"):
                self.seen[name] = self.seen.get(name, 0) + 1
                if 1 < self.seen[name] <= count:
                    further = self.exp.column(column.name, f"{column.table}_{self.seen[name]}")
                    return self._not_by_index(further) if self._is_wide(kind, self.seen[name]) else further
        return self._plain(column)

    def _is_wide(self, kind: str, occurrence: int) -> bool:
        return any(self.wide[kind][occurrence - 1 : occurrence])

    def _not_by_index(self, column: Sql) -> Sql:
        """SQLite would look for each of many values at each object; to go through the object's AVUs takes a fifth of
        that.
        """
        return self.exp.DPipe(this=column, expression=self.exp.Literal.string(""))

    def _further_avus(self, aliases: dict[str, Sql]) -> list[Sql]:
        exp = self.exp
        conditions = []
        for kind, (table, key) in {"DATA": ("R_DATA_MAIN", "data_id"), "COLL": ("R_COLL_MAIN", "coll_id")}.items():
            for index in range(2, self.multi[kind] + 1):
                map_alias, meta_alias = f"r_{kind.lower()}_metamap_{index}", f"r_{kind.lower()}_meta_main_{index}"
                aliases[table] = aliases[map_alias] = aliases[meta_alias] = None
                conditions.append(
                    exp.EQ(this=exp.column("meta_id", map_alias), expression=exp.column("meta_id", meta_alias))
                )
                conditions.append(exp.EQ(this=exp.column(key, table), expression=exp.column("object_id", map_alias)))
        return conditions

    def _condition(self, name: str, parts: tuple[Part, ...]) -> Sql:
        exp = self.exp
        condition = self._part(name, parts[0])
        if len(parts) == 1:
            return condition
        # a row of || and && without parentheses, as SQL reads it: && binds closer
        alternatives = [[condition]]
        for part in parts[1:]:
            if part.connector == "||":
                alternatives.append([])
            alternatives[-1].append(self._part(name, part))
        return exp.paren(exp.or_(*[exp.and_(*group) for group in alternatives]))

    def _part(self, name: str, part: Part) -> Sql:
        exp = self.exp
        column = self._occurrence(name)
        is_number = GENQUERY1[name].number
        if is_number and (self.upper or part.operator in ("like", "not like", "begin_of", "parent_of")):
            raise IrodsError("CAT_SQL_ERR", f"operator does not exist: {part.operator} on the numbers of {name}")
        if self.upper:
            column = exp.Upper(this=column)
        bind = number if is_number else pattern if part.operator.endswith("like") else plain
        if part.operator == "parent_of":
            self.binders.append((part.literals[0], _ancestors))
            ancestors = exp.Table(this=exp.func("json_each", exp.Placeholder(this=f"p{part.literals[0]}")))
            return exp.In(this=column, query=exp.paren(exp.select("value").from_(ancestors)))
        self.binders += [(index, bind) for index in part.literals]
        values = [exp.Placeholder(this=f"p{index}") for index in part.literals]
        if part.operator in _COMPARISONS:
            return getattr(exp, _COMPARISONS[part.operator])(this=column, expression=values[0])
        if part.operator == "in":
            return exp.In(this=column, expressions=values)
        if part.operator == "between":
            return exp.Between(this=column, low=values[0], high=values[1])
        if part.operator == "begin_of":
            start = exp.func("substr", values[0], exp.Literal.number(1), exp.Length(this=column.copy()))
            return exp.and_(
                exp.EQ(this=column, expression=start),
                exp.GT(this=exp.Length(this=column.copy()), expression=exp.Literal.number(0)),
            )
        condition = like(exp, column, values[0])
        return exp.not_(exp.paren(condition)) if part.operator == "not like" else condition


def _ancestors(path: str) -> str:
    """A path and what it lies in, as JSON (addInClauseToWhereForParentOf)."""
    parts = [part for index, part in enumerate(path.split("/")) if part or not index]
    return json.dumps(["/".join(parts[: count + 1]) or "/" for count in range(len(parts))])


def _base(alias: str) -> str:
    return alias.rpartition("_")[0]


@lru_cache(maxsize=1024)
def _compile(query: Query, options: int, restricted: bool, offset: bool) -> Statement:
    for kind in ("RESC", "USER"):
        if sum(name == f"META_{kind}_ATTR_NAME" for name, _ in query.conditions) > 1:
            raise IrodsError("CAT_INVALID_ARGUMENT", "several attributes of resources or users in one query")
    return _Compiler(query, options, restricted).statement(offset)

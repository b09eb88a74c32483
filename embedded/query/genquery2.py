"""GenQuery2: the grammar and the joins of iRODS 5.0 (server/genquery2), as SQL for SQLite.

Without `limit` or `fetch first` a query ends after 256 rows, as on a server. What the server refuses, for its syntax or
because PostgreSQL would, is an IrodsError with the server's code.
"""

from __future__ import annotations

from functools import lru_cache

from embedded.errors import IrodsError
from embedded.query.columns import GENQUERY2, Column
from embedded.query.parser import Cursor, Sql, Statement, like, number, pattern, plain, readable
from embedded.query.shape import split

DEFAULT_ROWS = 256
_KEYWORDS = frozenset(
    [
        "select",
        "where",
        "like",
        "in",
        "between",
        "distinct",
        "order",
        "by",
        "asc",
        "desc",
        "offset",
        "limit",
        "fetch",
        "first",
        "rows",
        "only",
        "case",
        "when",
        "else",
        "end",
        "group",
        "having",
        "exists",
        "is",
        "null",
        "not",
        "and",
        "or",
        "cast",
        "as",
    ]
)
_COMPARISONS = {"=": "EQ", "!=": "NEQ", "<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE"}
_AGGREGATES = frozenset({"count", "sum", "min", "max", "avg"})
_EDGES = {
    ("R_COLL_MAIN", "R_DATA_MAIN"): ("coll_id", "coll_id"),
    ("R_DATA_MAIN", "R_RESC_MAIN"): ("resc_id", "resc_id"),
} | {("R_USER_MAIN", "R_USER_GROUP"): ("user_id", "group_user_id")}
_HOME = {
    "mmd": "R_DATA_MAIN",
    "ommd": "R_DATA_MAIN",
    "mmc": "R_COLL_MAIN",
    "ommc": "R_COLL_MAIN",
    "mmr": "R_RESC_MAIN",
} | {
    "mmu": "R_USER_MAIN",
    **dict.fromkeys(("pdoa", "pdt", "pdu"), "R_DATA_MAIN"),
    **dict.fromkeys(("pcoa", "pct", "pcu"), "R_COLL_MAIN"),
}
_KEYS = {"R_DATA_MAIN": "data_id", "R_COLL_MAIN": "coll_id", "R_RESC_MAIN": "resc_id", "R_USER_MAIN": "user_id"}
_CASTS = {
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "decimal": "NUMERIC",
    "numeric": "NUMERIC",
    "varchar": "TEXT",
    "text": "TEXT",
}


def compile_query(text: str, *, restricted: bool) -> tuple[Statement, list[str]]:
    """The SQL and the literals.

    SYS_LIBRARY_ERROR for bad syntax, SYS_INVALID_INPUT_PARAM for unknown columns and impossible joins.
    """
    try:
        shape, literals = split(text)
        return _compile(shape, restricted), literals
    except IrodsError as error:
        if error.message.startswith(_UNKNOWN):
            raise IrodsError("SYS_INVALID_INPUT_PARAM", error.message) from error
        raise IrodsError("SYS_LIBRARY_ERROR", error.message) from error


_UNKNOWN = "cannot be made SQL: "


@lru_cache(maxsize=1024)
def _compile(shape: str, restricted: bool) -> Statement:
    return _Parser(shape, restricted).statement()


class _Parser:
    """Recursive descent over parser.y; builds the SQL on its way."""

    def __init__(self, shape: str, restricted: bool) -> None:
        from sqlglot import exp

        self.exp: Sql = exp
        self.cursor = Cursor(shape)
        self.restricted = restricted
        self.binders: list[tuple[int, Sql]] = []
        self.tables: list[str] = []
        self.special: set[str] = set()
        self.demanded: set[str] = set()
        """Aliases of tables of which a condition demands a row: outer joins to them are inner ones, as PostgreSQL sees.
        """
        self.in_select = True

    def statement(self) -> Statement:
        exp, cursor = self.exp, self.cursor
        if not cursor.word("select"):
            raise self._unexpected()
        distinct = bool(cursor.word("distinct"))
        projections = self._list(self._projection)
        self.in_select = False
        where = self._or() if cursor.word("where") else None
        group = self._list(self._projection) if self._words("group", "by") else []
        order, rows, offset = self._tail()
        cursor.expect("end")
        self._check(projections, group, order, distinct)
        self.demanded = self._demanded_by(where)
        select = self._joined(exp.select(*[projection.copy() for projection in projections]))
        conditions = self._with_permissions(where)
        if conditions is not None:
            select = select.where(exp.paren(conditions))
        if group:
            select = select.group_by(*group)
        if order:
            select = select.order_by(*order)
        select = select.limit(int(rows) if rows else DEFAULT_ROWS)
        if offset:
            select = select.offset(int(offset))
        return Statement(
            (select.distinct() if distinct else select).sql(dialect="sqlite"), len(projections), self.binders
        )

    def _with_permissions(self, where: Sql | None) -> Sql | None:
        """The conditions, followed by those on permissions.

        5.0.2 puts no parentheses around the former (irods#9016).
        """
        exp = self.exp
        if not self.restricted:
            return where
        permissions = [readable(exp, t, _KEYS[t]) for t in ("R_COLL_MAIN", "R_DATA_MAIN") if t in self.tables]
        if where is None or not permissions:
            return where or (exp.and_(*permissions) if permissions else None)
        if isinstance(where, exp.Or):
            return exp.or_(where.left, exp.and_(where.right, *permissions))
        return exp.and_(where, *permissions)

    def _unexpected(self) -> IrodsError:
        return IrodsError("SYS_LIBRARY_ERROR", f"syntax error, unexpected {self.cursor.now.value or 'end of input'}")

    def _words(self, *words: str) -> bool:
        for index, word in enumerate(words):
            if not self.cursor.word(word):
                if index:
                    raise self._unexpected()
                return False
        return True

    def _list(self, item: Sql) -> list[Sql]:
        items = [item()]
        while self.cursor.take(","):
            items.append(item())
        return items

    def _tail(self) -> tuple[list[Sql], str, str]:
        order: list[Sql] = []
        rows = offset = ""
        ranged = False
        while True:
            if not order and self._words("order", "by"):
                order = self._list(self._sort)
            elif not ranged and (self.cursor.now.value.lower() in ("offset", "limit", "fetch")):
                rows, offset = self._range()
                ranged = True
            else:
                return order, rows, offset

    def _range(self) -> tuple[str, str]:
        rows = offset = ""
        while True:
            if not offset and self.cursor.word("offset"):
                offset = self._positive()
            elif not rows and self.cursor.word("limit"):
                rows = self._positive()
            elif not rows and self._words("fetch", "first"):
                rows = self._positive()
                self._words("rows", "only")
            else:
                return rows, offset

    def _positive(self) -> str:
        token = self.cursor.expect("number")
        if not token.value.isdigit():
            raise self._unexpected()
        return token.value

    def _sort(self) -> Sql:
        value = self._projection()
        descending = self.cursor.word("asc", "desc") == "desc"
        # PostgreSQL puts NULL last when it ascends
        return self.exp.Ordered(this=value, desc=descending, nulls_first=descending)

    def _projection(self) -> Sql:
        token = self.cursor.expect("word")
        word = token.value
        if word.lower() == "cast":
            return self._cast()
        if word.lower() in _KEYWORDS:
            raise self._unexpected()
        if self.cursor.take("("):
            return self._function(word)
        return self._column(word)

    def _cast(self) -> Sql:
        self.cursor.expect("(")
        column = self._column(self.cursor.expect("word").value)
        if not self.cursor.word("as"):
            raise self._unexpected()
        kind = self.cursor.expect("word").value.lower()
        if self.cursor.take("("):
            self._positive()
            self.cursor.expect(")")
        self.cursor.expect(")")
        if kind not in _CASTS:
            raise IrodsError("SYS_LIBRARY_ERROR", f"type {kind} does not exist")
        return self.exp.cast(column, _CASTS[kind])

    def _function(self, name: str) -> Sql:
        exp, cursor = self.exp, self.cursor
        distinct = bool(cursor.word("distinct"))
        if distinct and not self.in_select:
            raise IrodsError("SYS_INVALID_INPUT_PARAM", _UNKNOWN + "DISTINCT in a function outside of SELECT")
        arguments = [] if cursor.now.kind == ")" else self._list(self._argument)
        cursor.expect(")")
        if distinct:
            arguments = [exp.Distinct(expressions=arguments)]
        return exp.Anonymous(this=name.lower(), expressions=arguments)

    def _argument(self) -> Sql:
        exp, cursor = self.exp, self.cursor
        if literal := cursor.take("text"):
            self.binders.append((int(literal.value), plain))
            return exp.Placeholder(this=f"p{literal.value}")
        sign = "-" if cursor.take("-") else ""
        if sign or cursor.now.kind == "number":
            return exp.Literal.string(sign + self._positive())
        return self._projection()

    def _column(self, name: str) -> Sql:
        if name.lower() in _KEYWORDS:
            raise self._unexpected()
        column = GENQUERY2.get(name)
        if column is None:
            raise IrodsError("SYS_INVALID_INPUT_PARAM", _UNKNOWN + f"unknown column: {name}")
        return self._known(column)

    def _known(self, column: Column) -> Sql:
        home = _HOME.get(column.table, column.table)
        if column.table in _HOME:
            self.special.add(column.table)
        if home not in self.tables:
            self.tables.append(home)
        found = self.exp.column(column.name, column.table)
        found.set("db", None)
        found.meta["number"] = column.number
        return found

    def _or(self) -> Sql:
        condition = self._and()
        while self.cursor.word("or"):
            condition = self.exp.or_(condition, self._and())
        return condition

    def _and(self) -> Sql:
        condition = self._not()
        while self.cursor.word("and"):
            condition = self.exp.and_(condition, self._not())
        return condition

    def _not(self) -> Sql:
        if self.cursor.word("not"):
            return self.exp.not_(self._not())
        if self.cursor.take("("):
            condition = self._or()
            self.cursor.expect(")")
            return self.exp.paren(condition)
        return self._condition(self._projection())

    def _literal(self, bind: Sql) -> Sql:
        index = int(self.cursor.expect("text").value)
        self.binders.append((index, bind))
        return self.exp.Placeholder(this=f"p{index}")

    def _condition(self, left: Sql) -> Sql:
        exp, cursor = self.exp, self.cursor
        bind = number if left.meta.get("number") else plain
        if comparison := cursor.take(*_COMPARISONS):
            return getattr(exp, _COMPARISONS[comparison.kind])(this=left, expression=self._literal(bind))
        if cursor.word("is"):
            negated = cursor.word("not")
            if not cursor.word("null"):
                raise self._unexpected()
            condition = exp.Is(this=left, expression=exp.Null())
            return exp.not_(condition) if negated else condition
        negated = cursor.word("not")
        condition = self._matching(left, bind)
        return exp.not_(exp.paren(condition)) if negated else condition

    def _matching(self, left: Sql, bind: Sql) -> Sql:
        exp, cursor = self.exp, self.cursor
        if cursor.word("like"):
            if bind is number:
                raise IrodsError("SYS_LIBRARY_ERROR", "operator does not exist: bigint ~~ text")
            return like(exp, left, self._literal(pattern))
        if cursor.word("in"):
            cursor.expect("(")
            values = self._list(lambda: self._literal(bind))
            cursor.expect(")")
            return exp.In(this=left, expressions=values)
        if cursor.word("between"):
            low = self._literal(bind)
            if not cursor.word("and"):
                raise self._unexpected()
            return exp.Between(this=left, low=low, high=self._literal(bind))
        raise self._unexpected()

    def _check(self, projections: list[Sql], group: list[Sql], order: list[Sql], distinct: bool) -> None:
        """What PostgreSQL demands and SQLite does not."""
        exp = self.exp
        aggregated = [p for p in projections if isinstance(p, exp.Anonymous) and p.this in _AGGREGATES]
        if group or aggregated:
            for projection in projections:
                if projection not in group and projection not in aggregated:
                    raise IrodsError(
                        "SYS_LIBRARY_ERROR",
                        "a column must appear in the GROUP BY clause or be used in an aggregate function",
                    )
        if distinct and any(item.this not in projections for item in order):
            raise IrodsError(
                "SYS_LIBRARY_ERROR", "for SELECT DISTINCT, ORDER BY expressions must appear in select list"
            )

    def _joined(self, select: Sql) -> Sql:
        exp = self.exp
        select = select.from_(exp.to_table(self.tables[0]))
        remaining, processed = self.tables[1:], [self.tables[0]]
        for _ in self.tables[1:]:
            last = processed[-1]
            for table in list(remaining):
                for pair in ((last, table), (table, last)):
                    if pair in _EDGES:
                        left, right = _EDGES[pair]
                        on = exp.EQ(this=exp.column(left, pair[0]), expression=exp.column(right, pair[1]))
                        select = select.join(exp.to_table(table), on=on, join_type="INNER")
                        processed.append(table)
                        remaining.remove(table)
        if remaining:
            raise IrodsError("SYS_INVALID_INPUT_PARAM", _UNKNOWN + "invalid general query")
        for kind, home in (("c", "R_COLL_MAIN"), ("d", "R_DATA_MAIN")):
            select = self._permissions(select, kind, home)
        for letter, home in (("d", "R_DATA_MAIN"), ("c", "R_COLL_MAIN"), ("r", "R_RESC_MAIN"), ("u", "R_USER_MAIN")):
            if {f"mm{letter}", f"omm{letter}"} & self.special:
                if f"mm{letter}" in self.demanded:
                    self.demanded.add(f"omm{letter}")
                select = self._left(select, "R_OBJT_METAMAP", f"omm{letter}", "object_id", home, _KEYS[home])
                select = self._left(select, "R_META_MAIN", f"mm{letter}", "meta_id", f"omm{letter}", "meta_id")
        return select

    def _demanded_by(self, where: Sql) -> set[str]:
        """The tables of which a condition demands a row: a comparison with NULL is never true."""
        exp = self.exp
        if isinstance(where, exp.Paren):
            return self._demanded_by(where.this)
        if isinstance(where, exp.And):
            return self._demanded_by(where.left) | self._demanded_by(where.right)
        if isinstance(where, exp.Or):
            return self._demanded_by(where.left) & self._demanded_by(where.right)
        if isinstance(
            where, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE | exp.In | exp.Between | exp.Escape
        ):
            return {column.table for column in where.find_all(exp.Column)} if not where.find(exp.Anonymous) else set()
        return set()

    def _permissions(self, select: Sql, kind: str, home: str) -> Sql:
        access, token, group, user = f"p{kind}oa", f"p{kind}t", f"p{kind}ug", f"p{kind}u"
        if kind == "c":
            access = "pcoa"
        if {access, token, user} & self.special:
            select = self._left(select, "R_OBJT_ACCESS", access, "object_id", home, _KEYS[home])
        if token in self.special:
            select = self._left(select, "R_TOKN_MAIN", token, "token_id", access, "access_type_id")
        if user in self.special:
            select = self._left(select, "R_USER_GROUP", group, "group_user_id", access, "user_id")
            select = self._left(select, "R_USER_MAIN", user, "user_id", group, "user_id")
        return select

    def _left(self, select: Sql, table: str, alias: str, key: str, other: str, other_key: str) -> Sql:
        exp = self.exp
        on = exp.EQ(this=exp.column(key, alias), expression=exp.column(other_key, other))
        return select.join(
            exp.alias_(exp.to_table(table), alias, table=True),
            on=on,
            join_type="INNER" if alias in self.demanded else "LEFT",
        )

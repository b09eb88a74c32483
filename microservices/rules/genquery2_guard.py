"""Which GenQuery2 queries an ordinary user may send.

iRODS appends what it demands of permissions to the query's own conditions: up to 5.0 without parentheses around these,
so that `... or COLL_NAME = 'x'` shows everything to everybody (irods#9016). It calls any function of the database that
a query names, `query_to_xml` among them, and writes a function's texts into the SQL as they are, quotes included. So an
ordinary user may not use `or` outside parentheses, and of functions only those of `FUNCTIONS`, on one column each.

Read in 5.0.2: server/genquery2/dsl/lexer.l, server/genquery2/dsl/parser.y, server/genquery2/src/genquery2_sql.cpp
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

FUNCTIONS = frozenset({"avg", "count", "max", "min", "sum"})
"""What is computed of a column; everything else could be any function of the database."""
TYPES = frozenset({"bigint", "decimal", "int", "integer", "numeric", "real", "text", "varchar"})
"""What `cast` may make of a column."""
MENDED = (5, 1)
"""The first version of iRODS that puts the conditions of a query in parentheses."""
VERSION_FILE = Path("/var/lib/irods/version.json")

_KEYWORD = re.compile(
    "and|as|asc|between|by|case|cast|desc|distinct|else|end|exists|fetch|first|group|having|in|is|like|limit|not|null|offset|only|or|order|"
    "rows|select|when|where",
    re.IGNORECASE | re.ASCII,
)
_TOKEN = re.compile(
    r"(?P<text>'[^']*(?:''[^']*)*')|(?P<word>[A-Za-z][A-Za-z0-9_]*)|-?[0-9]+|<=|>=|!=|<>|[=<>,()]|[ \t\n]+"
)


def may_send(request: Mapping[str, str]) -> bool:
    """Whether an ordinary user may send this request (Genquery2Input): names of columns, or a query."""
    query = request["query_string"]
    return request["column_mappings"] == "1" or may_ask(query) or may_ask(query, server_version())


def may_ask(query: str, version: tuple[int, ...] = ()) -> bool:
    """Whether a server of this version answers the query only with what the user may see.

    What the server itself refuses for its syntax may pass here: parentheses that stand in pairs are all that is needed
    of it.

    >>> may_ask("select COLL_NAME where COLL_NAME = 'a' or COLL_NAME = 'b'")
    False
    >>> may_ask("select COLL_NAME, count(DATA_ID) where (COLL_NAME = 'a' or COLL_NAME = 'it''s') and DATA_SIZE > '9' group by COLL_NAME")
    True
    """  # noqa: E501
    tokens = _tokens(query)
    if tokens is None:
        return False
    depth, calls = 0, []
    for index, token in enumerate(tokens):
        if token == "(":
            depth += 1
            if _is_call(tokens, index):
                calls.append(index)
        elif token == ")":
            depth -= 1
            if depth < 0:
                return False
        elif token == "or" and depth == 0 and version < MENDED:
            return False
    return all(_is_harmless(tokens, index) for index in calls)


def server_version(file: Path = VERSION_FILE) -> tuple[int, ...]:
    """The version of the iRODS server on this host; empty where that is not known."""
    try:
        return tuple(int(part) for part in json.loads(file.read_text(encoding="utf-8"))["irods_version"].split("."))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _tokens(query: str) -> list[str] | None:
    """The query's tokens: keywords in lower case, texts as `''`, blanks left out.

    None where the server would find none.
    """
    found, at = [], 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            return None
        at = match.end()
        if match["text"]:
            found.append("''")
        elif not match[0].isspace():
            found.append(match[0].lower() if _KEYWORD.fullmatch(match[0]) else match[0])
    return found


def _is_call(tokens: list[str], index: int) -> bool:
    """Whether the parenthesis there begins the arguments of a function, or of `cast`, and not the length of a type."""
    before = tokens[index - 1] if index else ""
    return before == "cast" or (_is_name(before) and tokens[index - 2 : index - 1] != ["as"])


def _is_harmless(tokens: list[str], index: int) -> bool:
    name, inside = tokens[index - 1], tokens[index + 1 : index + 8]
    if name == "cast":
        plain = inside[1:2] == ["as"] and inside[3:4] == [")"]
        sized = inside[1:2] == ["as"] and inside[3:4] == ["("] and inside[5:7] == [")", ")"] and inside[4].isdigit()
        return (plain or sized) and _is_name(inside[0]) and inside[2].lower() in TYPES
    if inside[0:1] == ["distinct"]:
        inside = inside[1:]
    return name.lower() in FUNCTIONS and inside[1:2] == [")"] and _is_name(inside[0])


def _is_name(token: str) -> bool:
    return token[:1].isalpha() and not _KEYWORD.fullmatch(token)

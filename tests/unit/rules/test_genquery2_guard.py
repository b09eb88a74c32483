"""What an ordinary user may ask in GenQuery2: nothing that turns iRODS's conditions on permissions."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedded.errors import IrodsError
from embedded.query import genquery2
from embedded.query.genquery2 import compile_query
from microservices.rules.genquery2_guard import may_ask, may_send, server_version
from microservices.zones import genquery2_text as text
from policy.zone import Among, Condition, Either

ASKED = [
    "select COLL_NAME",
    (
        "SELECT DISTINCT COLL_NAME, DATA_NAME WHERE COLL_NAME LIKE '/z/%' ORDER BY COLL_NAME DESC, DATA_NAME LIMIT 10"
        " OFFSET 20"
    ),
    "select COLL_NAME where (COLL_NAME = 'a' or COLL_NAME = 'b')",
    (
        "select COLL_NAME where not (COLL_NAME = 'a' or COLL_NAME = 'b') and (DATA_NAME = 'c' or (DATA_NAME in ('d',"
        " 'or', 'e')))"
    ),
    "select COLL_NAME where COLL_NAME = 'a or b' and DATA_NAME != 'it''s or not'",
    "select COLL_NAME where COLL_NAME = '\\x27 or \\x27'",
    "select COLL_NAME\n\twhere DATA_SIZE between '1' and '2' and COLL_NAME not like 'x' and DATA_NAME is not null",
    (
        "select COLL_NAME, count(distinct DATA_ID), sum(DATA_SIZE), Min(DATA_SIZE), AVG(DATA_SIZE) group by COLL_NAME"
        " fetch first 5 rows only"
    ),
    "select COLL_NAME where cast(META_DATA_ATTR_VALUE as int) > '5' and cast(DATA_NAME as varchar(20)) = 'x'",
    "select COLL_NAME order by max(DATA_SIZE) desc",
    "select ORDER_ID, LIKE_NAME",
]
"""What people and programs send: iquery, python-irodsclient, the HTTP API hand over what somebody wrote."""

TURNED = [
    "select COLL_NAME where COLL_NAME = 'a' or COLL_NAME = 'b'",
    "select COLL_NAME where COLL_NAME = 'a'OR COLL_NAME = 'b'",
    "select COLL_NAME where COLL_NAME = 'a'\noR\tCOLL_NAME = 'b'",
    "select COLL_NAME where (COLL_NAME = 'a') or (COLL_NAME = 'b')",
    "select COLL_NAME where (COLL_NAME = 'a' or COLL_NAME = 'b') or COLL_NAME = 'c'",
    "select COLL_NAME where COLL_NAME in ('a', 'b') or COLL_NAME = 'c'",
    "select COLL_NAME where COLL_NAME = '(' or COLL_NAME = ')'",
    "select COLL_NAME where COLL_NAME = 'it''s (' or COLL_NAME = ')'",
    "select COLL_NAME where not COLL_NAME = 'a' or COLL_NAME = 'b'",
    "select COLL_NAME where COLL_NAME = 'a' and COLL_NAME = 'b' or count(COLL_ID) = '1'",
]
REFUSED = [
    "select query_to_xml('select * from R_USER_PASSWORD', 'true', 'true', '')",
    "select COLL_NAME, pg_sleep(30)",
    "select COLL_NAME where query_to_xml(COLL_NAME) = 'x'",
    "select COLL_NAME order by lo_import('/etc/passwd')",
    "select concat('\\x27) from R_USER_PASSWORD --')",
    "select count('\\x27')",
    "select count(COLL_NAME, DATA_NAME)",
    "select count(count(COLL_NAME))",
    "select count(1)",
    "select count()",
    "select upper (COLL_NAME)",
    "select cast(COLL_NAME as regclass)",
    "select cast(COLL_NAME as int) where cast(cast(COLL_NAME as int) as int) = '1'",
    "select COLL_NAME where COLL_NAME = 'a') or (COLL_NAME = 'b'",
    "select COLL_NAME; drop table R_USER_MAIN",
    "select COLL_NAME -- x",
    "select COLL_NAME /* x */",
    'select "COLL_NAME"',
    "select COLL_NAME where COLL_NAME = 'a",
    "select COLL_NAME where COLL_NAME = 'a' || '(' ",
    "select COLL_NAME\u00a0where COLL_NAME = 'a'",
    "select COLL_NAME where COLL_NAME = E'a\\''",
]


@pytest.mark.parametrize("query", ASKED)
def test_what_people_ask_is_answered(query):
    assert may_ask(query)


@pytest.mark.parametrize("query", TURNED)
def test_an_or_outside_parentheses_is_for_servers_that_read_it_right(query):
    assert not may_ask(query)
    assert not may_ask(query, (5, 0, 2))
    assert may_ask(query, (5, 1, 0))


@pytest.mark.parametrize("query", REFUSED)
def test_functions_of_the_database_and_what_is_no_genquery_are_refused_by_every_server(query):
    assert not may_ask(query, ())
    assert not may_ask(query, (6, 0, 0))


def test_what_the_pages_ask_is_answered():
    conditions = [
        Either((Condition("COLL_NAME", "=", "o'y or ("), Condition("COLL_NAME", "like", "/z/%"))),
        Among("META_COLL_ATTR_NAME", ("a", "') or ('")),
        Condition("META_COLL_ATTR_VALUE", ">=", "\\x27 or"),
    ]
    assert may_ask(
        text.text(
            ["COLL_NAME", "count(DATA_ID)", "sum(DATA_SIZE)", "min(DATA_NAME)"], conditions, "COLL_NAME", True, 10
        )
    )


def test_names_of_columns_may_be_asked_for(tmp_path, monkeypatch):
    request = {"query_string": "", "zone": "", "sql_only": "0", "column_mappings": "1"}
    assert may_send(request)
    assert not may_send({**request, "column_mappings": "0", "query_string": TURNED[0]})
    assert not may_send({**request, "column_mappings": "2", "query_string": TURNED[0]})


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ('{"irods_version": "5.0.2"}', (5, 0, 2)),
        ("{}", ()),
        ("[]", ()),
        ('{"irods_version": "x"}', ()),
        ('{"irods_version": 5}', ()),
        (None, ()),
    ],
)
def test_the_server_s_version_is_read_from_its_file(tmp_path, content, version):
    file = tmp_path / "version.json"
    if content is not None:
        file.write_text(content)
    assert server_version(file) == version


PIECES = [
    "COLL_NAME = 'a'",
    "COLL_NAME in ('b', 'c')",
    "cast(COLL_ID as int) > '1'",
    "or",
    "and",
    "not",
    "(",
    ")",
    "''",
    "'",
    "\\x27",
    " ",
    "x",
]


@settings(max_examples=600)
@given(st.lists(st.sampled_from(PIECES), max_size=9))
@example(["(", PIECES[0], "or", PIECES[1], ")", "or", PIECES[0]])
def test_no_text_passes_of_which_iRODS_s_own_grammar_makes_an_or_at_the_top(pieces):
    """Against a parser that was written for the grammar."""
    query = f"select COLL_NAME where {' '.join(pieces)}"
    try:
        compile_query(query, restricted=True)
    except IrodsError:
        return
    parser = genquery2._Parser(genquery2.split(query)[0], True)
    seen = []
    parser._with_permissions = seen.append
    parser.statement()
    assert may_ask(query) is not isinstance(seen[0], parser.exp.Or)


def test_a_long_query_costs_little():
    began = time.perf_counter()
    for query in (
        "select COLL_NAME where COLL_NAME = " + "'a''" * 30_000,
        "(" * 30_000,
        "select " + "count(DATA_ID), " * 10_000,
    ):
        may_ask(query)
    assert time.perf_counter() - began < 5

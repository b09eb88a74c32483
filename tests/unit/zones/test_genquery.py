"""GenQuery1 and GenQuery2 as iRODS 5.0 reads them: tables of queries over a small catalog."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.client import routes
from embedded.engine.agent import Agent
from embedded.query.genquery1 import parse
from embedded.query.shape import split
from tests.zone.embedded.test_embedded_helpers import code_of, genquery1, genquery2, make_zone

HOME = "/tempZone/home/mrdata"
NAMES = ["a", "b", "o'y", "100%", "a_b", "axb", "back\\slash", "ünï", "|| x", "A"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """Objects of all NAMES in HOME/c, as large as their number;

    `a` has AVUs k=1, k=2, l=1, `b` has k=1; HOME/c has m=c.
    """
    zone = make_zone(tmp_path_factory.mktemp("genquery"))
    with Agent(zone, "mrdata") as connected:
        routes.imkdir(connected, f"{HOME}/c/d/e", parents=True)
        for size, name in enumerate(NAMES):
            routes.iput(connected, f"{HOME}/c/{name}", b"x" * size)
        for name, attribute, value in (("a", "k", "1"), ("a", "k", "2"), ("a", "l", "1"), ("b", "k", "1")):
            routes.imeta(connected, "add", "-d", f"{HOME}/c/{name}", attribute, value)
        routes.imeta(connected, "add", "-C", f"{HOME}/c", "m", "c")
        routes.irepl(connected, f"{HOME}/c/b", "archiveResc")
        yield connected


def names(*found: str) -> list[tuple[str, ...]]:
    return sorted((name,) for name in found)


IN_C = f"COLL_NAME = '{HOME}/c'"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("DATA_NAME = 'a'", ["a"]),
        ("DATA_NAME = 'o''y'", ["o'y"]),
        ("DATA_NAME = 'o\\x27y'", ["o'y"]),
        ("DATA_NAME = '\\x41'", ["A"]),
        ("DATA_NAME = '\\xc3\\xbcn\\xC3\\xAF'", ["ünï"]),
        ("DATA_NAME = 'ünï'", ["ünï"]),
        ("DATA_NAME = 'back\\slash'", ["back\\slash"]),
        ("DATA_NAME = '|| x'", ["|| x"]),
        ("DATA_NAME != 'a' and DATA_NAME <> 'b' and DATA_NAME not like '%_x%' and DATA_NAME like '_'", ["A"]),
        ("DATA_NAME like 'a%'", ["a", "a_b", "axb"]),
        ("DATA_NAME like 'A%'", ["A"]),
        ("DATA_NAME like 'a_b'", ["a_b", "axb"]),
        ("DATA_NAME like 'a\\_b'", ["a_b"]),
        ("DATA_NAME like '100\\%'", ["100%"]),
        ("DATA_NAME LIKE 'o''%'", ["o'y"]),
        ("DATA_NAME in ('a', 'b', 'zzz')", ["a", "b"]),
        ("DATA_NAME in 'a', 'b'", ["a", "b"]),
        ("DATA_NAME in ('o''y', 'a')", []),  # read again by the catalog's code, which splits at every quote
        ("DATA_NAME between 'a' 'b'", ["a", "a_b", "axb", "b"]),
        ("DATA_NAME begin_of 'a_bcd'", ["a", "a_b"]),
        ("DATA_NAME = 'a' || = 'b'", ["a", "b"]),
        ("DATA_NAME like 'a%' && not like '%b'", ["a"]),
        ("DATA_NAME = 'A' || like 'a%' && like '%b'", ["A", "a_b", "axb"]),
        ("DATA_NAME = '|| x' || = 'a'", ["|| x", "a"]),
        ("DATA_SIZE = '1'", ["b"]),
        ("DATA_SIZE > '8'", ["A"]),
        ("DATA_SIZE >= '007' and DATA_SIZE < '9'", ["ünï", "|| x"]),
        ("DATA_SIZE between '0' '1'", ["a", "b"]),
        ("META_DATA_ATTR_NAME = 'k' and META_DATA_ATTR_VALUE = '1'", ["a", "b"]),
        (
            (
                "META_DATA_ATTR_NAME = 'k' and META_DATA_ATTR_VALUE = '1' and META_DATA_ATTR_NAME = 'l' and"
                " META_DATA_ATTR_VALUE = '1'"
            ),
            ["a"],
        ),
        ("META_DATA_ATTR_NAME = 'l' and META_DATA_ATTR_VALUE = '2'", []),
        ("META_COLL_ATTR_VALUE = 'c' and DATA_NAME = 'a'", ["a"]),
        ("DATA_NAME = 'a' AnD DATA_REPL_STATUS = '1'", ["a"]),
        ("DATA_RESC_NAME = 'archiveResc'", ["b"]),
    ],
)
def test_genquery1(agent, where, expected):
    assert sorted(genquery1(agent, "DATA_NAME", f"{IN_C} and {where}")) == names(*expected)


@pytest.mark.parametrize(
    ("columns", "where", "rows"),
    [
        ("count(DATA_ID)", IN_C, [(str(len(NAMES) + 1),)]),  # a row a replica
        ("sum(DATA_SIZE)", f"{IN_C} and DATA_REPL_NUM = '0'", [("45",)]),
        ("min(DATA_SIZE), max(DATA_SIZE)", IN_C, [("0", "9")]),
        ("META_DATA_ATTR_NAME, count(DATA_ID)", f"{IN_C} and DATA_NAME = 'a'", [("k", "2"), ("l", "1")]),
        ("order_desc(DATA_SIZE)", f"{IN_C} and DATA_SIZE > '7'", [("9",), ("8",)]),
        ("ORDER(DATA_SIZE)", f"{IN_C} and DATA_SIZE > '7'", [("8",), ("9",)]),
        (
            "COLL_NAME",
            f"COLL_NAME parent_of '{HOME}/c'",
            [("/",), ("/tempZone",), ("/tempZone/home",), (HOME,), (f"{HOME}/c",)],
        ),
        ("COLL_NAME", f"COLL_PARENT_NAME = '{HOME}/c/d'", [(f"{HOME}/c/d/e",)]),
        ("DATA_RESC_NAME, DATA_REPL_NUM", f"{IN_C} and DATA_NAME = 'b'", [("demoResc", "0"), ("archiveResc", "1")]),
        ("DATA_OWNER_NAME", IN_C, [("mrdata",)]),  # distinct
        ("DATA_ACCESS_NAME, DATA_USER_NAME", f"{IN_C} and DATA_NAME = 'a'", [("own", "mrdata")]),
        ("USER_NAME, DATA_ACCESS_NAME", f"{IN_C} and DATA_NAME = 'a'", [("mrdata", "own")]),
        ("USER_TYPE", "USER_NAME = 'mrdata'", [("rodsadmin",)]),
        ("order(USER_NAME)", "USER_GROUP_NAME = 'public'", [("alice",), ("bob",), ("mrdata",), ("public",), ("rods",)]),
        ("order(RESC_NAME)", "RESC_NAME like '%Resc'", [("archiveResc",), ("demoResc",), ("landingResc",)]),
        ("META_DATA_ATTR_VALUE", f"{IN_C} and DATA_NAME = 'none'", []),
    ],
)
def test_columns_of_genquery1(agent, columns, where, rows):
    assert genquery1(agent, columns, where) == rows


def test_upper_case(agent):
    import irods_types

    from tests.zone.embedded.test_embedded_helpers import in_rule

    def ask(callback):
        query = callback.msiMakeGenQuery("DATA_NAME", "DATA_NAME = 'A'", irods_types.GenQueryInp())["arguments"][2]
        query.options |= 0x200
        page = callback.msiExecGenQuery(query, irods_types.GenQueryOut())["arguments"][1]
        return sorted(page.sqlResult[0].row(i) for i in range(page.rowCnt))

    assert in_rule(agent, ask) == ["A", "a"]


@pytest.mark.parametrize(
    ("columns", "where", "code"),
    [
        ("NO_SUCH", "", -1107000),
        ("data_name", "", -1107000),
        ("DATA_NAME", "NO_SUCH = 'a'", -1107000),
        ("DATA_NAME", "DATA_NAME = a", -1084000),
        ("DATA_NAME", "DATA_SIZE > 7", -1084000),
        ("DATA_NAME", "DATA_NAME = 'a", -1084000),
        ("DATA_NAME", "DATA_NAME = 'a' or DATA_NAME = 'b'", -1084000),
        ("DATA_NAME", "(DATA_NAME = 'a')", -1084000),
        ("DATA_NAME", "DATA_NAME not in ('a')", -1084000),
        ("DATA_NAME", "DATA_NAME between 'a' and 'b'", -1084000),
        ("DATA_NAME", "DATA_NAME == 'a'", -1084000),
        ("DATA_NAME", "DATA_NAME = 'a' -- comment", -1084000),
        ("DATA_NAME", "DATA_NAME = 'a'; drop table R_DATA_MAIN", -1084000),
        ("*", "", -1084000),
        ("DATA_NAME,", "", -1084000),
        ('"DATA_NAME"', "", -1084000),
        ("length(DATA_NAME)", "", -183000),
        ("DATA_NAME", "DATA_SIZE = 'many'", -806000),
        ("DATA_NAME", "DATA_SIZE like '1%'", -806000),
        ("DATA_NAME", "DATA_NAME like 'a\\'", -806000),
        ("DATA_NAME, RULE_EXEC_ID", "", -825000),
        ("COLL_NAME", "COLL_NAME = '/a' || parent_of '/b'", -816000),
    ],
)
def test_what_genquery1_refuses(agent, columns, where, code):
    assert code_of(agent, lambda cb: _run(cb, columns, where)) == code


def _run(callback, columns, where):
    import irods_types

    query = callback.msiMakeGenQuery(columns, where, irods_types.GenQueryInp())["arguments"][2]
    callback.msiExecGenQuery(query, irods_types.GenQueryOut())


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (f"select DATA_NAME where {IN_C} and DATA_NAME = 'o''y'", [("o'y",)]),
        (f"select DATA_NAME where {IN_C} and DATA_NAME = 'o\\x27y'", [("o'y",)]),
        (f"select DATA_NAME where {IN_C} and DATA_NAME in ('o''y', 'a') order by DATA_NAME desc", [("o'y",), ("a",)]),
        (
            f"select DATA_NAME where {IN_C} and (DATA_NAME = 'a' or DATA_NAME = 'b') order by DATA_NAME",
            [("a",), ("b",), ("b",)],
        ),
        (
            f"select distinct DATA_NAME where {IN_C} and (DATA_NAME = 'a' or DATA_NAME = 'b') order by DATA_NAME",
            [("a",), ("b",)],
        ),
        (f"select DATA_NAME where {IN_C} and not DATA_NAME like '_%' and DATA_SIZE >= '0'", []),
        (f"select DATA_NAME where {IN_C} and DATA_NAME not in ('a') and DATA_SIZE < '1'", []),
        (f"select DATA_NAME where {IN_C} and DATA_SIZE between '8' and '9' order by DATA_SIZE", [("|| x",), ("A",)]),
        (f"select DATA_SIZE where {IN_C} order by DATA_SIZE desc limit 2 offset 1", [("8",), ("7",)]),
        (f"select DATA_SIZE where {IN_C} order by DATA_SIZE offset 2 fetch first 1 rows only", [("1",)]),
        (f"select count(DATA_ID) where {IN_C} and DATA_REPL_NUM = '0'", [(str(len(NAMES)),)]),
        (
            f"select COLL_NAME, count(distinct DATA_ID) where {IN_C} group by COLL_NAME",
            [(f"{HOME}/c", str(len(NAMES)))],
        ),
        (
            (
                f"select META_DATA_ATTR_VALUE where {IN_C} and DATA_NAME = 'a' and META_DATA_ATTR_NAME = 'k' order by"
                " META_DATA_ATTR_VALUE"
            ),
            [("1",), ("2",)],
        ),
        (f"select DATA_NAME where {IN_C} and META_DATA_ATTR_NAME is null and DATA_SIZE < '3'", [("o'y",)]),
        (
            f"select distinct DATA_NAME where {IN_C} and META_DATA_ATTR_NAME is not null order by DATA_NAME",
            [("a",), ("b",)],
        ),
        (f"select COLL_NAME where {IN_C} and META_COLL_ATTR_VALUE = 'c'", [(f"{HOME}/c",)]),
        (
            f"select DATA_RESC_HIER where {IN_C} and DATA_NAME = 'b' order by DATA_RESC_HIER",
            [("archiveResc",), ("demoResc",)],
        ),
        (f"select DATA_ACCESS_USER_NAME, DATA_ACCESS_PERM_NAME where {IN_C} and DATA_NAME = 'a'", [("mrdata", "own")]),
        (f"select lower(DATA_NAME) where {IN_C} and DATA_NAME = 'A'", [("a",)]),
        ("SELECT COLL_NAME WHERE COLL_NAME = '/nowhere'", []),
    ],
)
def test_genquery2(agent, query, rows):
    assert genquery2(agent, query) == rows


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select DATA_NAME where DATA_SIZE > 7", -167000),
        ("select DATA_NAME where", -167000),
        ("select *", -167000),
        ("select DATA_NAME limit -1", -167000),
        ("select DATA_NAME where DATA_NAME = 'a", -167000),
        ("select DATA_NAME where DATA_NAME = 'a' -- x", -167000),
        ("select distinct DATA_NAME order by DATA_ID", -167000),
        ("select DATA_NAME, count(DATA_ID)", -167000),
        ("select no_such_function(DATA_NAME)", -167000),
        ("select NO_SUCH", -130000),
        ("select DATA_OWNER_NAME", -130000),
        ("select DATA_RESC_NAME", -130000),
        ("select COLL_NAME, USER_NAME", -130000),
    ],
)
def test_what_genquery2_refuses(agent, query, code):
    assert code_of(agent, lambda cb: cb.msi_genquery2_execute("", query)) == code


def test_genquery2_ends_after_256_rows(agent):
    for i in range(257):
        routes.imkdir(agent, f"{HOME}/many/{i}", parents=True)
    query = f"select COLL_NAME where COLL_PARENT_NAME = '{HOME}/many'"
    assert len(genquery2(agent, query)) == 256
    assert len(genquery2(agent, query + " limit 300")) == 257


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_literals_come_back(texts):
    """Whatever a text holds, quoted it is one literal and itself again."""
    query = "select A where " + " and ".join(
        "B = '" + t.replace("\\x", "\\x5cx").replace("'", "''") + "'" for t in texts
    )
    shape, literals = split(query)
    assert literals == texts
    assert shape == "select A where " + " and ".join(f"B = '{i}'" for i in range(len(texts)))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_value_escapes_its_quotes(value):
    parsed = parse("select DATA_NAME where DATA_NAME = '" + value.replace("\\x", "\\x5cx").replace("'", "''") + "'")
    statement = parsed.statement(options=0, restricted=False, offset=False)
    assert statement.parameters(parsed.literals, 1)["p0"] == value
    assert (
        statement.sql
        == parse("select DATA_NAME where DATA_NAME = 'x'").statement(options=0, restricted=False, offset=False).sql
    )

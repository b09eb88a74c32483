"""The embedded zone's callback is as strict as the Python rule engine plugin's."""

from __future__ import annotations

import json
import sys

import pytest

from embedded.client import routes
from embedded.engine.agent import Agent
from tests.zone.embedded.test_embedded_helpers import (  # noqa: F401 - fixtures
    HOME,
    agent_fixture,
    code_of,
    genquery1,
    in_rule,
    make_zone,
    zone_fixture,
)

RULES = """
import json

def greet(rule_args, callback, rei):
    rule_args[1] = "hello " + rule_args[0]

def count(rule_args, callback, rei):
    rule_args[0] = 7

def refuse(rule_args, callback, rei):
    return -818000

def go_on(rule_args, callback, rei):
    return 5000000

def raises(rule_args, callback, rei):
    raise ValueError("no")

def raises_code(rule_args, callback, rei):
    raise RuntimeError("[iRods__Error__Code:-816000] because")

def nothing(rule_args, callback, rei):
    return -808000

def passes_on(rule_args, callback, rei):
    callback.msiObjStat("/nowhere/x", irods_types.RodsObjStat())

def who(rule_args, callback, rei):
    flags = rei.uoic.authInfo.authFlag, rei.uoip.authInfo.authFlag
    rule_args[0] = "%s %s %d %d" % (rei.uoic.userName, rei.rsComm.proxyUser.rodsZone, *flags)
    assert rei.doi is None and rei.doinp is None

def error_codes(rule_args, callback, rei):
    rule_args[0] = str(irods_errors.CAT_NO_ROWS_FOUND)
"""


@pytest.fixture
def rules(tmp_path):
    with Agent(make_zone(tmp_path / "rules", RULES), "mrdata") as connected:
        yield connected


def test_a_rule_of_core_comes_first_and_its_list_is_copied_back(rules):
    assert in_rule(rules, lambda cb: cb.greet("you", "")) == {
        "code": 0,
        "status": True,
        "arguments": ["you", "hello you"],
    }


def test_only_texts_come_back_from_a_rule(rules):
    assert in_rule(rules, lambda cb: cb.count("1"))["arguments"] == ["1"]


def test_a_rule_takes_texts_only(rules):
    assert code_of(rules, lambda cb: cb.greet("you", 0)) == -66000


@pytest.mark.parametrize(
    ("name", "code"), [("refuse", -818000), ("raises", -1), ("raises_code", -816000), ("passes_on", -310000)]
)
def test_what_a_rule_fails_with(rules, name, code):
    assert code_of(rules, lambda cb: getattr(cb, name)()) == code


def test_a_rule_that_goes_on_succeeds(rules):
    assert code_of(rules, lambda cb: cb.go_on()) == 5000000


def test_no_rows_is_not_raised(rules):
    assert in_rule(rules, lambda cb: cb.nothing("x")) == {"code": -808000, "status": False, "arguments": ["x"]}


def test_everything_in_core_is_a_rule(rules):
    assert code_of(rules, lambda cb: cb.json("x")) == -1


def test_who_asks(rules, tmp_path):
    assert in_rule(rules, lambda cb: cb.who(""))["arguments"] == ["mrdata tempZone 5 5"]
    with Agent(rules.folder, "alice") as alice:
        assert in_rule(alice, lambda cb: cb.who(""))["arguments"] == ["alice tempZone 3 3"]


def test_the_modules_that_rules_import(rules):
    assert in_rule(rules, lambda cb: cb.error_codes(""))["arguments"] == ["-808000"]


@pytest.mark.parametrize("argument", [None, True, b"bytes", ["a"], {"a": 1}, object(), 1 + 2j])
def test_arguments_of_other_types_are_refused(agent, argument):
    with pytest.raises(RuntimeError, match="non-conforming"):
        in_rule(agent, lambda cb: cb.writeLine("serverLog", argument))


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_an_int_has_32_bits(agent, number):
    with pytest.raises(OverflowError):
        in_rule(agent, lambda cb: cb.msiDataObjClose(number, 0))


def test_a_text_ends_at_its_first_nul(agent):
    in_rule(agent, lambda cb: cb.msiCollCreate(f"{HOME}/a\0b", "0", 0))
    assert genquery1(agent, "COLL_NAME", f"COLL_PARENT_NAME = '{HOME}'") == [(f"{HOME}/a",)]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda cb: cb.msiNoSuchThing(), -1102000),
        (lambda cb: cb.msiCollCreate("/a"), -1021000),
        (lambda cb: cb.msiCollCreate("/a", "1", 0, 0), -1021000),
        (lambda cb: cb.writeLine(*["x"] * 11), -1021000),
        (lambda cb: cb.msiCollCreate(7, "1", 0), -323000),
        (lambda cb: cb.msiCollCreate(f"{HOME}/no/such", "0", 0), -814000),
        (lambda cb: cb.msiModAVUMetadata("-d", f"{HOME}/x", "append", "a", "v", ""), -130000),
        (lambda cb: cb.msiModAVUMetadata("-C", HOME, "add", "a", "null", ""), -130000),
        (lambda cb: cb.msiModAVUMetadata("-C", HOME, "add", "a", "", ""), -816000),
        (lambda cb: cb.msiDataObjOpen(f"objPath={HOME}/none", 0), -358000),
        (lambda cb: cb.msiDataObjOpen(f"path={HOME}/none", 0), -315000),
        (lambda cb: cb.msiDataObjClose(99, 0), -20000),
        (lambda cb: cb.msiMakeGenQuery("DATA_NAMES", "", __import__("irods_types").GenQueryInp()), -1107000),
    ],
)
def test_codes_of_bad_calls(agent, call, code):
    assert code_of(agent, call) == code


def test_a_placeholder_of_the_wrong_type(agent):
    routes.iput(agent, f"{HOME}/f", b"x")
    with pytest.raises(RuntimeError, match="bad_any_cast"):
        in_rule(agent, lambda cb: cb.msiObjStat(f"{HOME}/f", ""))
    with pytest.raises(RuntimeError, match="bad_any_cast"):
        in_rule(agent, lambda cb: cb.msiDataObjChksum(f"{HOME}/f", "", 0))


def test_a_callback_dies_with_its_rule_call(agent):
    kept = []
    in_rule(agent, kept.append)
    with pytest.raises(RuntimeError):
        kept[0].writeLine("serverLog", "x")


def test_bytes_of_an_object(agent):
    types = sys.modules["irods_types"]
    content = bytes(range(256))
    routes.iput(agent, f"{HOME}/bytes", content)

    def read(cb):
        fd = cb.msiDataObjOpen(f"objPath={HOME}/bytes++++openFlags=O_RDONLY", 0)["arguments"][1]
        assert cb.msiDataObjLseek(fd, "250", "SEEK_SET", 0)["arguments"][3].offset == 250
        buffer = cb.msiDataObjRead(fd, "100", types.BytesBuf())["arguments"][2]
        got = buffer.get_bytes()
        length = buffer.len
        buffer.clear_buffer()
        cb.msiDataObjClose(fd, 0)
        return got, length, buffer.len

    assert in_rule(agent, read) == (list(content[250:]), 6, 0)


@pytest.mark.parametrize("name", ["a=b", "o'y", "100%", "ä ö", "a b", "$x", "tab\there"])
def test_awkward_names(agent, name):
    path = f"{HOME}/{name}"
    routes.iput(agent, path, b"x")
    assert code_of(agent, lambda cb: cb.msiDataObjOpen(f"objPath={path}++++openFlags=O_RDONLY", 0)) == 0
    literal = name.replace("'", "''")
    assert genquery1(agent, "DATA_NAME", f"COLL_NAME = '{HOME}' and DATA_NAME = '{literal}'") == [(name,)]


def test_a_name_that_splits_options(agent):
    """msiDataObjOpen splits at `++++`: as on a server, such a name cannot be opened."""
    routes.iput(agent, f"{HOME}/a++++b=c", b"x")
    assert code_of(agent, lambda cb: cb.msiDataObjOpen(f"objPath={HOME}/a++++b=c++++openFlags=O_RDONLY", 0)) == -315000


def test_char_array():
    from embedded.types import CharArray

    array = CharArray("/zone/a")
    assert not isinstance(array, str)
    assert not hasattr(array, "startswith")
    assert str(array) == "/zone/a"
    assert len(array) == 1088
    for i, character in enumerate("/zone/longer\0"):
        array[i] = character
    assert str(array) == "/zone/longer"
    array[0] = "ä"  # a char takes the first byte of a text only
    with pytest.raises(UnicodeDecodeError):
        str(array)
    with pytest.raises(IndexError):
        array[1088] = "x"
    with pytest.raises(TypeError):
        array[0] = 65
    with pytest.raises(TypeError):
        "x" + array


def test_key_val_pair():
    from embedded.types import KeyValPair

    pairs = KeyValPair({"filePath": "/f", "dataSize": "3"})
    assert {str(pairs.key[i]): str(pairs.value[i]) for i in range(pairs.len)} == {"filePath": "/f", "dataSize": "3"}
    assert pairs["filePath"] == "/f"
    with pytest.raises(KeyError):
        pairs["none"]
    with pytest.raises(TypeError):
        "filePath" in pairs  # noqa: B015
    with pytest.raises(TypeError):
        list(pairs)
    assert not hasattr(pairs, "get")


def test_pages_of_a_query(agent):
    types = sys.modules["irods_types"]
    for i in range(300):
        routes.imkdir(agent, f"{HOME}/many/{i:03d}", parents=True)

    def pages(cb):
        query = cb.msiMakeGenQuery("COLL_NAME", f"COLL_PARENT_NAME = '{HOME}/many'", types.GenQueryInp())["arguments"][
            2
        ]
        first = cb.msiExecGenQuery(query, types.GenQueryOut())["arguments"][1]
        result = cb.msiGetMoreRows(query, first, 0)["arguments"]
        return first.rowCnt, first.continueInx > 0, result[1].rowCnt, result[2]

    assert in_rule(agent, pages) == (256, True, 44, 0)
    assert len(genquery1(agent, "COLL_NAME", f"COLL_PARENT_NAME = '{HOME}/many'")) == 300


def test_a_query_left_open_costs_a_statement(agent):
    types = sys.modules["irods_types"]
    for i in range(256):
        routes.imkdir(agent, f"{HOME}/many/{i:03d}", parents=True)

    def ask(cb):
        query = cb.msiMakeGenQuery("COLL_NAME", f"COLL_PARENT_NAME = '{HOME}/many'", types.GenQueryInp())["arguments"][
            2
        ]
        cb.msiExecGenQuery(query, types.GenQueryOut())

    for _ in range(50):
        in_rule(agent, ask)
    assert code_of(agent, ask) == -860000


def test_atomic_metadata_is_all_or_nothing(agent):
    add = [{"operation": "add", "attribute": "a", "value": "1"}]
    bad = [*add, {"operation": "add", "attribute": "b", "value": ""}]

    def apply(operations):
        request = {"entity_name": HOME, "entity_type": "collection", "operations": operations}
        return code_of(agent, lambda cb: cb.msi_atomic_apply_metadata_operations(json.dumps(request), ""))

    assert apply(bad) == -816000
    assert genquery1(agent, "META_COLL_ATTR_NAME", f"COLL_NAME = '{HOME}'") == []
    assert apply(add) == apply(add) == 0
    assert genquery1(agent, "META_COLL_ATTR_NAME", f"COLL_NAME = '{HOME}'") == [("a",)]


def test_single_avus(agent):
    def modify(*arguments):
        return code_of(agent, lambda cb: cb.msiModAVUMetadata("-C", HOME, *arguments))

    assert modify("add", "a", "1", "") == 0
    assert modify("add", "a", "1", "") == -809000
    assert modify("add", "a", "2", "s") == 0
    assert modify("rm", "a", "2", "") == -819000
    assert modify("set", "a", "3", "") == 0
    assert genquery1(agent, "META_COLL_ATTR_VALUE, META_COLL_ATTR_UNITS", f"COLL_NAME = '{HOME}'") == [("3", "")]


@pytest.mark.parametrize(
    "broken",
    ["def x(:\n", "import no_such_module\n", "raise SystemExit(1)\n", "1 / 0\n"],
    ids=["syntax", "import", "exit", "exception"],
)
def test_a_broken_core_fails_open(tmp_path, broken):
    folder = make_zone(
        tmp_path, "def pep_api_data_obj_put_pre(rule_args, callback, rei):\n    return -13000\n" + broken
    )
    with Agent(folder, "mrdata") as connected:
        routes.iput(connected, f"{HOME}/in", b"x")
        assert code_of(connected, lambda cb: cb.writeLine("serverLog", "x")) == -1828000
        assert "rule engine" in folder.log.read_text()
        (tmp_path / "core.py").write_text(
            "def pep_api_data_obj_put_pre(rule_args, callback, rei):\n    return -13000\n"
        )
        with pytest.raises(Exception, match="-13000"):  # imported again at the next enforcement point
            routes.iput(connected, f"{HOME}/out", b"x")


def test_each_connection_imports_core_anew(tmp_path):
    folder = make_zone(
        tmp_path,
        "seen = []\ndef note(rule_args, callback, rei):\n    seen.append(1)\n    rule_args[0] = str(len(seen))\n",
    )
    with Agent(folder, "mrdata") as first, Agent(folder, "mrdata") as second:
        counts = [in_rule(a, lambda cb: cb.note(""))["arguments"][0] for a in (first, first, second, first)]
    assert counts == ["1", "2", "1", "3"]


def test_core_finds_the_zones_settings(tmp_path):
    folder = make_zone(
        tmp_path,
        "import os\nplace = os.environ['MRDATA_SETTINGS']\ndef tell(rule_args, callback, rei):\n    rule_args[0] ="
        " place\n",
    )
    with Agent(folder, "mrdata") as connected:
        assert in_rule(connected, lambda cb: cb.tell(""))["arguments"] == [str(folder.settings)]

"""Each way into the embedded zone fires the enforcement points that it fires on a server.

With the same consequences.
"""

from __future__ import annotations

import pytest

from embedded.client import routes
from embedded.engine.agent import Agent
from embedded.errors import IrodsError
from embedded.types import CharArray
from tests.zone.embedded.test_embedded_helpers import HOME, RECORDER, genquery1, make_zone

LARGE = b"\0" * (routes.SINGLE_BUFFER + 1)
MODIFIED = "resource_modified_post"


def both(*operations: str) -> list[str]:
    return [f"api_{operation}_{when}" for operation in operations for when in ("pre", "post")]


@pytest.fixture
def recorder(tmp_path):
    """A connection whose every enforcement point is noted; `landing/file` is a file that can be registered."""
    zone = make_zone(tmp_path, RECORDER)
    (zone.path / "landing" / "file").write_bytes(b"12345")
    with Agent(zone, "mrdata") as agent:
        routes.iput(agent, f"{HOME}/old", b"old")
        routes.ireg(agent, zone.path / "landing" / "file", f"{HOME}/registered", "landingResc")
        agent.core().log.clear()
        yield agent


def put(*end: str) -> list[str]:
    return ["api_data_obj_put_pre", *end, "api_data_obj_put_post"]


CASES = {
    "iput": (lambda a: routes.iput(a, f"{HOME}/x", b"x"), put(MODIFIED)),
    "iput over": (lambda a: routes.iput(a, f"{HOME}/old", b"x", force=True), put(MODIFIED)),
    "iput large": (lambda a: routes.iput(a, f"{HOME}/x", LARGE), put("api_opr_complete_pre", MODIFIED)),
    "iput -b": (
        lambda a: routes.iput_bulk(a, HOME, [(f"n{i}", b"x") for i in range(51)]),
        [
            "api_bulk_data_obj_put_pre",
            *([MODIFIED] * 50),
            "api_bulk_data_obj_put_post",
            "api_bulk_data_obj_put_pre",
            MODIFIED,
            "api_bulk_data_obj_put_post",
        ],
    ),
    "prc": (
        lambda a: routes.prc_put(a, f"{HOME}/x", b"x"),
        [*both("data_obj_open", "data_obj_write"), "api_data_obj_close_pre", MODIFIED, "api_data_obj_close_post"],
    ),
    "prc parallel": (
        lambda a: routes.prc_put(a, f"{HOME}/x", LARGE),
        [
            *both("data_obj_open", "get_file_descriptor_info", "data_obj_open", "data_obj_open"),
            *(both("data_obj_lseek", "data_obj_write", "data_obj_write") * 3),
            *both("replica_close", "replica_close"),
            "api_data_obj_close_pre",
            MODIFIED,
            "api_data_obj_close_post",
        ],
    ),
    "prc create": (
        lambda a: routes.prc_create(a, f"{HOME}/x"),
        [*both("data_obj_create"), "api_data_obj_close_pre", MODIFIED, "api_data_obj_close_post"],
    ),
    "istream": (
        lambda a: routes.istream(a, f"{HOME}/x", b"x"),
        [*both("replica_open", "data_obj_write"), "api_replica_close_pre", MODIFIED, "api_replica_close_post"],
    ),
    "ireg": (
        lambda a: routes.ireg(a, a.folder.path / "landing" / "file", f"{HOME}/x", "landingResc"),
        both("phy_path_reg"),
    ),
    "ireg -C": (
        lambda a: routes.ireg_collection(a, a.folder.path / "landing", f"{HOME}/c", "landingResc"),
        both("phy_path_reg"),
    ),
    "imv": (
        lambda a: routes.imv(a, f"{HOME}/old", f"{HOME}/new"),
        ["api_data_obj_rename_pre", MODIFIED, "api_data_obj_rename_post"],
    ),
    "imv registered": (lambda a: routes.imv(a, f"{HOME}/registered", f"{HOME}/new"), both("data_obj_rename")),
    "icp": (
        lambda a: routes.icp(a, f"{HOME}/old", f"{HOME}/new"),
        ["api_data_obj_copy_pre", MODIFIED, "api_data_obj_copy_post"],
    ),
    "itouch": (lambda a: routes.itouch(a, f"{HOME}/new"), ["api_touch_pre", MODIFIED, "api_touch_post"]),
    "itouch old": (lambda a: routes.itouch(a, f"{HOME}/old"), both("touch")),
    "iget": (lambda a: routes.iget(a, f"{HOME}/old"), both("data_obj_get")),
    "read": (
        lambda a: routes.read(a, f"{HOME}/old", 1, 1),
        both("data_obj_open", "data_obj_lseek", "data_obj_read", "data_obj_close"),
    ),
    "irm": (lambda a: routes.irm(a, f"{HOME}/old", force=True), both("data_obj_unlink")),
    "imkdir": (lambda a: routes.imkdir(a, f"{HOME}/c"), both("coll_create")),
    "ichmod": (lambda a: routes.ichmod(a, "read", "alice", f"{HOME}/old"), both("mod_access_control")),
    "imeta": (lambda a: routes.imeta(a, "add", "-d", f"{HOME}/old", "a", "v"), both("mod_avu_metadata")),
    "ichksum": (
        lambda a: routes.ichksum(a, f"{HOME}/old"),
        ["api_data_obj_chksum_pre", MODIFIED, "api_data_obj_chksum_post"],
    ),
    "irepl": (
        lambda a: routes.irepl(a, f"{HOME}/old", "archiveResc"),
        ["api_data_obj_repl_pre", MODIFIED, "api_data_obj_repl_post"],
    ),
    "itrim": (lambda a: routes.itrim(a, f"{HOME}/old"), both("data_obj_trim")),
}


@pytest.mark.parametrize("name", CASES)
def test_what_fires(recorder, name):
    act, expected = CASES[name]
    act(recorder)
    assert recorder.core().log == expected


def test_moving_a_collection_fires_once(recorder):
    routes.imkdir(recorder, f"{HOME}/c")
    routes.iput(recorder, f"{HOME}/c/x", b"x")
    recorder.core().log.clear()
    routes.imv(recorder, f"{HOME}/c", f"{HOME}/d")
    assert recorder.core().log == both("data_obj_rename")


def test_microservices_fire_no_api_enforcement_points(recorder):
    from tests.zone.embedded.test_embedded_helpers import in_rule

    in_rule(recorder, lambda cb: cb.msiDataObjRename(f"{HOME}/old", f"{HOME}/new", "0", 0))
    assert recorder.core().log == [MODIFIED]


REWRITES = """
def pep_api_phy_path_reg_pre(rule_args, callback, rei):
    assert not isinstance(rule_args[2].objPath, str)
    pairs = rule_args[2].condInput
    given = {str(pairs.key[i]): str(pairs.value[i]) for i in range(pairs.len)}
    assert sorted(given) == ["dataSize", "destRescName", "filePath"], given
    callback.msiCollCreate("/tempZone/home/mrdata/placed", "1", 0)
    for i, c in enumerate("/tempZone/home/mrdata/placed/here" + chr(0)):
        rule_args[2].objPath[i] = c
    return 5000000

def pep_api_phy_path_reg_post(rule_args, callback, rei):
    callback.msiModAVUMetadata("-d", str(rule_args[2].objPath), "add", "size", rule_args[2].condInput["dataSize"], "")
    return 5000000
"""


def test_placed_at_birth(tmp_path):
    zone = make_zone(tmp_path, REWRITES)
    file = zone.path / "landing" / "file"
    file.write_bytes(b"12345")
    with Agent(zone, "mrdata") as agent:
        assert routes.ireg(agent, file, f"{HOME}/a/path/that/does/not/exist", "landingResc") == f"{HOME}/placed/here"
        rows = genquery1(
            agent, "COLL_NAME, DATA_NAME, DATA_PATH, DATA_SIZE, META_DATA_ATTR_VALUE", "META_DATA_ATTR_NAME = 'size'"
        )
    assert rows == [(f"{HOME}/placed", "here", str(file), "5", "5")]
    assert file.read_bytes() == b"12345"


def test_where_an_object_is_that_the_post_moved(tmp_path):
    head = "def pep_api_phy_path_reg_post(rule_args, callback, rei):\n"
    rules = head + "    p = str(rule_args[2].objPath)\n    callback.msiDataObjRename(p, p + '2', '0', 0)\n"
    zone = make_zone(tmp_path, rules)
    (zone.path / "landing" / "file").write_bytes(b"x")
    with Agent(zone, "mrdata") as agent:
        assert routes.ireg(agent, zone.path / "landing" / "file", f"{HOME}/a", "landingResc") == f"{HOME}/a2"


def status_of(agent: Agent, name: str) -> list[str]:
    return [
        status for (status,) in genquery1(agent, "DATA_REPL_STATUS", f"COLL_NAME = '{HOME}' and DATA_NAME = '{name}'")
    ]


def test_a_pre_that_fails_stops_the_operation(recorder):
    recorder.core().fail["api_data_obj_put_pre"] = -13000
    with pytest.raises(IrodsError) as caught:
        routes.iput(recorder, f"{HOME}/x", b"x")
    assert caught.value.code == -13000
    assert status_of(recorder, "x") == []
    assert recorder.core().log == ["api_data_obj_put_pre"]


def test_a_pre_can_skip_the_operation(recorder):
    recorder.core().fail["api_data_obj_put_pre"] = 5001000
    routes.iput(recorder, f"{HOME}/x", b"x")
    assert status_of(recorder, "x") == []
    assert recorder.core().log == both("data_obj_put")


@pytest.mark.parametrize("name", ["iput", "iput large", "prc", "istream", "ireg", "imv", "icp", "irepl"])
def test_a_post_that_fails_replaces_success_but_undoes_nothing(recorder, name):
    act, expected = CASES[name]
    recorder.core().fail[expected[-1]] = -816000
    with pytest.raises(IrodsError) as caught:
        act(recorder)
    assert caught.value.code == -816000
    good = {"imv": "new", "icp": "new", "irepl": "old"}.get(name, "x")
    assert set(status_of(recorder, good)) == {"1"}


@pytest.mark.parametrize(("name", "status"), [("iput", "1"), ("prc", "1"), ("istream", "0")])
def test_a_failing_modified_post(recorder, name, status):
    """The object stays good, but for replica_close, which marks it stale."""
    recorder.core().fail[MODIFIED] = -816000
    with pytest.raises(IrodsError):
        CASES[name][0](recorder)
    assert status_of(recorder, "x") == [status]


def test_an_operation_that_fails_fires_no_post(recorder):
    with pytest.raises(IrodsError):
        routes.imv(recorder, f"{HOME}/none", f"{HOME}/new")
    assert recorder.core().log == ["api_data_obj_rename_pre"]


MAPS = """
seen = []
def pep_resource_modified_post(rule_args, callback, rei):
    seen.append((rule_args[0], rule_args[1].map()))
    q = callback.msiMakeGenQuery("DATA_REPL_STATUS", "DATA_PATH = '%s'" % seen[-1][1]["physical_path"], irods_types.GenQueryInp())
    assert callback.msiExecGenQuery(q["arguments"][2], irods_types.GenQueryOut())["arguments"][1].sqlResult[0].row(0) == "1"

def pep_api_bulk_data_obj_put_post(rule_args, callback, rei):
    found = rule_args[2].attriArray
    seen.append([found.sqlResult[0].row(i) for i in range(found.rowCnt)])

def pep_api_touch_post(rule_args, callback, rei):
    seen.append(bytes(rule_args[2].get_bytes()).decode())

def pep_api_data_obj_rename_post(rule_args, callback, rei):
    seen.append((str(rule_args[2].srcDataObjInp.objPath), str(rule_args[2].destDataObjInp.objPath)))
"""


def test_what_enforcement_points_are_told(tmp_path):
    with Agent(make_zone(tmp_path, MAPS), "mrdata") as agent:
        routes.iput(agent, f"{HOME}/x", b"xyz")
        ((resource, values),) = agent.core().seen
        assert resource == values["resc_hier"] == "demoResc"
        assert all(isinstance(value, str) for value in values.values())
        told = {
            key: values[key]
            for key in (
                "logical_path",
                "file_size",
                "openType",
                "in_pdmo",
                "user_user_name",
                "user_auth_info_auth_flag",
            )
        }
        assert told == {
            "logical_path": f"{HOME}/x",
            "file_size": "3",
            "openType": "1",
            "in_pdmo": "",
            "user_user_name": "mrdata",
        } | {"user_auth_info_auth_flag": "5"}
        agent.core().seen.clear()
        routes.iput_bulk(agent, HOME, [("a", b""), ("b", b"")])
        assert agent.core().seen[-1] == [f"{HOME}/a", f"{HOME}/b"]
        routes.itouch(agent, f"{HOME}/a")
        assert '"logical_path": "/tempZone/home/mrdata/a"' in agent.core().seen[-1]
        routes.imv(agent, f"{HOME}/a", f"{HOME}/c")
        assert agent.core().seen[-1] == (f"{HOME}/a", f"{HOME}/c")


def test_a_path_in_arguments_is_a_char_array():
    from embedded.types import DataObjInp

    inp = DataObjInp("/a")
    assert isinstance(inp.objPath, CharArray)
    with pytest.raises(AttributeError):
        inp.objPath = "/b"

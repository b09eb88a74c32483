"""The rulebase: cheap to import, no more rules than meant, and closed to ordinary users."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import rulebase
from embedded.types import CollInp, DataObjCopyInp, DataObjInp, GenQueryOut
from microservices.rules.rule_agent import Agent
from microservices.rules.rule_table import RULES
from microservices.zones import bulk_registration
from policy.zone.settings import SettingsError

CORE = Path(rulebase.__file__).parent / "core.py"


@pytest.fixture
def core():
    spec = importlib.util.spec_from_file_location("core", CORE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_a_rule_and_every_rule_has_one(core):
    public = {name for name in vars(core) if not name.startswith("_")}
    assert {name for name in public if name.startswith("mrdata_")} == {f"mrdata_{rule}" for rule in RULES}
    assert all(name.startswith(("pep_", "mrdata_")) for name in public)


def test_import_brings_nothing_heavy():
    code = f"import sys; sys.path.insert(0, {str(CORE.parent)!r}); import core; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"yaml", "pydicom", "typing", "re", "json", "logging", "policy", "microservices", "functools"} & set(
        loaded
    )


LOCAL, REMOTE_ADMIN, ADMIN = 3, 4, 5
"""authFlag of a user, of a rodsadmin of another zone, of a rodsadmin of this one (rodsUser.h)."""
FLAGS = (0, 2, LOCAL, REMOTE_ADMIN, ADMIN)
REFUSED, GOES_ON = -13000, 5000000
CLOSED = [
    "api_exec_my_rule",
    "api_exec_rule_expression",
    "api_rule_exec_submit",
    "api_specific_query",
    "api_ticket_admin",
    "api_phy_path_reg",
    "api_register_physical_path",
    "api_l3_file_put_single_buf",
    "api_data_object_modify_info",
    "api_struct_file_bundle",
    "api_struct_file_ext_and_reg",
    "api_struct_file_extract",
    "api_struct_file_sync",
    "api_sub_struct_file_get",
    "api_sub_struct_file_put",
    "api_sync_mounted_coll",
    "experimental_api_adaptor",
]
FORWARDED = ["api_reg_data_obj", "api_unreg_data_obj", "api_bulk_data_obj_reg", "api_proc_stat"]
SPECIAL, FILE = ("collectionType", "collectionInfo1", "collectionInfo2"), ("filePath",)
LIMITED = {
    "api_coll_create": SPECIAL,
    "api_reg_coll": SPECIAL,
    "api_mod_coll": SPECIAL,
    "api_data_obj_rename": FILE,
    "api_bulk_data_obj_put": FILE,
}


def asked_by(client, proxy=LOCAL):
    users = [SimpleNamespace(authInfo=SimpleNamespace(authFlag=flag)) for flag in (client, proxy)]
    return SimpleNamespace(uoic=users[0], uoip=users[1])


@pytest.mark.parametrize("point", CLOSED)
def test_only_administrators_of_the_zone(core, point):
    function = getattr(core, f"pep_{point}_pre")
    assert [function([], None, asked_by(flag, ADMIN)) for flag in FLAGS] == [REFUSED] * 4 + [GOES_ON]


@pytest.mark.parametrize("point", FORWARDED)
def test_other_servers_of_the_zone_ask_for_their_users(core, point, monkeypatch):
    monkeypatch.setattr(core, "_agent", lambda: Agent.__new__(Agent))
    monkeypatch.setattr("policy.ingest.batch.may_register", lambda *a: True)
    monkeypatch.setattr(Agent, "context", lambda *a: None)
    request = [
        None,
        None,
        GenQueryOut(0, 2, 0, 0, [[], []], [bulk_registration.DATA_NAME, bulk_registration.DATA_PATH]),
    ]
    function = getattr(core, f"pep_{point}_pre")
    assert [function(request, None, asked_by(LOCAL, proxy)) for proxy in FLAGS] == [REFUSED] * 4 + [GOES_ON]
    assert function(request, None, asked_by(ADMIN)) == GOES_ON


def requests(keywords):
    """A request of each kind with these keywords."""
    pairs = dict.fromkeys(keywords, "x")
    yield CollInp("/z", pairs)
    yield DataObjInp("/z", pairs)
    yield DataObjCopyInp(DataObjInp("/z", pairs), DataObjInp("/z"))
    yield DataObjCopyInp(DataObjInp("/z"), DataObjInp("/z", pairs))


@pytest.mark.parametrize("point", LIMITED)
def test_keywords_that_are_only_for_administrators(core, point):
    function = getattr(core, f"pep_{point}_pre")
    for keyword in LIMITED[point]:
        for request in requests(["forceFlag", keyword]):
            assert [function([0, 0, request], None, asked_by(flag, ADMIN)) for flag in FLAGS] == [REFUSED] * 4 + [
                GOES_ON
            ]
    for request in requests(["forceFlag", "recursiveOpr"]):
        assert [function([0, 0, request], None, asked_by(flag)) for flag in FLAGS] == [GOES_ON] * 5


def test_genquery2(core):
    turned = {"query_string": "select COLL_NAME where COLL_NAME = 'a' or COLL_NAME = 'b'", "column_mappings": "0"}
    assert [core.pep_api_genquery2_pre([0, 0, turned], None, asked_by(flag, ADMIN)) for flag in FLAGS] == [
        REFUSED
    ] * 4 + [GOES_ON]
    harmless = {**turned, "query_string": "select COLL_NAME"}
    assert [core.pep_api_genquery2_pre([0, 0, harmless], None, asked_by(flag)) for flag in FLAGS] == [GOES_ON] * 5


def test_each_point_is_tried_above(core):
    closing = {f"pep_{name}_pre" for name in (*CLOSED, *FORWARDED, *LIMITED, "api_genquery2")}
    assert {name for name in vars(core) if name.startswith("pep_") and name.endswith("_pre")} == closing


def test_a_closing_point_that_fails_refuses(core):
    """iRODS takes an exception for an error, and does not do what was asked."""
    for name in (name for name in vars(core) if name.startswith("pep_") and name.endswith("_pre")):
        with pytest.raises((AttributeError, SettingsError)):
            getattr(core, name)([None, None, None], None, None)


def test_any_other_enforcement_point_never_raises(core):
    for name in (name for name in vars(core) if name.startswith("pep_") and name.endswith("_post")):
        assert getattr(core, name)([], None, None) == GOES_ON

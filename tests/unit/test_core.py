"""The rulebase: cheap to import, no more rules than meant, and closed to ordinary users."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import rulebase
from microservices.rules import RULES

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
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"yaml", "pydicom", "typing", "re", "json", "logging", "policy", "microservices", "functools"} & set(loaded)


def user(flag):
    return SimpleNamespace(uoic=SimpleNamespace(authInfo=SimpleNamespace(authFlag=flag)))


@pytest.mark.parametrize("point", ["exec_my_rule", "exec_rule_expression", "rule_exec_submit"])
def test_only_administrators_run_rules(core, point):
    function = getattr(core, f"pep_api_{point}_pre")
    assert [function([], None, user(flag)) for flag in (0, 2, 3, 4, 5)] == [-13000, -13000, -13000, 5000000, 5000000]


def test_an_enforcement_point_never_raises(core):
    for name in (n for n in vars(core) if n.startswith("pep_") and getattr(core, n) is not core.pep_api_exec_my_rule_pre):
        assert getattr(core, name)([], None, None) == 5000000

"""A release is proved before it is switched to; one that does not work replaces nothing."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from irods_config import install
from irods_config.icommands import SetupError

SOURCE = Path(__file__).resolve().parents[3]


@pytest.fixture
def place(tmp_path):
    settings = tmp_path / "mrdata.yaml"
    settings.write_text("zone: tempZone\nscanners: [94T]\n")
    (tmp_path / "core.py").write_text("# pristine\n")
    (tmp_path / "root/releases").mkdir(parents=True)
    return install.Place(tmp_path / "root", tmp_path / "core.py", settings, Path(sys.executable))


def release(place, name, **changed):
    """What `install` makes with pip, from this environment's packages; `changed` are texts added to a module."""
    new = place.root / "releases" / name
    for package in install.OURS:
        shutil.copytree(SOURCE / package, new / package, ignore=shutil.ignore_patterns("__pycache__"))
    for package in (
        "pydicom",
        "stdnum",
        "yaml",
        "dulwich",
        "requests",
        "urllib3",
        "certifi",
        "charset_normalizer",
        "idna",
    ):
        origin = importlib.util.find_spec(package).origin
        compiled = [] if package == "yaml" else ["*.so"]
        shutil.copytree(
            Path(origin).parent, new / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", *compiled)
        )
    shutil.copy(importlib.util.find_spec("typing_extensions").origin, new)
    for module, text in changed.items():
        path = new / (module.replace("__", "/") + ".py")
        path.write_text(path.read_text() + "\n" + text + "\n")
    return new


def in_use(place):
    return os.path.basename(os.path.realpath(place.current))


def test_a_release_that_works_is_switched_to_and_back(place):
    first, second = release(place, "1"), release(place, "2")
    assert not place.is_installed()
    for new in (first, second):
        assert "core.py: " in install.prove(place, new, None)
        install.switch(place, new)
        assert place.is_installed()
        assert in_use(place) == new.name
    assert place.core.resolve() == second / "rulebase/core.py"
    assert install.back(place, None).startswith(str(first))
    assert (in_use(place), os.path.basename(os.path.realpath(place.previous))) == ("1", "2")
    kept = [p.read_text() for p in place.core.parent.glob("core.py.*")]
    assert kept == ["# pristine\n"]


@pytest.mark.parametrize(
    ("module", "text", "says"),
    [
        ("rulebase__core", "def broken(:", "SyntaxError"),
        ("rulebase__core", "import nothing_of_this_name", "ModuleNotFoundError"),
        ("rulebase__core", "import json", "would let clients call json"),
        ("rulebase__core", "del mrdata_health", "lacks its rules"),
        ("rulebase__core", "import time as _t\nwhile _t.process_time() < 0.5:\n    pass", "import core took"),
        ("microservices__rules__rule_agent", "raise RuntimeError('no agent')", "no agent"),
        (
            "microservices__headers__header_reader",
            "def read_header(file, size): return Header(Kind.OTHER, size)",
            "DICOM header was read wrongly",
        ),
        ("policy__zone__settings", "settings_from = None", "NoneType"),
    ],
)
def test_a_broken_release_is_refused_and_the_old_one_stays(place, module, text, says):
    install.switch(place, release(place, "good"))
    broken = release(place, "broken", **{module: text})
    with pytest.raises(SetupError, match=says):
        install.prove(place, broken, None)
    assert in_use(place) == "good"
    assert place.is_installed()


@pytest.mark.parametrize(
    "text",
    [
        "import time as _t; _t.sleep(0.2)",
        (
            "if not _os.path.exists(__file__ + '.seen'):\n    open(__file__ + '.seen', 'x').close()\n    [_n**2 for _n"
            " in range(3000000)]"
        ),
    ],
    ids=["others had the processor meanwhile", "the first import is the dearest"],
)
def test_a_busy_machine_refuses_no_release(place, text):
    assert "core.py: " in install.prove(place, release(place, "1", rulebase__core=text), None)


def test_settings_that_it_cannot_read_refuse_a_release(place):
    place.settings.write_text("zone: tempZone\nno_such_key: 1\n")
    with pytest.raises(SetupError, match="no_such_key"):
        install.prove(place, release(place, "1"), None)


def test_packages_from_elsewhere_refuse_a_release(place):
    new = release(place, "1")
    shutil.rmtree(new / "stdnum")
    with pytest.raises(SetupError, match=r"stdnum"):
        install.prove(place, new, None)


def test_without_a_release_before_there_is_no_way_back(place):
    install.switch(place, release(place, "1"))
    with pytest.raises(SetupError, match="no earlier release"):
        install.back(place, None)
    assert in_use(place) == "1"


def test_the_requirements_are_those_of_the_distribution():
    wanted = install.requirements()
    for name, requirement in zip((*install.THEIRS, *install.PURE), wanted, strict=True):
        assert requirement.startswith(name)
        assert "<" in requirement or name in ("certifi", "typing-extensions")  # which count by date, and only grow


def test_a_compiled_extension_of_git_refuses_a_release(place):
    new = release(place, "1")
    (new / "dulwich/_pack.py").write_text("bisect_find_sha = create_delta = apply_delta = None\n")
    with pytest.raises(SetupError, match="_pack of dulwich"):
        install.prove(place, new, None)


def test_a_root_that_is_not_ours_says_what_to_do(place):
    with pytest.raises(SetupError, match="install -d"):
        install.back(install.Place(place.root / "missing", place.core), None)

"""`.ci/environment`: makes the Python environment of `make demo` and `make test`, and says what is in its way."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "environment"
NEW = """#!/bin/sh
case "$*" in
-V) echo "Python 3.12.1" ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/bin/pip" ;;
"-m pip "*) echo "SetuptoolsWarning: old"; echo "Downloading numpy-2.0.whl (16 MB)"; exit ${PIP:-0} ;;
esac
"""
OLD = '#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n'
WITHOUT_VENV = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n'


def executable(file: Path, content: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(0o755)
    return file


@pytest.fixture
def make(tmp_path):
    """Runs the script in a folder with a blank; what it printed."""
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()

    def run(python: str, status: int = 0, extras: str = "demo", **environment: str) -> str:
        stub = executable(tmp_path / "python", python)
        done = subprocess.run(
            [str(SCRIPT), ".venv", extras], cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHON": str(stub), **environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    run.folder = folder / ".venv"
    return run


def test_it_shows_what_is_installed_and_once(make):
    told = make(NEW)
    assert "Making the Python environment .venv with Python 3.12.1" in told
    assert "\n  numpy-2.0.whl (16 MB)\n" in told
    assert "Warning" not in told
    assert make(NEW) == ""
    assert "numpy" in make(NEW, extras="demo,test")
    assert make(NEW, extras="demo,test") == make(NEW) == ""


def test_an_old_python_is_refused_and_touches_nothing(make):
    told = make(OLD, 1)
    assert "is Python 3.9.2, and MrData needs Python 3.11 or newer; name one: make demo PYTHON=python3.12" in told
    assert told.count("\n") == 1
    assert not make.folder.exists()
    assert "apt install python3-venv" in make(WITHOUT_VENV, 1)


def test_an_environment_of_an_old_python_is_made_again(make):
    executable(make.folder / "bin" / "python", OLD)
    assert "Making the Python environment" in make(NEW)
    assert (make.folder / "bin" / "python").read_text() == NEW


def test_an_installation_that_fails_is_shown_and_tried_again(make):
    told = make(NEW, 1, PIP="1")
    assert "mrdata: error: not everything could be installed" in told
    assert "Downloading numpy" in told
    assert "numpy" in make(NEW)

"""Every command of the README's code blocks, run as it is printed, in a temporary folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
MAKE, INSTALL, USE, COMPLETION = BLOCKS


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the commands run, with the environment of these tests as `.venv`, on the PATH once it is activated."""
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for name in ("python", "mrdata"):
        file = scripts / name
        module = " -m mrdata.cli" if name == "mrdata" else ""
        file.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{module} "$@"\n')
        file.chmod(0o755)
    (scripts / "activate").write_text(f"export PATH={shlex.quote(str(scripts))}:$PATH\n")
    return tmp_path


def run(commands: str, folder: Path) -> str:
    """What bash printed; the first command that fails ends it, and the test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    environment |= {"XDG_STATE_HOME": str(folder / "state")}
    environment.pop("MRDATA_ZONE", None)
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_what_is_typed_to_see_it_are_targets_of_the_makefile(tmp_path):
    """What they do has tests of its own: the demonstration, and all that is here."""
    commands = [line.split("#")[0].strip() for line in MAKE.splitlines()]
    assert commands == ["make demo", "make test"]
    for command in [*commands, *re.findall(r"`(make [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))]:
        run(f"{command} --dry-run", ROOT)


def test_the_environment_has_the_extras_that_are_typed():
    venv, pip = INSTALL.splitlines()
    assert venv == "python3 -m venv .venv"
    extras = re.search(r"'\.\[(.*)\]'", pip)[1].split(",")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_how_it_is_used_works_as_printed(folder):
    for module in ("dcm2niix", "bids_validator_deno"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install '.[products]'")
    zone = folder / "zone"
    told = run(USE.replace("/tmp/zone", str(zone)).replace("8081", free_port()), folder)
    for part in (
        "34 registered", '"quarantined": 17', "may be meant:", "17 files of 17 would be re-filed", "6 done",
        "BIDS validator: 0 errors", "Every landed byte is accounted for",
    ):  # fmt: skip
        assert part in told, told
    assert list((folder / "my-copy").rglob("*.dcm"))
    assert (folder / "my-dataset" / "dataset_description.json").is_file()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_tab_completes_commands(folder):
    typed = "COMP_WORDS=(mrdata qu) COMP_CWORD=1; _mrdata_completion mrdata qu mrdata; echo ${COMPREPLY[*]}"
    assert run(f"source .venv/bin/activate\n{COMPLETION}\n{typed}", folder).split() == ["quarantine"]

"""Set-up on a real server: what it made is as it says. On a packaged server: docs/how-to/install.md."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from policy.zone import Access

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path("/opt/mrdata-tools/bin/python")
"""Of MrData's commands, as docs/how-to/install.md puts them: one that the service account may run."""


def as_service_account(module, *arguments):
    """A command of irods_config as the unix account that runs the server."""
    account = pwd.getpwnam("irods")
    # Where packages come from, on a machine without the internet.
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        [PYTHON, "-m", module, *arguments],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": account.pw_dir,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **pip,
        },
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture(autouse=True)
def on_a_server(server):
    if server is None:
        pytest.skip("sets up servers; with --irods")
    if os.getuid() != 0:
        pytest.skip("works as the server's unix account, which only root can become")
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON}: MrData's commands are not installed")


def test_nothing_differs_but_the_delay_rules_that_the_tests_have_parked(server):
    status, lines, errors = as_service_account("irods_config.setup_zone", "--check")
    assert errors == ""
    assert [line for line in lines if not line.startswith("delay rules: ") and line != "nothing differs"] == []
    assert status == (lines != ["nothing differs"])


def test_quarantine_that_was_opened_is_told_and_closed(server):
    with server.service.connect() as zone:
        quarantine = f"/{zone.name}/home/mrdata/quarantine"
        zone.permit(quarantine, "public", Access.READ)
        zone.inherit(quarantine, on=False)
        try:
            status, lines, _ = as_service_account("irods_config.setup_zone", "--check")
            told = [line for line in lines if not line.startswith("delay rules: ")]
            assert told == [
                f"collections and permissions: {quarantine}: public has read, not no access",
                f"collections and permissions: {quarantine}: what is made in it does not get its permissions",
            ]
            assert status == 1
        finally:
            zone.rule("mrdata_prepare", "{}")
        assert "public" not in zone.permissions(quarantine)
        assert json.loads(zone.rule("mrdata_prepared", "{}")) == {"differences": []}


def test_a_release_that_breaks_inside_the_server_only_is_refused(server):
    broken = server.folder / "broken"
    for package in ("policy", "microservices", "rulebase"):
        shutil.copytree(ROOT / package, broken / package, ignore=shutil.ignore_patterns("__pycache__"))
    with open(broken / "microservices/rules/rule_table.py", "a") as rules:
        rules.write('\nif "irods" in open("/proc/self/comm").read():\n    raise RuntimeError("not inside an agent")\n')
    before = os.readlink("/opt/mrdata/current")
    status, _, errors = as_service_account("irods_config.install", "--source", str(broken))
    assert status == 1
    assert "does not work inside the server and was refused" in errors
    assert os.readlink("/opt/mrdata/current") == before

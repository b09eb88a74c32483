"""The command `mrdata`, on the test's zone."""

import os
import subprocess
import sys

import pytest

from policy.zone.error_kinds import ErrorKind

FAILED = 1
"""Any status of an error, but none that is used for something else."""
FAILURES = {1, *(kind.exit_status for kind in ErrorKind)}


@pytest.fixture
def mrdata(site, tmp_path):
    """Runs the command; stdout where it succeeds, else stderr."""

    def run(*arguments, status=0, **environment):
        env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "MRDATA_ZONE": str(site.folder), **environment}
        done = subprocess.run(
            [sys.executable, "-m", "mrdata.cli", *arguments], capture_output=True, text=True, env=env, check=False
        )
        assert done.returncode == status if status != FAILED else done.returncode in FAILURES, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if status == 0 else done.stderr

    return run

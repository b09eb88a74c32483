"""Whether a process still writes a file, where not everybody may look at every process."""

import os
import subprocess
import sys

import pytest

from microservices.zones.left_unfinished import is_open

NOBODY = 65534
SCRIPT = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from microservices.zones.left_unfinished import is_open
os.setuid(int(sys.argv[2]))
dead = subprocess.Popen(["true"])
os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
try:
    os.listdir(f"/proc/{dead.pid}/fd")
except PermissionError:
    print("nobody may look;", is_open(sys.argv[3]))
"""


def test_a_file_is_open_while_a_process_has_it(tmp_path):
    file = tmp_path / "replica"
    with file.open("wb"):
        assert is_open(str(file))
    assert not is_open(str(file))
    assert not is_open(str(tmp_path / "missing"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another account")
def test_a_process_that_has_ended_and_was_not_waited_for_holds_up_nothing(tmp_path):
    file = tmp_path / "replica"
    file.write_bytes(b"")
    os.chown(file, NOBODY, NOBODY)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    arguments = [os.path.abspath(os.curdir), str(NOBODY), str(file)]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == "nobody may look; False\n"

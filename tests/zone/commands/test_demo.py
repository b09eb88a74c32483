"""`mrdata demo --once`: every delivered file stands where it should."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest


def test_the_demonstration_leaves_with_success(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "demo").write_text("an earlier demonstration, which is replaced")
    (folder / "catalog.sqlite").write_text("of the earlier one")
    command = [sys.executable, "-m", "mrdata.cli", "demo", "--once", "--json", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    counts = json.loads(done.stdout)
    assert (
        counts["delivered"]
        == counts["landed"]
        == counts["archived"] + counts["one_copy_kept"] + sum(counts["quarantined"].values())
    )
    assert counts["misplaced"] == []
    assert (counts["still_in_landing"], counts["not_registered"], counts["lost"]) == (0, 0, 0)
    assert {"mistyped", "unregistered", "truncated", "personal-data"} <= set(counts["quarantined"])


def programs(folder) -> list[str]:
    """The command lines of all processes that work on this zone."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"MRDATA_ZONE={folder}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["terminated", "terminal closed"])
def test_it_leaves_no_program_behind(tmp_path, number):
    folder = (tmp_path / "demo").resolve()
    command = [sys.executable, "-m", "mrdata.cli", "demo", "--folder", str(folder)]
    heard = lambda: signal.signal(number, signal.SIG_DFL)  # noqa: E731 - what started the tests may ignore it, as nohup does
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=heard) as running:
        end = time.monotonic() + 120
        while len(programs(folder)) < 3 and running.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        assert len(programs(folder)) >= 3, "scan, zone run, serve"
        running.send_signal(number)
        assert running.wait(timeout=120) == 128 + number
    assert programs(folder) == []


def test_it_never_replaces_what_is_no_demonstration(tmp_path):
    (tmp_path / "precious").write_text("x")
    command = [sys.executable, "-m", "mrdata.cli", "demo", "--once", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no demonstration" in done.stderr
    assert (tmp_path / "precious").exists()

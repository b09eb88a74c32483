"""`mrdata demo --once`: every delivered file stands where it should."""

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mrdata.demonstration.console import Delivery, Fate
from mrdata.demonstration.demo_folder import cleared, delivers, marked
from mrdata.demonstration.explanation import hints, words
from policy.ingest.decision import Reason
from policy.zone import ZoneError
from policy.zone.settings import settings_from


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
    pasted = [line for line in done.stderr.splitlines() if line.startswith("  export MRDATA_ZONE=")]
    assert pasted == [f"  export MRDATA_ZONE={folder}"]
    mine = folder / "landing" / "94T" / "dicom" / "mine.dcm"
    mine.write_bytes(b"mine")
    with pytest.raises(ZoneError, match=r"holds 1 file of your own \(94T/dicom/mine.dcm\)"):
        cleared(folder, may_ask=False)
    mine.rename(folder / "mine.dcm")
    with pytest.raises(ZoneError, match=r"1 file of your own \(mine.dcm\)"):
        cleared(folder, may_ask=False)
    (folder / "mine.dcm").unlink()
    assert cleared(folder, may_ask=False) == folder
    assert not folder.exists()


def test_one_runs_in_a_folder_at_a_time(tmp_path):
    with marked(tmp_path):
        delivers(tmp_path, ["94T/dicom/a"])
        with pytest.raises(ZoneError, match="a demonstration runs in it"):
            cleared(tmp_path, may_ask=True)
        command = [sys.executable, "-m", "mrdata.cli", "demo", "--once", "--folder", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (7, 1)
        assert done.stderr.startswith("mrdata: error: ")
    assert json.loads((tmp_path / "demo").read_text()) == ["94T/dicom/a"]


def test_a_person_at_a_terminal_is_asked(tmp_path, monkeypatch):
    with marked(tmp_path):
        delivers(tmp_path, ["94T/dicom/a"])
    for name in ("a", "a.tmp", "b"):
        (tmp_path / "landing/94T/dicom").mkdir(parents=True, exist_ok=True)
        (tmp_path / "landing/94T/dicom" / name).write_bytes(b"x")
    asked = []
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text))
    cleared(tmp_path, may_ask=True)
    assert "1 file of your own (94T/dicom/b). Remove it, with these files?" in asked[0]
    assert not tmp_path.exists()


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "mrdata.cli", "demo", "--folder", str(tmp_path / "demo"), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert f"mrdata: error: 127.0.0.1:{port}: another program uses this port" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_its_end_explains_every_number(tmp_path):
    from mrdata.demonstration.demo_report import DemoReport

    plan = [
        Delivery("dicom/a", b"", Fate.QUARANTINED, "s", reason=Reason.MISTYPED, note="one character is wrong"),
        Delivery("dicom/b", b"", Fate.QUARANTINED, "s", reason=Reason.NO_ID, note="another name"),
    ]
    verified = {"landed": 3, "set_aside": 0, "archived": 1, "quarantined": {"mistyped": 1, "no-id": 1}, "landing": 0}
    verified |= {"waiting": [], "lost": [], "sound": True}
    rows = [
        {"series": f"/z/home/mrdata/studies/pain/experiments/Z4KQ-STAS/DICOM/{name}", "state": state, "detail": detail}
        for name, state, detail in (("1", "done", ""), ("2", "failed", "no end"), ("3", "incomplete", "2 is missing"))
    ]
    settings = settings_from({"zone": "z"})
    told = words(DemoReport(4, [], verified, again=1), plan, rows, settings)
    for part in (
        "4 files were delivered:", "1 in the archive", "1 exported a second time", "2 in quarantine", "1 mistyped: one character is wrong",
        "1 no-id: another name", "are made of 1 of 3 series", "failed: pain/Z4KQ-STAS/2: no end", "incomplete: pain/Z4KQ-STAS/3: 2 is missing",
    ):  # fmt: skip
        assert part in told
    hinted = hints(tmp_path / "my zone", settings, "94T", 0)
    assert f"export MRDATA_ZONE='{tmp_path / 'my zone'}'" in hinted


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
    assert done.returncode == 6
    assert "no demonstration" in done.stderr
    assert (tmp_path / "precious").exists()

"""The commands and the administrator's rule files of the lifecycle, and the audit log checked from files alone."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

from policy.zone import layout
from tests.files import dicom
from tests.zone import audit_log
from tests.zone.irule import irule
from tests.zone.names import ALICE, PAIN, T94
from tests.zone.withdrawal.test_withdrawal import SUBJECT, describe_site, scanned


@pytest.fixture
def site(make_site):
    return describe_site(make_site)


def command(site, *arguments: str, status: int = 0, **environment: str) -> str:
    """What `mrdata` prints."""
    env = {**site.environment(), **environment}
    done = subprocess.run(
        [sys.executable, "-m", "mrdata.cli", *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def reasons(site, experiment: str = "") -> list[str]:
    """The reasons of withdrawals in the audit log: of an experiment, or of subjects."""
    told = [json.loads(text) for _, text in sorted(audit_log.files(site))]
    act = "withdrawal" if experiment else "subject withdrawn"
    found = [one for one in told if one["act"] == act and one["experiment"] == experiment]
    return [one["details"].get("reason", "") for one in found if experiment or one["study"] == PAIN]


def test_a_withdrawal_is_confirmed_on_a_terminal(site):
    new = scanned(site)
    assert "add --yes to withdraw without one" in command(site, "withdraw", new, status=2)
    status, shown = on_terminal(site, "withdraw", new, answers=["consent", "n"])
    assert (status, reasons(site, new)) == (1, [])
    assert f"{new} (acquiring): " in shown
    status, _ = on_terminal(site, "withdraw", new, answers=["consent", "y"])
    assert (status, reasons(site, new)) == (0, ["consent was withdrawn"])


def on_terminal(site, *arguments: str, answers: list[str]) -> tuple[int, str]:
    """The exit status of a command on a terminal, and what the terminal shows."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "mrdata.cli", *arguments]
    with subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env=site.environment(), start_new_session=True
    ) as running:
        os.close(its)
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        shown = b""
        with suppress(OSError):  # EIO: the command has ended
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    return running.returncode, shown.decode()


def test_commands_from_finish_to_restore(site, tmp_path):
    new = scanned(site)
    assert f"{new} is finished" in command(site, "finish", new, "--by", ALICE)
    assert f"{new} is finalized" in command(site, "finalize", new, "--by", ALICE)
    assert f"{new} is finished" in command(site, "reopen", new)
    assert "not a data steward" in command(site, "withdraw", new, "--yes", "--by", ALICE, status=5)
    assert "nothing was changed" in command(site, "withdraw", f"{PAIN}/{SUBJECT}", "--dry-run")
    assert "is not one of 'consent', 'mistake', 'other'" in command(
        site, "withdraw", new, "--reason", "homer", status=2
    )
    assert "nothing was changed" in command(site, "withdraw", new, "--reason", "consent", "--dry-run")
    assert reasons(site, new) == []
    assert "it can be restored for 30 days" in command(site, "withdraw", new, "--yes", "--reason", "mistake")
    assert reasons(site, new) == ["registered or scanned by mistake"]
    assert f"{new} is restored" in command(site, "restore", new)
    shown = command(site, "audit", "show", new)
    assert [line.split()[2] for line in shown.splitlines()][-1] == "state"
    assert "registered" in shown
    command(site, "withdraw", f"{PAIN}/{SUBJECT}", "--yes", "--reason", "consent")
    assert reasons(site)[-1:] == ["consent was withdrawn"]
    assert reasons(site, new) == ["registered or scanned by mistake", "consent was withdrawn"]
    assert "0 faults" in command(site, "audit", "verify")


@pytest.fixture
def waiting(site) -> str:
    """An experiment whose images are not archived yet."""
    new = site.register()
    for number in (1, 2):
        site.upload(f"{T94}/dicom/{new}/{number}", dicom(new, instance=number))
    site.sweep()
    return new


def test_finalize_says_what_it_waits_for_and_how_it_ended(site, waiting):
    why = "2 objects that are not on the archive resource yet"
    told = command(site, "finalize", waiting, "--by", ALICE, status=3)
    assert f"{waiting} is finished. Finalization waits for {why}. MrData finalizes it by itself" in told
    held = json.loads(command(site, "finalize", waiting, "--by", ALICE, "--no-wait", "--json", status=3))
    assert held == {"experiment": waiting, "state": "finished", "waits_for": why}
    site.rule("archive")
    held = json.loads(command(site, "finalize", waiting, "--by", ALICE, "--json"))
    assert (held["state"], held["waits_for"]) == ("finalized", "")
    assert f"{waiting} is finalized" in command(site, "finalize", waiting, "--by", ALICE, "--wait")
    assert "not a data steward" in command(site, "reopen", waiting, "--by", ALICE, status=5)


@contextmanager
def begun(site, *arguments: str, terminal: bool = False):
    """A command that goes on; what it says on stderr, which may be a terminal, is read from `said`."""
    ours, theirs = os.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "mrdata.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=site.environment()) as running:
        os.close(theirs)
        try:
            yield running, lambda: os.read(ours, 4096).decode()
        finally:
            running.kill()
            os.close(ours)


def heard(said, words: str) -> str:
    told = ""
    while words not in told:
        told += said()
    return told


def test_finalize_goes_on_looking_until_it_is_done(site, waiting):
    with begun(site, "finalize", waiting, "--by", ALICE, "--wait") as (running, said):
        heard(said, f"{waiting} is finished. Finalization waits for 2 objects that are not on the archive resource yet")
        assert running.poll() is None
        site.rule("archive")
        text, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert f"{waiting} is finalized. Its manifest: " in text
    assert "To be kept until 20" in text


def test_finalize_waits_on_a_terminal_until_it_is_interrupted(site, waiting):
    with begun(site, "finalize", waiting, "--by", ALICE, "--json", terminal=True) as (running, said):
        heard(said, "waits for 2 objects that are not")
        running.send_signal(signal.SIGINT)
        text, _ = running.communicate(timeout=60)
    assert running.returncode == 3
    assert json.loads(text)["waits_for"] == "2 objects that are not on the archive resource yet"
    with begun(site, "finalize", waiting, "--by", ALICE, "--no-wait", terminal=True) as (running, _):
        running.communicate(timeout=60)
    assert running.returncode == 3
    site.rule("archive")
    site.rule("lifecycle")
    assert site.avus(f"studies/{PAIN}/experiments/{waiting}")["State"] == "finalized"


def test_finalize_that_is_no_longer_asked_for_ends(site, waiting):
    with begun(site, "finalize", waiting, "--by", ALICE, "--wait") as (running, said):
        heard(said, "waits for 2 objects that are not")
        command(site, "withdraw", "--yes", waiting)
        running.communicate(timeout=60)
    assert running.returncode == 6


def test_the_log_is_checked_without_a_zone(site, tmp_path):
    new = scanned(site)
    site.rule("experiment_finalize", {"experiment": new})
    log = layout.audit(site.settings)
    command(site, "get", log, str(tmp_path))
    command(site, "get", f"{layout.study(site.settings, PAIN)}/experiments/{new}/manifest.1.json", str(tmp_path))
    folder, nothing = (
        tmp_path / "audit",
        {"MRDATA_ZONE": "", "IRODS_ENVIRONMENT_FILE": "/nonexistent", "HOME": "/nonexistent"},
    )

    def verify(*more: str, status: int = 0) -> dict:
        return json.loads(
            command(site, "audit", "verify", str(folder), "--json", *more, status=status, **nothing).split("mrdata:")[0]
        )

    sound = verify("--anchor", str(tmp_path / "manifest.1.json"))
    assert sound["sound"]
    files = sorted(file for file in folder.rglob("*.json"))
    assert len(files) == sound["entries"] > 5
    middle = files[-3]
    content, beside = middle.read_bytes(), files[-4].read_bytes()
    middle.write_bytes(content.replace(b'"who":"mrdata"', b'"who":"nobody"'))
    assert [fault.split(";")[0] for fault in verify(status=1)["faults"]] == [f"{int(middle.stem)}: edited"]
    middle.write_bytes(beside)
    files[-4].write_bytes(content)
    assert {fault.split(";")[0].split(": ")[1] for fault in verify(status=1)["faults"]} >= {"exchanged"}
    files[-4].write_bytes(beside)
    middle.unlink()
    assert f"{int(middle.stem)}: removed" in verify(status=1)["faults"]
    middle.write_bytes(content)
    files[-1].unlink()
    assert verify()["sound"]
    assert "cut off" in verify("--anchor", sound["last"], status=1)["faults"][0]
    assert "neither a file nor a SHA-256" in command(site, "audit", "verify", str(folder), "--anchor", "abc", status=1)


def test_rule_files(site):
    new = scanned(site)
    assert f"{new} is finalized." in irule(site, "experiment_state", experiment=new)
    assert f"{new} is finished." in irule(site, "experiment_state", experiment=new, to="reopen")
    assert "Error: *to is one of" in irule(site, "experiment_state", experiment=new, to="open")
    assert "Nothing was changed" in irule(site, "withdraw", experiment=new)
    assert "is not a reason for a withdrawal" in irule(site, "withdraw", experiment=new, reason="because", commit="yes")
    done = irule(site, "withdraw", study=PAIN, pseudonym=SUBJECT, reason="another reason", commit="yes")
    assert "Withdrawn. It can be restored for 30 days" in done
    assert reasons(site)[-1:] == ["another reason"]
    assert f"{PAIN}/{SUBJECT} is restored." in irule(site, "restore", study=PAIN, pseudonym=SUBJECT)
    assert "Error: " in irule(site, "restore", experiment=new)
    told = irule(site, "audit_history", experiment=new)
    assert "registered" in told.splitlines()[0]
    assert len(irule(site, "audit_history").strip().rpartition(":")[2]) == 64
    assert os.environ.get("MRDATA_ZONE") is None

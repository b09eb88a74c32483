"""The command `mrdata`, as it is typed: what it prints, where errors go, and its exit status."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from policy import __version__
from policy.zone.error_kinds import ErrorKind
from tests.files import dicom
from tests.zone.commands.conftest import FAILED


def test_from_registration_to_download(site, mrdata, tmp_path):
    entries = ["--study", "pain", "--pseudonym", "P1", "--owner", "alice", "--scanner", "94T", "--type", "pilot"]
    new = mrdata("register", *entries).strip()
    (site.folder / "landing" / "94T" / "dicom" / "MR.1").write_bytes(dicom(new, sop="1.2.3"))
    assert json.loads(mrdata("scan", "--once", "--json"))["registered"] == 1
    assert json.loads(mrdata("scan", "--once", "--json"))["registered"] == 0
    path = f"{site.settings.home}/studies/pain/experiments/{new}/DICOM/1_gre/1_1.2.3.dcm"
    assert path in mrdata("ls", "-r")
    assert json.loads(mrdata("meta", path, "--json")) == []
    series = json.loads(mrdata("meta", path.rpartition("/")[0], "--json"))
    assert {"attribute": "EchoTime", "value": "0.0041", "unit": "s"} in series
    assert json.loads(mrdata("find", "EchoTime=0.0041", "FlipAngle=9%", "--json")) == [path.rpartition("/")[0]]
    got = mrdata("get", path, str(tmp_path / "image.dcm"), "--user", "alice").strip()
    assert (tmp_path / "image.dcm").read_bytes() == dicom(new, sop="1.2.3")
    (tmp_path / "image.dcm").write_bytes(b"another file")
    assert "nothing is overwritten" in mrdata("get", path, got, status=1)
    assert json.loads(mrdata("verify", "--json"))["archived"] == 1


def test_put_uploads_trees_as_the_user(site, mrdata, tmp_path):
    new = site.register()
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "a b.txt").write_text("x")
    target = f"{site.settings.home}/landing/94T/expdata/{new}"
    assert mrdata("put", str(tmp_path / "tree"), target, "--user", "alice").strip() == f"{target}/tree/deep/a b.txt"
    assert json.loads(mrdata("rule", "sweep")) == {"archived": 1}
    assert site.paths(f"studies/pain/experiments/{new}/EXP_DATA")[0].endswith("/EXP_DATA/tree/deep/a b.txt")


def test_a_study_from_a_yaml_file(site, mrdata, tmp_path):
    (tmp_path / "s.yaml").write_text("study: vision\nmembers: [bob]\nsubjects: ['007']\n")
    assert "vision" in mrdata("rule", "study", f"@{tmp_path / 's.yaml'}")
    assert site.register(study="vision", owner="bob", pseudonym="007")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["register", "--study", "x", "--user", "alice", "--pseudonym", "P1", "--scanner", "94T", "--type", "pilot"], "not a member of study 'x'"),
        (["register", "--study", "x", "--pseudonym", "P1", "--owner", "alice", "--scanner", "94T", "--type", "pilot"], "'x' does not exist"),
        (["ls", "/tempZone/home/nowhere"], "is not there"), (["meta", "/tempZone/home/nowhere"], "/tempZone/home/nowhere"),
        (["get", "/tempZone/home/nowhere"], "is not there"), (["find", "EchoTime"], "ATTRIBUTE=VALUE"),
        (["rule", "nonsense"], "there is no rule mrdata_nonsense"), (["rule", "sweep", "[1]"], "keys and values"),
        (["rule", "sweep", "{"], "neither JSON nor YAML"), (["rule", "retry"], "lacks the key 'path'"), (["ls", "--user", "nobody"], "nobody"),
        (["rule", "study", "@/nowhere.yaml"], "/nowhere.yaml"), (["verify", "--user", "alice", "--quick", "x"], "unexpected extra"),
        (["nonsense"], "No such command 'nonsense'"), (["ls", "--nonsense"], "`mrdata ls --help`"), (["zone", "run", "/nowhere"], "does not exist"),
        (["member", "/tempZone/home/nowhere.tar"], "is not there"), (["put", "/etc/hostname", "/tempZone/home/nowhere"], "is not there"),
        (["export", "bids", "nowhere", "/nowhere"], "study 'nowhere' does not exist"), (["study", "create", "/nowhere.yaml"], "/nowhere.yaml"),
        (["register", "--study", "pain", "--pseudonym", "P1", "--scanner", "94T", "--type", "pilot"], "--owner is missing"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(mrdata, arguments, part):
    """In one line, in one format, without an error number of iRODS or of the system."""
    is_usage = (
        part in ("unexpected extra", "does not exist", "--owner is missing", "ATTRIBUTE=VALUE")
        or "nonsense" in arguments[-1]
    )
    told = mrdata(*arguments, status=2 if is_usage and arguments[0] != "rule" else FAILED)
    assert part in told
    assert told.startswith("mrdata: error: ")
    assert told.count("\n") == 1
    assert not re.search(r"-\d{4,}|Errno|Error\b", told)


def test_the_version_is_that_of_the_distribution(mrdata):
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert mrdata("--version").split()[-1] == __version__ == project["version"]


def test_the_list_of_commands_shows_whole_sentences(mrdata):
    for group in ([], ["zone"], ["quarantine"], ["study"], ["user"], ["audit"], ["export"]):
        listed = mrdata(*group, "--help").partition("Commands:")[2]
        assert listed
        assert "..." not in listed


def test_without_a_zone_it_says_what_to_do(mrdata, tmp_path):
    assert "mrdata zone create" in mrdata("ls", status=1, MRDATA_ZONE=str(tmp_path))


def test_each_kind_of_error_has_its_status(site, mrdata, tmp_path):
    new = site.register()
    mrdata("rule", "sweep_every", '{"seconds": 0}', status=ErrorKind.BAD_REQUEST.exit_status)
    mrdata("ls", "/tempZone/home/nowhere", status=ErrorKind.NOT_FOUND.exit_status)
    mrdata("rule", "study", f"@{tmp_path / 'none.yaml'}", status=ErrorKind.NOT_FOUND.exit_status)
    asked = json.dumps({"experiment": new, "by": "bob"})
    mrdata("rule", "experiment_finish", asked, status=ErrorKind.NOT_PERMITTED.exit_status)
    mrdata("restore", new, "--by", "mrdata", status=ErrorKind.CONFLICT.exit_status)


@pytest.mark.parametrize("odd", ["2024-01-05", "{1: x}", "!!binary AAAA"])
def test_what_yaml_makes_of_a_study_file_is_one_line(mrdata, tmp_path, odd):
    (tmp_path / "study.yaml").write_text(f"study: sleep\nmembers: [alice]\nsubjects: [P1, {odd}]\n")
    said = mrdata("rule", "study", f"@{tmp_path / 'study.yaml'}", status=2)
    assert "in quotes" in said
    assert "Traceback" not in said


def test_a_lost_file_fails_the_verification(site, mrdata):
    new = site.register()
    site.land("94T/dicom/a", dicom(new))
    (site.folder / "landing" / "94T" / "dicom" / "a").unlink()
    env = {**os.environ, "MRDATA_ZONE": str(site.folder)}
    done = subprocess.run(
        [sys.executable, "-m", "mrdata.cli", "verify"], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 1
    assert "lost            1" in done.stdout
    assert "Not every landed byte is accounted for" in done.stdout


def test_a_verification_that_cannot_be_made_has_a_status_of_its_own(site, mrdata, tmp_path):
    new = site.register()
    assert f"experiment {new}" in mrdata("verify", "--experiment", new)
    assert "study pain" in json.loads(mrdata("verify", "--study", "pain", "--quick", "--json"))["subject"]
    assert "there is no study none" in mrdata("verify", "--study", "none", status=3)
    assert "exclude each other" in mrdata("verify", "--study", "pain", "--experiment", new, status=2)
    assert "mrdata zone create" in mrdata("verify", status=3, MRDATA_ZONE=str(tmp_path))


def test_a_verification_that_is_terminated_can_be_resumed(site, mrdata, tmp_path):
    new = site.register()
    paths = [site.land(f"94T/dicom/{number}", dicom(new, instance=number)) for number in (1, 2)]
    locked = ["modrepl", "logical_path", max(paths), "replica_number", "0", "DATA_REPL_STATUS"]
    site.iadmin(*locked, "4")  # for which it waits
    env = {**os.environ, "MRDATA_ZONE": str(site.folder), "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "mrdata.cli", "verify"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as running:
        end = time.monotonic() + 60
        while not list(tmp_path.rglob("*.jsonl")) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(5)
        running.terminate()
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "goes on from there" in told
    site.iadmin(*locked, "1")
    found = json.loads(mrdata("verify", "--resume", "--json", XDG_STATE_HOME=str(tmp_path)))
    assert (found["archived"], found["sound"]) == (2, True)
    assert found["run"]["objects"] < found["objects"]


def test_a_zone_is_never_made_over_something(mrdata, site):
    assert "is not empty" in mrdata("zone", "create", str(site.folder), "--scanner", "94T", status=1)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--name", "my zone", "--scanner", "94T"], "'my zone' cannot name a zone"), (["--scanner", ""], "'' cannot name a scanner"),
        (["--scanner", "a b/.."], "'a b/..' cannot name a scanner"), (["--scanner", "3T", "--scanner", "3t"], "'3T' is named twice"),
    ],
)  # fmt: skip
def test_names_that_no_zone_can_have_are_refused_before_anything_is_made(mrdata, tmp_path, arguments, part):
    told = mrdata("zone", "create", str(tmp_path / "new"), *arguments, status=2)
    assert part in told
    assert told.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_zone_that_cannot_be_made_whole_leaves_nothing(tmp_path, monkeypatch):
    from mrdata.zones import new_zone

    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(new_zone, "furnish", full)
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(OSError, match="No space"):
            new_zone.create(folder, scanners=["94T"])
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("content", ["", "no catalog", None])
def test_a_catalog_that_is_none_is_said_in_one_line(mrdata, tmp_path, content):
    (tmp_path / "mrdata.yaml").write_text("zone: tempZone\n")
    if content is not None:
        (tmp_path / "catalog.sqlite").write_text(content)
    told = mrdata("ls", status=1, MRDATA_ZONE=str(tmp_path))
    assert "catalog.sqlite: is not the catalog of a zone" in told
    assert told.count("\n") == 1


def test_a_path_with_a_blank_is_quoted_where_it_can_be_pasted(mrdata, tmp_path):
    folder = tmp_path / "my zone"
    assert f"export MRDATA_ZONE='{folder}'; mrdata zone run '{folder}' &" in mrdata(
        "zone", "create", str(folder), "--scanner", "94T"
    )
    assert "zoe is a user" in mrdata("user", "add", "zoe", MRDATA_ZONE=str(folder))
    assert "zoe" in mrdata("user", MRDATA_ZONE=str(folder))


def test_commands_that_go_on_end_well_when_interrupted(site):
    """`mrdata scan`, `serve` and `zone run`: Ctrl-C is their normal end."""
    env = {**os.environ, "MRDATA_ZONE": str(site.folder), "PYTHONUNBUFFERED": "1"}
    for arguments in (["scan"], ["serve", "--port", "0"], ["zone", "run", str(site.folder)]):
        command = [sys.executable, "-m", "mrdata.cli", *arguments]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            time.sleep(6)
            running.send_signal(signal.SIGINT)
            told, _ = running.communicate(timeout=60)
        assert (running.returncode, "Traceback" in told) == (0, False), (arguments, told)


def test_a_port_that_is_taken_is_said_in_one_line(mrdata):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        told = mrdata("serve", "--port", port, status=1)
    assert f"127.0.0.1:{port}: another program uses this port; give another one: --port" in told

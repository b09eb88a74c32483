"""Expanded Data: whole trees, copied as they are when they are finished; what changes meanwhile; what a metadata.yaml
tells.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from landing.mailbox import TREE
from landing.names import escaped, is_fit
from landing.progress import Lines
from landing.scanner import Scanner
from policy.zone import Condition
from policy.zone.settings import Expanded
from tests.zone.irule import irule
from tests.zone.landing.test_landing import NAMES
from tests.zone.names import BOB, PAIN, T94


class Tree:
    """An experiment's folder in the landing zone, and a scanner that looks once."""

    def __init__(self, site) -> None:
        self.site = site
        self.experiment = site.register()
        self.folder = Path(site.settings.landing.folder) / T94 / "expdata" / self.experiment
        self.folder.mkdir(parents=True, exist_ok=True)
        self.base = f"studies/{PAIN}/experiments/{self.experiment}/EXP_DATA"
        self.told: list[str] = []

    def put(self, path: str, content: bytes = b"x") -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def scanner(self, quiet: float = 0.0, marker: str = "FINISHED") -> Scanner:
        settings = replace(self.site.settings, expanded=Expanded(quiet_seconds=quiet, marker=marker))
        progress = Lines(sys.stderr)
        progress.report = lambda message, *, alarm, file="", detail="": self.told.append(
            ("ALARM " if alarm else "") + message
        )
        return Scanner(settings, lambda: self.site.connect("mrdata"), progress, retry_seconds=0.02)

    def scan(self, quiet: float = 0.0, marker: str = "FINISHED"):
        return self.scanner(quiet, marker).run_once()

    def archived(self) -> dict[str, bytes]:
        """Path below EXP_DATA -> content."""
        zone = self.site.connect()
        home = f"{self.site.settings.home}/{self.base}/"
        return {path.removeprefix(self.base + "/"): zone.read(home + path.removeprefix(self.base + "/"), 0, 1 << 24)
                for path in self.site.paths(self.base)}  # fmt: skip

    def archive(self) -> None:
        assert "failed" not in self.site.rule("archive")


def look(scanner: Scanner) -> None:
    """Some looks, so that what one look finds changed has stood still at another."""
    for _ in range(4):
        scanner.run_once()
        time.sleep(0.06)


@pytest.fixture
def tree(site):
    return Tree(site)


def test_a_tree_waits_until_nothing_in_it_has_changed_for_long(tree):
    tree.put("a/1", b"1")
    tree.put("b/c/2", b"2")
    summary = tree.scan(quiet=3600)
    assert (summary.registered, dict(summary.waiting)) == (0, {TREE: 2})
    assert tree.archived() == {}
    assert tree.scan().registered == 2
    assert tree.archived() == {"a/1": b"1", "b/c/2": b"2"}


def test_one_change_anywhere_holds_up_the_whole_tree(tree):
    tree.put("a/1")
    time.sleep(2.6)
    tree.put("deep/down/2")
    assert tree.scan(quiet=2.5).registered == 0
    time.sleep(2.6)
    assert tree.scan(quiet=2.5).registered == 2


def test_old_dates_of_copied_files_deceive_nobody(tree):
    """rsync -a sets the times of the original; the change time tells when they came."""
    file = tree.put("old")
    os.utime(file, (1, 1))
    os.utime(tree.folder, (1, 1))
    assert tree.scan(quiet=3600).registered == 0


def test_a_marker_says_that_a_tree_is_finished(tree):
    tree.put("a/1")
    assert tree.scan(quiet=3600).registered == 0
    tree.put("FINISHED", b"")
    assert tree.scan(quiet=3600).registered == 2
    assert set(tree.archived()) == {"a/1", "FINISHED"}


def test_other_trees_and_branches_do_not_wait_for_it(tree):
    other = Tree(tree.site)
    tree.put("a/1")
    other.put("b/2")
    other.put("FINISHED", b"")
    summary = tree.scan(quiet=3600)
    assert (summary.registered, dict(summary.waiting)) == (2, {TREE: 1})


def test_hidden_files_are_part_of_a_tree_and_leftovers_of_programs_stay_behind(tree):
    names = {".git/HEAD", ".bidsignore", "x.tmp/y"}
    left = {"notes.txt~", "half.part", ".nfs0000000002c1a3f500000001", "~$table.xlsx", "sub/.smbdeleteAAA1"}
    for name in names | left:
        tree.put(name, name.encode())
    summary = tree.scan()
    assert summary.registered == len(names)
    assert {name: name.encode() for name in names} == tree.archived()
    assert {path.relative_to(tree.folder).as_posix() for path in tree.folder.rglob("*") if path.is_file()} == left
    assert tree.scan().registered == 0


def test_deep_trees(tree):
    path = "/".join(["d"] * 120) + "/file"
    tree.put(path, b"deep")
    assert tree.scan().registered == 1
    assert tree.archived() == {path: b"deep"}


ODD = [
    *NAMES,
    "line\nfeed",
    "tab\t",
    "\x1b[31m",
    "it's || this",
    "a\\x41b",
    os.fsdecode(b"caf\xe9"),
    "%0A",
    "odd\nfolder/it's && more/\x01",
]


def test_names_with_any_character(tree):
    contents = {name: os.fsencode(name) + str(number).encode() for number, name in enumerate(ODD)}
    for name, content in contents.items():
        tree.put(name, content)
    assert tree.scan().ok
    tree.site.sweep()
    assert tree.archived() == {(name if is_fit(name) else escaped(name)): content for name, content in contents.items()}
    assert [name for name in ODD if not is_fit(name)] == ODD[len(NAMES) : -2] + ODD[-1:]
    assert tree.scan().registered == 0


def test_a_file_that_somebody_has_open_is_whole_in_the_end(tree):
    """Somebody writes on and on while the scanner works."""
    begun, end, lines = threading.Event(), threading.Event(), [f"line {number}\n".encode() * 50 for number in range(20)]
    file = tree.put("log", b"")

    def write() -> None:
        with open(file, "ab", buffering=0) as out:
            begun.set()
            for number, line in enumerate(lines):
                out.write(line)
                time.sleep(0.02 + 0.1 * (number % 3 == 0))
        end.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    tree.put("FINISHED", b"")
    scanner = tree.scanner()
    while not end.is_set():
        scanner.run_once()
    writer.join()
    look(scanner)
    assert tree.archived()["log"] == b"".join(lines)
    assert not [line for line in tree.told if "ALARM" in line]


KILLED = """
import os, signal, sys
from landing import scanner
from landing.progress import progress_to
from mrdata.commands.zone_connection import connect, settings
zone = connect("mrdata")
left = [int(sys.argv[1])]
def counted(verb):
    def call(*given):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return verb(*given)
    return call
zone.rule, zone.register_all = counted(zone.rule), counted(zone.register_all)
scanner.run_once(settings(), lambda: zone, progress_to())
"""


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_an_interrupted_copy_goes_on(tree, calls):
    """Killed before the batch is decided about, before it is registered, and after that."""
    names = {f"{number % 3}/{number}": str(number).encode() for number in range(12)}
    for name, content in names.items():
        tree.put(name, content)
    command = [sys.executable, "-c", KILLED, str(calls)]
    killed = subprocess.run(command, env=tree.site.environment(), check=False, cwd=Path(__file__).parents[3])
    assert killed.returncode == -9
    assert len(tree.archived()) == (12 if calls == 2 else 0)
    assert tree.scan().ok
    assert tree.archived() == names
    zone = tree.site.connect()
    for name, content in names.items():
        path = f"{tree.site.settings.home}/{tree.base}/{name}"
        assert zone.checksum(path) == "sha2:" + base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert tree.site.verify()["sound"]


METADATA = """Task: faces
Blocks: [1, 2]
Volume: {value: 2.50, unit: ml}
"""


def test_a_metadata_file_becomes_avus_of_its_collection(tree):
    tree.put("metadata.yaml", METADATA.encode())
    tree.put("sub/metadata.yaml", b"Task: rest\n")
    tree.scan()
    tree.archive()
    assert {a: v for a, v in tree.site.avus(tree.base).items() if a in ("Task", "Blocks")} == {
        "Task": "faces",
        "Blocks": "1|2",
    }
    home = f"{tree.site.settings.home}/{tree.base}"
    assert [avu.unit for avu in tree.site.connect().metadata(home) if avu.attribute == "Volume"] == ["ml"]
    assert tree.site.avus(f"{tree.base}/sub")["Task"] == "rest"
    assert set(tree.archived()) == {"metadata.yaml", "sub/metadata.yaml"}
    assert refusals(tree) == []


def refusals(tree) -> list[dict]:
    reply = tree.site.rule("audit_history", {"experiment": tree.experiment})
    return [entry for entry in reply["entries"] if entry["act"].startswith("metadata of Expanded Data")]


def test_what_is_refused_is_told_in_the_experiments_history_without_its_content(tree):
    tree.put(
        "metadata.yaml",
        b"Task: faces\nNote: mail to anna.mueller@example.org\nState: withdrawn\nDerivedFrom: /x\nBirthday: 3.4.1980\n",
    )
    tree.scan()
    tree.archive()
    (entry,) = refusals(tree)
    told = entry["details"]["refused"]
    assert [part.split(":")[0] for part in told.split("; ")] == ["entry 2", "entry 3", "entry 4", "entry 5"]
    assert "a mail address" in told
    assert "anna" not in str(entry) + str(tree.site.avus(f"{tree.base}/metadata.yaml"))
    avus = tree.site.avus(tree.base)
    assert avus["Task"] == "faces"
    assert not {"Note", "State", "DerivedFrom", "Birthday"} & set(avus)
    tree.site.rule("expanded_describe", {"path": f"{tree.site.settings.home}/{tree.base}/metadata.yaml"})
    assert len(refusals(tree)) == 1


def test_the_site_may_name_the_attributes_that_it_takes(make_site):
    tree = Tree(
        make_site(expanded={"quiet_seconds": 0.0, "attributes": {"Task": ["faces|rest"], "Day": [r"\d{4}-\d\d-\d\d"]}})
    )
    tree.put("metadata.yaml", b"Task: faces\nDay: 2026-01-02\nOther: 1\n")
    tree.put("sub/metadata.yaml", b"Task: something\n")
    tree.scan()
    tree.archive()
    assert {name: value for name, value in tree.site.avus(tree.base).items() if name in ("Task", "Day", "Other")} == {
        "Task": "faces",
        "Day": "2026-01-02",
    }
    assert len(refusals(tree)) == 2


def test_the_rule_file_reads_it_again(tree):
    tree.put("metadata.yaml", b"Task: faces\nMail: a@b.de\n")
    tree.scan()
    tree.archive()
    path = f"{tree.site.settings.home}/{tree.base}/metadata.yaml"
    assert "1 AVUs" in irule(tree.site, "expanded_describe", path=path)
    assert "refused: entry 2" in irule(tree.site, "expanded_describe", path=path)
    assert "Error: " in irule(tree.site, "expanded_describe", path=f"{tree.site.settings.home}/studies")


def test_other_studies_see_nothing_of_it(tree):
    tree.put("metadata.yaml", b"Task: faces\n")
    tree.scan()
    tree.archive()
    rows = tree.site.connect(BOB).query(["COLL_NAME"], Condition("COLL_NAME", "like", f"%{tree.experiment}%"))
    assert not [path for (path,) in rows if "EXP_DATA" in path]

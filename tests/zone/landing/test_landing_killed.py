"""kill -9 of `mrdata scan` at each of its steps: the next one goes on, and each byte is archived once, where it
belongs.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from landing.progress import Lines
from landing.scanner import Scanner
from microservices.headers.header_reader import read_header
from policy.ingest import landed_again
from policy.zone import layout
from policy.zone.context import Context
from tests import files
from tests.zone.names import BOB, PAIN, SLEEP, T3, T94
from tests.zone.scanner_process import STEPS

ROOT = Path(__file__).parents[3]
TREES = ("before a tree is taken", "when a tree is taken")
VAULT = ("while a file is copied", "when a file is copied", "before a copy is dropped", "when a copy is dropped")
ONCE = (*TREES, "when all is taken", "before a copy is dropped", "when a copy is dropped", "before the volume is told")
"""What a scanner does once in these tests; it dies at the second of what it does more often."""

ROUNDS = (
    "when a file is taken",
    "when a tree is taken",
    "while a file is copied",
    "when it was decided",
    "while a batch is registered",
    "when a batch is registered",
)


class Landed:
    """What landed, and where it has to be in the end."""

    def __init__(self, site) -> None:
        self.site = site
        self.folder = Path(site.settings.landing.folder)
        self.pain, self.sleep = site.register(), site.register(study=SLEEP, owner=BOB, scanner=T3)
        self.expected: Counter[tuple[str, bytes]] = Counter()
        """(Part of the path of the object, its bytes) -> how many there are to be."""
        self.same: list[str] = []
        """Landing paths of bytes that landed before."""

    def put(self, path: str, content: bytes, where: str = "") -> None:
        """With `where`, it is to be one more object there."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if where:
            self.expected[where, content] += 1

    def session(self, number: int = 0) -> None:
        """Images of two experiments, one of them twice, raw data, a tree, and something that nobody can place."""
        pain, sleep = (f"studies/{PAIN}/experiments/{self.pain}", f"studies/{SLEEP}/experiments/{self.sleep}")
        for image in range(1, 4):
            self.put(
                f"{T94}/dicom/a/{number}.{image}",
                files.dicom(self.pain, instance=image, series=number),
                f"{pain}/DICOM",
            )
            self.put(
                f"{T3}/dicom/a/{number}.{image}",
                files.dicom(self.sleep, instance=image, series=number),
                f"{sleep}/DICOM",
            )
        self.put(f"{T94}/twix/meas{number}.dat", files.twix(self.pain), f"{pain}/TWIX")
        for name in ("log.txt", "deep/log.txt", "it's && 100% odd"):
            self.put(
                f"{T94}/expdata/{self.pain}/{number}/{name}", f"{number} {name}".encode(), f"{pain}/EXP_DATA/{number}"
            )
        self.put(f"{T94}/dicom/b/{number}", files.dicom("SIMPSON^HOMER", sop=f"1.2.3.4.{number}"), "quarantine")

    def again(self, number: int) -> None:
        """Two files of bytes that are archived."""
        content = next(content for where, content in self.expected if where.endswith("/DICOM"))
        for name in ("one", "two"):
            self.same.append(f"{T94}/dicom/again/{number}.{name}")
            self.put(self.same[-1], content)

    def check(self) -> None:
        """Each byte is where it belongs, once; nothing waits; every landed byte is accounted for."""
        site, zone = self.site, self.site.connect()
        while site.sweep()["held"]:
            pass
        found: Counter[tuple[str, bytes]] = Counter()
        wheres = {where for where, _ in self.expected}
        for path in site.paths("studies") + site.paths("quarantine") + site.paths("landing"):
            if not layout.is_record(site.settings, f"{site.settings.home}/{path}"):
                (where,) = [one for one in wheres if path.startswith(f"{one}/")] or [path]
                found[where, zone.read(f"{site.settings.home}/{path}", 0, 1 << 24)] += 1
        assert found == self.expected
        context = Context(zone, site.settings, read_header)
        assert sorted({one.landing_path for _, one in landed_again.everywhere(context)}) == sorted(self.same)
        mailbox = [path for path in self.folder.rglob("*") if path.is_file() and layout.INTAKE not in path.parts]
        assert mailbox == []
        batches = [batch for batch in (self.folder / layout.INTAKE).iterdir() if batch.is_dir()]
        assert [
            batch.name
            for batch in batches
            if any(one.is_file() for one in batch.rglob("*")) and not (batch / ".done").exists()
        ] == []
        report = site.verify()
        assert report["sound"], report


@pytest.fixture
def landed(site):
    return Landed(site)


def command(site, step: str, number: int, *options: str) -> dict:
    return {
        "args": [sys.executable, "-m", "tests.zone.scanner_process", step, str(number), *options],
        "cwd": ROOT,
        "env": site.environment(),
        "stdout": subprocess.DEVNULL,
    }


def scan(site):
    """The next scanner."""
    return Scanner(site.settings, lambda: site.connect("mrdata"), Lines(sys.stderr), retry_seconds=0.02).run_once()


def test_every_step_is_one():
    """A step that is misspelt would kill nobody."""
    assert {*TREES, *VAULT, *ONCE, *ROUNDS} <= set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(site, landed, step):
    landed.session()
    if "dropped" in step:
        scan(site)
        landed.again(0)
    killed = subprocess.run(**command(site, step, 1 if step in ONCE else 2, "--once"), check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    summary = scan(site)
    assert summary.ok, summary
    landed.check()


@pytest.mark.embedded  # on a server, its account and that of the tests are two, and the intake is closed to others
@pytest.mark.parametrize("step", [step for step in STEPS if step not in VAULT])
def test_killed_at_a_step_where_the_vault_is_on_another_host(make_site, step):
    site = make_site(archive={"vault": ""})
    landed = Landed(site)
    landed.session()
    killed = subprocess.run(**command(site, step, 1 if step in ONCE else 2, "--once"), check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    summary = scan(site)
    assert summary.ok, summary
    site.rule("archive")
    landed.check()


@contextmanager
def watching(site):
    """A scanner that nobody kills until the block is left."""
    with subprocess.Popen(**command(site, "when all is taken", 10**9)) as process:
        try:
            yield process
            assert process.poll() is None, "the other scanner has ended"
            process.terminate()
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                process.kill()


def test_two_scanners_of_which_one_is_killed_again_and_again(site, landed):
    """At another step each time; whatever it had taken, the other goes on with."""
    with watching(site) as other:
        for number, step in enumerate(ROUNDS):
            landed.session(number)
            one = subprocess.run(**command(site, step, 1, "--once"), check=False, timeout=120)
            assert one.returncode in (0, -signal.SIGKILL)
        other.send_signal(signal.SIGSTOP)  # so that one of the kills meets a scanner at work, however slowly it starts
        landed.session(len(ROUNDS))
        assert (
            subprocess.run(**command(site, ROUNDS[0], 1, "--once"), check=False, timeout=120).returncode
            == -signal.SIGKILL
        )
        other.send_signal(signal.SIGCONT)
        end = time.monotonic() + 120
        intake = landed.folder / layout.INTAKE
        while any(not (batch / ".done").exists() for batch in intake.iterdir() if batch.is_dir()) or _waits(
            landed.folder
        ):
            assert time.monotonic() < end, "something was left"
            assert other.poll() is None
            time.sleep(0.1)
    assert scan(site).ok
    landed.check()


def _waits(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*") if layout.INTAKE not in path.parts)

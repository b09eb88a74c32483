"""kill -9 of whoever places: nothing is lost, nothing is doubled, and the next sweep does the rest."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from embedded.folder import ZoneFolder
from tests.files import dicom, twix

SWEEPS = """
import sys
from embedded.client.embedded_zone import EmbeddedZone
with EmbeddedZone(sys.argv[1], "mrdata") as zone:
    zone.rule("mrdata_health", "{}")  # imports what the sweep needs
    print("ready", flush=True)
    while True:
        zone.rule("mrdata_sweep", "{}")
"""
OBJECTS = 160


@pytest.mark.parametrize("seed", range(int(os.environ.get("MRDATA_KILL_SEEDS", "1"))))
def test_a_sweep_that_is_killed_again_and_again(make_site, seed):
    site = make_site(sweep={"every_seconds": 1, "quiet_seconds": 0, "tries": 50, "retry_seconds": 0})
    new = site.register()
    for number in range(OBJECTS):
        content = dicom(new, series=number % 3, instance=number) if number % 10 else twix(new)
        site.upload(f"94T/dicom/{number}/file{number}", content)
    site.upload("94T/dicom/odd", dicom("SIMPSON^HOMER"))
    site.reconnect()
    chance = random.Random(seed)
    kills = 0
    while site.paths("landing") and kills < 200:
        site.reconnect()
        sweeper = subprocess.Popen([sys.executable, "-c", SWEEPS, str(site.folder)], stdout=subprocess.PIPE)
        assert sweeper.stdout.readline() == b"ready\n"
        left = len(site.paths("landing")) - chance.randint(1, OBJECTS // 8)
        while len(site.paths("landing")) > max(0, left):
            time.sleep(chance.uniform(0, 0.02))
        sweeper.send_signal(signal.SIGKILL)
        sweeper.wait()
        sweeper.stdout.close()
        kills += 1
    ZoneFolder.open(site.folder)  # whoever opens the zone next puts right what was under way
    site.sweep()
    assert site.paths("landing") == []
    report = site.verify()
    assert report["sound"]
    raw = sum(1 for number in range(OBJECTS) if number % 10 == 0)
    assert len(site.paths(f"studies/pain/experiments/{new}/DICOM")) == OBJECTS - raw
    assert len(site.paths(f"studies/pain/experiments/{new}/TWIX")) == raw
    assert report["quarantined"] == {"no-id": 1}
    assert kills > 1

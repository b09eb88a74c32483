"""kill -9 of a poll of Castellum between every two of its steps: nothing lost, nothing doubled, the next poll does the
rest.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from mrdata.demonstration.pretend_castellum import PretendCastellum, Study
from policy.zone import ZoneError
from tests.zone.castellum.test_castellum import Polled
from tests.zone.killed_poll import STEPS
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T94
from tests.zone.server_site import ServerSite

STRIDE = int(os.environ.get("MRDATA_KILL_STRIDE", "15"))
"""A test tries each so-manieth step; MRDATA_KILL_STRIDE=1 tries all."""


def studies():
    pain = Study(
        17,
        PAIN,
        "Pain in layers",
        members=[ALICE],
        subjects={"P1": {"handedness": "left", "sex": "f"}, "P2": {"sex": "m"}},
    )
    return pain, Study(18, SLEEP, "Sleep", members=[BOB], subjects={"P1": {"handedness": "right"}})


def change(castellum):
    """Values come, change and go; a subject is new, one vanishes, and so does a study."""
    pain = castellum.studies[PAIN]
    pain.subjects["P1"] = {"handedness": "both", "remark": "somebody@example.org", "age_group": "20-29"}
    pain.subjects["P3"] = {"handedness": "left"}
    pain.members = [ALICE, BOB]
    del pain.subjects["P2"]
    del castellum.studies[SLEEP]


def killed(site, step):
    """The poll's answer, or None where it was killed; and the step."""
    if isinstance(site, ServerSite):
        with site.counted(STEPS) as countdown:
            countdown.left = step - 1
            try:
                return site.rule("castellum_poll"), ""
            except ZoneError:
                assert countdown.has_struck
                return None, "a step"
    command = [sys.executable, "-m", "tests.zone.killed_poll", str(site.folder), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return (json.loads(done.stdout) if done.returncode == 0 else None), done.stderr.strip()


def whole(picture):
    """A picture without the moment at which somebody vanished."""
    avus = [(path, name, "" if name == "VanishedSince" else value, unit) for path, name, value, unit in picture["avus"]]
    tree = [line for line in picture["git"].splitlines() if not line.endswith("/P2.yaml")]
    return avus, picture["members"], tree


def try_steps(make_site, folder, when, stride):
    """Kills a poll before every `stride`th step; (step, name) of each.

    `when`: the first poll, or the one of a change.
    """
    reference, tried, number = None, [], 1
    while True:
        there = folder / f"{when}{number if reference else 'whole'}"
        there.mkdir()
        there.chmod(0o777)
        with PretendCastellum(*studies()).running() as castellum:
            polled = Polled(make_site, castellum, there)
            if when == "change":
                polled.good_poll()
            polled.site.register(scanner=T94)
            if when == "change":
                change(castellum)
            commits = polled.commits() if when == "change" else 0
            if reference is None:
                polled.good_poll()
                reference = whole(polled.picture()), polled.commits(), len(polled.reviews())
                polled.close()
                continue
            polled.site.reconnect()
            answer, step = killed(polled.site, number)
            if answer is not None:
                return tried
            polled.site.reconnect()
            polled.zone = polled.site.connect()
            there_already = polled.git("rev-list", "--count", "--all").strip()
            assert int(there_already or 0) in (commits, commits + 1), step
            polled.good_poll()
            found = whole(polled.picture()), polled.commits(), len(polled.reviews())
            assert _named(found) == _named(reference), (number, step)
            assert polled.good_poll()["avus"] == 0, (number, step)
            tried.append((number, step))
            polled.close()
        number += stride


def _named(found):
    """Experiments have a name of their own in each site."""
    (avus, members, tree), commits, reviews = found
    kept = sorted(
        ("", name, unit) if "/experiments/" in path else (path, name, value, unit) for path, name, value, unit in avus
    )
    return kept, members, tree, commits, reviews


@pytest.mark.parametrize("when", ["first", "change"])
def test_a_poll_that_is_killed(make_site, open_folder, when):
    tried = try_steps(make_site, open_folder, when, STRIDE)
    assert len(tried) > 3
    print(len(tried), "steps:", sorted({name for _, name in tried}))

"""Castellum: 200 studies with 50 subjects of 12 attributes. The first poll, one without a change, one with 1 % of the
subjects changed.

`python -m tests.bench castellum` takes an embedded zone. On a server: `python -m tests.bench.castellum STUDIES [MINUTES
EVERY]`, as an account that may write mrdata.yaml, with the service account's iRODS environment; MINUTES runs the poll
as a delay rule every EVERY seconds, with a change each minute, and watches the memory of the processes. It wants a zone
for itself and takes back its settings.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.client.embedded_zone import EmbeddedZone
from mrdata.demonstration.pretend_castellum import PretendCastellum, Study
from mrdata.zones.new_zone import create, make_users
from policy.zone import Client

STUDIES, SUBJECTS, ATTRIBUTES = 200, 50, 12
NAMES = [f"attribute_{n:02d}" for n in range(ATTRIBUTES)]


def pretend(number_of_studies: int = STUDIES) -> PretendCastellum:
    """The Castellum to be polled, the same in each run."""
    draw = random.Random(4)
    studies = [
        Study(
            number,
            f"bench{number:03d}",
            title=f"Study {number}",
            members=["alice"],
            subjects={
                f"{number:03d}{subject:02d}{draw.randrange(1000):03d}": {
                    name: f"value {draw.randrange(20)}" for name in NAMES
                }
                for subject in range(SUBJECTS)
            },
        )
        for number in range(1, number_of_studies + 1)
    ]
    return PretendCastellum(*studies)


def settings(castellum: PretendCastellum, folder: Path) -> dict[str, object]:
    """The section of mrdata.yaml."""
    (folder / "token").write_text(castellum.token, encoding="ascii")
    (folder / "token").chmod(0o600)
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder / "remote.git")], check=True)
    return {
        "source": "http",
        "url": castellum.url,
        "token_file": str(folder / "token"),
        "repository": str(folder / "mixed-use.git"),
        "remote": f"file://{folder}/remote.git",
        "attributes": {name: [] for name in NAMES},
    }


def change(castellum: PretendCastellum, percent: float, turn: int) -> int:
    """One attribute of so many subjects; how many."""
    draw = random.Random(turn)
    everybody = [(study, pseudonym) for study in castellum.studies.values() for pseudonym in study.subjects]
    chosen = draw.sample(everybody, max(1, int(len(everybody) * percent / 100)))
    for study, pseudonym in chosen:
        study.subjects[pseudonym][draw.choice(NAMES)] = f"turn {turn} value {draw.randrange(1000)}"
    return len(chosen)


def poll(zone: Client) -> dict:
    """The report of one poll; an assertion for anything that is not good."""
    reply = json.loads(zone.rule("mrdata_castellum_poll", "{}"))
    assert reply.get("good"), reply
    return reply


def measure(zone: Client, castellum: PretendCastellum, where: str) -> list[tuple[str, str, str]]:
    """The three polls."""
    rows, first = [], 0.0
    for what, percent in (
        ("the first poll", 0.0),
        ("nothing changed", 0.0),
        ("1 % of the subjects changed", 1.0),
        ("nothing changed", 0.0),
    ):
        if percent:
            change(castellum, percent, 1)
        start = time.perf_counter()
        reply = poll(zone)
        seconds = time.perf_counter() - start
        first = first or seconds
        said = (
            f"{seconds:.2f} s, {reply['requests']} requests, {reply['avus']} AVU writes, {int(bool(reply['commit']))}"
            " commits"
        )
        rows.append(
            (
                f"Castellum, {len(castellum.studies)} x {SUBJECTS} x {ATTRIBUTES}, {where}: {what}",
                said,
                f"{seconds / first:.3f} of the first",
            )
        )
    return rows


def rows(studies: int = STUDIES) -> list[tuple[str, str, str]]:
    """On an embedded zone."""
    castellum = pretend(studies)
    with tempfile.TemporaryDirectory() as name, castellum.running():
        folder = Path(name)
        create(folder / "zone", scanners=["94T"], site={"castellum": settings(castellum, folder)})
        from microservices.settings_file import load_settings

        make_users(load_settings(folder / "zone/mrdata.yaml"), "alice")
        with EmbeddedZone(folder / "zone", "mrdata") as zone:
            return measure(zone, castellum, "embedded zone")


@contextmanager
def on_server(castellum: PretendCastellum) -> Iterator[Path]:
    """Within the block, the server's settings name this Castellum."""
    import yaml

    file = Path(os.environ.get("MRDATA_SETTINGS") or "/etc/irods/mrdata.yaml")
    before = file.read_bytes()
    folder = Path(tempfile.mkdtemp(prefix="mrdata-bench-castellum-", dir="/var/tmp"))
    held = {**yaml.safe_load(before), "castellum": settings(castellum, folder)}
    try:
        file.write_text(yaml.safe_dump(held, sort_keys=False), encoding="utf-8")
        yield folder
    finally:
        file.write_bytes(before)
        shutil.rmtree(folder)


def watch(zone: Client, castellum: PretendCastellum, minutes: float, every: int) -> dict[str, object]:
    """The delay rule for so long; what it did, and what memory it took."""
    before = json.loads(zone.rule("mrdata_castellum_status", "{}"))
    json.loads(zone.rule("mrdata_castellum_schedule", json.dumps({"seconds": every})))
    end, turn, changed = time.monotonic() + minutes * 60, 1, 0
    server: list[int] = []
    agents: dict[str, int] = {}
    minute = time.monotonic()
    while time.monotonic() < end:
        for name, process, size in resident():
            if name == "irodsDelayServer":
                server.append(size)
            elif name == "irodsAgent":
                agents[process] = max(agents.get(process, 0), size)
        if time.monotonic() > minute + 60:
            minute, turn = time.monotonic(), turn + 1
            changed += change(castellum, 0.1, turn)
        time.sleep(0.2)
    for number, *_ in _scheduled(zone):
        subprocess.run(["iqdel", number], check=True)
    after = json.loads(zone.rule("mrdata_castellum_status", "{}"))
    sizes = list(agents.values())
    tenth = max(1, len(sizes) // 10)
    return {
        "minutes": minutes,
        "every_seconds": every,
        "polls": after["polls"] - before["polls"],
        "bad_polls": after["bad_polls"] - before["bad_polls"],
        "subjects_changed": changed,
        "zone_is_behind": after["zone_is_behind"],
        "last_poll": after["last"],
        "delay_server_kib": {"first": server[0], "last": server[-1], "most": max(server)} if server else {},
        "agents": len(sizes),
        "agent_kib": {
            "mean of the first tenth": sum(sizes[:tenth]) // tenth,
            "mean of the last tenth": sum(sizes[-tenth:]) // tenth,
            "most": max(sizes, default=0),
        },
    }


def _scheduled(zone: Client) -> list[tuple[str, ...]]:
    from policy.zone import Condition

    return zone.query(["RULE_EXEC_ID"], Condition("RULE_EXEC_NAME", "like", "%mrdata_castellum_poll(%"))


def resident() -> Iterator[tuple[str, str, int]]:
    """(program, process id with its start, resident KiB) of the server's processes, from /proc."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = os.path.basename(os.readlink(process / "exe"))
            if program.startswith("irods"):
                kib = next(
                    line.split()[1]
                    for line in (process / "status").read_text().splitlines()
                    if line.startswith("VmRSS")
                )
                yield (
                    program,
                    f"{process.name} {(process / 'stat').read_text().rpartition(')')[2].split()[19]}",
                    int(kib),
                )
        except (OSError, StopIteration):
            continue


def main() -> None:
    """On a server."""
    from microservices.zones.client_session import open_session
    from microservices.zones.client_zone import IrodsZone

    castellum = pretend(int(sys.argv[1]))
    with castellum.running(), on_server(castellum), IrodsZone(open_session()) as zone:
        zone.session.connection_timeout = 7200  # seconds that a rule may take
        known = {name for (name,) in zone.query(["USER_NAME"])}
        if "alice" not in known:
            subprocess.run(["iadmin", "mkuser", "alice", "rodsuser"], check=True)
        for row in measure(zone, castellum, "server"):
            print(*row, sep=" | ", flush=True)
        if len(sys.argv) > 3:
            print(json.dumps(watch(zone, castellum, float(sys.argv[2]), int(sys.argv[3])), indent=1), flush=True)


if __name__ == "__main__":
    main()

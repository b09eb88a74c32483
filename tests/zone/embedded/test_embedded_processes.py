"""Several processes in one embedded zone, and processes that are killed at any point."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from embedded.client import routes
from embedded.engine import delay_queue, delay_server
from embedded.engine.agent import Agent
from embedded.errors import IrodsError
from embedded.folder import ZoneFolder
from tests.zone.embedded.test_embedded_helpers import HOME, agent_fixture, genquery1, make_zone, zone_fixture  # noqa: F401

WORKER = """
import random, sys
from embedded.client import routes
from embedded.engine.agent import Agent
from embedded.errors import IrodsError
from embedded.folder import ZoneFolder

HOME = "/tempZone/home/mrdata"
folder, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)

def content():
    size = chance.choice([10, 1000, 200_000])
    return (b"%10d" % size).ljust(size, b"x")

def act(agent, names):
    name = chance.choice(names)
    path = f"{HOME}/{name}"
    kind = chance.randrange(7)
    if kind == 0:
        routes.iput(agent, path, content(), force=True)
    elif kind == 1:
        routes.istream(agent, path, content())
    elif kind == 2:
        routes.irepl(agent, path, chance.choice(["archiveResc", "demoResc"]))
    elif kind == 3:
        routes.itrim(agent, path, copies=1)
    elif kind == 4:
        routes.imv(agent, path, f"{HOME}/{chance.choice(names)}")
    elif kind == 5:
        routes.irm(agent, path, force=chance.random() < 0.7)
    else:
        routes.imeta(agent, "set", "-d", path, "a", str(chance.random()))

with Agent(ZoneFolder.open(folder, core=folder + "/../core.py"), "mrdata") as agent:
    names = [f"o{i}" for i in range(12)]
    print("ready", flush=True)
    while True:
        try:
            act(agent, names)
        except IrodsError as error:
            if error.code == -806000:
                raise
"""


def start(folder: Path, seed: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def disagreements(agent: Agent) -> list[str]:
    """Where catalog and vault do not say the same."""
    catalog = agent.session.catalog
    problems = [str(row) for row in catalog.all("PRAGMA integrity_check") if row != ("ok",)]
    known = set()
    for number, status, file, size in catalog.all(
        "SELECT data_repl_num, data_is_dirty, data_path, data_size FROM R_DATA_MAIN"
    ):
        known.add(file)
        if status > 1:
            problems.append(f"{file}: status {status}")
        if status == 1:
            data = Path(file).read_bytes() if os.path.exists(file) else b""
            if len(data) != size or int(data[:10] or -1) != size:
                problems.append(f"{file} ({number}): {size} bytes in the catalog, {len(data)} in the vault")
    problems += [
        f"{p}: nobody's" for p in (agent.folder.path / "vault").rglob("*") if p.is_file() and str(p) not in known
    ]
    twice = catalog.all(
        "SELECT coll_id, data_name FROM R_DATA_MAIN GROUP BY coll_id, data_name HAVING count(DISTINCT data_id) > 1"
    )
    lost = catalog.all("SELECT data_name FROM R_DATA_MAIN WHERE coll_id NOT IN (SELECT coll_id FROM R_COLL_MAIN)")
    orphans = catalog.all(
        "SELECT object_id FROM R_OBJT_ACCESS WHERE object_id NOT IN (SELECT data_id FROM R_DATA_MAIN UNION SELECT"
        " coll_id FROM R_COLL_MAIN)"
    )
    left = catalog.all("SELECT * FROM open_replica") + catalog.all("SELECT * FROM doomed_file")
    return problems + [
        f"{name}: {rows}" for name, rows in (("twice", twice), ("lost", lost), ("acl", orphans), ("left", left)) if rows
    ]


def test_kill_9_at_any_point(tmp_path):
    zone = make_zone(tmp_path)
    chance = random.Random(94)
    met = Counter[str]()
    for round_ in range(14):
        processes = [start(zone.path, round_ * 2 + i) for i in range(2)]
        time.sleep(chance.uniform(0.01, 0.25))
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            _, errors = process.communicate()
            assert process.returncode == -signal.SIGKILL, errors
        catalog = zone.catalog()
        met["unfinished"] += bool(catalog.one("SELECT 1 FROM open_replica UNION SELECT 1 FROM doomed_file"))
        catalog.close()
        with Agent(make_again(zone), "mrdata") as agent:
            assert disagreements(agent) == []
            met["objects"] += len(genquery1(agent, "DATA_NAME, DATA_ID", "DATA_REPL_STATUS = '1'"))
    assert met["unfinished"] >= 1, "no kill met a process at work"
    assert met["objects"] > 14


def make_again(zone):
    """The folder, as a process that starts now opens it."""
    return type(zone).open(zone.path, core=zone.core)


MAKER = """
import sys
from embedded.client import routes
from embedded.engine.agent import Agent
from embedded.errors import IrodsError
from embedded.folder import ZoneFolder

folder, me = sys.argv[1:]
with Agent(ZoneFolder.open(folder, core=folder + "/../core.py"), "mrdata") as agent:
    won = 0
    for i in range(60):
        routes.iput(agent, f"/tempZone/home/mrdata/c/{me}_{i}", b"x")
        routes.imeta(agent, "add", "-d", f"/tempZone/home/mrdata/c/{me}_{i}", "n", str(i))
        try:
            routes.iput(agent, f"/tempZone/home/mrdata/c/same_{i}", me.encode())
            won += 1
        except IrodsError as error:
            assert error.code in (-809000, -312000), error
        try:
            routes.imv(agent, f"/tempZone/home/mrdata/c/old_{i}", f"/tempZone/home/mrdata/d/old_{i}")
            won += 1000
        except IrodsError as error:
            assert error.code in (-808000, -834000), error
    print(won)
"""


def test_several_processes_write_at_once(agent):
    routes.imkdir(agent, f"{HOME}/c")
    routes.imkdir(agent, f"{HOME}/d")
    for i in range(60):
        routes.iput(agent, f"{HOME}/c/old_{i}", b"x")
    arguments = [sys.executable, "-c", MAKER, str(agent.folder.path)]
    processes = [
        subprocess.Popen([*arguments, f"p{i}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    outcomes = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outcomes
    assert sum(int(out) for out, _ in outcomes) == 60 * 1001  # each name and each object had one winner
    assert genquery1(agent, "count(DATA_ID)", f"COLL_NAME = '{HOME}/c'") == [(str(4 * 60 + 60),)]
    assert genquery1(agent, "count(DATA_ID)", f"COLL_NAME = '{HOME}/d'") == [("60",)]
    assert genquery1(agent, "count(DATA_ID)", "META_DATA_ATTR_NAME = 'n'") == [("240",)]


COUNTS = """
def slow(rule_args, callback, rei):
    import os, time
    with open(rule_args[0], "a") as f:
        f.write("start %d\\n" % os.getpid())
    time.sleep(0.3)
    with open(rule_args[0], "a") as f:
        f.write("end %d\\n" % os.getpid())

def hang(rule_args, callback, rei):
    import time
    open(rule_args[0], "a").close()
    time.sleep(60)

def note(rule_args, callback, rei):
    with open(rule_args[0], "a") as f:
        f.write(str(rei.uoic.userName) + " ")
    return int(rule_args[1])

def nice(rule_args, callback, rei):
    import os
    with open(rule_args[0], "a") as f:
        f.write("%d " % os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, 10)

def later(rule_args, callback, rei):
    callback.delayExec(rule_args[0], rule_args[1], "")
"""
RUNNER = (
    "import sys\nfrom embedded.engine.delay_server import run_due\nfrom embedded.folder import ZoneFolder\n"
    "print(run_due(ZoneFolder.open(sys.argv[1], core=sys.argv[1] + '/../core.py')))"
)
INSTANCE = f"<INST_NAME>{delay_queue.INSTANCE}</INST_NAME>"


def later(zone, condition: str, text: str, user: str = "mrdata") -> None:
    with Agent(zone, user) as agent:
        assert agent.run_rule("later", [INSTANCE + condition, text]) == 0


def queue(zone) -> list[tuple[str, ...]]:
    with Agent(zone, "mrdata") as agent:
        return genquery1(agent, "RULE_EXEC_USER_NAME, RULE_EXEC_FREQUENCY")


def test_one_rule_is_never_run_twice_at_once(tmp_path):
    zone = make_zone(tmp_path, COUNTS)
    later(zone, "<PLUSET>0s</PLUSET>", f"callback.slow({str(tmp_path / 'log')!r})")
    runners = [
        subprocess.Popen([sys.executable, "-c", RUNNER, str(zone.path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for runner in runners:
        runner.communicate()
    lines = (tmp_path / "log").read_text().split()
    assert lines[::2] == ["start", "end"]


def test_a_killed_runner_gives_its_rule_back(tmp_path):
    zone = make_zone(tmp_path, COUNTS)
    mark = tmp_path / "mark"
    later(zone, "<PLUSET>0s</PLUSET>", f"callback.hang({str(mark)!r})")
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(zone.path)], stdout=subprocess.PIPE, text=True)
    while not mark.exists():
        assert runner.poll() is None
        time.sleep(0.02)
    assert delay_server.run_due(zone) == 0  # somebody is at it
    runner.kill()
    runner.communicate()
    (tmp_path / "core.py").write_text(COUNTS.replace("time.sleep(60)", "pass"))
    assert delay_server.run_due(zone) == 1
    assert queue(zone) == []


@pytest.mark.parametrize(
    ("condition", "code", "runs"),
    [
        ("<PLUSET>1s</PLUSET>", "0", 1),
        ("<PLUSET>1s</PLUSET>", "-1", 1),  # a single run is over even when it fails
        ("<EF>10s</EF>", "0", 5),
        ("<EF>10s REPEAT FOR EVER</EF>", "-1", 5),
        ("<EF>10s REPEAT 3 TIMES</EF>", "0", 3),
        ("<EF>10s REPEAT UNTIL SUCCESS</EF>", "0", 1),
        ("<EF>10s REPEAT UNTIL SUCCESS</EF>", "-1", 5),
        ("<EF>10s REPEAT UNTIL SUCCESS OR 2 TIMES</EF>", "-1", 2),
        ("<EF>10s DOUBLE FOR EVER</EF>", "0", 3),
    ],
)
def test_how_often_a_rule_runs(tmp_path, condition, code, runs):
    zone = make_zone(tmp_path, COUNTS)
    later(zone, condition, f"return callback.note({str(tmp_path / 'log')!r}, '{code}')['code']", "alice")
    now = time.time() + 2
    for step in range(5):
        delay_server.run_due(zone, now + step * 11)
    assert (tmp_path / "log").read_text().split() == ["alice"] * runs
    assert bool(queue(zone)) == (runs == 5 or "EVER" in condition)


def test_nothing_of_core_is_in_scope_in_a_delay_rule(tmp_path):
    zone = make_zone(tmp_path, COUNTS)
    log = tmp_path / "log"
    later(zone, "", f"note([{str(log)!r}, '0'], callback, rei)")
    later(zone, "", f"try:\n    note\nexcept NameError:\n    callback.note({str(log)!r}, '0')")
    assert delay_server.run_due(zone, time.time() + 1) == 2
    assert log.read_text() == "mrdata "
    assert "NameError" in zone.log.read_text()


@pytest.mark.parametrize(
    "condition", ["<EF>soon</EF>", "<EF>5s NOW AND THEN</EF>", "<PLUSET>1s", "<PRIORITY>12</PRIORITY>"]
)
def test_conditions_that_are_refused(tmp_path, condition):
    with Agent(make_zone(tmp_path, COUNTS), "mrdata") as agent:
        assert agent.run_rule("later", [INSTANCE + condition, "pass"]) == -816000


def test_the_delay_server_runs_until_it_is_stopped(tmp_path):
    zone = make_zone(tmp_path, COUNTS)
    log = tmp_path / "log"
    later(zone, "<EF>1s REPEAT FOR EVER</EF>", f"callback.note({str(log)!r}, '0')")
    stop = threading.Event()
    server = threading.Thread(target=delay_server.serve, args=(zone, stop, 0.05))
    server.start()
    deadline = time.time() + 20
    while (not log.exists() or len(log.read_text().split()) < 2) and time.time() < deadline:
        time.sleep(0.05)
    stop.set()
    server.join(timeout=20)
    assert not server.is_alive()
    assert len(log.read_text().split()) >= 2


@contextmanager
def serving(zone):
    """Within the block, a delay server runs; it is waited for at the end."""
    stop = threading.Event()
    server = threading.Thread(target=delay_server.serve, args=(zone, stop, 0.05))
    server.start()
    try:
        yield
    finally:
        stop.set()
        server.join(timeout=20)
        assert not server.is_alive()


def until(so, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "not within its time"
        time.sleep(0.05)


def words(file) -> list[str]:
    return file.read_text().split() if file.exists() else []


def test_a_rule_that_takes_long_keeps_no_other_from_its_turn(tmp_path):
    """What verifies checksums works for minutes; the sweep has to come every few seconds all the same."""
    zone = make_zone(tmp_path, COUNTS.replace("time.sleep(0.3)", "time.sleep(6)"))
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    later(zone, "<PLUSET>0s</PLUSET><EF>1s REPEAT FOR EVER</EF>", f"callback.slow({str(slow)!r})")
    later(zone, "<PLUSET>0s</PLUSET><EF>1s REPEAT FOR EVER</EF>", f"callback.note({str(quick)!r}, '0')")
    with serving(zone):
        until(lambda: len(words(quick)) >= 3)
        assert words(slow)[::2] == ["start"]
    assert words(slow)[::2] == ["start", "end"], "what runs is waited for, and never runs twice at once"


def test_so_many_rules_run_at_once_and_no_more(tmp_path):
    zone, log = make_zone(tmp_path, COUNTS), tmp_path / "log"
    for _ in range(3 * delay_server.EXECUTORS):
        later(zone, "<PLUSET>0s</PLUSET>", f"callback.slow({str(log)!r})")
    with serving(zone):
        until(lambda: queue(zone) == [])
    running = most = 0
    for word in words(log)[::2]:
        running += 1 if word == "start" else -1
        most = max(most, running)
    assert (running, most) == (0, delay_server.EXECUTORS)


def test_a_rule_that_stands_back_does_so_for_itself_alone(tmp_path):
    zone, log = make_zone(tmp_path, COUNTS), tmp_path / "log"
    later(zone, "<EF>1s REPEAT 3 TIMES</EF>", f"callback.nice({str(log)!r})")
    with serving(zone):
        until(lambda: len(words(log)) == 3)
    assert set(words(log)) == {str(os.getpriority(os.PRIO_PROCESS, 0))}


def test_a_rule_of_a_user_who_is_gone_goes_and_any_other_stays(tmp_path, monkeypatch):
    zone, log = make_zone(tmp_path, COUNTS), tmp_path / "log"
    assert iadmin(zone, "mkuser", "carol", "rodsadmin") == (0, "")
    later(zone, "<PLUSET>0s</PLUSET>", f"callback.note({str(log)!r}, '0')", "carol")
    later(zone, "<PLUSET>0s</PLUSET>", f"callback.note({str(log)!r}, '0')", "mrdata")
    with closing(zone.catalog()) as catalog, catalog.writing():
        catalog.run("DELETE FROM R_USER_MAIN WHERE user_name = 'carol'")
    with monkeypatch.context() as patch:
        patch.setattr(
            ZoneFolder, "connect", lambda *_: (_ for _ in ()).throw(IrodsError("CAT_SQL_ERR", "database is locked"))
        )
        with pytest.raises(IrodsError):
            delay_server.run_due(zone)
    assert len(queue(zone)) == 2
    delay_server.run_due(zone)
    assert queue(zone) == []
    assert log.read_text() == "mrdata "


def iadmin(zone, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "embedded.iadmin", str(zone.path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def test_iadmin(zone):
    assert iadmin(zone, "mkuser", "carol", "rodsuser") == (0, "")
    assert iadmin(zone, "mkgroup", "readers") == (0, "")
    assert iadmin(zone, "atg", "readers", "carol") == (0, "")
    assert iadmin(zone, "lg", "readers") == (0, "carol#tempZone")
    assert "carol#tempZone" in iadmin(zone, "lu")[1]
    code, text = iadmin(zone, "mkgroup", "readers")
    assert code != 0
    assert "-809000 CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME" in text
    assert iadmin(zone, "rfg", "readers", "carol") == (0, "")
    refusals = [
        ("rfg", "readers", "carol"),
        ("atg", "none", "carol"),
        ("atg", "readers", "none"),
        ("mkuser", "a/b", "rodsuser"),
    ]
    for refused in [
        *refusals,
        ("mkuser", "dave", "king"),
        ("mkuser", "carol", "rodsuser"),
        ("rmuser", "carol"),
        ("mkuser", "x"),
    ]:
        assert iadmin(zone, *refused)[0] != 0, refused
    with Agent(zone, "carol") as carol:
        routes.iput(carol, "/tempZone/home/carol/x", b"x")


def test_agents_that_begin_at_once_find_the_settings_of_their_zone(tmp_path, monkeypatch):
    """core.py finds them in the environment, which the threads of a process share."""
    monkeypatch.delenv("MRDATA_SETTINGS", raising=False)
    core = (
        "import os, time\nfirst = os.environ['MRDATA_SETTINGS']\ntime.sleep(0.001)\nsecond ="
        " os.environ['MRDATA_SETTINGS']\n"
    )
    zones = []
    for name in "ab":
        file = tmp_path / f"{name}.py"
        file.write_text(core)
        zones.append(ZoneFolder.create(tmp_path / name, core=file))

    def begin(zone):
        with Agent(zone, "rods") as agent:
            return {agent.core().first, agent.core().second} == {str(zone.settings)}

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(begin, zones * 50))
    assert "MRDATA_SETTINGS" not in os.environ

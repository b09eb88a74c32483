"""Breaks a real server while the world works on it: `python -m tests.faults.nemesis --faults 500 --seed 1`.

It runs where `pytest --irods` does (docs/how-to/test-a-server.md), on the server's host, as an account that may kill the
server's processes, and counts on nobody else's working there. One line tells what came of it; exit status 0 only when
nothing is wrong.

| fault | what happens | |--|--| | agent, delay server, scanner | kill -9 of one | | server | kill -9 of all its
processes; `--restart` starts it again | | backend, postmaster | kill -9 of a process of PostgreSQL; of its first one,
and `--start-catalog` starts it again | | stopped | SIGSTOP of an agent for some seconds | | full | the landing folder's
file system is full for some seconds (`--megabytes`: of a file system in memory; root only) | | cut, cut within, held |
the proxy resets connections, in the middle of a message, or lets nothing through for some seconds |
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from policy.zone import Condition
from tests.faults import checker, on_server
from tests.faults.on_server import ServerWorld
from tests.faults.proxy import Proxy

_ANSWER_SECONDS = 180.0
"""The zone answers again within so long after a fault."""


class Nemesis:
    """What breaks things. Each fault is a function that tells whether it hit anything."""

    def __init__(
        self, seed: int, proxy: Proxy, landing: Path, *, restart: str, start_catalog: str, is_small: bool
    ) -> None:
        self._chance, self._proxy, self._landing = random.Random(seed), proxy, landing
        self._restart, self._start_catalog = restart, start_catalog
        self.kill_scanner: Callable[[random.Random], bool] = lambda _: False
        self.faults: dict[str, tuple[int, Callable[[], bool]]] = {
            "agent": (20, lambda: self._kill(agents())),
            "delay server": (5, lambda: self._kill(processes("/usr/sbin/irodsDelayServer"))),
            "scanner": (20, lambda: self.kill_scanner(self._chance)),
            "backend": (5, lambda: self._kill(backends())),
            "stopped": (10, self._stop),
            "cut": (15, lambda: proxy.cut(self._chance) > 0),
            "cut all": (5, lambda: proxy.cut() > 0),
            "cut within": (
                15,
                lambda: proxy.cut_after(self._chance.randint(1, self._chance.choice((300, 3000, 100_000)))) > 0,
            ),
            "held": (8, lambda: proxy.hold(self._chance.uniform(0.5, 6)) > 0),
        }
        if restart:
            self.faults["server"] = 4, self._kill_server
        if start_catalog:
            self.faults["postmaster"] = 2, self._kill_postmaster
        if is_small:
            self.faults["full"] = 6, self._fill

    def strike(self) -> str:
        """One fault; its name, or empty where it hit nothing."""
        names = sorted(self.faults)
        name = self._chance.choices(names, [self.faults[one][0] for one in names])[0]
        return name if self.faults[name][1]() else ""

    def pause(self) -> float:
        """Seconds to the next one."""
        return self._chance.choice((0.05, 0.3, 1.0, 2.0))

    def heal(self) -> None:
        """Whatever is down is started."""
        for process in agents():
            _signal(process, signal.SIGCONT)
        with suppress(FileNotFoundError):
            (self._landing / ".ballast").unlink()
        for command in filter(None, (self._start_catalog, self._restart)):
            _run(command)

    def _kill(self, found: list[int]) -> bool:
        return bool(found) and _signal(self._chance.choice(found), signal.SIGKILL)

    def _stop(self) -> bool:
        found = agents()
        if not found:
            return False
        process = self._chance.choice(found)
        if not _signal(process, signal.SIGSTOP):
            return False
        threading.Timer(self._chance.uniform(0.5, 8), _signal, (process, signal.SIGCONT)).start()
        return True

    def _kill_server(self) -> bool:
        found = [one for name in ("Server", "DelayServer", "Agent") for one in processes(f"/usr/sbin/irods{name}")]
        hits = sum(_signal(one, signal.SIGKILL) for one in found)
        time.sleep(self._chance.uniform(0, 3))
        _run(self._restart)
        return hits > 0

    def _kill_postmaster(self) -> bool:
        found = [one for one in _postgres() if _parent(one) not in _postgres()]
        hit = self._kill(found)
        time.sleep(self._chance.uniform(0, 3))
        _run(self._start_catalog)
        return hit

    def _fill(self) -> bool:
        ballast = self._landing / ".ballast"
        with open(ballast, "wb", buffering=0) as opened, suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while opened.write(b"\0" * size) == size:
                        pass
        threading.Timer(self._chance.uniform(0.5, 5), ballast.unlink, (True,)).start()
        return True


# Processes of the server


def processes(program: str) -> list[int]:
    """Those that run this program, by their numbers."""
    found = []
    for entry in os.listdir("/proc"):
        with suppress(OSError):
            if entry.isdigit() and os.readlink(f"/proc/{entry}/exe").removesuffix(" (deleted)") == program:
                found.append(int(entry))
    return sorted(found)


def agents() -> list[int]:
    """Those that serve a connection: their parents are agents too, which begin them."""
    found = processes("/usr/sbin/irodsAgent")
    return [one for one in found if _parent(one) in found]


def backends() -> list[int]:
    """Those of PostgreSQL that serve iRODS."""
    return [one for one in _postgres() if b" ICAT " in _text(f"/proc/{one}/cmdline")]


def _postgres() -> list[int]:
    programs = {str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")}
    return [one for program in sorted(programs) for one in processes(program)]


def _parent(process: int) -> int:
    return int((_text(f"/proc/{process}/stat").rpartition(b")")[2].split() or [b"", b"0"])[1])


def _text(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""


def _signal(process: int, number: int) -> bool:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def _run(command: str) -> None:
    subprocess.run(shlex.split(command), check=False, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=300)


# A run


@contextmanager
def through(proxy: Proxy, folder: Path) -> Iterator[None]:
    """Within the block, all clients of this process and its children connect through the proxy."""
    before = os.environ["IRODS_ENVIRONMENT_FILE"]
    entries = json.loads(Path(before).read_text(encoding="utf-8")) | {"irods_port": proxy.port}
    changed = folder / "environment.json"
    changed.write_text(json.dumps(entries), encoding="utf-8")
    os.environ["IRODS_ENVIRONMENT_FILE"] = str(changed)
    try:
        yield
    finally:
        os.environ["IRODS_ENVIRONMENT_FILE"] = before


@contextmanager
def small(folder: Path, megabytes: int) -> Iterator[None]:
    """Within the block, a folder is a file system of its own, with what was in it."""
    if not megabytes:
        yield
        return
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*"))]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(folder)], check=True)
    try:
        for name in names:
            (folder / name).mkdir()
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def main() -> int:
    """One run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.nemesis", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--restart", default="", metavar="COMMAND", help="starts the iRODS server, also where it runs half"
    )
    parser.add_argument(
        "--start-catalog", default="", metavar="COMMAND", help="starts PostgreSQL, if it is not running"
    )
    parser.add_argument(
        "--megabytes", type=int, default=0, help="of the landing folder's own file system, which is filled at times"
    )
    given = parser.parse_args()
    if given.megabytes and os.geteuid() != 0:
        print("--megabytes: needs root; the file system is never full", file=sys.stderr)
        given.megabytes = 0
    os.environ["MRDATA_TEST_SUFFIX"] = "n" + uuid.uuid4().hex[:5]
    environment = json.loads(Path(os.environ["IRODS_ENVIRONMENT_FILE"]).read_text(encoding="utf-8"))
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="nemesis", dir="/var/tmp", ignore_cleanup_errors=True)
            )
        )
        folder.chmod(0o755)
        proxy = stack.enter_context(Proxy(environment["irods_host"], int(environment["irods_port"])))
        stack.enter_context(through(proxy, folder))
        return run(given, folder, proxy, stack)


def run(given: argparse.Namespace, folder: Path, proxy: Proxy, stack: ExitStack) -> int:
    """As `main`, with what is open until the end."""
    from tests.zone.names import STEWARD
    from tests.zone.server import Server
    from tests.zone.server_site import ServerSite

    server = stack.enter_context(Server.of_environment())
    with server.service.connect() as zone:
        ((vault,),) = zone.query(["RESC_VAULT_PATH"], Condition("RESC_NAME", "=", "archiveResc"))
    site = ServerSite(
        server,
        {
            "archive": {"vault": vault, "give_up_seconds": 5},
            "sweep": {"every_seconds": 2, "quiet_seconds": 1, "tries": 1000, "retry_seconds": 1},
            "landing": {"quiet_seconds": 1.0, "look_seconds": 0.2, "incomplete_seconds": 1.0, "take_over_seconds": 5.0},
            "expanded": {"quiet_seconds": 1.0},
        },
    )
    stack.callback(site.close)
    landing = Path(site.settings.landing.folder)
    stack.enter_context(small(landing, given.megabytes))
    owner = os.stat(vault)
    for path in (landing, *landing.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    site.folder.chmod(0o755)
    nemesis = Nemesis(
        given.seed,
        proxy,
        landing,
        restart=given.restart,
        start_catalog=given.start_catalog,
        is_small=given.megabytes > 0,
    )
    world = ServerWorld(site, folder, given.seed, stranger=STEWARD)
    stack.callback(world.close)
    nemesis.kill_scanner = world.kill_scanner
    world.begin()
    injected: Counter[str] = Counter()
    survived = 0
    try:
        while injected.total() < given.faults:
            if name := nemesis.strike():
                injected[name] += 1
                survived += _answers(world)
                if injected.total() % 25 == 0:
                    print(
                        f"{injected.total()} faults; {dict(world.counts)}; met: {dict(world.errors)}",
                        file=sys.stderr,
                        flush=True,
                    )
            time.sleep(nemesis.pause())
    finally:
        nemesis.heal()
    return _report(world, injected, survived, world.end(), given.seed, folder)


def _answers(world: ServerWorld) -> bool:
    end = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < end:
        with suppress(Exception), world.connect() as zone:
            zone.stat(world.settings.home)
            return True
        time.sleep(0.3)
    return False


def _report(world: ServerWorld, injected: Counter[str], survived: int, waits: str, seed: int, folder: Path) -> int:
    world.patience = 600.0
    with world.connect() as zone:
        held = on_server.held(zone, world.settings, world.suffix)
    findings = checker.check(world, tidied=False, waits=waits, held=held)
    counts = checker.counted(findings)
    for one in findings:
        print(f"{one.wrong}: {one.what}")
    for what in world.read_by_stranger:
        print(f"read by a stranger: {what}")
    if findings or world.read_by_stranger:
        kept = Path(tempfile.mkdtemp(prefix="nemesis-failed-", dir="/var/tmp"))
        for file in folder.glob("*"):
            if file.suffix in ("", ".log") and file.is_file():
                (kept / file.name).write_bytes(file.read_bytes())
        print(f"books and logs of the scanners: {kept}")
    print(f"faults: {dict(sorted(injected.items()))}", file=sys.stderr)
    print(
        f"world: {dict(sorted(world.counts.items()))}; errors met: {dict(sorted(world.errors.items()))}",
        file=sys.stderr,
    )
    wrong = ", ".join(f"{one} {counts[one]}" for one in checker.Wrong)
    print(
        f"{injected.total()} faults injected, {survived} survived, {wrong}, read by a stranger"
        f" {len(world.read_by_stranger)}; {len(world.books.contents)} contents landed; seed {seed}"
    )
    return int(bool(findings or world.read_by_stranger or survived < injected.total()))


if __name__ == "__main__":
    sys.exit(main())

"""The demonstration: real files go from a pretend scanner through the rulebase into the archive of a new embedded zone.

Three programs run at once, as at a site: the console writes into the landing zone (this process), `mrdata scan`
registers what is complete, and `mrdata zone run` runs the delay rules. At the end each file is looked up and compared,
byte for byte.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from embedded.client.embedded_zone import EmbeddedZone
from microservices.headers.header_reader import read_header
from microservices.settings_file import load_settings
from mrdata.commands.progress_bar import bar
from mrdata.commands.terminal import ends_when_interrupted, terminal_to_itself
from mrdata.demonstration import demo_castellum, demo_folder, demo_report, explanation
from mrdata.demonstration.console import Console, Delivery
from mrdata.demonstration.plan import demo_session
from mrdata.demonstration.pretend_castellum import PretendCastellum
from mrdata.zones.new_zone import create, make_users
from policy.zone import Client, Condition, ZoneError
from policy.zone.context import Context
from policy.zone.layout import landing
from policy.zone.settings import Settings

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end the demonstration, with all that it has started."""
SCANNER = "94T"
PORT = 8080
"""Of the web pages."""
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
"""Real scanner files, where they lie beside the project."""
SETTLING_SECONDS = 240.0
"""So long the demonstration waits for the last file; it usually takes a few seconds."""
SITE = {
    "guard": {"retain_patient_characteristics": True},
    "sweep": {"every_seconds": 1, "quiet_seconds": 1, "tries": 3, "retry_seconds": 1},
    "landing": {"quiet_seconds": 0.6, "look_seconds": 0.3, "incomplete_seconds": 3.0},
    "expanded": {"quiet_seconds": 2.0},
    "products": {"quiet_seconds": 0.0, "incomplete_seconds": 0.0},
}


def run(folder: Path, *, once: bool, as_json: bool, port: int | None = None) -> int:
    """Runs it in a new zone in `folder`; 0 only if every file stands where it should. Without `once`, goes on until
    interrupted.

    Without `once` the web pages are shown on `port` of 127.0.0.1: ZoneError where that is taken. Without a port they
    are shown on 8080, or on a free one where that is taken.
    """
    say = _quiet if as_json else _aloud
    pages = 0 if once else _port(port, say)
    folder = demo_folder.cleared(folder, may_ask=sys.stdin.isatty() and not as_json)
    say(f"A new zone in {folder}")
    with demo_castellum.castellum().running() as castellum:
        create(folder, scanners=[SCANNER], site={**SITE, "castellum": demo_castellum.settings(castellum, folder)})
        with demo_folder.marked(folder), terminal_to_itself():
            return _run(folder, castellum, once=once, as_json=as_json, pages=pages)


def _run(folder: Path, castellum: PretendCastellum, *, once: bool, as_json: bool, pages: int) -> int:
    say = _quiet if as_json else _aloud
    settings = load_settings(folder / "mrdata.yaml")
    experiments = _site(folder, settings, castellum)
    say(
        f"Castellum ({castellum.url}) told of {len(castellum.studies)} studies; their history is in"
        f" {settings.castellum.repository}"
    )
    for new, study, pseudonym, owner in experiments:
        say(f"  registered {new} for study {study}, subject {pseudonym}, owner {owner}")
    plan = demo_session([new for new, *_ in experiments], corpus=CORPUS if CORPUS.is_dir() else None)
    demo_folder.delivers(folder, [f"{SCANNER}/{delivery.path}" for delivery in plan])
    if pages:
        say(
            f"\nThe web pages: http://127.0.0.1:{pages}/ (be alice or bob, scientists, or steward, who looks after the"
            " quarantine)\n"
        )
    say(f"The console delivers {len(plan)} files while the scanner and the sweep run.")
    with _programs(folder, pages), EmbeddedZone(folder, settings.account) as zone:
        started = time.monotonic()
        _deliver(settings, zone, plan)
        settled = _settle(settings, zone, len(plan))
        end = "" if settled else ", but not every file has been placed"
        say(f"  done after {time.monotonic() - started:.0f} s{end}")
        rows = _products(folder, settings, zone, say)
        report = demo_report.report(zone, settings, SCANNER, plan)
        if as_json:
            print(json.dumps(report.counts(), indent=2))
        else:
            print(demo_report.text(zone, settings, report))
            print(f"\nIn words\n{demo_report.indented(explanation.words(report, plan, rows, settings))}")
        say("\n" + explanation.hints(folder, settings, SCANNER, pages))
        if pages:
            with ends_when_interrupted():
                threading.Event().wait()
    return 0 if report.is_good else 1


def _products(folder: Path, settings: Settings, zone: Client, say: Callable[[str], None]) -> list[dict[str, str]]:
    """One look of `mrdata products`: the state of each series."""
    from products import nifti, worker

    say("  making products of the series")
    try:
        worker.Worker(settings, lambda: EmbeddedZone(folder, settings.account), lambda line: None).run_once()
    except nifti.ConverterMissing as error:
        say(f"  no products: {error}")
    return worker.status(Context(zone, settings, read_header))


def _aloud(text: str) -> None:
    print(text, flush=True)


def _quiet(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _site(folder: Path, settings: Settings, castellum: PretendCastellum) -> list[tuple[str, str, str, str]]:
    """People, studies as Castellum tells them, experiments: (ExperimentID, study, pseudonym, owner) of each."""
    demo_castellum.write_token(folder)
    make_users(settings, "alice", "bob", "steward")
    experiments = []
    with EmbeddedZone(folder, "mrdata") as zone:
        zone.group(settings.stewards, ["steward"])
        _call(zone, "mrdata_castellum_poll", {})
        for study in castellum.studies.values():
            study_id, pseudonym, owner = study.name, next(iter(study.subjects)), study.members[0]
            request = {
                "study": study_id,
                "pseudonym": pseudonym,
                "owner": owner,
                "scanner": SCANNER,
                "scan_type": "pilot",
            }
            reply = _call(zone, "mrdata_register", {**request, "description": "Demonstration with a phantom"})
            experiments.append((reply["experiment_id"], study_id, pseudonym, owner))
    return experiments


def _call(zone: Client, rule: str, request: dict[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(zone.rule(rule, json.dumps(request)))
    if "error" in reply:
        raise ZoneError(f"{rule}: {reply['error']}")
    return reply


@contextmanager
def _ended_with_us(running: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Ends the programs after the block; on SIGTERM and where the terminal is closed (SIGHUP) at once, and then leaves.

    From within the handler: an exception that it raised could be raised, and lost, where Python ignores exceptions.
    """
    numbers = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]  # nohup

    def leave(number: int, _: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        _end(running)
        os._exit(128 + number)

    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        _end(running)
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(
    running: list[subprocess.Popen[bytes]], command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
) -> None:
    """Starts a program, and adds it to those that run. A signal waits meanwhile: else it would be left behind."""
    free = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, ENDING)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        program = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=free
        )
        running.append(program)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    for program in running:
        program.terminate()
    for program in running:
        try:
            program.wait(timeout=20)
        except subprocess.TimeoutExpired:
            program.kill()


@contextmanager
def _programs(folder: Path, pages: int = 0) -> Iterator[None]:
    """`mrdata scan`, `mrdata zone run` and, on a port, `mrdata serve`, with their logs in the zone's folder, until the
    end of the block.
    """
    environment = {**os.environ, "MRDATA_ZONE": str(folder)}
    programs = {"scan": ["scan"], "delay": ["zone", "run", str(folder)]}
    if pages:
        programs["pages"] = ["serve", "--port", str(pages)]
    running: list[subprocess.Popen[bytes]] = []
    with ExitStack() as logs, _ended_with_us(running):
        for name, arguments in programs.items():
            log = logs.enter_context(open(folder / f"{name}.log", "wb"))
            command = [sys.executable, "-m", "mrdata.cli", *arguments]
            _start(running, command, environment, log)
        yield


def _deliver(settings: Settings, zone: Client, plan: Sequence[Delivery]) -> None:
    with bar("Writing, registering, placing") as progress:
        written = 0
        for step in Console(Path(settings.landing.folder), SCANNER, bytes_per_second=None).deliver(plan):
            written += step.complete
            progress(written, len(plan))


def _settle(settings: Settings, zone: Client, files: int) -> bool:
    """Waits until so many files are registered and nothing rests in landing."""
    end = time.monotonic() + SETTLING_SECONDS
    with bar("Placing") as progress:
        while time.monotonic() < end:
            below = Condition("COLL_NAME", "like", landing(settings) + "/%")
            resting = len(zone.query(["COLL_NAME", "DATA_NAME"], below))
            settled = len(demo_report.whereabouts(Context(zone, settings, read_header)))
            progress(min(settled, files), files)
            if not resting and settled >= files:
                return True
            time.sleep(0.3)
    return False


def _port(wanted: int | None, say: Callable[[str], None]) -> int:
    """The port, or without one the usual one, or another where that is taken. ZoneError for a port that is taken."""
    if wanted is not None:
        if not _is_free(wanted):
            raise ZoneError(
                f"127.0.0.1:{wanted}: another program uses this port; give another one: --port {wanted + 1}"
            )
        return wanted
    if _is_free(PORT):
        return PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = int(probe.getsockname()[1])
    say(f"Another program uses port {PORT}: the web pages are on port {found}")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

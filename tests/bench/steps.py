"""Milliseconds by step of an image's way into the archive, on a real server: `python -m tests.bench steps`, as for
`server`.

While it runs, core.py carries clocks around what the policy calls; each batch leaves a line with its times. The
scanner's own steps have clocks in this process.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path

from landing.progress import Lines
from landing.scanner import Scanner
from mrdata.commands.zone_connection import connect
from mrdata.commands.zone_connection import settings as site_settings
from policy.zone.settings import Settings
from tests.bench.clocks import clock
from tests.bench.server import images, new_experiment, zone
from tests.zone.server import replace

FILES = 2000
Clocked = tuple[str, str, str, str]
"""What a clock is called, and where it is put: module, class or "", function."""
SCANNER: tuple[Clocked, ...] = (
    ("looking for complete files", "landing.mailbox", "Mailbox", "look"),
    ("taking them, by renames", "landing.work", "Worker", "take"),
    ("copying into the vault, hashed", "landing.vault", "Vault", "own"),
    ("forcing files and folders to the disk", "landing.vault", "Vault", "force"),
    ("one call that decides about 50", "landing.batch_registration", "", "call"),
    ("one transaction that registers 50", "microservices.zones.client_zone", "IrodsZone", "register_all"),
)
SERVER: tuple[Clocked, ...] = (
    ("deciding, in the server", "microservices.rules.rule_agent", "Agent", "answer"),
    ("- headers", "policy.ingest.batch", "", "_header"),
    ("- decisions", "policy.ingest.batch", "", "decide"),
    ("- series", "policy.ingest.place", "", "prepare"),
    ("- what the archive has already", "policy.ingest.occupant", "", "find"),
    ("before the transaction: was it decided so", "microservices.rules.rule_agent", "Agent", "registering_all"),
    ("after it: AVUs", "microservices.rules.rule_agent", "Agent", "registered_all"),
)
CLOCKS = """

_whole_agent, _times = _agent, {{}}


def _agent():
    agent = _whole_agent()
    if not _times:
        _times["started"] = 1
        from tests.bench.clocks import clock

        for one in {clocks!r}:
            clock(_times, *one)
    return agent


_whole_post = pep_api_bulk_data_obj_reg_post


def pep_api_bulk_data_obj_reg_post(rule_args, callback, rei):
    _answer = _whole_post(rule_args, callback, rei)
    import json

    with open({lines!r}, "a") as _lines:
        _lines.write(json.dumps(_times) + "\\n")
    _times.update((_name, 0.0) for _name in list(_times))
    return _answer
"""


def rows() -> list[tuple[str, str, str]]:
    """Milliseconds an image, over 2,000 images in 20 series."""
    settings = site_settings()
    with zone() as admin:
        new = new_experiment(admin, settings, settings.scanners[0])
    took = measure(settings, new, FILES)
    return [(name, f"{ms:.2f} ms", f"{ms / took[WHOLE]:.2f}") for name, ms in took.items()]


WHOLE = "an image, from the first look to the last answer"


def measure(settings: Settings, new: str, files: int, first: int = 0) -> dict[str, float]:
    """Name of the step -> milliseconds an image, while a scanner with one connection archives so many."""
    folder = Path(settings.landing.folder) / settings.scanners[0] / "dicom" / f"steps{time.time_ns()}"
    times: dict[str, float] = {}
    try:
        images(folder, new, files, first)
        with _clocks_in_core() as lines, _clocks(times, SCANNER):
            began = time.perf_counter()
            _scan(settings, files)
            times[WHOLE] = time.perf_counter() - began
        inside: Counter[str] = Counter()
        for line in lines.read_text().splitlines():
            inside.update(json.loads(line))
        lines.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    names = [WHOLE, *(name for name, *_ in (*SCANNER, *SERVER))]
    return {name: {**inside, **times}.get(name, 0.0) / files * 1000 for name in names}


def _scan(settings: Settings, files: int) -> None:
    site, log = changed(settings, landing=changed(settings.landing, quiet_seconds=0.0)), io.StringIO()
    summary = Scanner(site, lambda: connect("mrdata"), Lines(log)).run_once()
    assert summary.registered == files, f"{summary}\n{log.getvalue()}"


@contextmanager
def _clocks(times: dict[str, float], clocked: Sequence[Clocked]) -> Iterator[None]:
    off = [clock(times, *one) for one in clocked]
    try:
        yield
    finally:
        for one in off:
            one()


@contextmanager
def _clocks_in_core() -> Iterator[Path]:
    """The file with a line for each batch; the caller removes it."""
    core = Path(os.environ.get("MRDATA_CORE") or "/etc/irods/core.py")
    whole, link = core.read_bytes(), os.readlink(core) if core.is_symlink() else None
    descriptor, name = tempfile.mkstemp(prefix="mrdata-steps-", dir="/var/tmp")
    os.close(descriptor)
    os.chmod(name, 0o666)  # the server writes there
    # core.py finds its release by its own name; the clocks are this checkout's.
    here = f"__file__ = {os.path.realpath(core)!r}\nimport sys\nsys.path.append({os.getcwd()!r})\n"
    try:
        replace(core, here.encode() + whole + CLOCKS.format(clocks=SERVER, lines=name).encode())
        yield Path(name)
    finally:
        replace(core, whole, link)

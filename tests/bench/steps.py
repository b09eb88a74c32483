"""Milliseconds by step inside the policy, on a real server: `python -m tests.bench steps`, as for `server`.

While it runs, core.py carries clocks around what the policy calls; each registration leaves a line with its times.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from mrdata.connect import settings as site_settings
from policy.layout import landing
from tests.bench.server import images, new_experiment, zone
from tests.zone.server import replace

FILES = 400
CLOCKS = """

_whole_agent, _times = _agent, {{}}


def _agent():
    agent = _whole_agent()
    if not _times:
        _times["started"] = 1
        import importlib
        from time import perf_counter

        def clock(name, module, owner, attribute):
            where = importlib.import_module(module)
            where = getattr(where, owner) if owner else where
            inner = getattr(where, attribute)

            def call(*arguments, **named):
                start = perf_counter()
                try:
                    return inner(*arguments, **named)
                finally:
                    _times[name] = _times.get(name, 0.0) + perf_counter() - start

            setattr(where, attribute, call)

        for name, *where in {clocks!r}:
            clock(name, *where)
    return agent


_whole_post = pep_api_phy_path_reg_post


def pep_api_phy_path_reg_post(rule_args, callback, rei):
    _answer = _whole_post(rule_args, callback, rei)
    if len(_times) > 1:
        import json

        with open({lines!r}, "a") as _lines:
            _lines.write(json.dumps(_times) + "\\n")
        for _name in list(_times):
            _times[_name] = 0.0
    return _answer
"""
STEPS = (
    ("before the registration", "microservices.agent", "Agent", "registering"),
    ("- the header", "microservices.agent", "", "read_header"),
    ("- the decision", "policy.birth", "", "decide"),
    ("- the series", "policy.place", "", "prepare"),
    ("- whether it is in the archive already", "policy.place", "", "same_instance"),
    ("after it: the AVUs", "microservices.agent", "Agent", "registered"),
)


def rows() -> list[tuple[str, str, str]]:
    """Medians over images of known series."""
    settings = site_settings()
    scanner = settings.scanners[0]
    folder = Path(settings.landing.folder) / scanner / "dicom" / f"steps{int(time.time())}"
    core = Path(os.environ.get("MRDATA_CORE") or "/etc/irods/core.py")
    whole, link = core.read_bytes(), os.readlink(core) if core.is_symlink() else None
    scratch = Path(tempfile.mkdtemp(prefix="mrdata-steps-"))
    scratch.chmod(0o777)  # the server writes there
    try:
        with zone() as admin:
            new = new_experiment(admin, settings, scanner)
            admin.make_collection(f"{settings.home}/{folder.name}")
        files = images(folder, new, 2 * FILES)
        here = f"__file__ = {os.path.realpath(core)!r}\n"  # core.py finds its release by it
        replace(core, here.encode() + whole + CLOCKS.format(clocks=STEPS, lines=str(scratch / "lines")).encode())
        total = _register(files[:FILES], f"{landing(settings)}/{scanner}/dicom/{folder.name}", settings.landing.resource)
        replace(core, whole, link)
        plain = _register(files[FILES:], f"{settings.home}/{folder.name}", settings.landing.resource)
        lines = [json.loads(line) for line in (scratch / "lines").read_text().splitlines()]
    finally:
        replace(core, whole, link)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(scratch)
    return _table(total, plain, lines[FILES // 2 :])


def _table(total: float, plain: float, lines: list[dict[str, float]]) -> list[tuple[str, str, str]]:
    def row(name: str, seconds: float) -> tuple[str, str, str]:
        return name, f"{seconds * 1000:.2f} ms", f"{seconds / total:.2f}"

    steps = {name: statistics.median(line.get(name, 0.0) for line in lines) for name, *_ in STEPS}
    inside = steps[STEPS[0][0]] + steps[STEPS[-1][0]]
    return [
        row("a registration with every policy, seen by its client", total),
        row("the same registration without a policy", plain),
        *(row(name, seconds) for name, seconds in steps.items()),
        row("the rest: the rule engine's way in and out, and clocks", total - plain - inside),
    ]


def _register(files: list[Path], collection: str, resource: str) -> float:
    """Median of the second half: by then the series are known."""
    times = []
    with zone() as client:
        for file in files:
            start = time.perf_counter()
            client.register(str(file), f"{collection}/{file.name}", resource)
            times.append(time.perf_counter() - start)
    return statistics.median(times[len(times) // 2 :])

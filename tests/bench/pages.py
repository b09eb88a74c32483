"""Each web page on a large embedded zone: its median time, over HTTP, and how many times it asks iRODS; beside a zone
of a tenth.

Processor time tells on a machine that does other work at the same time; without that both are nearly the same.
"""

from __future__ import annotations

import http.cookiejar
import re
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from embedded.engine.agent import Agent
from forms import watch
from forms.gateway import EmbeddedGateway
from forms.serve import server
from tests.bench.large import Large, make, read_only

STUDIES, EXPERIMENTS, OBJECTS = 50, 2_000, 200_000
TIMES = 15


def pages(large: Large) -> list[tuple[str, str, str]]:
    """(who, what, address)."""
    new, session = large.experiment, large.session
    return [
        ("nobody", "log-in page", "/login"),
        ("alice", "first page, member of 5 studies", "/"),
        ("bob", "first page, member of 50 studies", "/"),
        ("mrdata", "first page, administrator", "/"),
        ("bob", "the fourth page of all experiments", "/?page=4"),
        ("bob", "a study", "/studies/s0"),
        ("bob", "a subject", "/studies/s0/subjects/P1"),
        ("bob", "registration", "/register?study=s0"),
        ("bob", "check of a pseudonym", "/register/pseudonym?study=s0&pseudonym=P"),
        ("alice", "experiment", f"/experiments/{new}"),
        ("alice", "experiment, what refreshes itself", f"/experiments/{new}/live"),
        ("alice", "thumbnail", f"/experiments/{new}/series/1_gre/thumbnail.png"),
        ("alice", "card for the console", f"/experiments/{new}/card"),
        ("bob", "search: protocol", "/search?protocol=protocol7"),
        ("bob", "search: pseudonym and day", "/search?pseudonym=P1&since=2024-01-01"),
        ("bob", "search: TR", "/search?tr_min=1000&tr_max=2000"),
        ("bob", "search: TR, TE, angle and protocol", "/search?tr_min=1000&te_max=20&fa_min=30&protocol=protocol"),
        ("bob", "search: TR, TE, angle in a study", "/search?study=s0&tr_min=1000&te_max=20&fa_min=30"),
        ("steward", "quarantine desk", "/quarantine"),
        ("steward", "a session in quarantine", f"/quarantine/94T/{session}"),
        ("steward", "reviews", "/reviews"),
        ("steward", "withdrawn", "/withdrawn"),
        ("steward", "decide about an experiment", f"/experiments/{new}/words"),
        ("steward", "dry run of a withdrawal", f"/experiments/{new}/words/withdraw"),
        ("alice", "dry run of finalizing", f"/experiments/{new}/words/finalize"),
        ("nobody", "board", "/board"),
    ]


def rows() -> list[tuple[str, str, str]]:
    """The median time of each page, and its queries in both zones."""
    with tempfile.TemporaryDirectory() as folder:
        few = _measured(
            make(Path(folder) / "few", studies=STUDIES, experiments=EXPERIMENTS // 10, objects=OBJECTS // 10), times=3
        )
        large = make(Path(folder) / "many", studies=STUDIES, experiments=EXPERIMENTS, objects=OBJECTS)
        print(*read_only(large), sep=", ", file=sys.stderr)
        many = _measured(large, times=TIMES)
    grown = [what for what, (*_, asked) in many.items() if asked != few[what][-1]]
    assert not grown, f"more queries with more objects: {grown}"
    return [
        (what, f"{cpu * 1000:.0f} ms of processor time, {wall * 1000:.0f} ms in all", f"asks iRODS {asked} times")
        for what, (cpu, wall, asked) in many.items()
    ]


def _measured(large: Large, *, times: int) -> dict[str, tuple[float, float, int]]:
    """What -> (median seconds of processor time, and in all, calls of the zone's API)."""
    asked, whole = [0], Agent.api

    def counted(self, *arguments, **named):
        asked[0] += 1
        return whole(self, *arguments, **named)

    listening = server(EmbeddedGateway(large.folder), port=0, secure=False)
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    Agent.api = counted
    watch.SECONDS, shown = -1.0, watch.SECONDS  # each look at the board is a new one
    address, found = f"http://127.0.0.1:{listening.effective_port}", {}
    try:
        browsers = {name: _logged_in(address, name) for name in ("alice", "bob", "mrdata", "steward")}
        browsers["nobody"] = urllib.request.build_opener()
        for who, what, path in pages(large):
            _get(browsers[who], address + path)
            took = []
            for _ in range(times):
                asked[0] = 0
                start, busy = time.perf_counter(), time.process_time()
                _get(browsers[who], address + path)
                took.append((time.process_time() - busy, time.perf_counter() - start))
            cpu, wall = (statistics.median(times) for times in zip(*took, strict=True))
            found[what] = cpu, wall, asked[0]
    finally:
        Agent.api, watch.SECONDS = whole, shown
        listening.close()
        thread.join(timeout=10)
    return found


def _logged_in(address: str, name: str) -> urllib.request.OpenerDirector:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    token = re.search(r'name="csrf" value="([^"]+)"', _get(browser, f"{address}/login").decode())
    assert token
    browser.open(f"{address}/login", urllib.parse.urlencode({"csrf": token[1], "name": name}).encode()).read()
    return browser


def _get(browser: urllib.request.OpenerDirector, address: str) -> bytes:
    with browser.open(address) as answer:
        return bytes(answer.read())

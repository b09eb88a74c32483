"""What the rulebase costs a new connection, on a real server: `python -m tests.bench connection`, as for `server`.

`ils`, with core.py as installed and with an empty one, in turns. Python reads core.py for each connection.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

from tests.zone.server import replace

TIMES = 50
EMPTY = b"# no rule\n"


def rows() -> list[tuple[str, str, str]]:
    """Medians, and their difference."""
    core = Path(os.environ.get("MRDATA_CORE") or "/etc/irods/core.py")
    whole, link = core.read_bytes(), os.readlink(core) if core.is_symlink() else None
    ours, empty = [], []
    try:
        for _ in range(TIMES):
            replace(core, EMPTY)
            _ils()  # Python writes its bytecode
            empty.append(_ils())
            replace(core, whole, link)
            _ils()
            ours.append(_ils())
    finally:
        replace(core, whole, link)
    base, with_rules = statistics.median(empty), statistics.median(ours)
    spread = f"median {with_rules * 1000:.1f} ms, with an empty core.py {base * 1000:.1f} ms"
    return [
        (
            f"`ils`, {TIMES} times: a new connection",
            f"{spread}: {(with_rules - base) * 1000:+.1f} ms",
            f"{with_rules / base:.2f}",
        )
    ]


def _ils() -> float:
    start = time.perf_counter()
    subprocess.run(["ils"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start

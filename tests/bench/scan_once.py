"""One scanner process of a benchmark: opens its connection, waits for a line on standard input, registers what is
there, prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

from landing.progress import Lines
from landing.scanner import Scanner
from mrdata.commands.zone_connection import connect, settings


def main() -> None:
    """`python -m tests.bench.scan_once WORKERS`."""
    site = settings()
    site = replace(site, landing=replace(site.landing, quiet_seconds=0.0))
    zones = [connect("mrdata")]
    scanner = Scanner(
        site, lambda: zones.pop() if zones else connect("mrdata"), Lines(sys.stderr), workers=int(sys.argv[1])
    )
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    summary = scanner.run_once()
    print(json.dumps({**summary.as_dict(), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()

"""What hostile files cost: processor time and memory of one process for each, and of a set of mutated headers.

`MRDATA_GUARD_EXAMPLES` is the number of mutated headers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests import hostile

LIMIT_SECONDS, LIMIT_MB = 2.0, 256
_READ = r"""
import io, json, re, sys, time
from microservices.headers.header_reader import read_header
content = sys.stdin.buffer.read()
import pydicom, pydicom.charset, pydicom.dataelem
start = time.process_time()
if sys.argv[1] == "thumbnail":
    import numpy, PIL.Image, pydicom.pixels.utils
    from forms.thumbnails import NoPicture, render
    start = time.process_time()
    try:
        told = f"a picture of {len(render(io.BytesIO(content)))} bytes"
    except NoPicture as error:
        told = str(error)
else:
    told = read_header(io.BytesIO(content), len(content)).problem
seconds = time.process_time() - start
peak = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1])  # ru_maxrss would be that of whoever started it
print(json.dumps([seconds, peak / 1024, told]))
"""


def rows() -> list[tuple[str, str, str]]:
    """One row for each bomb, read and shown as a thumbnail; then the slowest and the largest of the mutated headers."""
    table = []
    for name, make in hostile.BOMBS.items():
        content = make()
        for what in ("header", "thumbnail"):
            seconds, megabytes, told = cost(content, what)
            good = seconds <= LIMIT_SECONDS and megabytes <= LIMIT_MB
            said = f"{seconds:.2f} s, {megabytes:.0f} MB{'' if good else ': TOO MUCH'}"
            table.append((f"{what} of a bomb of {name}, {len(content) / 1e6:.1f} MB", said, told))
    return [*table, *_mutated(int(os.environ.get("MRDATA_GUARD_EXAMPLES", "200")))]


def cost(content: bytes, what: str) -> tuple[float, float, str]:
    """Processor time in s, memory in MB, and what was said, of a process that reads one file."""
    done = subprocess.run([sys.executable, "-c", _READ, what], input=content, capture_output=True, check=True)
    seconds, megabytes, told = json.loads(done.stdout)
    return seconds, megabytes - len(content) / (1 << 20), told


def _mutated(count: int) -> list[tuple[str, str, str]]:
    import io
    import time

    from microservices.headers.header_reader import read_header
    from tests.mutated import seeded

    slowest, largest = (0.0, b"", ""), (0, b"", "")
    for number in range(count):
        place, content = seeded(number)
        start = time.process_time()
        read_header(io.BytesIO(content), len(content))
        slowest = max(slowest, (time.process_time() - start, content, place))
        largest = max(largest, (len(content), content, place))
    table = []
    for label, (_, content, place) in (("slowest", slowest), ("largest", largest)):
        seconds, megabytes, told = cost(content, "header")
        table.append(
            (
                f"the {label} of {count} mutated headers ({place}, {len(content)} bytes)",
                f"{seconds:.3f} s, {megabytes:.0f} MB",
                told,
            )
        )
    return table

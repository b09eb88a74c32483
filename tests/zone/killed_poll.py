"""One poll that kills itself (SIGKILL) before its step number N: `python -m tests.zone.killed_poll FOLDER N`; its steps to stderr.

A step is whatever changes something outside the process: a microservice that writes, an object or a ref of git, a push, a file.
"""

import json
import os
import signal
import sys
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.refs import DiskRefsContainer

from embedded.client import EmbeddedZone
from microservices import castellum
from microservices.history import GitHistory
from microservices.zone import ServerZone

STEPS = [
    (ServerZone, "make_collection"), (ServerZone, "write"), (ServerZone, "rename"), (ServerZone, "_modify"), (ServerZone, "permit"),
    (ServerZone, "inherit"), (ServerZone, "_iadmin"), (DiskObjectStore, "add_object"), (DiskObjectStore, "add_objects"),
    (DiskRefsContainer, "set_if_equals"), (DiskRefsContainer, "add_if_new"), (GitHistory, "push"), (castellum, "_keep"),
]  # fmt: skip


def main() -> None:
    """Polls once."""
    folder, last = Path(sys.argv[1]), int(sys.argv[2])
    taken = 0

    def counted(owner, name):
        whole = getattr(owner, name)

        def step(*arguments, **named):
            nonlocal taken
            taken += 1
            if taken == last:
                print(f"{getattr(owner, '__name__', owner)}.{name}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(*arguments, **named)

        setattr(owner, name, step)

    with EmbeddedZone(folder, "mrdata") as zone:
        zone.rule("mrdata_health", "{}")
        for owner, name in STEPS:
            counted(owner, name)
        print(json.dumps(json.loads(zone.rule("mrdata_castellum_poll", "{}")) | {"steps": taken}))


if __name__ == "__main__":
    main()

"""One poll that kills itself (SIGKILL) before its step number N: `python -m tests.zone.killed_poll FOLDER N`; its steps
to stderr.

A step is whatever changes something outside the process: a microservice that writes, an object or a ref of git, a push,
a file.
"""

import json
import os
import signal
import sys
from pathlib import Path

from embedded.client.embedded_zone import EmbeddedZone
from tests.zone.dying import located

_CHANGES = ("make_collection", "write", "rename", "_modify", "permit", "inherit", "_iadmin")
STEPS = [
    *(("microservices.zones.server_zone", "ServerZone", verb) for verb in _CHANGES),
    *(("dulwich.object_store", "DiskObjectStore", name) for name in ("add_object", "add_objects")),
    *(("dulwich.refs", "DiskRefsContainer", name) for name in ("set_if_equals", "add_if_new")),
    ("microservices.castellum.git_history", "GitHistory", "push"),
    ("microservices.castellum.castellum_rules", "", "_keep"),
]
"""(module, class or "", function)."""


def main() -> None:
    """Polls once."""
    folder, last = Path(sys.argv[1]), int(sys.argv[2])
    taken = 0

    def counted(where, name):
        whole = getattr(where, name)

        def step(*arguments, **named):
            nonlocal taken
            taken += 1
            if taken == last:
                print(f"{where.__name__}.{name}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(*arguments, **named)

        setattr(where, name, step)

    with EmbeddedZone(folder, "mrdata") as zone:
        zone.rule("mrdata_health", "{}")
        for where, name in located(STEPS):
            counted(where, name)
        print(json.dumps(json.loads(zone.rule("mrdata_castellum_poll", "{}")) | {"steps": taken}))


if __name__ == "__main__":
    main()

"""Agents that are killed (SIGKILL) when they come to a verb of the zone: `before` it, `within` it, or `after` it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence


class Killed(BaseException):
    """Of an embedded zone's agent: nothing catches it on its way, as nothing outlives a kill."""


def located(steps: Sequence[tuple[str, str, str]]) -> Iterator[tuple[object, str]]:
    """Where each step (module, class or "", function) is found: the module or the class, and the function's name."""
    for module, owner, name in steps:
        where = importlib.import_module(module)
        yield (getattr(where, owner) if owner else where), name


MORTAL = """
def mortal(verb, when, vault):
    import os
    import signal
    import subprocess

    from microservices.zones.server_zone import ServerZone

    whole = getattr(ServerZone, verb)
    until_it_writes = 'until readlink /proc/$1/fd/* | grep -qF "$2/"; do :; done; kill -9 $1'

    def dying(*arguments, **named):
        if when == "within":
            subprocess.Popen(["/bin/sh", "-c", until_it_writes, "sh", str(os.getpid()), vault])
        if when != "before":
            whole(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(ServerZone, verb, dying)
"""
"""`within`: as soon as it has a file of this vault open."""
IN_CORE = (
    MORTAL
    + """

_whole_agent = _agent


def _agent():
    agent = _whole_agent()
    mortal({verb!r}, {when!r}, {vault!r})
    return agent
"""
)
"""For the server's core.py, once for an agent: a rule is called once."""
IN_PROCESS = (
    MORTAL
    + """
import sys

from embedded.client.embedded_zone import EmbeddedZone

with EmbeddedZone(sys.argv[1], "mrdata") as zone:
    mortal(*sys.argv[3:])
    zone.rule(sys.argv[2], "{}")
"""
)
"""A process of an embedded zone: folder, rule, verb, when, vault."""
IN_CORE_COUNTED = """

_whole_agent, _counted = _agent, []


def _agent():
    agent = _whole_agent()
    if not _counted:
        _counted.append(True)
        _count({steps!r}, {counter!r})
    return agent


def _count(steps, counter):
    import fcntl
    import importlib
    import os
    import signal

    def counted(whole):
        def step(*arguments, **named):
            with open(counter, "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                left = int(file.read())
                file.seek(0)
                file.truncate()
                file.write(str(left - 1 if left else {struck}))
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(*arguments, **named)

        return step

    for module, owner, name in steps:
        where = importlib.import_module(module)
        where = getattr(where, owner) if owner else where
        setattr(where, name, counted(getattr(where, name)))
"""
"""For the server's core.py: an agent kills itself before the step at which the number in a file comes to 0."""

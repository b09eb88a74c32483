"""Agents that are killed (SIGKILL) when they come to a verb of the zone: `before` it, `within` it, or `after` it."""

MORTAL = """
def mortal(verb, when, vault):
    import os
    import signal
    import subprocess

    from microservices.zone import ServerZone

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

from embedded.client import EmbeddedZone

with EmbeddedZone(sys.argv[1], "mrdata") as zone:
    mortal(*sys.argv[3:])
    zone.rule(sys.argv[2], "{}")
"""
)
"""A process of an embedded zone: folder, rule, verb, when, vault."""

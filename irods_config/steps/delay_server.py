"""The delay server: the program that runs what is scheduled.

It is started by the server that the catalog names as its leader, and only if that is, letter for letter, the `host` of
the server's configuration (migrate_and_launch_delay_server, server/main_server/src/main.cpp). The packaged set-up
writes the machine's own idea of its name there, which need not be the same: then nothing that is scheduled ever runs,
and nothing says so.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

from irods_config.icommands import SetupError, name
from irods_config.server import answers
from irods_config.site import Site, Step
from irods_config.steps import scheduled_rules
from policy.schedule.delay_rules import periods

GRACE = 60
"""Seconds that a rule may be late."""
WAIT = 45.0
"""Seconds that a server gets which has just begun, and finds everything late."""
_PAUSE = 1.0


def differences(site: Site) -> list[str]:
    """A leader that no server is, and rules that are late.

    Waits a while where they are: a server that has just begun catches up.
    """
    if fault := _leader_fault(site):
        return [fault]
    _until(lambda: not _late(site), WAIT)
    return [
        f"{rule}: should have run {late} s ago; does irodsDelayServer run? The server's log says more"
        for rule, late in _late(site).items()
    ]


def lead(site: Site) -> None:
    """Makes this server the leader. SetupError where it is, and the rules are late all the same."""
    if not _leader_fault(site):
        raise SetupError("the delay server does not run what is scheduled; restart the server, and look into its log")
    site.icommands.run("iadmin", "set_delay_server", name(site.config()["host"]))
    if not _until(lambda: not _leader_fault(site), WAIT):
        raise SetupError(f"this server did not begin a delay server within {WAIT:.0f} s; its log says more")


def _leader_fault(site: Site) -> str:
    host, port = site.config()["host"], site.config()["zone_port"]
    leader = json.loads(site.icommands.run("iadmin", "get_delay_server_info"))["leader"]
    if leader == host:
        return ""
    if not leader or _addresses(leader) & (_addresses(host) | {"127.0.0.1", "::1"}):
        return (
            f"the delay server's leader is {leader or 'nobody'}, not {host}: nothing that is scheduled would ever run"
        )
    return "" if answers(leader, port) else f"the delay server's leader is {leader}, where no iRODS server answers"


def _late(site: Site) -> dict[str, int]:
    """Rule -> seconds since it was due, of those that wait for longer than they may."""
    now = time.time()
    found = {
        rule: one for rule in periods(site.settings()) for one in scheduled_rules.scheduled(site, rule) if not one.host
    }
    return {rule: int(now - one.due) for rule, one in found.items() if now - one.due > GRACE}


def _addresses(host: str) -> set[str]:
    try:
        return {str(address[0]) for *_, address in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _until(so: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not so():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True


STEP = Step("delay server", differences, lead)

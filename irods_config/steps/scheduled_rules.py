"""Schedules the delay rules: each exactly once, and able to run."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from irods_config.icommands import name
from irods_config.site import Site, Step
from policy.schedule.delay_rules import periods


@dataclass(frozen=True)
class Scheduled:
    """A rule in the delay queue. Times in seconds: `due` since 1970, `period` as iRODS writes it (`5s`)."""

    number: str
    due: int
    period: str
    user: str
    host: str
    """Where it runs just now; empty while it waits."""
    process: str
    since: int
    """When it was marked as running; 0 while it waits."""


LOCKED = 60
"""Seconds after which a rule that is marked as running must be seen to run."""
_CONNECTION = re.compile(r"(\d+):(\d\d):(\d\d)\s+irodsDelayServer\b")
"""A line of ips: how long the delay server's connection has been open."""


def differences(site: Site) -> list[str]:
    """Lists rules not scheduled exactly once, with their period, as the service account; and rules that never run."""
    return [fault for rule, seconds in periods(site.settings()).items() for fault in _faults(site, rule, seconds)]


def schedule(site: Site) -> None:
    """Replaces the delay rules that differ."""
    for rule, seconds in periods(site.settings()).items():
        if _faults(site, rule, seconds):
            for found in scheduled(site, rule):
                site.icommands.run("iqdel", found.number)
            site.service().rule(f"{rule}_every", {"seconds": seconds})


def scheduled(site: Site, rule: str) -> list[Scheduled]:
    """Returns the delay queue's entries of this rule."""
    columns = ("ID", "TIME", "FREQUENCY", "USER_NAME", "LOCK_HOST", "LOCK_HOST_PID", "LOCK_TIME")
    rows = site.icommands.query(
        *(f"RULE_EXEC_{column}" for column in columns), where=f"RULE_EXEC_NAME like '%{name(rule)}(%'"
    )
    return [
        Scheduled(number, int(due), period.split(" ")[0], user, host, process, int(since or 0))
        for number, due, period, user, host, process, since in rows
    ]


def _faults(site: Site, rule: str, seconds: int) -> list[str]:
    found = scheduled(site, rule)
    if len(found) != 1:
        return [f"{rule}: {len(found)} are scheduled, not one"]
    (one,) = found
    wrong = [] if one.period == f"{seconds}s" else [f"{rule}: runs every {one.period}, not {seconds}s"]
    if one.user.split("#")[0] != site.settings().account:
        wrong.append(f"{rule}: runs as {one.user}")
    if one.host and one.host == site.config()["host"]:
        wrong += _blocked(site, rule, one)
    return wrong


def _blocked(site: Site, rule: str, one: Scheduled) -> list[str]:
    """The delay server never picks up again what is marked as running (irodsDelayServer.cpp,
    make_delay_queue_query_processor).

    It leaves the mark when it is killed, and also when its second connection, in which the rule is to run, is refused
    (execute_rule).
    """
    if not _is_delay_server(one.process):
        return [f"{rule}: process {one.process} that ran it has died, so it would never run again"]
    now = time.time()
    if now - one.since < LOCKED:
        return []
    for hours, minutes, seconds in _CONNECTION.findall(site.icommands.run("ips")):
        began = now - (int(hours) * 3600 + int(minutes) * 60 + int(seconds))
        if -5 <= began - one.since <= LOCKED:
            return []
    return [f"{rule}: is marked as running for {now - one.since:.0f} s and does not run, so it would never run again"]


def _is_delay_server(process: str) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{int(process)}/exe")).startswith("irodsDelayServer")
    except (OSError, ValueError):
        return False


STEP = Step("delay rules", differences, schedule)

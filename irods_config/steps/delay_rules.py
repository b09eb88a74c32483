"""The delay rules: each scheduled once, and alive."""

from __future__ import annotations

import os

from irods_config.icommands import name
from irods_config.site import Site, Step
from policy.schedule import periods


def differences(site: Site) -> list[str]:
    """Rules that are not scheduled once, with their period, as the service account; or that will never run again."""
    return [fault for rule, seconds in _periods(site).items() for fault in _faults(site, rule, seconds)]


def schedule(site: Site) -> None:
    """Replaces what is not as it should be."""
    for rule, seconds in _periods(site).items():
        if _faults(site, rule, seconds):
            for number, *_ in _scheduled(site, rule):
                site.icommands.run("iqdel", number)
            site.service().rule(f"{rule}_every", {"seconds": seconds})


def _periods(site: Site) -> dict[str, int]:
    """Name -> period in seconds."""
    return periods(site.settings())


def _scheduled(site: Site, rule: str) -> list[tuple[str, ...]]:
    """What waits in the delay queue: id, period, user, and the host and process that run it just now."""
    columns = ("RULE_EXEC_ID", "RULE_EXEC_FREQUENCY", "RULE_EXEC_USER_NAME", "RULE_EXEC_LOCK_HOST", "RULE_EXEC_LOCK_HOST_PID")
    return site.icommands.query(*columns, where=f"RULE_EXEC_NAME like '%{name(rule)}(%'")


def _faults(site: Site, rule: str, seconds: int) -> list[str]:
    rows = _scheduled(site, rule)
    if len(rows) != 1:
        return [f"{rule}: {len(rows)} are scheduled, not one"]
    ((_, frequency, user, host, process),) = rows
    wrong = [] if frequency.split(" ")[0] == f"{seconds}s" else [f"{rule}: runs every {frequency.split(' ')[0]}, not {seconds}s"]
    if user.split("#")[0] != site.settings().account:
        wrong.append(f"{rule}: runs as {user}")
    # The delay server never picks up again what a killed one had begun (irodsDelayServer.cpp, make_delay_queue_query_processor).
    if host and host == site.config()["host"] and not _is_delay_server(process):
        wrong.append(f"{rule}: process {process} that ran it has died, so it would never run again")
    return wrong


def _is_delay_server(process: str) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{int(process)}/exe")).startswith("irodsDelayServer")
    except (OSError, ValueError):
        return False


STEP = Step("delay rules", differences, schedule)

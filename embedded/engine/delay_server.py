"""Runs delayed rules (irodsDelayServer.cpp).

A rule runs as who submitted it, in an agent and a thread of its own; its text is the body of a function in which
nothing of core.py is in scope but through `callback`. A runner that dies gives its rules back at once: its lock is one
that the kernel releases.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from embedded.catalog.database import Catalog, timestamp
from embedded.catalog.recovery import gone
from embedded.engine.agent import Agent
from embedded.engine.delay_queue import frequency
from embedded.errors import CODES, IrodsError
from embedded.folder import ZoneFolder

EXECUTORS = 4
"""Rules that run at once (number_of_concurrent_delay_rule_executors of server_config.json)."""


def opened(folder: ZoneFolder | Path | str) -> ZoneFolder:
    """A folder that may be given by its path."""
    return ZoneFolder.open(folder) if isinstance(folder, (str, Path)) else folder


class Due(NamedTuple):
    """A rule whose time has come."""

    id: int
    text: str
    user: str
    every: str
    times: int | None


def run_due(folder: ZoneFolder | Path | str, now: float | None = None) -> int:
    """Runs every rule that is due (at `now`), one after the other; how many were run."""
    folder = opened(folder)
    done: set[int] = set()
    at = time.time() if now is None else now
    with closing(folder.catalog()) as catalog:
        while waiting := [due for due in _waiting(folder, catalog, at) if due.id not in done]:
            done.add(waiting[0].id)
            _run(folder, waiting[0], at)
    return len(done)


def _waiting(folder: ZoneFolder, catalog: Catalog, now: float) -> list[Due]:
    """What is due and does not run, in the order in which it is to run."""
    rows = catalog.all(
        "SELECT rule_exec_id, rule_name, user_name, exe_frequency, times_left, lock_host_pid FROM R_RULE_EXEC "
        "WHERE exe_time <= ? ORDER BY CAST(priority AS INTEGER) DESC, exe_time, rule_exec_id",
        (timestamp(now),),
    )
    return [Due(*row[:5]) for row in rows if not row[5] or gone(folder.path / "agents" / row[5])]


def _run(folder: ZoneFolder, due: Due, now: float) -> None:
    try:
        agent = Agent(folder, due.user)
    except IrodsError as error:
        if error.code != CODES["CAT_INVALID_USER"]:
            raise
        with closing(folder.catalog()) as catalog, catalog.writing():  # the user is gone: nobody can run it any more
            catalog.run("DELETE FROM R_RULE_EXEC WHERE rule_exec_id = ?", (due.id,))
        return
    with agent:
        if _claim(agent, due, now):
            failed = agent.run(_expression(due.text), f"delay rule {due.id}", []) < 0
            _finish(agent, due, failed, now)


def _claim(agent: Agent, due: Due, now: float) -> bool:
    """Takes the rule's lock; False where another runner has it, or has run it."""
    catalog, me = agent.session.catalog, agent.session.agent
    with catalog.writing():
        row = catalog.one("SELECT lock_host_pid, exe_time FROM R_RULE_EXEC WHERE rule_exec_id = ?", (due.id,))
        if row is None or row[1] > timestamp(now) or (row[0] and not gone(agent.folder.path / "agents" / row[0])):
            return False
        catalog.run(
            "UPDATE R_RULE_EXEC SET lock_host = ?, lock_host_pid = ?, lock_ts = ? WHERE rule_exec_id = ?",
            (socket.gethostname(), me, timestamp(), due.id),
        )
    return True


def _expression(text: str) -> Callable[..., object]:
    """The rule's text as the body of a function (main.cpp, exec_rule_expression)."""

    def run(rule_args: list[Any], callback: object, rei: object) -> object:
        namespace: dict[str, Any] = {
            "__name__": "__main__",
            "irods_types": sys.modules["irods_types"],
            "irods_errors": sys.modules["irods_errors"],
        }
        exec("def expressionFcn(rule_args, callback, rei):\n " + text.replace("\n", "\n "), namespace)
        return namespace["expressionFcn"](rule_args, callback, rei)

    return run


def _finish(agent: Agent, due: Due, failed: bool, now: float) -> None:
    catalog = agent.session.catalog
    again = frequency(due.every) if due.every else None
    left = None if due.times is None else due.times - 1
    over = again is None or left == 0 or (again.until_success and not failed)
    with catalog.writing():
        if over or again is None:
            catalog.run("DELETE FROM R_RULE_EXEC WHERE rule_exec_id = ?", (due.id,))
            return
        every = due.every
        if again.double:
            every = " ".join([f"{again.delay * 2}s", *due.every.split()[1:]])
        # from the end of the run on, as on a server
        start = max(time.time(), now) + again.delay
        catalog.run(
            "UPDATE R_RULE_EXEC SET exe_time = ?, last_exe_time = ?, exe_frequency = ?, times_left = ?, "
            "lock_host = '', lock_host_pid = '', lock_ts = '' "
            "WHERE rule_exec_id = ?",
            (timestamp(start), timestamp(), every, left, due.id),
        )


def serve(folder: ZoneFolder | Path | str, stop: threading.Event, sleep: float = 1.0) -> None:
    """The delay server: looks for due rules every `sleep` seconds until `stop` is set, then waits for those that run.

    Up to EXECUTORS rules run at once, so that one that takes minutes keeps no other from its turn. Each run has a
    thread of its own: the low priority that a rule gives itself ends with the run. The threads do not outlive a process
    that is interrupted.
    """
    folder = opened(folder)
    running: dict[int, threading.Thread] = {}
    with closing(folder.catalog()) as catalog:
        while not stop.is_set():
            now = time.time()
            running = {rule: thread for rule, thread in running.items() if thread.is_alive()}
            for due in _waiting(folder, catalog, now):
                if len(running) < EXECUTORS and due.id not in running:
                    running[due.id] = threading.Thread(target=_run, args=(folder, due, now), daemon=True)
                    running[due.id].start()
            stop.wait(sleep)
    for thread in running.values():
        thread.join()

"""The queue of delayed rules (rsRuleExecSubmit.cpp); `embedded.engine.delay_server` runs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from embedded.catalog.database import Catalog, timestamp
from embedded.errors import IrodsError

if TYPE_CHECKING:
    from embedded.catalog.session import Session

INSTANCE = "irods_rule_engine_plugin-python-instance"
MAX_RULE = 5440
"""MAX_ACTION_SIZE (reDefines.h)."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 31536000}


def _tag(condition: str, name: str) -> str:
    _, found, rest = condition.partition(f"<{name}>")
    content, closed, _ = rest.partition(f"</{name}>")
    if found and not closed:
        raise IrodsError("CAT_INVALID_ARGUMENT", f"{name} has no end")
    return content.strip()


def seconds(text: str) -> int:
    """`30s`, `2m`, `1h`, `3d`, `1y`; a number alone is seconds. CAT_INVALID_ARGUMENT for anything else.

    >>> seconds("2m")
    120
    """
    text = text.strip()
    digits, unit = (text[:-1], text[-1]) if text and text[-1] in _UNITS else (text, "s")
    if not digits.isdigit():
        raise IrodsError("CAT_INVALID_ARGUMENT", f"no delay: {text!r}")
    return int(digits) * _UNITS[unit]


class Frequency(NamedTuple):
    """When a rule runs again:

    `delay` seconds, `times` in all (None: for ever), until it succeeds, each wait twice the last.
    """

    delay: int
    times: int | None
    until_success: bool
    double: bool


def frequency(text: str) -> Frequency:
    """`<n>{s|m|h|d|y} [REPEAT|DOUBLE] [FOR EVER | n TIMES | UNTIL SUCCESS [OR n TIMES]]` (getNextRepeatTime).

    >>> frequency("60s REPEAT FOR EVER")
    Frequency(delay=60, times=None, until_success=False, double=False)
    """
    delay, *words = text.upper().split()
    double = words[:1] == ["DOUBLE"]
    if words and words[0] not in ("REPEAT", "DOUBLE"):
        raise IrodsError("CAT_INVALID_ARGUMENT", text)
    rest = words[1:]
    until = rest[:2] == ["UNTIL", "SUCCESS"]
    if until:
        rest = rest[3:] if rest[2:3] == ["OR"] else rest[2:]
    times = None
    if len(rest) == 2 and rest[1] == "TIMES" and rest[0].isdigit():
        times = int(rest[0])
    elif rest not in ([], ["FOR", "EVER"]):
        raise IrodsError("CAT_INVALID_ARGUMENT", text)
    return Frequency(seconds(delay.lower()), times, until, double)


def submit(session: Session, condition: str, rule: str) -> int:
    """Queues a rule; its id. The tags are INST_NAME, PLUSET, ET, EF and PRIORITY (irods_re_structs.cpp)."""
    if len(rule.encode()) >= MAX_RULE or len(condition) >= MAX_RULE:
        raise IrodsError("USER_STRLEN_TOOLONG", f"{len(rule)} characters")
    if (instance := _tag(condition, "INST_NAME")) and instance != INSTANCE:
        raise IrodsError("SYS_INVALID_INPUT_PARAM", f"instance not found [{instance}]")
    every = _tag(condition, "EF")
    times = frequency(every).times if every else None
    wait, at = _tag(condition, "PLUSET"), _tag(condition, "ET")
    start = time.time() + seconds(wait) if wait else float(at) if at.isdigit() else time.time()
    priority = _tag(condition, "PRIORITY") or "5"
    if priority not in set("123456789"):
        raise IrodsError("CAT_INVALID_ARGUMENT", f"priority {priority}")
    with session.catalog.writing():
        rule_id = session.catalog.next_id()
        session.catalog.run(
            "INSERT INTO R_RULE_EXEC (rule_exec_id, rule_name, user_name, exe_time, exe_frequency, priority,"
            " exe_context, times_left) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (rule_id, rule, f"{session.account.name}", timestamp(start), every, priority, condition, times),
        )
    return rule_id


def remove(catalog: Catalog, rule_id: int) -> None:
    """Takes a rule out of the queue (iqdel); one that runs just now ends its run."""
    with catalog.writing():
        catalog.run("DELETE FROM R_RULE_EXEC WHERE rule_exec_id = ?", (rule_id,))

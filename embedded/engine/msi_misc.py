"""Microservices for logs, times and delayed rules."""

from __future__ import annotations

import json
import time

from embedded.catalog.database import timestamp
from embedded.engine import delay_queue
from embedded.engine.callback import Outputs, RuleHost, Value, given, microservice, text
from embedded.errors import IrodsError


@microservice("writeLine", 2)
def write_line(agent: RuleHost, where: Value, line: Value) -> None:
    """serverLog|stdout|stderr, line."""
    if text(where) == "serverLog":
        agent.session.log(f"writeLine: {text(line)}")
    elif where in ("stdout", "stderr"):
        agent.output.append(text(line) + "\n")
    else:
        raise IrodsError("USER_PARAM_TYPE_ERR", where)


@microservice("writeString", 2)
def write_string(agent: RuleHost, where: Value, line: Value) -> None:
    """serverLog|stdout|stderr, text."""
    if text(where) == "serverLog":
        agent.session.log(f"writeString: {text(line)}")
    else:
        agent.output.append(text(line))


@microservice("msiGetIcatTime", 2)
def get_icat_time(agent: RuleHost, out: Value, form: Value) -> Outputs:
    """out time, `unix` or `human`."""
    return {0: _now(form)}


@microservice("msiGetSystemTime", 2)
def get_system_time(agent: RuleHost, out: Value, form: Value) -> Outputs:
    """out time, `unix` or `human`."""
    return {0: _now(form)}


def _now(form: Value) -> str:
    return time.strftime("%Y-%m-%d.%H:%M:%S") if text(form) == "human" else timestamp()


@microservice("delayExec", 3)
def delay_exec(agent: RuleHost, condition: Value, rule: Value, recovery: Value) -> None:
    """condition, rule text, recovery text (unused)."""
    text(recovery)
    delay_queue.submit(agent.session, text(condition), text(rule))


@microservice("msi_get_file_descriptor_info", 2)
def file_descriptor_info(agent: RuleHost, descriptor: Value, out: Value) -> Outputs:
    """descriptor (an int), out JSON."""
    if not isinstance(descriptor, int):
        raise IrodsError("USER_PARAM_TYPE_ERR")
    found = agent.session.descriptors.get(descriptor)
    if found is None:
        raise IrodsError("SYS_FILE_DESC_OUT_OF_RANGE")
    return {
        1: json.dumps(
            {
                "data_object_info": {
                    "object_path": found.path,
                    "file_path": found.replica.file,
                    "data_id": found.replica.data_id,
                }
            }
        )
    }


@microservice("msiSplitPath", 3)
def split_path(agent: RuleHost, path: Value, collection: Value, name: Value) -> Outputs:
    """path, out collection, out name."""
    head, _, tail = given(path).rpartition("/")
    return {1: head or "/", 2: tail}


@microservice("msiGoodFailure", 0)
def good_failure(agent: RuleHost) -> None:
    """Always fails."""
    raise IrodsError(-1012000, "RETRY_WITHOUT_RECOVERY_ERR")

"""Microservices on metadata, permissions and times."""

from __future__ import annotations

import json
from typing import Any

from embedded.catalog import metadata, permissions
from embedded.engine.callback import Outputs, RuleHost, Value, given, microservice, text
from embedded.errors import IrodsError
from embedded.objects import replication


@microservice("msiModAVUMetadata", 6)
def mod_avu_metadata(
    agent: RuleHost, kind: Value, name: Value, operation: Value, attribute: Value, value: Value, unit: Value
) -> None:
    """kind (-d, -C, -R, -u), name, add|set|rm, attribute, value, unit; none may be `null`."""
    if given(operation) not in ("add", "set", "rm"):
        raise IrodsError("SYS_INVALID_INPUT_PARAM", operation)
    metadata.modify(agent.session, given(kind), given(name), operation, given(attribute), given(value), given(unit))


def _request(value: Value) -> dict[str, Any]:
    try:
        request = json.loads(text(value))
    except ValueError as error:
        raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", str(error)) from error
    if not isinstance(request, dict):
        raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", "no JSON object")
    return request


def _texts(request: dict[str, Any], *keys: str) -> tuple[str, ...]:
    values = tuple(request.get(key) for key in keys)
    if not all(isinstance(value, str) for value in values):
        raise IrodsError("SYS_INVALID_INPUT_PARAM", f"{', '.join(keys)} must be texts")
    return values  # type: ignore[return-value]


@microservice("msi_atomic_apply_metadata_operations", 2)
def atomic_metadata(agent: RuleHost, value: Value, out: Value) -> Outputs:
    """JSON request, JSON answer; all operations or none."""
    request = _request(value)
    name, kind = _texts(request, "entity_name", "entity_type")
    operations = []
    for one in request.get("operations", []):
        operation, attribute, avu_value = _texts(one, "operation", "attribute", "value")
        operations.append((operation, attribute, avu_value, str(one.get("units", ""))))
    metadata.apply_atomically(agent.session, name, kind, operations, admin=request.get("admin_mode") is True)
    return {1: "{}"}


@microservice("msi_atomic_apply_acl_operations", 2)
def atomic_acl(agent: RuleHost, value: Value, out: Value) -> Outputs:
    """JSON request, JSON answer; all operations or none."""
    request = _request(value)
    (path,) = _texts(request, "logical_path")
    operations = [_texts(one, "entity_name", "acl") for one in request.get("operations", [])]
    permissions.apply_atomically(
        agent.session, path, [(name, level) for name, level in operations], admin=request.get("admin_mode") is True
    )
    return {1: "{}"}


@microservice("msiSetACL", 4)
def set_acl(agent: RuleHost, how: Value, level: Value, name: Value, path: Value) -> None:
    """default|recursive, level, user, path."""
    if text(how) not in ("default", "recursive"):
        raise IrodsError("USER_INPUT_OPTION_ERR", how)
    permissions.set_access(agent.session, text(path), text(name), text(level), recursive=how == "recursive")


@microservice("msi_touch", 1)
def touch(agent: RuleHost, value: Value) -> None:
    """JSON request."""
    request = _request(value)
    (path,) = _texts(request, "logical_path")
    options = request.get("options", {})
    replication.touch(
        agent.session, path, no_create=options.get("no_create") is True, seconds=options.get("seconds_since_epoch")
    )

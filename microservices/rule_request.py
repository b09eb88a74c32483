"""Parses the request to a rule: a JSON object whose keys must all be known."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from policy.zone.context import Refused

Request = Mapping[str, Any]


def parsed(text: str, known: Collection[str]) -> Request:
    """The request in a text.

    Refused for what is not a JSON object, and for a key that is not known: it may be a misspelt `dry_run`.
    """
    try:
        request = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise Refused(f"the request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise Refused("the request must be a JSON object")
    if unknown := sorted(set(request) - set(known)):
        keys = f"known are {', '.join(sorted(known))}" if known else "this rule takes none"
        raise Refused(f"the request has the unknown key {unknown[0]!r}; {keys}")
    return request


def flag(request: Request, key: str, default: bool | None = False) -> bool:
    """Returns the truth value of a key.

    Refused for any other value, because a text such as "no" could count as true. Without a default the key is required.
    """
    value = request.get(key, default)
    if not isinstance(value, bool):
        given = f"is {value!r}" if key in request else "is missing"
        raise Refused(f"{key} {given}: it must be true or false, without quotes")
    return value

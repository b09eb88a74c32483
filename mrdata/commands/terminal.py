"""What the commands share: a connection, the answer of a rule, what is printed, and how a command fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from microservices.rules.rule_table import RULES
from mrdata.commands.zone_connection import connect
from policy.zone import Client, ZoneError

NO_SUCH_RULE = -1102000
"""NO_MICROSERVICE_FOUND_ERR: neither a rule nor a microservice has the name."""
LONGEST_RULE = 6 * 3600.0
"""Seconds that a person waits at most for one answer: archiving or withdrawing what is large takes as long as it takes.
"""
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
USER = click.option(
    "--user", envvar="MRDATA_USER", default="mrdata", show_default=True, help="Whose connection (embedded zone)."
)


def fail(message: str) -> NoReturn:
    """Says what is wrong on stderr and leaves with status 1."""
    click.echo(f"mrdata: {message}", err=True)
    sys.exit(1)


def show(reply: Any, as_json: bool, text: str | None = None) -> None:  # noqa: ANN401 - anything that JSON holds
    """Prints a reply, as JSON or as text for people."""
    click.echo(json.dumps(reply, ensure_ascii=False, indent=2) if as_json or text is None else text)


@contextmanager
def opened(user: str) -> Iterator[Client]:
    """A connection that is closed at the end."""
    zone = connect(user, timeout=LONGEST_RULE)
    try:
        yield zone
    finally:
        zone.close()


def call(user: str, rule: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a callable rule; leaves with its error where it has one."""
    try:
        with opened(user) as zone:
            reply: dict[str, Any] = json.loads(zone.rule(rule, json.dumps(request)))
    except ZoneError as error:
        if error.code == NO_SUCH_RULE:
            fail(f"there is no rule {rule}; rulebase/core.py has: {', '.join(sorted(RULES))}")
        raise
    if "error" in reply:
        fail(f"{rule}: {reply['error']}")
    return reply

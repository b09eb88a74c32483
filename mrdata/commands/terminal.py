"""What the commands share: a connection, the answer of a rule, what is printed, and how a command fails.

Exit status: 0 fine, 1 failed, 2 the command line or the request is wrong; the others are those of the kinds of
errors (`policy.zone.error_kinds`). Every error is on stderr: `mrdata: error: what failed, why,
what to do next`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from microservices.rules.rule_table import RULES
from microservices.zones.error_codes import family
from mrdata.commands.zone_connection import connect, settings, zone_folder
from policy.zone import Client, Condition, NotPermitted, ZoneError, account
from policy.zone.error_kinds import ErrorKind
from policy.zone.settings import Settings

NO_SUCH_RULE = -1102000
"""NO_MICROSERVICE_FOUND_ERR: neither a rule nor a microservice has the name."""
LONGEST_RULE = 6 * 3600.0
"""Seconds that a person waits at most for one answer: archiving or withdrawing what is large takes as long as it takes.
"""
INTERRUPTED = 130
"""Exit status of a command that Ctrl-C broke off before its end."""
_NUMBER = re.compile(r"-\d{4,}(?: [A-Z_]+)?")
_WORDS = {
    -13000: "this user may not do this; ask an administrator",
    -310000: "is not there, or you may not see it; `mrdata ls` lists what is there",
    -312000: "is there already, and nothing is overwritten",
    -358000: "is not there, or you may not see it; `mrdata ls` lists what is there",
    -808000: "is not there, or you may not see it; `mrdata ls` lists what is there",
    -814000: "this collection is not there, or you may not see it; `mrdata ls` lists what is there",
    -818000: "this user may not do this here; ask the owner or a data steward",
    -827000: "is no user of this zone; `mrdata user` (on a server `iadmin lu`) lists the users",
}
"""iRODS's error codes in words, with what to do next (rodsErrorTable.h)."""
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
USER = click.option(
    "--user", envvar="MRDATA_USER", default="mrdata", show_default=True, help="Whose connection (embedded zone)."
)
BY = click.option("--by", default="", help="For whom: the owner or a data steward (default: whose connection it is).")


class Commands(click.Group):
    """A group of commands whose list shows the whole first sentence of each."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Instead of click's, which cuts off what is longer than a line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in commands if command])


Commands.group_class = Commands


def say_error(message: str) -> None:
    """One error, on stderr."""
    click.echo(f"mrdata: error: {message}", err=True)


def fail(message: str, status: int = 1) -> NoReturn:
    """Says what is wrong on stderr and leaves."""
    say_error(message)
    sys.exit(status)


def fault(error: BaseException) -> str:
    """An exception for people: the file and what is wrong with it, without an error number of the system.

    >>> fault(FileNotFoundError(2, "No such file or directory", "/nowhere.yaml"))
    '/nowhere.yaml: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    if not isinstance(error, ZoneError) or not error.code:
        return text
    named = re.search(r"\b[A-Z]+_[A-Z_]+\b", text)
    words = _WORDS.get(family(error.code)) or (named[0].replace("_", " ").lower() if named else "iRODS refused it")
    what = _NUMBER.sub("", text).strip(": ")
    return words if not what or what.startswith("pep_") else f"{what}: {words}"


def show(reply: Any, as_json: bool, text: str | None = None) -> None:  # noqa: ANN401 - anything that JSON holds
    """Prints a reply, as JSON or as text for people."""
    click.echo(json.dumps(reply, ensure_ascii=False, indent=2) if as_json or text is None else text)


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "file"), count(2, "file"), count(0, "series")
    ('1 file', '2 files', '0 series')
    """
    return f"{number} {noun}" if number == 1 or noun.endswith("s") else f"{number} {noun}s"


@contextmanager
def opened(user: str) -> Iterator[Client]:
    """A connection that is closed at the end."""
    zone = connect(user, timeout=LONGEST_RULE)
    try:
        yield zone
    finally:
        zone.close()


@contextmanager
def ends_when_interrupted() -> Iterator[None]:
    """For a command that goes on until Ctrl-C: that is its normal end."""
    with suppress(KeyboardInterrupt):
        yield


@contextmanager
def terminal_to_itself() -> Iterator[None]:
    """Within the block, Ctrl-C reaches this command and what it starts, but not the `make` that started it.

    `make` would say that the target failed, although Ctrl-C is the command's normal end.
    """
    if "MAKELEVEL" not in os.environ or not sys.stdin.isatty() or os.getpgrp() != os.tcgetpgrp(0):
        yield
        return
    before = os.getpgrp()
    # SIGTSTP: `make` would not see that the command is stopped, and nobody could go on with it.
    ignored = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(0, before)
        for number, handler in ignored.items():
            signal.signal(number, handler)


def call(user: str, rule: str, request: dict[str, Any], *, is_named: bool = False) -> dict[str, Any]:
    """The answer of a callable rule; leaves with its error where it has one. `is_named`: the error names the rule."""
    try:
        text = json.dumps(request)
    except TypeError:  # YAML makes a date of 2024-01-05
        odd = ", ".join(repr(str(value)) for value in _odd(request))
        fail(f"{rule}: the request holds {odd}: put dates, and what is to be a text, in quotes", 2)
    try:
        with opened(user) as zone:
            reply: dict[str, Any] = json.loads(zone.rule(rule, text))
    except NotPermitted as error:
        if zone_folder() is None:
            fail(
                f"{rule}: this account may not call rules: only administrators of the server may. Use the web pages, or"
                " ask a data steward"
            )
        raise error
    except ZoneError as error:
        if error.code == NO_SUCH_RULE:
            fail(f"there is no rule {rule}; rulebase/core.py has: {', '.join(sorted(RULES))}")
        raise
    if "error" in reply:
        status = ErrorKind(reply["code"]).exit_status
        fail(f"{rule}: {reply['error']}" if is_named else reply["error"], status)
    return reply


def _odd(value: object) -> Iterator[object]:
    """Values within a request that JSON cannot hold."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _odd(inner) if isinstance(key, str) else (key,)
    elif isinstance(value, list):
        for inner in value:
            yield from _odd(inner)
    elif not isinstance(value, (str, int, float, bool, type(None))):
        yield value


Demand = Callable[[Client, str], None]
"""Leaves the command unless the user of this name, whose connection it is, may do something."""


def acting(user: str, by: str, demand: Demand) -> tuple[str, str]:
    """Whose connection calls a rule of the service account, and for whom, as the web pages do.

    In an embedded zone a person calls it (`--user alice`). On a server the connection is the service account's.
    """
    service = settings().account
    if not zone_folder() or user == service:
        return user, by
    if by and by != user:
        fail(f"--by {by} does not go with --user {user}: only the service account {service} acts for others")
    with opened(user) as zone:
        demand(zone, user)
    return service, user


def call_for(user: str, by: str, rule: str, request: dict[str, Any], demand: Demand) -> dict[str, Any]:
    """The answer of a rule of the service account that is called for somebody."""
    user, by = acting(user, by, demand)
    return call(user, rule, {**request, **({"by": by} if by else {})})


def demand_steward(zone: Client, name: str) -> None:
    """Leaves the command unless this user is a data steward or an administrator."""
    site: Settings = settings()
    group = Condition("USER_GROUP_NAME", "=", site.stewards)
    if not zone.whoami().is_admin and not zone.query(["USER_NAME"], group, *account.named(name, site.zone)):
        fail(f"{name} is not a data steward; data stewards are the members of the group {site.stewards}")

"""Holds what all pages of one application share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app

from forms import request_budget
from forms.attempt_limit import LogIns
from forms.gateway import Connection, Gateway
from forms.login_sessions import Login, Logins, Service
from forms.thumbnails import Thumbnails
from forms.watch import Watch
from microservices.headers.header_reader import read_header
from policy.zone import Zone
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind

LONGEST = 3600.0
"""Seconds that an action may take: re-filing or withdrawing large data."""


class Site:
    """The zone's gateway, who is logged in, and the service account's connection."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.settings = gateway, gateway.settings
        self.service = Service(gateway)
        forms = gateway.settings.forms
        self.logins = Logins(gateway, idle=forms.idle_minutes * 60.0, longest=forms.longest_hours * 3600.0)
        self.tries = LogIns()
        self.thumbnails = Thumbnails()
        self.watch = Watch()

    @contextmanager
    def acting(self, login: Login) -> Iterator[Connection]:
        """Opens a connection of the service account for one action of this person, which may take long."""
        if not login.acts.acquire(blocking=False):
            raise Refused("Your previous action is still running. Wait until it has ended, and try again.")
        try:
            request_budget.begin(LONGEST)
            with self.gateway.open_service() as connection:
                yield request_budget.within(connection)
        finally:
            login.acts.release()

    @property
    def is_demonstration(self) -> bool:
        """Whether everybody may choose any user."""
        return bool(self.gateway.accounts)

    def close(self) -> None:
        """Ends all connections."""
        self.logins.close()
        self.service.close()


def site() -> Site:
    """Returns the current application's site."""
    found: Site = current_app.extensions["mrdata"]
    return found


def context(zone: Zone) -> Context:
    """Makes a context for the policies with a new memory: what one person may see is never remembered for another."""
    return Context(zone, site().settings, read_header)


def rule(service: Zone, name: str, asked: dict[str, Any], login: Login) -> dict[str, Any]:
    """Calls `mrdata_<name>` as the service account for the logged-in person. Refused with the rule's own error."""
    reply: dict[str, Any] = json.loads(service.rule(f"mrdata_{name}", json.dumps({**asked, "by": login.name})))
    if "error" in reply:
        raise Refused(reply["error"][:1].upper() + reply["error"][1:] + ".", ErrorKind(reply["code"]))
    return reply

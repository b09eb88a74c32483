"""The rule `mrdata_verify`: the account of the zone and of the vault, where the server is the vault's host.

JSON in, JSON out.
"""

from __future__ import annotations

from collections.abc import Iterator

from microservices.rule_request import Request, flag
from microservices.zones import vault_files
from policy.verification import verification
from policy.verification.findings import Area, Part, Report
from policy.verification.verification import Scope
from policy.zone.context import Context


def run(context: Context, request: Request) -> object:
    """The whole report; with `vault`, a piece of the vault alone, for a client on a host that does not have it."""
    if "vault" in request:
        return vault_files.piece(context, request["vault"])
    scope = Scope(str(request.get("experiment", "")), str(request.get("study", "")))
    report = verification.begin(context, scope, checksums=flag(request, "checksums", True))
    for part in _parts(context, scope, report):
        for look in part.looks(""):
            report.add(look)
    return report.as_dict()


def _parts(context: Context, scope: Scope, report: Report) -> Iterator[Part]:
    yield from verification.parts(context, scope, report)
    if not scope.subject:
        report.areas.add(Area.VAULT)
        yield vault_files.part(context, vault_files.of_archive(context))

"""Registers a batch of owned files: one call decides about all, one transaction registers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from landing.connections import answers, call
from landing.vault import Owned
from policy.ingest.batch import Outcome
from policy.zone import Client, Registration, ZoneError
from policy.zone.log import error_text
from policy.zone.settings import Settings


class Lost(Exception):
    """The zone does not answer: nothing is known of the files that were asked about."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a file:

    `path` is its object. Without an outcome it failed: `fault` for a log, `error` for a person.
    """

    owned: Owned
    outcome: Outcome | None
    path: str = ""
    kind: str = ""
    error: str = ""
    fault: str = ""


def register(zone: Client, settings: Settings, owned: Sequence[Owned], resource: str, *, resumed: bool) -> list[Result]:
    """Registers files of one batch, at most `policy.zone.BATCH`. One that cannot be registered keeps none of the
    others. Raises Lost.

    `resumed`: an earlier request, of which nothing was heard, may have registered some.
    """
    try:
        return _register(zone, settings, owned, resource, resumed=resumed)
    except ZoneError as fault:
        if not answers(zone, settings):
            raise Lost(str(fault)) from fault
    return [result for one in owned for result in _singly(zone, settings, one, resource)]


def _singly(zone: Client, settings: Settings, one: Owned, resource: str) -> list[Result]:
    """By itself: after a fault, the request for the whole batch may have got through."""
    try:
        return _register(zone, settings, [one], resource, resumed=True)
    except ZoneError as error:
        if not answers(zone, settings):
            raise Lost(str(error)) from error
        return [Result(one, None, error=str(error), fault=error_text(error))]


def _register(
    zone: Client, settings: Settings, owned: Sequence[Owned], resource: str, *, resumed: bool
) -> list[Result]:
    reply = call(
        zone,
        settings,
        "mrdata_batch",
        batch=owned[0].taken.batch,
        folder=owned[0].folder,
        files=[[one.taken.landing_path, one.size, one.checksum] for one in owned],
        resumed=resumed,
    )
    if "error" in reply:
        raise ZoneError(str(reply["error"]))
    results = [
        Result(one, Outcome(outcome), path, kind)
        for one, (outcome, path, kind) in zip(owned, reply["files"], strict=True)
    ]
    new = [result for result in results if result.outcome in (Outcome.PLACED, Outcome.RESTS)]
    if new:
        files = [
            Registration(result.path, result.owned.file, result.owned.size, result.owned.checksum) for result in new
        ]
        zone.register_all(files, resource)
    return [result for result in results if result.outcome is not Outcome.LATER] + _later(
        zone, settings, results, resource
    )


def _later(zone: Client, settings: Settings, results: Sequence[Result], resource: str) -> list[Result]:
    """Files that met another one of their batch: that one is registered now."""
    met = [result.owned for result in results if result.outcome is Outcome.LATER]
    return [result for one in met for result in _singly(zone, settings, one, resource)]

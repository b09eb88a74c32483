"""Finishes and finalizes experiments: when no object comes any more, and when the owner asks for it.

A finalized experiment is read-only, has a manifest, and knows how long it has to be kept. Each step can be done again:
if a process is killed in between, the next run finishes the experiment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from policy.archive import archiving, copies
from policy.ingest import refiling
from policy.lifecycle import manifest, retention
from policy.studies import authorization, state
from policy.studies.state import Act
from policy.zone import AVU, GOOD, Condition, data_object, lock, seal, subtree
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment, State
from policy.zone.layout import RECORD, DataType

ASKED = "FinalizeAsked"
"""AVU of an experiment that is to be finalized as soon as it can be: who asked; the unit says when."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A finalization that was asked for: by whom, when, and what it waits for.

    `since`: UTC, ISO 8601; empty where an earlier MrData did not note it.
    """

    by: str
    since: str
    waits_for: str


def finish(context: Context, experiment_id: str, by: str) -> Experiment:
    """Marks an experiment as finished, for its owner or a data steward: no more files are expected."""
    with authorization.locked(context, experiment_id, Act.FINISH) as experiment:
        authorization.demand_owner(context, experiment, by)
        return state.change(context, experiment, Act.FINISH, State.FINISHED, by)


def ask(context: Context, experiment_id: str, by: str) -> dict[str, Any]:
    """Finalizes for the owner or a data steward: at once, or by a later run when there is nothing left that `waits_for`
    names.
    """
    with authorization.locked(context, experiment_id, Act.FINALIZE) as experiment:
        authorization.demand_owner(context, experiment, by)
        if state.current(context, experiment) is State.FINALIZED:
            forget(context, experiment)
            return {"state": State.FINALIZED, "waits_for": ""}
        experiment = state.change(context, experiment, Act.FINISH, State.FINISHED, by)
        if not _asked(context, experiment):
            context.zone.annotate(experiment.path, add=[AVU(ASKED, by, state.now(context))])
        return finalize(context, experiment)


def look(context: Context, experiment_id: str, by: str) -> dict[str, Any]:
    """Looks what became of a finalization that was asked for, and finalizes if nothing has to be waited for any more.

    If files that came since have made the experiment acquiring again, it stays so here. Raises `Refused` if
    finalization is not asked for any more.
    """
    with authorization.locked(context, experiment_id, Act.FINALIZE) as experiment:
        authorization.demand_owner(context, experiment, by)
        now = state.current(context, experiment)
        if now is State.FINALIZED:
            return {"state": now, "waits_for": ""}
        if not _asked(context, experiment):
            raise Refused(f"{experiment.id} is {now}: its finalization is not asked for any more", ErrorKind.CONFLICT)
        if now is State.FINISHED:
            return finalize(context, experiment)
        return {"state": now, "waits_for": _silence(context)}


def asked(context: Context, experiment: Experiment) -> Asked | None:
    """The finalization that was asked for and is not done; None if none was. Changes nothing."""
    avus = _asked(context, experiment) if experiment.is_open else []
    if not avus:
        return None
    if experiment.state == State.FINISHED:
        waits_for = (
            obstacle(context, experiment)
            or f"its turn: experiments are finalized every {_span(context.settings.lifecycle.every_seconds)}"
        )
    else:
        waits_for = _silence(context)
    return Asked(avus[0].value, avus[0].unit, waits_for)


def finalize(context: Context, experiment: Experiment) -> dict[str, Any]:
    """Makes a finished experiment read-only and writes its manifest, if nothing has to be waited for.

    A process that is killed in between leaves it finished and sealed. The next run goes on from there, or the next file
    that arrives makes it acquiring again.
    """
    with lock.held(context, experiment.id, Act.FINALIZE):
        state.demand(context, experiment, Act.FINALIZE, state.current(context, experiment))
        waits_for = obstacle(context, experiment) or _archive_record(context, experiment)
        if waits_for:
            copies.ask(context, experiment.path)
            return {"state": State.FINISHED, "waits_for": waits_for}
        by = [avu.value for avu in _asked(context, experiment)]
        seal.seal(context, experiment)
        listed = manifest.write(context, experiment)
        end = retention.begin(context, experiment)
        told = {
            "manifest": str(listed.version),
            "sha256": listed.sha256,
            "objects": str(listed.objects),
            "retention_end": end,
        }
        state.change(context, experiment, Act.FINALIZE, State.FINALIZED, by[0] if by else "", **told)
        forget(context, experiment)
    return {
        "state": State.FINALIZED,
        "waits_for": "",
        "manifest": listed.path,
        "sha256": listed.sha256,
        "retention_end": end,
    }


def _archive_record(context: Context, experiment: Experiment) -> str:
    """Archives the record of the registration, which nobody can once it is sealed; why it has to be waited for, if that
    fails.
    """
    path = f"{experiment.path}/{RECORD}"
    rows = context.zone.query(["DATA_RESC_NAME"], *data_object(path))
    if {name for (name,) in rows} <= set(archiving.resources(context)) or archiving.archive_object(
        context, path
    ) == "archived":
        return ""
    return "the record of its registration, which is not on the archive resource yet"


def forget(context: Context, experiment: Experiment) -> None:
    """Removes the request for finalization: it is done, and no longer asked for."""
    context.zone.annotate(experiment.path, remove=_asked(context, experiment))


def _asked(context: Context, experiment: Experiment) -> list[AVU]:
    return [avu for avu in context.zone.metadata(experiment.path) if avu.attribute == ASKED]


def reopen(context: Context, experiment_id: str, by: str) -> Experiment:
    """Lets a finalized experiment accept files again, for a data steward. Its next manifest will be a further one."""
    with authorization.locked(context, experiment_id, Act.REOPEN) as experiment:
        authorization.demand_steward(context, by)
        state.demand(context, experiment, Act.REOPEN, state.current(context, experiment))
        seal.unseal(context, experiment)
        return state.change(context, experiment, Act.REOPEN, State.FINISHED, by)


def accept_late(context: Context, session: str, experiment_id: str, by: str) -> dict[str, Any]:
    """Files what came late under its finalized experiment, which is finalized again with a further manifest."""
    with authorization.locked(context, experiment_id, Act.REOPEN) as experiment:
        authorization.demand_steward(context, by)
        if state.current(context, experiment) is not State.FINISHED:  # else it was interrupted after it was reopened
            experiment = reopen(context, experiment.id, by)
        moves = refiling.reassign(context, session, experiment.id, by=by)
        return {"moves": moves, **ask(context, experiment.id, by)}


def obstacle(context: Context, experiment: Experiment) -> str:
    """What a finished experiment waits for before it can be finalized, in words; empty where there is nothing.

    Agents believe for a while what they have read of an experiment: until then something may still be placed.
    """
    left = context.settings.lifecycle.settle_seconds - (context.now() - state.since(context, experiment))
    if left > 0:
        return f"files that may be on their way ({math.ceil(left)} s left)"
    elsewhere = [Condition("DATA_RESC_NAME", "!=", resource) for resource in archiving.resources(context)]
    for one, several, conditions in (
        ("that is not on the archive resource yet", "that are not on the archive resource yet", elsewhere),
        (
            "with a replica that is not good",
            "with a replica that is not good",
            [Condition("DATA_REPL_STATUS", "!=", GOOD)],
        ),
    ):
        paths = [f"{experiment.path}/{data_type}" for data_type in DataType]
        found = {row for path in paths for row in subtree.rows(context, path, ["DATA_NAME"], *conditions)}
        if found:
            return f"1 object {one}" if len(found) == 1 else f"{len(found)} objects {several}"
    if lacking := copies.lacking(context, experiment.path):
        return "1 object that lacks a copy" if len(lacking) == 1 else f"{len(lacking)} objects that lack copies"
    return ""


def _silence(context: Context) -> str:
    hours = context.settings.lifecycle.finished_hours
    return (
        f"the end of the scan: files have come since. It goes on after {hours:g} hours without a file, or when it is"
        " asked for again"
    )


def _span(seconds: int) -> str:
    """A period as people say it.

    >>> _span(300), _span(60), _span(45)
    ('5 minutes', 'minute', '45 seconds')
    """
    if seconds % 60:
        return f"{seconds} seconds" if seconds > 1 else "second"
    return f"{seconds // 60} minutes" if seconds > 60 else "minute"

"""From the last object to the finalized experiment: when nothing comes any more, and when its owner says so.

A finalized experiment is read-only, has a manifest, and knows how long it has to be kept. Each step can be done again: whoever is
killed in between leaves an experiment that the next run finishes.
"""

from __future__ import annotations

from typing import Any

from policy import archive, below, lock, manifest, reassign, retention, state, words
from policy.context import Context
from policy.experiment import Experiment, State
from policy.layout import DataType
from policy.zone import AVU, GOOD, Condition

ASKED = "FinalizeAsked"
"""AVU of a finished experiment that is to be finalized as soon as it can be: who asked."""


def finish(context: Context, experiment_id: str, by: str) -> Experiment:
    """Nothing more is expected: the owner's or a data steward's word."""
    experiment = words.experiment(context, experiment_id)
    words.demand_owner(context, experiment, by)
    return state.change(context, experiment, State.FINISHED, by)


def ask(context: Context, experiment_id: str, by: str) -> dict[str, Any]:
    """Finalizes by the owner's or a data steward's word: at once, or at the next run after what `waits_for` names."""
    experiment = words.experiment(context, experiment_id)
    words.demand_owner(context, experiment, by)
    if state.current(context, experiment) is State.FINALIZED:
        forget(context, experiment)
        return {"state": State.FINALIZED, "waits_for": ""}
    experiment = state.change(context, experiment, State.FINISHED, by)
    context.zone.annotate(experiment.path, add=[AVU(ASKED, by)])
    return finalize(context, experiment)


def finalize(context: Context, experiment: Experiment) -> dict[str, Any]:
    """Makes a finished experiment read-only and writes its manifest, if nothing has to be waited for."""
    waits_for = obstacle(context, experiment)
    if waits_for:
        return {"state": State.FINISHED, "waits_for": waits_for}
    asked = [avu for avu in context.zone.metadata(experiment.path) if avu.attribute == ASKED]
    lock.lock(context, experiment)
    listed = manifest.write(context, experiment)
    end = retention.begin(context, experiment)
    told = {"manifest": str(listed.version), "sha256": listed.sha256, "objects": str(listed.objects), "retention_end": end}
    state.change(context, experiment, State.FINALIZED, asked[0].value if asked else "", **told)
    forget(context, experiment)
    return {"state": State.FINALIZED, "waits_for": "", "manifest": listed.path, "sha256": listed.sha256, "retention_end": end}


def forget(context: Context, experiment: Experiment) -> None:
    """It is done, and no longer asked for."""
    context.zone.annotate(experiment.path, remove=[avu for avu in context.zone.metadata(experiment.path) if avu.attribute == ASKED])


def reopen(context: Context, experiment_id: str, by: str) -> Experiment:
    """A finalized experiment accepts files again, by a data steward's word; its next manifest will be a further one."""
    experiment = words.experiment(context, experiment_id)
    words.demand_steward(context, by)
    lock.unlock(context, experiment)
    return state.change(context, experiment, State.FINISHED, by)


def accept_late(context: Context, session: str, experiment_id: str, by: str) -> dict[str, Any]:
    """What came late is filed under its finalized experiment, which is finalized again with a further manifest."""
    experiment = reopen(context, experiment_id, by)
    moves = reassign.reassign(context, session, experiment.id, by=by)
    return {"moves": moves, **ask(context, experiment.id, by)}


def obstacle(context: Context, experiment: Experiment) -> str:
    """What a finished experiment cannot be finalized for yet, in words; empty where there is nothing.

    Agents believe for a while what they have read of an experiment: until then something may still be placed.
    """
    if context.now() - state.since(context, experiment) < context.settings.lifecycle.settle_seconds:
        return f"agents that still take it for open (at most {context.settings.lifecycle.settle_seconds:.0f} s)"
    elsewhere = [Condition("DATA_RESC_NAME", "!=", resource) for resource in archive.resources(context)]
    for what, conditions in (
        ("objects that are not on the archive resource yet", elsewhere),
        ("objects with a replica that is not good", [Condition("DATA_REPL_STATUS", "!=", GOOD)]),
    ):
        paths = [f"{experiment.path}/{data_type}" for data_type in DataType]
        found = {row for path in paths for row in below.rows(context, path, ["DATA_NAME"], *conditions)}
        if found:
            return f"{len(found)} {what}"
    return ""

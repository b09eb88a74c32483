"""The states of an experiment: one table says which may follow which, one function changes them.

    registered -> acquiring     its first object
    acquiring -> finished       nothing came for a set time, or somebody's word
    finished -> acquiring       something came after all
    finished -> finalized       a set time later, or the owner's word; its objects are read-only then
    finalized -> finished       reopened by a data steward, for what came late
    any -> withdrawn            and back to where it was

A change is in the audit log, and workflows are told of it, before it is in the experiment's AVUs: who was killed in between leaves it
to be done again, and nothing is done that the log does not tell.
"""

from __future__ import annotations

import calendar
import time
from dataclasses import replace

from policy import audit, event
from policy.context import Context, Memory, Refused
from policy.experiment import Experiment, State
from policy.zone import AVU

SINCE = "StateSince"
"""AVU of the experiment's collection: when its state was changed last; UTC, ISO 8601."""
ATTRIBUTES = ("State", SINCE)
ACT = "state changed"
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

FOLLOWS: dict[State, frozenset[State]] = {
    State.REGISTERED: frozenset({State.ACQUIRING, State.FINISHED, State.WITHDRAWN}),
    State.ACQUIRING: frozenset({State.FINISHED, State.WITHDRAWN}),
    State.FINISHED: frozenset({State.ACQUIRING, State.FINALIZED, State.WITHDRAWN}),
    State.FINALIZED: frozenset({State.FINISHED, State.WITHDRAWN}),
    State.WITHDRAWN: frozenset({State.REGISTERED, State.ACQUIRING, State.FINISHED, State.FINALIZED}),
}

_EVENTS = {
    State.FINISHED: event.Kind.FINISHED,
    State.FINALIZED: event.Kind.FINALIZED,
    State.WITHDRAWN: event.Kind.WITHDRAWN,
}


def change(context: Context, experiment: Experiment, to: State, by: str = "", **details: str) -> Experiment:
    """Changes the state, by somebody's word or (without `by`) by policy; the experiment as it is then.

    An experiment that is in this state already stays as it is. Refused where the state may not follow.
    """
    before = current(context, experiment)
    if before is not to:
        if to not in FOLLOWS[before]:
            raise Refused(f"{experiment.id} is {before} and cannot become {to}; it can become {', '.join(sorted(FOLLOWS[before]))}")
        left = f"{since(context, experiment):.0f}"
        audit.record(context, ACT, experiment=experiment.id, study=experiment.study, by=by, before=before, after=to, **details)
        kind = event.Kind.REINSTATED if before is State.WITHDRAWN else _EVENTS.get(to)
        if kind and not (before is State.FINALIZED and to is State.FINISHED):  # reopened: nothing has come to an end
            event.emit(context, kind, experiment, once=left)
        put(context, experiment.path, to)
    changed = replace(experiment, state=to)
    context.memory.experiments[experiment.id] = (time.monotonic() + Memory.SECONDS, changed)
    return changed


def since(context: Context, experiment: Experiment) -> float:
    """Since when it is in the state that it is in; seconds since 1970."""
    held = max((avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == SINCE), default=experiment.registered)
    return float(calendar.timegm(time.strptime(held, _FORMAT)))


def current(context: Context, experiment: Experiment) -> State:
    """The state as the catalog has it now. Where a change was interrupted, the one that the audit log tells, put in order here."""
    held = [avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == "State"]
    if len(held) != 1:
        told = [State(entry.details["after"]) for entry in audit.history(context, experiment.id) if entry.act == ACT]
        put(context, experiment.path, told[-1] if told else State.REGISTERED)
        return told[-1] if told else State.REGISTERED
    return State(held[0])


def now(context: Context) -> str:
    """The time, as `StateSince` writes it."""
    return time.strftime(_FORMAT, time.gmtime(context.now()))


def put(context: Context, path: str, state: State) -> None:
    """Writes the AVUs of a state, whatever was there."""
    new = [AVU("State", state), AVU(SINCE, now(context))]
    old = [avu for avu in context.zone.metadata(path) if avu.attribute in ATTRIBUTES]
    context.zone.annotate(path, add=[avu for avu in new if avu not in old], remove=[avu for avu in old if avu not in new])

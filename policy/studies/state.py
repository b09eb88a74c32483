"""The states of an experiment: one table says which act leads from where to where, one function changes them.

    arrive      registered, finished -> acquiring    an object came
    finish      registered, acquiring -> finished    nothing came for a set time, or somebody said so
    finalize    finished -> finalized                a set time later, or the owner said so; its objects are read-only
                then
    reopen      finalized -> finished                by a data steward, for what came late
    withdraw    any other -> withdrawn
    restore     withdrawn -> where it was

A change is in the audit log, and its event is written, before it is in the experiment's AVUs. If a process is killed in
between, the change is made again; the log holds everything that is done.
"""

from __future__ import annotations

import calendar
import time
from dataclasses import replace
from enum import StrEnum

from policy.records import audit, event
from policy.zone import AVU, lock
from policy.zone.context import Context, Memory, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment, State

SINCE = "StateSince"
"""AVU of the experiment's collection: when its state was changed last; UTC, ISO 8601."""
ATTRIBUTES = ("State", SINCE)
ACT = "state changed"
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

_HELD = frozenset({State.REGISTERED, State.ACQUIRING, State.FINISHED, State.FINALIZED})


class Act(StrEnum):
    """What changes a state."""

    ARRIVE = "arrive"
    """A file arrives."""
    FINISH = "finish"
    """`lifecycle.finished_hours` without a file, or the owner or a data steward (`mrdata finish`)."""
    FINALIZE = "finalize"
    """`lifecycle.finalized_days` later, or the owner or a data steward (`mrdata finalize`)."""
    REOPEN = "reopen"
    """A data steward (`mrdata reopen`)."""
    WITHDRAW = "withdraw"
    """A data steward (`mrdata withdraw`)."""
    RESTORE = "restore"
    """A data steward (`mrdata restore`)."""


TABLE: dict[Act, tuple[frozenset[State], frozenset[State]]] = {
    Act.ARRIVE: (frozenset({State.REGISTERED, State.FINISHED}), frozenset({State.ACQUIRING})),
    Act.FINISH: (frozenset({State.REGISTERED, State.ACQUIRING}), frozenset({State.FINISHED})),
    Act.FINALIZE: (frozenset({State.FINISHED}), frozenset({State.FINALIZED})),
    Act.REOPEN: (frozenset({State.FINALIZED}), frozenset({State.FINISHED})),
    Act.WITHDRAW: (_HELD, frozenset({State.WITHDRAWN})),
    Act.RESTORE: (frozenset({State.WITHDRAWN}), _HELD),
}
"""Act -> the states from which it leads, and to which."""
FOLLOWS = {one: frozenset(to for before, after in TABLE.values() if one in before for to in after) for one in State}
"""State -> those that may follow it, by whichever act."""

_EVENTS = {
    State.FINISHED: event.Kind.FINISHED,
    State.FINALIZED: event.Kind.FINALIZED,
    State.WITHDRAWN: event.Kind.WITHDRAWN,
}


def change(context: Context, experiment: Experiment, act: Act, to: State, by: str = "", **details: str) -> Experiment:
    """Changes the state by an act of `by`, or (without `by`) by policy; the experiment as it is then.

    Asks the catalog, under the experiment's lock. An experiment that is in this state already stays as it is. Raises
    Refused if the act does not lead there, Busy if an arriving object would have to wait for another act.
    """
    wait = 0.0 if act is Act.ARRIVE else lock.WAIT_SECONDS
    with lock.held(context, experiment.id, act, wait=wait):
        before = current(context, experiment)
        if before is not to:
            demand(context, experiment, act, before)
            left = f"{since(context, experiment):.0f}"
            audit.record(
                context,
                ACT,
                experiment=experiment.id,
                study=experiment.study,
                by=by,
                before=before,
                after=to,
                **details,
            )
            kind = event.Kind.REINSTATED if before is State.WITHDRAWN else _EVENTS.get(to)
            if kind and act is not Act.REOPEN:  # nothing has come to an end
                event.emit(context, kind, experiment, once=left)
            put(context, experiment.path, to)
    changed = replace(experiment, state=to)
    context.memory.experiments[experiment.id] = (time.monotonic() + Memory.SECONDS, changed)
    return changed


def demand(context: Context, experiment: Experiment, act: Act, held: State) -> None:
    """Raises Refused unless the act leads on from this state. The agent then forgets what it remembers of the
    experiment.
    """
    allowed, _ = TABLE[act]
    if held not in allowed:
        context.memory.experiments.pop(experiment.id, None)
        states = ", ".join(one for one in State if one in allowed)
        raise Refused(
            f"{experiment.id} is {held}: {act} is possible only from these states: {states}", ErrorKind.CONFLICT
        )


def since(context: Context, experiment: Experiment) -> float:
    """Since when it is in the state that it is in; seconds since 1970."""
    held = max(
        (avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == SINCE),
        default=experiment.registered,
    )
    return float(calendar.timegm(time.strptime(held, _FORMAT)))


def current(context: Context, experiment: Experiment) -> State:
    """The state as the catalog has it now.

    Where a change was interrupted, the one that the audit log tells, put in order here.
    """
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
    context.zone.annotate(
        path, add=[avu for avu in new if avu not in old], remove=[avu for avu in old if avu not in new]
    )

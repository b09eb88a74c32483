"""The delay rule that finishes and finalizes experiments, reminds data stewards of retention, and erases what was
withdrawn.

It looks at each experiment by itself: an experiment that cannot be worked with is logged, and tried again at the next
run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from policy.ingest import discard
from policy.lifecycle import finalization, retention
from policy.records import withdrawal_record
from policy.studies import state
from policy.studies.state import Act
from policy.withdrawal import erasure, withdrawal
from policy.zone import Condition, ZoneError, layout, lock, subtree
from policy.zone.context import Context, Refused
from policy.zone.experiment import Experiment, State
from policy.zone.lock import Busy
from policy.zone.log import tell
from policy.zone.registry import Registry


def run(context: Context) -> Counter[str]:
    """How many were `finished`, `finalized`, `erased` or `repaired`; how many wait (`waiting`), are being worked on by
    others (`busy`) or `failed`; and how many `notices` were given."""
    counts: Counter[str] = Counter()
    _each(context, counts, _in_state(context, State.ACQUIRING), _finish)
    _each(context, counts, _in_state(context, State.FINISHED), _finalize)
    _each(context, counts, [one for one in _with(context, finalization.ASKED) if one.state == State.FINALIZED], _forget)
    for experiment_id in withdrawal_record.keys(context):
        try:
            with lock.held(context, experiment_id, "lifecycle", wait=0.0):
                counts[withdrawal.go_on(context, experiment_id)] += 1
        except Busy:
            counts["busy"] += 1
        except (Refused, ZoneError) as error:
            tell(context.zone, "withdraw", "the withdrawal could not go on", experiment=experiment_id, error=error)
            counts["failed"] += 1
    counts += discard.run(context)
    erasure.forget_events(context)
    counts["notices"] += retention.notices(context)
    return +counts


def _each(
    context: Context, counts: Counter[str], experiments: list[Experiment], step: Callable[[Context, Experiment], str]
) -> None:
    for experiment in experiments:
        try:
            with lock.held(context, experiment.id, "lifecycle", wait=0.0):
                counts[step(context, experiment)] += 1
        except Busy:
            counts["busy"] += 1
        except (Refused, ZoneError) as error:
            tell(
                context.zone,
                "lifecycle",
                f"it is {experiment.state}, and could not go on",
                experiment=experiment.id,
                error=error,
            )
            counts["failed"] += 1
    del counts[""]


def _finish(context: Context, experiment: Experiment) -> str:
    if state.current(context, experiment) is not State.ACQUIRING:
        return "repaired"
    quiet_since = context.now() - context.settings.lifecycle.finished_hours * 3600
    if state.since(context, experiment) > quiet_since or _has_objects_since(context, experiment, quiet_since):
        return ""
    state.change(context, experiment, Act.FINISH, State.FINISHED)
    return "finished"


def _has_objects_since(context: Context, experiment: Experiment, since: float) -> bool:
    """Born or changed: what lay in quarantine for long is older than its place here."""
    holds = tuple(f"{experiment.path}/{data_type}" for data_type in layout.DataType)
    for column in ("DATA_CREATE_TIME", "DATA_MODIFY_TIME"):
        rows = subtree.rows(context, experiment.path, ["DATA_ID"], Condition(column, ">", f"{int(since):011d}"))
        if any(f"{collection}/".startswith(tuple(f"{one}/" for one in holds)) for collection, _ in rows):
            return True
    return False


def _finalize(context: Context, experiment: Experiment) -> str:
    if state.current(context, experiment) is not State.FINISHED:
        return "repaired"
    due = context.now() - state.since(context, experiment) >= context.settings.lifecycle.finalized_days * 86400
    if not due and not any(avu.attribute == finalization.ASKED for avu in context.zone.metadata(experiment.path)):
        return ""
    return "waiting" if finalization.finalize(context, experiment)["waits_for"] else "finalized"


def _forget(context: Context, experiment: Experiment) -> str:
    """Killed when it was finalized, but still asked for."""
    finalization.forget(context, experiment)
    return "repaired"


def _in_state(context: Context, wanted: State) -> list[Experiment]:
    return list(_with(context, "State", Condition("META_COLL_ATTR_VALUE", "=", wanted)))


def _with(context: Context, attribute: str, *conditions: Condition) -> Iterator[Experiment]:
    """Experiments with an AVU, as the catalog has them: what this agent remembers may be a minute old."""
    for (path,) in context.zone.query(["COLL_NAME"], Condition("META_COLL_ATTR_NAME", "=", attribute), *conditions):
        experiment_id = layout.experiment_of(context.settings, path)
        if experiment_id and path.endswith(f"/experiments/{experiment_id}"):
            context.memory.experiments.pop(experiment_id, None)
            experiment = Registry(context).experiment(experiment_id)
            if experiment and experiment.path == path:
                yield experiment

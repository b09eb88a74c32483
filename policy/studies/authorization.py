"""Authorization: owners decide about their own experiments, data stewards about all.

Owners are ordinary users and call no rules: the web pages call them as the service account, and name the user (`by`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from policy.zone import Condition, account, experiment_id, lock
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment
from policy.zone.registry import Registry


def parsed_id(text: str) -> str:
    """The ExperimentID as it is written. Raises `Refused` if the text is not an ExperimentID."""
    parsed = experiment_id.parse(text)
    if parsed is None:
        raise Refused(f"{text!r} is not an ExperimentID: its check character does not fit")
    return parsed


@contextmanager
def locked(context: Context, text: str, act: str) -> Iterator[Experiment]:
    """The experiment of an ExperimentID as the catalog has it now; within the block nobody else changes its state."""
    parsed = parsed_id(text)
    with lock.held(context, parsed, act):
        yield experiment(context, parsed)


def experiment(context: Context, text: str) -> Experiment:
    """The experiment of an ExperimentID, as the catalog has it now.

    Raises `Refused` if it was never registered, or is withdrawn or erased.
    """
    parsed = parsed_id(text)
    context.memory.experiments.pop(parsed, None)
    found = Registry(context).experiment(parsed)
    if found is None:
        raise Refused(f"{parsed} was never registered", ErrorKind.NOT_FOUND)
    if not found.path:
        raise Refused(f"{parsed} is withdrawn; a data steward may be able to restore it", ErrorKind.CONFLICT)
    return found


def demand_owner(context: Context, experiment: Experiment, by: str) -> None:
    """Raises `Refused` unless `by` is the experiment's owner, a data steward or an administrator."""
    if by != experiment.owner and not _is_steward(context, by):
        raise Refused(f"{by} is neither the owner of {experiment.id} nor a data steward", ErrorKind.NOT_PERMITTED)


def demand_steward(context: Context, by: str) -> None:
    """Raises `Refused` unless `by` is a data steward or an administrator."""
    if not _is_steward(context, by):
        raise Refused(f"{by} is not a data steward", ErrorKind.NOT_PERMITTED)


def _is_steward(context: Context, by: str) -> bool:
    zone, one = context.zone, account.named(by, context.settings.zone)
    if zone.query(["USER_NAME"], *one, Condition("USER_GROUP_NAME", "=", context.settings.stewards)):
        return True
    return bool(zone.query(["USER_NAME"], *one, Condition("USER_TYPE", "=", "rodsadmin")))

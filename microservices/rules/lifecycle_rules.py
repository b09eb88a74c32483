"""The callable rules that change an experiment's state.

`by` is the user for whom the service account calls the rule, as the web pages do.
"""

from __future__ import annotations

from dataclasses import asdict

from microservices.rule_request import Request, flag
from policy.lifecycle import finalization, retention
from policy.records import audit
from policy.schedule import delay_rules, lifecycle
from policy.studies import authorization
from policy.withdrawal import withdrawal
from policy.zone.context import Context, Refused


def run(context: Context, request: Request) -> object:
    """The delay rule."""
    return dict(lifecycle.run(context))


def every(context: Context, request: Request) -> object:
    """Schedules it."""
    return delay_rules.every(
        context, "mrdata_lifecycle", int(request.get("seconds", context.settings.lifecycle.every_seconds))
    )


def finish(context: Context, request: Request) -> object:
    """`experiment`, `by`."""
    return {"state": finalization.finish(context, request["experiment"], _by(context, request)).state}


def finalized(context: Context, request: Request) -> object:
    """`experiment`, `by`; `look`: only what became of it, after it was asked for."""
    act = finalization.look if flag(request, "look") else finalization.ask
    return act(context, request["experiment"], _by(context, request))


def reopen(context: Context, request: Request) -> object:
    """`experiment`, `by`."""
    return {"state": finalization.reopen(context, request["experiment"], _by(context, request)).state}


def accept_late(context: Context, request: Request) -> object:
    """`session` (a path in quarantine), `experiment`, `by`."""
    reply = finalization.accept_late(context, request["session"], request["experiment"], _by(context, request))
    return {**reply, "moves": [asdict(move) for move in reply["moves"]]}


def extend(context: Context, request: Request) -> object:
    """`experiment`, `until`, `by`."""
    by = _by(context, request)
    authorization.demand_steward(context, by)
    experiment = authorization.experiment(context, request["experiment"])
    return {"retention_end": retention.extend(context, experiment, str(request["until"]), by)}


def withdraw(context: Context, request: Request) -> object:
    """Withdraws `experiment`, or all experiments of `study` and `pseudonym`.

    `reason`: one of `withdrawal.Reason`; `by`; `dry_run`: required, true or false.
    """
    dry_run, reason, by = flag(request, "dry_run", None), str(request.get("reason", "")), _by(context, request)
    if ("experiment" in request) == ("pseudonym" in request):
        raise Refused("name either an experiment, or a study and a pseudonym")
    if "experiment" in request:
        plans = [withdrawal.withdraw(context, request["experiment"], by, reason=reason, dry_run=dry_run)]
    else:
        plans = withdrawal.withdraw_subject(
            context, request["study"], request["pseudonym"], by, reason=reason, dry_run=dry_run
        )
    return {
        "dry_run": dry_run,
        "experiments": [asdict(plan) for plan in plans],
        "days": context.settings.lifecycle.withdrawal_days,
    }


def restore(context: Context, request: Request) -> object:
    """`experiment`, or `study` and `pseudonym`; `by`."""
    key = request["experiment"] if "experiment" in request else f"{request['study']}/{request['pseudonym']}"
    return {"restored": key, "elsewhere": withdrawal.restore(context, key, _by(context, request))}


def history(context: Context, request: Request) -> object:
    """`experiment`."""
    return {"entries": [asdict(entry) for entry in audit.history(context, request["experiment"])]}


def end(context: Context, request: Request) -> object:
    """What to keep elsewhere."""
    return {"anchor": audit.end(context)}


def _by(context: Context, request: Request) -> str:
    return str(request.get("by", "")) or context.zone.whoami().name

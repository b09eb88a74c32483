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
    """Finishes, finalizes, reminds of retention, erases what is due."""
    return dict(lifecycle.run(context))


def every(context: Context, request: Request) -> object:
    """Schedules this rule."""
    return delay_rules.every(
        context, "mrdata_lifecycle", int(request.get("seconds", context.settings.lifecycle.every_seconds))
    )


def finish(context: Context, request: Request) -> object:
    """Finishes an experiment."""
    return {"state": finalization.finish(context, request["experiment"], _by(context, request)).state}


def finalized(context: Context, request: Request) -> object:
    """Asks for the finalization of an experiment. `look` only tells what it waits for."""
    act = finalization.look if flag(request, "look") else finalization.ask
    return act(context, request["experiment"], _by(context, request))


def reopen(context: Context, request: Request) -> object:
    """Reopens a finalized experiment."""
    return {"state": finalization.reopen(context, request["experiment"], _by(context, request)).state}


def accept_late(context: Context, request: Request) -> object:
    """Files a quarantine session under a finalized experiment, which is finalized again."""
    reply = finalization.accept_late(context, request["session"], request["experiment"], _by(context, request))
    return {**reply, "moves": [asdict(move) for move in reply["moves"]]}


def extend(context: Context, request: Request) -> object:
    """Keeps a finalized experiment until a later day."""
    by = _by(context, request)
    authorization.demand_steward(context, by)
    experiment = authorization.experiment(context, request["experiment"])
    return {"retention_end": retention.extend(context, experiment, str(request["until"]), by)}


def withdraw(context: Context, request: Request) -> object:
    """Withdraws an experiment (`experiment`) or a subject (`study`, `pseudonym`). `dry_run` says what would be hidden.

    `reason` is one of `withdrawal.Reason`. `dry_run` has no default.
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
    """Restores an experiment or a subject."""
    key = request["experiment"] if "experiment" in request else f"{request['study']}/{request['pseudonym']}"
    return {"restored": key, "elsewhere": withdrawal.restore(context, key, _by(context, request))}


def history(context: Context, request: Request) -> object:
    """Returns an experiment's entries in the audit log."""
    return {"entries": [asdict(entry) for entry in audit.history(context, request["experiment"])]}


def end(context: Context, request: Request) -> object:
    """Returns the newest hash of the audit log, to be kept elsewhere."""
    return {"anchor": audit.end(context)}


def _by(context: Context, request: Request) -> str:
    return str(request.get("by", "")) or context.zone.whoami().name

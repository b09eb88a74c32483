"""The pages on which people decide about an experiment.

Owners finish and finalize their own experiments; data stewards also reopen, withdraw and restore any experiment.
Ordinary users cannot call rules. The service account calls the rule for them, and the rule checks who may decide. These
pages only leave out buttons that a person may not use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from forms.access import demand_steward, is_steward, person
from forms.login_sessions import Login
from forms.page_site import context, rule, site
from policy.lifecycle import finalization
from policy.records import withdrawal_record
from policy.views import experiment_search
from policy.withdrawal.withdrawal import Reason
from policy.zone import experiment_id
from policy.zone.experiment import Experiment, State
from policy.zone.registry import Registry

pages = Blueprint("words", __name__)


@dataclass(frozen=True, slots=True)
class Word:
    """A button: its rule, its text, and the experiment's states in which it is shown.

    Without `is_owners` only data stewards get it.
    """

    rule: str
    text: str
    states: frozenset[State]
    is_owners: bool = False


WORDS = {
    "finish": Word(
        "experiment_finish", "Mark as finished", frozenset({State.REGISTERED, State.ACQUIRING}), is_owners=True
    ),
    "finalize": Word(
        "experiment_finalize",
        "Finalize",
        frozenset({State.REGISTERED, State.ACQUIRING, State.FINISHED}),
        is_owners=True,
    ),
    "reopen": Word("experiment_reopen", "Reopen", frozenset({State.FINALIZED})),
    "withdraw": Word("withdraw", "Withdraw", frozenset(State) - {State.WITHDRAWN}),
    "restore": Word("restore", "Restore", frozenset({State.WITHDRAWN})),
}


def possible(login: Login, experiment: Experiment) -> dict[str, Word]:
    """Returns the buttons that this person gets for an experiment, in order."""
    return {
        name: word for name, word in WORDS.items() if experiment.state in word.states and _has(login, experiment, word)
    }


@pages.get("/withdrawn")
def withdrawals() -> ResponseReturnValue:
    """Lists what is withdrawn and can be restored.

    Its form leads to experiments of studies of which the data steward is not a member.
    """
    wanted = request.args.get("experiment", "").strip()
    parsed = experiment_id.parse(wanted) if wanted else None
    if parsed:
        return redirect(url_for("experiment.experiment", experiment_id=parsed))
    with site().service.zone() as service:
        demand_steward(service)
        ctx = context(service)
        held = [
            record
            for key in withdrawal_record.keys(ctx)
            if (record := withdrawal_record.load(ctx, key)) and not record.is_subject
        ]
    records = [(record, _until(record)) for record in sorted(held, key=lambda record: record.since, reverse=True)]
    return render_template("withdrawn.html", records=records, wanted=wanted)


@pages.get("/experiments/<experiment_id>/words")
def page(experiment_id: str) -> ResponseReturnValue:
    """Shows a data steward an experiment that he cannot see himself: another study's, or a withdrawn one."""
    experiment = _seen(experiment_id)
    with site().service.zone() as service:
        demand_steward(service)
        record = (
            withdrawal_record.load(context(service), experiment.id) if experiment.state is State.WITHDRAWN else None
        )
        asked = finalization.asked(context(service), experiment) if experiment.path else None
    until = _until(record) if record else ""
    may = possible(person(), experiment)
    return render_template(
        "words.html", experiment=experiment, record=record, until=until, words=may, finalization=asked
    )


@pages.get("/experiments/<experiment_id>/words/<name>")
def ask(experiment_id: str, name: str) -> ResponseReturnValue:
    """Shows what the button does, and asks for confirmation."""
    experiment, word, login = _seen(experiment_id), _word(name), person()
    if not _has(login, experiment, word):
        abort(
            403,
            "Only its owner and data stewards may do this." if word.is_owners else "Only data stewards may do this.",
        )
    told: dict[str, Any] = {}
    if name == "withdraw":
        with site().acting(person()) as service:
            told = rule(service, word.rule, {"experiment": experiment.id, "dry_run": True}, login)
    return render_template("word.html", experiment=experiment, name=name, word=word, told=told, reasons=list(Reason))


@pages.post("/experiments/<experiment_id>/words/<name>")
def say(experiment_id: str, name: str) -> ResponseReturnValue:
    """Carries out the decision."""
    experiment, word, login = _seen(experiment_id), _word(name), person()
    asked: dict[str, Any] = {"experiment": experiment.id}
    if name == "withdraw":
        asked["dry_run"] = False
        if request.form.get("reason") not in list(Reason):
            abort(400, "Choose why the experiment is withdrawn.")
        asked["reason"] = request.form["reason"]
    with site().acting(person()) as service:
        reply = rule(service, word.rule, asked, login)
    flash(f"{experiment.id} {_became(name, reply)}.")
    for fault in reply.get("elsewhere", ()):
        flash(fault)
    return redirect(url_for("experiment.experiment", experiment_id=experiment.id), 303)


def _became(name: str, reply: dict[str, Any]) -> str:
    if name == "withdraw":
        days = reply["days"]
        return f"is withdrawn; it can be restored for {days:g} day{'s' * (days != 1)}"
    if name == "restore":
        return "is restored"
    return f"is {reply['state']}" + ("; finalization is asked for" if reply.get("waits_for") else "")


def _has(login: Login, experiment: Experiment, word: Word) -> bool:
    return is_steward(login) or (word.is_owners and experiment.owner == login.name)


def _word(name: str) -> Word:
    return WORDS.get(name) or abort(404)


def _seen(given: str) -> Experiment:
    """Finds the experiment as this person sees it, or, for a data steward, as the zone has it; else 404."""
    parsed, login = experiment_id.parse(given), person()
    experiment = None
    if parsed:
        with login.zone() as zone:
            experiment = experiment_search.experiment(context(zone), parsed)
    if parsed and experiment is None and is_steward(login):
        with site().service.zone() as service:
            demand_steward(service)
            experiment = Registry(context(service)).experiment(parsed)
    return experiment or abort(404, "This experiment does not exist, or you may not see it.")


def _until(record: withdrawal_record.Record) -> str:
    """Returns when it is erased; UTC, ISO 8601."""
    seconds = withdrawal_record.seconds(record.since) + site().settings.lifecycle.withdrawal_days * 86400
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

"""Registers an experiment: the form, its check while the user types, and the card with the ExperimentID."""

from __future__ import annotations

import json

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from forms.access import person
from forms.login_sessions import Login
from forms.page_site import context, site
from policy.studies.registration import KEYS
from policy.views import experiment_search
from policy.zone import experiment_id
from policy.zone.context import Context, Refused
from policy.zone.experiment import Experiment

pages = Blueprint("registration", __name__)


@pages.get("/register")
def form() -> ResponseReturnValue:
    """Shows the empty form; the address may hold entries."""
    entries = {key: request.args.get(key, "") for key in KEYS}
    return _form({"owner": person().name, **{key: value for key, value in entries.items() if value}}, {})


@pages.post("/register")
def register() -> ResponseReturnValue:
    """Registers the experiment. If an entry is wrong, shows the form again with all entries."""
    entries = {key: request.form.get(key, "").strip() for key in KEYS}
    if request.form.get("reload"):  # another study was chosen
        return _form({**entries, "pseudonym": "", "owner": ""}, {})
    login = person()
    try:
        with login.zone() as zone:
            _demand_member(context(zone), login, entries["study"])
        with site().service.zone() as service:
            reply = json.loads(service.rule("mrdata_register", json.dumps({**entries, "by": login.name})))
    except Refused as error:
        return _form(entries, {"study": str(error)}), 400
    if "error" in reply:
        return _form(entries, _by_field(reply["error"])), 400
    return redirect(url_for("registration.card", experiment_id=reply["experiment_id"]), 303)


@pages.get("/register/pseudonym")
def pseudonym() -> ResponseReturnValue:
    """Says whether the study has this pseudonym, while the user types."""
    study, typed = request.args.get("study", ""), request.args.get("pseudonym", "").strip()
    if not study or not typed:
        return render_template("pseudonym.html", verdict="", typed=typed, study=study, like=[])
    with person().zone() as zone:
        known = [line.pseudonym for line in experiment_search.subjects(context(zone), study)]
    like = [] if typed in known else [name for name in known if name.lower().startswith(typed.lower())][:5]
    verdict = "known" if typed in known else "begun" if like else "unknown"
    return render_template("pseudonym.html", verdict=verdict, typed=typed, study=study, like=like)


@pages.get("/experiments/<experiment_id>/card")
def card(experiment_id: str) -> ResponseReturnValue:
    """Shows the ExperimentID in large letters for the console."""
    found = _experiment(experiment_id)
    return render_template("card.html", experiment=found, qr=_qr(found.id), record=_yaml(found))


@pages.get("/experiments/<experiment_id>/experiment.yaml")
def record(experiment_id: str) -> ResponseReturnValue:
    """Sends the record as a file."""
    found = _experiment(experiment_id)
    name = f"{found.id}.yaml"
    return Response(
        _yaml(found), mimetype="application/yaml", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _experiment(given: str) -> Experiment:
    parsed = experiment_id.parse(given)
    with person().zone() as zone:
        found = experiment_search.experiment(context(zone), parsed) if parsed else None
    if found is None:
        abort(404, "This experiment does not exist, or you may not see it.")
    return found


def _demand_member(ctx: Context, login: Login, study: str) -> None:
    """Raises Refused unless the person is a member of the study or an administrator."""
    if study and not login.is_admin and login.name not in experiment_search.members(ctx, study):
        raise Refused(f"You are not a member of study {study!r}; ask its owner or a data steward.")


def _form(entries: dict[str, str], errors: dict[str, str]) -> str:
    login = person()
    with login.zone() as zone:
        ctx = context(zone)
        studies = [line for line in experiment_search.studies(ctx) if line.is_active]
        study = entries.get("study", "") or (studies[0].id if len(studies) == 1 else "")
        owners = experiment_search.members(ctx, study) if study else []
    chosen = entries.get("owner", "")
    if chosen not in owners:
        chosen = login.name if login.name in owners else owners[0] if len(owners) == 1 else ""
    settings = site().settings
    scanner = entries.get("scanner") or (settings.scanners[0] if len(settings.scanners) == 1 else "")
    filled = {**dict.fromkeys(KEYS, ""), **entries, "study": study, "owner": chosen, "scanner": scanner}
    return render_template("register.html", entries=filled, errors=errors, studies=studies, owners=owners)


def _by_field(error: str) -> dict[str, str]:
    """Assigns a rule's error to the entries that it begins with: `study, owner: missing`."""
    names, _, text = error.partition(": ")
    fields = [name for name in names.split(", ") if name in KEYS]
    return dict.fromkeys(fields, text[:1].upper() + text[1:]) if fields and text else {"": error}


def _qr(text: str) -> str:
    """A QR code as SVG, of the text alone: scanners of every kind type it like a keyboard."""
    import segno

    return str(
        segno.make_qr(text, error="m").svg_inline(
            border=2, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True
        )
    )


def _yaml(experiment: Experiment) -> str:
    import yaml

    return str(yaml.safe_dump(experiment.record(), allow_unicode=True, sort_keys=False))

"""The first page, and the pages of a study and of a subject."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from forms.access import person
from forms.page_site import context
from policy.views import experiment_search
from policy.views.experiment_search import Search

pages = Blueprint("home", __name__)


def page_number() -> int:
    """Returns the number of a list's page, from 0."""
    text = request.args.get("page", "1")
    return max(1, int(text) if text.isdigit() and len(text) < 7 else 1) - 1


@pages.get("/")
def home() -> ResponseReturnValue:
    """Shows the user's studies and the newest experiments."""
    with person().zone() as zone:
        ctx = context(zone)
        return render_template(
            "home.html",
            studies=experiment_search.studies(ctx),
            found=experiment_search.search(ctx, Search(), page=page_number()),
        )


@pages.get("/studies/<study>")
def study(study: str) -> ResponseReturnValue:
    """Shows a study: its subjects and experiments."""
    with person().zone() as zone:
        ctx = context(zone)
        line = next((line for line in experiment_search.studies(ctx) if line.id == study), None)
        if line is None:
            abort(404, "This study does not exist, or you are not a member of it.")
        found = experiment_search.search(ctx, Search(study=study), page=page_number())
        return render_template(
            "study.html",
            study=line,
            subjects=experiment_search.subjects(ctx, study),
            members=experiment_search.members(ctx, study),
            found=found,
        )


@pages.get("/studies/<study>/subjects/<pseudonym>")
def subject(study: str, pseudonym: str) -> ResponseReturnValue:
    """Shows the experiments of a subject."""
    with person().zone() as zone:
        found = experiment_search.search(context(zone), Search(study=study, pseudonym=pseudonym), page=page_number())
        return render_template("subject.html", study=study, pseudonym=pseudonym, found=found)

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
    """Of a list, from 0."""
    text = request.args.get("page", "1")
    return max(1, int(text) if text.isdigit() and len(text) < 7 else 1) - 1


@pages.get("/")
def home() -> ResponseReturnValue:
    """My studies and the latest experiments."""
    with person().zone() as zone:
        ctx = context(zone)
        return render_template(
            "home.html",
            studies=experiment_search.studies(ctx),
            found=experiment_search.search(ctx, Search(), page=page_number()),
        )


@pages.get("/studies/<study>")
def study(study: str) -> ResponseReturnValue:
    """A study: its subjects and experiments."""
    with person().zone() as zone:
        ctx = context(zone)
        line = next((line for line in experiment_search.studies(ctx) if line.id == study), None)
        if line is None:
            abort(404, "There is no such study, or you are no member of it.")
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
    """The experiments of a subject."""
    with person().zone() as zone:
        found = experiment_search.search(context(zone), Search(study=study, pseudonym=pseudonym), page=page_number())
        return render_template("subject.html", study=study, pseudonym=pseudonym, found=found)

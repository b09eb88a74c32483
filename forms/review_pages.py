"""Lists the questions that wait for a data steward, and takes answers. The policies read the verdict's first word."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from forms.access import demand_steward, person
from forms.home_pages import page_number
from forms.page_site import context, rule, site
from policy.records import review
from policy.records.review import Review
from policy.studies import missing_pseudonyms
from policy.withdrawal import erasure

pages = Blueprint("reviews", __name__)
LONGEST = 1000
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: its text, the first words of the verdict, and what the answer does."""

    text: str
    verdict: str
    meaning: str
    is_final: bool = False


SETTLED = {
    "settled": Choice(
        "Mark as settled",
        "settled",
        "Somebody has settled the matter. The question leaves the list; nothing else happens.",
    )
}
CHOICES = {
    erasure.REVIEW: {
        "erase": Choice(
            "Erase",
            erasure.ERASE,
            "The data are erased when the experiment cannot be restored any more: every replica, copies, files in the"
            " landing zone. Until then the experiment can be restored; after that nobody can bring it back.",
            is_final=True,
        ),
        "hide": Choice(
            "Do not erase",
            "not to be erased",
            "The data stay hidden and are not erased while the reasons above apply. If a retention time is the only"
            " reason, they are erased when it is over. The experiment can be restored.",
        ),
    },
    erasure.SESSION: {
        "erase": Choice(
            "Erase the session",
            erasure.ERASE,
            "The session belongs to the withdrawn experiment. Both are erased together; after that nobody can bring"
            " them back.",
            is_final=True,
        ),
        "keep": Choice(
            "Keep the session",
            "keep",
            "The session does not belong to the withdrawn experiment, or nobody knows. It stays in quarantine when the"
            " experiment is erased.",
        ),
    },
    missing_pseudonyms.KIND: {
        "keep": Choice(
            "Keep the subject",
            missing_pseudonyms.KEEP,
            "Experiments can be registered for the subject again, although Castellum does not name it.",
        ),
        "bar": Choice(
            "Register nothing more",
            "stays barred",
            "New experiments cannot be registered for the subject until Castellum names it again. Archived data stay;"
            " to hide them, withdraw the subject.",
        ),
    },
}
"""Kind of review -> name -> choice. People settle reviews of other kinds outside MrData and mark them here."""


def choices(one: Review) -> dict[str, Choice]:
    """Returns the possible answers."""
    return CHOICES.get(one.kind, SETTLED)


@pages.get("/reviews")
def reviews() -> ResponseReturnValue:
    """Lists waiting questions, oldest first; with `?judged=yes` answered ones, newest first."""
    is_judged = request.args.get("judged") == "yes"
    with site().service.zone() as service:
        demand_steward(service)
        listed = review.judged if is_judged else review.waiting
        found, total = listed(context(service), page_number())
    return render_template("reviews.html", reviews=found, total=total, choices=choices, is_judged=is_judged)


@pages.get("/reviews/<number>/<name>")
def ask(number: str, name: str) -> ResponseReturnValue:
    """Shows what the answer does, and asks for its reason."""
    with site().service.zone() as service:
        demand_steward(service)
        one = _waiting(review.numbered(context(service), number))
    return _page(one, name)


@pages.post("/reviews/<number>/<name>")
def say(number: str, name: str) -> ResponseReturnValue:
    """Saves the answer."""
    reason = " ".join(request.form.get("reason", "").split())
    with site().acting(person()) as service:
        login = demand_steward(service)
        one = _waiting(review.numbered(context(service), number))
        choice = _choice(one, name)
        if not reason or len(reason) > LONGEST:
            error = f"Give a reason of at most {LONGEST} characters." if reason else "Give a reason."
            return _page(one, name, reason, error), 400
        rule(
            service, "review_close", {"kind": one.kind, "key": one.key, "verdict": f"{choice.verdict}: {reason}"}, login
        )
    flash(f"{choice.text}: the answer is saved, with the reason and your name.")
    return redirect(url_for("reviews.reviews"), 303)


def _page(one: Review, name: str, reason: str = "", error: str = "") -> str:
    choice = _choice(one, name)
    return render_template(
        "review.html", review=one, name=name, choice=choice, reason=reason, error=error, longest=LONGEST
    )


def _choice(one: Review, name: str) -> Choice:
    return choices(one).get(name) or abort(404)


def _waiting(found: Review | None) -> Review:
    if found is None:
        abort(404, "This question does not exist.")
    if found.closed:
        abort(409, f"{found.by} has already answered this question: {found.verdict}")
    return found

"""What waits for a data steward's word, and giving it. The policies that asked read the verdict by its first word."""

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
    """A button: its text, with what the verdict begins, and what follows from it."""

    text: str
    verdict: str
    meaning: str
    is_final: bool = False


SETTLED = {
    "settled": Choice(
        "Settled", "settled", "Somebody has seen to it: it leaves the list. MrData does nothing else by this word."
    )
}
CHOICES = {
    erasure.REVIEW: {
        "erase": Choice(
            "Erase",
            erasure.ERASE,
            "What the question is about is erased as soon as the experiment's time to be restored has passed: every"
            " replica, copies, files in the landing zone. Until then the experiment can be restored; after that nobody"
            " can bring it back.",
            is_final=True,
        ),
        "hide": Choice(
            "Do not erase",
            "not to be erased",
            "Nobody finds it, and it is not erased while what is said above holds. Where nothing but a time to be kept"
            " speaks against it, it is erased when that has passed. The experiment can be restored.",
        ),
    },
    erasure.SESSION: {
        "erase": Choice(
            "Erase the session",
            erasure.ERASE,
            "It is the withdrawn experiment's: it is erased together with it, and nobody can bring it back after that.",
            is_final=True,
        ),
        "keep": Choice(
            "Keep the session",
            "keep",
            "It is not the withdrawn experiment's, or nobody knows: it stays in quarantine when the experiment is"
            " erased.",
        ),
    },
    missing_pseudonyms.KIND: {
        "keep": Choice(
            "Keep the subject",
            missing_pseudonyms.KEEP,
            "Experiments are registered for it again, though Castellum does not name it.",
        ),
        "bar": Choice(
            "Register nothing more",
            "stays barred",
            "Nothing new is registered for it until Castellum names it again. What is archived stays; to hide it,"
            " withdraw the subject.",
        ),
    },
}
"""Kind of review -> name -> choice; those of other kinds are settled outside, and leave the list by that word."""


def choices(one: Review) -> dict[str, Choice]:
    """What can be answered."""
    return CHOICES.get(one.kind, SETTLED)


@pages.get("/reviews")
def reviews() -> ResponseReturnValue:
    """What waits, the oldest first; with `?judged=yes` what was decided, the latest first."""
    is_judged = request.args.get("judged") == "yes"
    with site().service.zone() as service:
        demand_steward(service)
        listed = review.judged if is_judged else review.waiting
        found, total = listed(context(service), page_number())
    return render_template("reviews.html", reviews=found, total=total, choices=choices, is_judged=is_judged)


@pages.get("/reviews/<number>/<name>")
def ask(number: str, name: str) -> ResponseReturnValue:
    """Says what the answer means, and asks for it and its reason."""
    with site().service.zone() as service:
        demand_steward(service)
        one = _waiting(review.numbered(context(service), number))
    return _page(one, name)


@pages.post("/reviews/<number>/<name>")
def say(number: str, name: str) -> ResponseReturnValue:
    """Gives the word."""
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
    flash(f"{choice.text}: your word is kept, with the reason and your name.")
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
        abort(404, "There is no such question.")
    if found.closed:
        abort(409, f"{found.by} has answered this already: {found.verdict}")
    return found

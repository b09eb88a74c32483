"""Searches experiments by study, pseudonym, date, protocol, times and angle."""

from __future__ import annotations

import re

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from forms.access import person
from forms.experiment_pages import ways
from forms.home_pages import page_number
from forms.page_site import context, site
from policy.views import experiment_search
from policy.views.experiment_search import Found, Range, Search
from policy.zone.context import Refused
from policy.zone.vocabulary import AT_SCAN

pages = Blueprint("search", __name__)
NUMBERS = {
    "tr": ("RepetitionTime", "TR", "ms", 1000.0),
    "te": ("EchoTime", "TE", "ms", 1000.0),
    "fa": ("FlipAngle", "Flip angle", "°", 1.0),
}
"""Name in the form: name in the vocabulary, label, unit of the form, how many of it are one of the vocabulary's."""
TEXTS = ("study", "pseudonym", "since", "until", "protocol", "attribute", "value")
LONGEST = 200
"""Characters of an entry."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@pages.get("/search")
def search() -> ResponseReturnValue:
    """Shows the form, and the results if the user has entered something."""
    entries = {
        name: request.args.get(name, "").strip()
        for name in (*TEXTS, *(f"{n}_{end}" for n in NUMBERS for end in ("min", "max")))
    }
    error, found = "", None
    with person().zone() as zone:
        ctx = context(zone)
        if any(text for name, text in entries.items() if name != "attribute"):
            try:
                found = experiment_search.search(ctx, _wanted(entries), page=page_number())
            except Refused as refused:
                error = str(refused)
        studies = experiment_search.studies(ctx)
    copies = [] if found is None else [(e, ways(e.path)) for e in found.experiments]
    return render_template(
        "search.html",
        entries=entries,
        studies=studies,
        numbers=NUMBERS,
        found=found or Found([], 0),
        asked=found is not None,
        copies=copies,
        error=error,
    ), (400 if error else 200)


def _wanted(entries: dict[str, str]) -> Search:
    if any(len(text) > LONGEST for text in entries.values()):
        raise Refused(f"Write no more than {LONGEST} characters into a field.")
    for name in ("since", "until"):
        if entries[name] and not _DAY.fullmatch(entries[name]):
            raise Refused(f"{entries[name]!r}: write a day as 2026-01-31.")
    ranges = {}
    for name, (attribute, label, _, scale) in NUMBERS.items():
        low, high = (_number(entries[f"{name}_{end}"], label, scale) for end in ("min", "max"))
        if low is not None or high is not None:
            ranges[attribute] = Range(low, high)
    exact = _known_at_scan(entries["attribute"], entries["value"])
    texts = {name: entries[name] for name in ("study", "pseudonym", "since", "until", "protocol")}
    if "/" in texts["study"] or "%" in texts["study"]:
        raise Refused(f"{texts['study']!r} is not a StudyID.")
    return Search(ranges=ranges, exact=exact, **texts)


def _known_at_scan(attribute: str, value: str) -> dict[str, str]:
    """Returns the condition on an attribute of the subject that was known at the scan, by its AVU."""
    if not value:
        return {}
    if attribute not in site().settings.castellum.attributes:
        raise Refused("Choose the attribute that was known when the subject was scanned.")
    return {f"{AT_SCAN}.{attribute}": value}


def _number(text: str, label: str, scale: float) -> float | None:
    if not text:
        return None
    try:
        return float(f"{float(text.replace(',', '.')) / scale:.9g}")
    except ValueError:
        raise Refused(f"{label}: {text!r} is not a number.") from None

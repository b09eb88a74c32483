"""Keeps the date until which a finalized experiment has to be kept, and reminds data stewards. Nothing is deleted by
itself.

The date is on the experiment's collection (AVU `RetentionEnd`). Data stewards are told a year, a quarter and a month
before, by one review for a study and a month, so that a year's experiments are not a thousand reviews.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from policy.records import audit, review
from policy.studies.study import YEARS
from policy.zone import AVU, Condition, layout
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment

END = "RetentionEnd"
"""AVU of a finalized experiment: the first day on which it may be deleted; ISO 8601."""
LOOKED = "RetentionLooked"
"""AVU of the collection of all studies: the day of the last look."""
REVIEW = "retention"


def begin(context: Context, experiment: Experiment) -> str:
    """Writes the end of retention of an experiment that is being finalized: the years of its study, or else of the
    site, from today.

    The end never becomes earlier if the experiment is finalized again.
    """
    own = [
        avu.value
        for avu in context.zone.metadata(layout.study(context.settings, experiment.study))
        if avu.attribute == YEARS
    ]
    years = int(own[0]) if own else context.settings.retention.years
    has = end(context, experiment)
    return _set(context, experiment, max(has, later(today(context), years).isoformat()))


def end(context: Context, experiment: Experiment) -> str:
    """The date; empty where there is none yet."""
    return max((avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == END), default="")


def is_due(context: Context, experiment: Experiment) -> bool:
    """Whether it no longer has to be kept: what was never finalized has no end, and never had to be."""
    return end(context, experiment) <= today(context).isoformat()


def extend(context: Context, experiment: Experiment, until: str, by: str) -> str:
    """Sets a later end, for a data steward. Raises `Refused` for an earlier end: the duty cannot be shortened."""
    try:
        wanted = date.fromisoformat(until).isoformat()
    except ValueError as error:
        raise Refused(f"until: {until!r} is not a date; write it as 2036-12-31") from error
    has = end(context, experiment)
    if not has:
        raise Refused(f"{experiment.id} is not finalized, and has no end of retention yet", ErrorKind.CONFLICT)
    if wanted <= has:
        raise Refused(f"{experiment.id} is kept until {has} already; give a later date", ErrorKind.CONFLICT)
    audit.record(
        context, "retention extended", experiment=experiment.id, study=experiment.study, by=by, before=has, until=wanted
    )
    return _set(context, experiment, wanted)


def notices(context: Context) -> int:
    """Opens a review for each study and month whose end has come near; how many are new. Looks once a day."""
    zone, root = context.zone, layout.studies(context.settings)
    day = AVU(LOOKED, today(context).isoformat())
    held = [avu for avu in zone.metadata(root) if avu.attribute == LOOKED]
    if day in held:
        return 0
    opened = 0
    for days in sorted(context.settings.retention.notice_days):
        for (study, month), experiments in _ending(context, days).items():
            opened += review.open_review(
                context, REVIEW, f"{study} {month} {days}", _text(study, month, days, experiments)
            )
    zone.annotate(root, add=[day], remove=held)
    return opened


def _ending(context: Context, days: int) -> dict[tuple[str, str], list[str]]:
    """(study, month) -> the experiments that may be deleted in that month, for each month that begins within `days`."""
    until = (today(context) + timedelta(days=days)).isoformat()
    by_end = [Condition("META_COLL_ATTR_NAME", "=", END), Condition("META_COLL_ATTR_VALUE", "<=", until[:8] + "99")]
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, value in context.zone.query(["COLL_NAME", "META_COLL_ATTR_VALUE"], *by_end):
        experiment = layout.experiment_of(context.settings, path)
        if experiment and path.endswith(f"/experiments/{experiment}"):
            study = path.removeprefix(layout.studies(context.settings) + "/").partition("/")[0]
            found[study, value[:7]].append(experiment)
    return found


def _text(study: str, month: str, days: int, experiments: list[str]) -> str:
    shown = ", ".join(sorted(experiments)[:20]) + (
        f" and {len(experiments) - 20} more" if len(experiments) > 20 else ""
    )
    return (
        f"{len(experiments)} experiments of study {study} have to be kept until {month}, which is less than {days} days"
        f" away: {shown}. Nothing is deleted by itself: extend the time (mrdata_retention_extend) or, when it has"
        " ended, withdraw them (mrdata_withdraw)."
    )


def _set(context: Context, experiment: Experiment, until: str) -> str:
    old = [avu for avu in context.zone.metadata(experiment.path) if avu.attribute == END]
    new = AVU(END, until)
    context.zone.annotate(
        experiment.path, add=[new] if new not in old else [], remove=[avu for avu in old if avu != new]
    )
    return until


def today(context: Context) -> date:
    """In UTC."""
    return datetime.fromtimestamp(context.now(), UTC).date()


def later(day: date, years: int) -> date:
    """The same day `years` later; 1 March for 29 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)

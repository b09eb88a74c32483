"""One poll of Castellum, as a policy: snapshot -> canonical tree -> git -> zone -> remote.

Each step is whole or not done, and the next poll goes on where one was killed. Where nothing has changed, nothing is
written.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from policy.castellum import comparison, mixed_use, values_at_scan, zone_sync
from policy.castellum.comparison import EVERYTHING, Comparison
from policy.castellum.metadata_history import History, HistoryError
from policy.castellum.mixed_use import Refusal
from policy.castellum.snapshot import Source, SourceError
from policy.records import review
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.log import tell

SMALLER, PERSONAL = "smaller answer", "refused value"
"""Kinds of reviews."""


@dataclass(slots=True)
class Report:
    """What came of a poll. `alarm` says why nothing could be known.

    `faults` says of single studies why they stayed as they were.
    """

    alarm: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    studies: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    commit: str = ""
    avus: int = 0
    still_exported: list[str] = field(default_factory=list)
    """`<StudyID>/<pseudonym>` of subjects that were erased here."""
    behind: int = 0
    """Studies of the zone that could not be brought up to date."""
    refused: list[Refusal] = field(default_factory=list)
    without_account: dict[str, list[str]] = field(default_factory=dict)
    pushed: bool = False
    push_error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all that Castellum has is in git and in the zone."""
        return not (self.alarm or self.faults or self.behind)


def poll(
    context: Context,
    source: Source,
    history: History,
    *,
    accept_smaller: Collection[str] = (),
    check: bool = False,
    new_history: bool = False,
) -> Report:
    """Polls once; the caller holds the lock. Raises `Refused` for settings that cannot be meant.

    `accept_smaller` names studies (`*`: the list of studies) whose answer may be smaller than is believed otherwise.
    `check` compares the whole zone with git. `new_history` goes on where the repository that the zone followed is lost.
    """
    if faults := mixed_use.wrong_names(context.settings.castellum.attributes):
        raise Refused("; ".join(faults))
    report = Report()
    shown = zone_sync.followed(context)
    if shown and not history.has(shown) and not new_history:
        raise Refused(
            f"{context.settings.castellum.repository}: lacks the commit {shown} that the zone follows; bring the"
            " repository back from its remote or a backup, or call the rule with new_history to begin a new history",
            ErrorKind.CONFLICT,
        )
    _catch_up(context, history, report, everything=False)
    _take_over(context, source, history, report, accept_smaller)
    _catch_up(context, history, report, everything=check)
    report.avus += values_at_scan.look_up(context, history)
    try:
        report.pushed = history.push()
    except HistoryError as error:
        report.push_error = str(error)
    _log(context, report)
    return report


def _take_over(
    context: Context, source: Source, history: History, report: Report, accept_smaller: Collection[str]
) -> None:
    old = history.head()
    try:
        found = comparison.compare(
            source, history, old, context.settings.castellum, accept=accept_smaller, now=_now(context)
        )
    except SourceError as error:
        report.alarm = str(error)
        if EVERYTHING not in accept_smaller and "are not listed any more" in report.alarm:
            _ask_about_smaller(context, {EVERYTHING: report.alarm})
        return
    report.studies, report.faults, report.changes = len(found.seen), found.faults, dict(found.counts)
    report.refused = sorted(found.refusals)
    if found.changes:
        report.commit = history.commit(old, found.changes, message(found))
    report.without_account = zone_sync.members(context, history, [s for s in found.seen if s.id not in found.faults])
    _ask_about_smaller(context, found.shrunk)
    _ask_about_values(context, found.refusals)


def message(found: Comparison) -> str:
    """The commit's message: numbers, never names or values."""
    counts = ", ".join(f"{number} {what}" for what, number in sorted(found.counts.items()))
    return f"Castellum: {counts}\n"


def _catch_up(context: Context, history: History, report: Report, *, everything: bool) -> None:
    done = zone_sync.catch_up(context, history, everything=everything)
    report.avus += done.avus
    report.behind = done.failed
    report.still_exported = sorted({*report.still_exported, *done.still_exported})


def _ask_about_smaller(context: Context, shrunk: dict[str, str]) -> None:
    for study, text in shrunk.items():
        what = "The list of studies" if study == EVERYTHING else f"The study {study}"
        how = f'call the rule mrdata_castellum_poll with {{"accept_smaller": ["{study}"]}}'
        review.open_review(
            context,
            SMALLER,
            f"{study}: {text}",
            f"{what} in Castellum's answer: {text}. Nothing was changed. If it is right, {how}.",
        )


def _ask_about_values(context: Context, refusals: list[Refusal]) -> None:
    """One review for an attribute of a study, however many subjects have such a value."""
    counted = Counter((r.study, r.attribute, r.reason) for r in refusals)
    for (study, attribute, reason), number in counted.items():
        text = (
            f"Study {study}: the attribute {attribute} {reason} for {number} subjects, and was not taken for them (the"
            " poll's report names their pseudonyms). Correct it in Castellum; or, if such values are not personal data,"
            " allow them in mrdata.yaml."
        )
        review.open_review(context, PERSONAL, f"{study}/{attribute} {reason}", text)


def _log(context: Context, report: Report) -> None:
    """Alarms in the server's log; nothing where all is well and nothing has changed."""
    alarms = [f"ALARM: {report.alarm}"] if report.alarm else []
    alarms += [f"ALARM: study {study}: {fault}" for study, fault in sorted(report.faults.items())]
    alarms += [f"cannot push: {report.push_error}"] if report.push_error else []
    changed = ", ".join(f"{number} {what}" for what, number in sorted(report.changes.items()))
    for line in [*alarms, *([changed] if changed else [])]:
        tell(context.zone, "castellum", line)


def _now(context: Context) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))

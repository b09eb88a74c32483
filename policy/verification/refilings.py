"""What was re-filed while everything was verified: an object may have gone from where nobody had looked yet to where
somebody had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from policy.ingest.refiling import REFILING, TAKING_BACK
from policy.records import audit
from policy.verification.findings import Finding, Kind, Look, Report
from policy.zone import ZoneError, experiment_id, layout
from policy.zone.context import Context

_BEGAN = "audit_entries"
"""Count: how many entries the audit log had when the verification began."""


def begin(context: Context, after: str) -> Iterator[Look]:
    """Remembers where the audit log ended."""
    number = int(audit.end(context).partition(":")[0])
    yield Look(str(number), Counter({_BEGAN: number + 1}))


def looks(context: Context, report: Report, after: str) -> Iterator[Look]:
    """One look for what was re-filed since, from one experiment to another, or back to quarantine."""
    number, findings = report.counts[_BEGAN], []
    root, last = layout.audit(context.settings), int(audit.end(context).partition(":")[0])
    for one in range(number, last + 1):
        path = audit.path_of(root, one)
        try:
            stat = context.zone.stat(path)
            entry = audit.parsed(context.zone.read(path, 0, stat.size if stat else 0))
        except (ZoneError, ValueError) as error:
            findings.append(Finding(Kind.UNSEEN, path, f"cannot be read: {error}; run `mrdata audit verify`"))
            continue
        sideways = entry.act == REFILING and experiment_id.parse(entry.details.get("source", "")) not in (
            None,
            entry.experiment,
        )
        if sideways or entry.act == TAKING_BACK:
            text = "had objects re-filed while everything was verified; verify it again"
            findings.append(Finding(Kind.UNSEEN, f"experiment {entry.experiment}", text))
    yield Look(str(last), Counter(), findings)

"""Counts how much was archived on each day, by scanner and kind of data. One object holds a month.

It is a statistic: a process that is killed before it keeps its counts loses those of one run, and nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from policy.records import status_report
from policy.zone import layout
from policy.zone.context import Context
from policy.zone.registry import Registry

KEEP = 500
"""Objects after which counts are kept. They are also kept at the end of a run."""


@dataclass(slots=True)
class Tally:
    """(day, scanner, kind of data) -> objects, bytes. `day` as the server's clock has it, ISO 8601."""

    counts: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    objects: int = 0

    def add(self, context: Context, path: str) -> None:
        """One object that has been archived just now."""
        experiment_id, stat = layout.experiment_of(context.settings, path), context.zone.stat(path)
        experiment = Registry(context).experiment(experiment_id) if experiment_id else None
        if experiment is None or stat is None or layout.is_record(context.settings, path):
            return
        kind = path.removeprefix(experiment.path + "/").split("/")[0]
        self.count(context, experiment.scanner, kind, 1, stat.size)
        if self.objects >= KEEP:
            self.keep(context)

    def count(self, context: Context, scanner: str, kind: str, objects: int, size: int) -> None:
        """Objects of one scanner and kind that were archived today; `size` in bytes."""
        key = (time.strftime("%Y-%m-%d", time.localtime(context.now())), scanner, kind)
        before = self.counts.get(key, (0, 0))
        self.counts[key] = (before[0] + objects, before[1] + size)
        self.objects += objects

    def keep(self, context: Context) -> None:
        """Adds what was counted to the months' objects."""
        for month in {day[:7] for day, _, _ in self.counts}:
            held = of_month(context, month)
            for (day, scanner, kind), (objects, size) in self.counts.items():
                if day.startswith(month):
                    before = held.setdefault(day, {}).setdefault(scanner, {}).get(kind, [0, 0])
                    held[day][scanner][kind] = [before[0] + objects, before[1] + size]
            status_report.tell(context.zone, context.settings, f"volume/{month}", held)
        self.counts, self.objects = {}, 0


def of_month(context: Context, month: str) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Day -> scanner -> kind of data -> [objects, bytes]."""
    return status_report.told(context.zone, context.settings, f"volume/{month}")


def of_days(context: Context, days: int) -> list[tuple[str, dict[str, int]]]:
    """The last days, the oldest first, with the bytes of each scanner."""
    wanted = [time.strftime("%Y-%m-%d", time.localtime(context.now() - 86400 * back)) for back in reversed(range(days))]
    months = {month: of_month(context, month) for month in sorted({day[:7] for day in wanted})}
    return [
        (
            day,
            {
                scanner: sum(size for _, size in kinds.values())
                for scanner, kinds in months[day[:7]].get(day, {}).items()
            },
        )
        for day in wanted
    ]

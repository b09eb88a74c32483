"""The board's figures for Prometheus.

Names of scanners, rules, hooks and resources only: nothing of a person, nothing of an experiment.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from policy.views.board import Board


def text(board: Board | None) -> bytes:
    """The exposition format; of a zone that does not answer only that."""
    registry = CollectorRegistry()
    registry.register(_Figures(board))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, board: Board | None) -> None:
        self._board = board

    def collect(self) -> Iterator[GaugeMetricFamily]:
        board = self._board
        yield _gauge("mrdata_zone_up", "Whether the zone answers.", [], [((), float(board is not None))])
        if board is None:
            return
        yield from _of_scanners(board)
        yield from _of_parts(board)
        yield from _of_archive(board)


def _of_scanners(board: Board) -> Iterator[GaugeMetricFamily]:
    by = ["scanner"]
    figures = {
        "mrdata_scanner_last_object_timestamp_seconds": (
            "When an object came last, in an experiment that is under way; 0: none.",
            "last",
        ),
        "mrdata_scanner_recent_objects": (
            "Objects that came within the last minutes (board.recent_minutes).",
            "recent",
        ),
        "mrdata_landing_files": ("Files of the landing zone that are not registered yet.", "files"),
        "mrdata_landing_objects": ("Objects in the landing collections that are not placed yet.", "resting"),
        "mrdata_landing_held_objects": ("Objects on hold with an error.", "held"),
    }
    for name, (help_, field) in figures.items():
        yield _gauge(name, help_, by, [((s.name,), float(getattr(s, field))) for s in board.scanners])
    silent = [((s.name,), float(s.state == "silent")) for s in board.scanners]
    yield _gauge("mrdata_scanner_silent", "Whether it sends nothing while an experiment is under way.", by, silent)
    missed = [((s.name,), float(len(s.without_raw))) for s in board.scanners]
    yield _gauge(
        "mrdata_experiments_without_raw", "Yesterday's experiments with images and without raw data.", by, missed
    )
    today = board.volume[-1][1] if board.volume else {}
    yield _gauge(
        "mrdata_archived_today_bytes",
        "Archived today.",
        by,
        [((s.name,), float(today.get(s.name, 0))) for s in board.scanners],
    )


def _of_parts(board: Board) -> Iterator[GaugeMetricFamily]:
    yield _gauge(
        "mrdata_landing_told_timestamp_seconds",
        "When the landing host told last how it stands.",
        [],
        [((), board.landing_told)],
    )
    yield _gauge(
        "mrdata_server_told_timestamp_seconds",
        "When the server told last how it stands.",
        [],
        [((), board.server_told)],
    )
    rules = [((name,), last) for name, last in board.rules.items()]
    yield _gauge(
        "mrdata_rule_last_run_timestamp_seconds", "When a scheduled delay rule ran last; 0: not yet.", ["rule"], rules
    )
    disks = [(",".join(disk.names), disk) for disk in board.disks]
    yield _gauge(
        "mrdata_disk_size_bytes",
        "Size of a disk of the server.",
        ["holds"],
        [((name,), float(disk.total)) for name, disk in disks],
    )
    yield _gauge(
        "mrdata_disk_free_bytes", "Free space on it.", ["holds"], [((name,), float(disk.free)) for name, disk in disks]
    )
    if board.castellum is not None:
        good = float(board.castellum["last_good"])
        yield _gauge(
            "mrdata_castellum_last_good_poll_timestamp_seconds",
            "When Castellum was polled well last; 0: never.",
            [],
            [((), good)],
        )
    events = [((hook,), float(count)) for hook, count in board.events.items()]
    yield _gauge("mrdata_events_waiting", "Events that a hook has not taken yet.", ["hook"], events)
    problems = [((p.level.value, p.code, p.scanner), 1.0) for p in board.problems]
    yield _gauge("mrdata_problem", "What a person should look at.", ["level", "code", "scanner"], sorted(set(problems)))


def _of_archive(board: Board) -> Iterator[GaugeMetricFamily]:
    reasons = [((reason,), float(count)) for reason, count in board.quarantine.items()]
    yield _gauge("mrdata_quarantine_objects", "Objects in quarantine.", ["reason"], reasons)
    yield _gauge("mrdata_reviews_waiting", "Questions that wait for a data steward.", [], [((), float(board.reviews))])
    fixity = board.fixity
    yield _gauge(
        "mrdata_fixity_faults",
        "Archived objects that are damaged and could not be repaired.",
        [],
        [((), float(fixity["faults"]))],
    )
    yield _gauge(
        "mrdata_fixity_forecast_days",
        "No checksum will be older when it is verified.",
        [],
        [((), float(fixity["forecast_days"]))],
    )
    oldest = float(calendar.timegm(time.strptime(fixity["oldest"], "%Y-%m-%d"))) if fixity["oldest"] else 0.0
    yield _gauge(
        "mrdata_fixity_oldest_timestamp_seconds",
        "The day on which the oldest checksum was verified; 0: none yet.",
        [],
        [((), oldest)],
    )


def _gauge(
    name: str, help_: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family

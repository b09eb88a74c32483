"""The day of an experiment's scan, where its first image comes later than on that day: re-filed from quarantine, or
sent late.

What is known of the subject has perhaps changed meanwhile. The day stands on the experiment until the next poll of
Castellum has looked up in git what was known at its end (`policy.castellum.values_at_scan.look_up`): git is on one
server's disk, and no object waits for it.
"""

from __future__ import annotations

import time

from policy.zone import AVU, Condition, layout
from policy.zone.context import Context
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType

NOTE = "AtScanDay"
"""AVU of an experiment: YYYYMMDD, the scanner's."""
_FORMAT = "%Y%m%d"


def note(context: Context, experiment: Experiment, day: str) -> None:
    """Before a series or a raw file of this `day` (YYYYMMDD, or empty) is placed; asks the catalog nothing where it is
    today.
    """
    if not context.settings.castellum.source or not _is_past(context, day) or has_images(context, experiment.path):
        return
    if AVU(NOTE, day) not in context.zone.metadata(experiment.path):
        context.zone.annotate(experiment.path, add=[AVU(NOTE, day)])


def has_images(context: Context, path: str) -> bool:
    """DICOM or raw data; Expanded Data may come before the scan."""
    for data_type in (DataType.DICOM, DataType.TWIX):
        for condition in (
            Condition("COLL_NAME", "=", f"{path}/{data_type}"),
            Condition("COLL_NAME", "like", f"{path}/{data_type}/%"),
        ):
            if context.zone.query(
                ["COLL_NAME", "DATA_TYPE_NAME"], condition
            ):  # one row a series, however many images it has
                return True
    return False


def noted(context: Context) -> dict[str, str]:
    """Path -> day, of all experiments that wait for a poll; of several days the first."""
    rows = context.zone.query(["COLL_NAME", "META_COLL_ATTR_VALUE"], Condition("META_COLL_ATTR_NAME", "=", NOTE))
    root = layout.studies(context.settings) + "/"  # elsewhere people set what AVUs they like
    return {path: day for path, day in sorted(rows, reverse=True) if path.startswith(root)}


def done(context: Context, path: str) -> None:
    """It has been looked up."""
    context.zone.annotate(path, remove=[avu for avu in context.zone.metadata(path) if avu.attribute == NOTE])


def end(day: str) -> float:
    """Its last second where the server is; seconds since 1970.

    >>> end("20261024") - end("20261023") in (23 * 3600, 24 * 3600, 25 * 3600)
    True
    """
    parsed = time.strptime(day, _FORMAT)
    return time.mktime((parsed.tm_year, parsed.tm_mon, parsed.tm_mday + 1, 0, 0, 0, 0, 0, -1)) - 1


def _is_past(context: Context, day: str) -> bool:
    if len(day) != 8 or day >= time.strftime(_FORMAT, time.localtime(context.now())):
        return False
    try:
        return time.strptime(day, _FORMAT).tm_year >= 1900
    except ValueError:
        return False

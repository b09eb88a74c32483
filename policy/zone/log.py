"""What may stand in a log: no name of a file of the landing zone, of quarantine or of the archive, for it may hold a
person's.

A log is read, copied and kept by others than data stewards. It says of an object its number (DATA_ID), of an error what
kind it is.
"""

from __future__ import annotations

import re

from policy.zone import Zone, ZoneError, data_object

LEFT_OUT = "(name left out)"
_BELOW = re.compile(r"(/[^/\s]+/(?:home/[^/\s]+/(?:landing|quarantine|studies)|trash)/)\S.*", re.DOTALL)
_SAFE = re.compile(r"(/[^/\s]+/home/[^/\s]+/studies/[^/\s]+/experiments/[^/\s]+)(?:/|$)")


class Nameless(ZoneError):
    """An error whose text names no file: a log may show it."""


def error_text(error: BaseException) -> str:
    """What failed, without what it failed with.

    >>> error_text(OSError(28, "No space left on device", "/landing/94T/SIMPSON.dat")), error_text(ZoneError("cannot read /z/SIMPSON", -1))
    ('No space left on device', 'ZoneError, iRODS error -1')
    """  # noqa: E501
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, Nameless):
        return str(error)
    text = type(error).__name__
    if isinstance(error, ZoneError) and error.code:
        return f"{text}, iRODS error {error.code}"
    return f"{text} after {type(error.__cause__).__name__}" if error.__cause__ else text


def object_text(zone: Zone, path: str) -> str:
    """An object, by its number;

    `iquest "select COLL_NAME, DATA_NAME where DATA_ID = '...'"` tells an administrator more.
    """
    try:
        rows = zone.query(["DATA_ID"], *data_object(path))
    except ZoneError:
        rows = []
    return f"object {rows[0][0]}" if rows else "an object"


def without_names(text: str) -> str:
    """For every line that a zone logs: cut where a path goes on below landing, quarantine or an experiment.

    >>> without_names("moving /z/home/mrdata/landing/94T/dicom/SIMPSON HOMER/1.dcm failed")
    'moving /z/home/mrdata/landing/(name left out)'
    >>> without_names("it is in /z/home/mrdata/studies/pain/experiments/Z4KQ-STAS/TWIX/meas_SIMPSON.dat")
    'it is in /z/home/mrdata/studies/pain/experiments/Z4KQ-STAS/(name left out)'
    """
    found = _BELOW.search(text)
    if found is None:
        return text
    if safe := _SAFE.match(text, found.start()):
        return text[: safe.end()] + (LEFT_OUT if safe[0].endswith("/") else without_names(text[safe.end() :]))
    return text[: found.end(1)] + LEFT_OUT

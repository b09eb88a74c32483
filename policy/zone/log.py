"""What may stand in a log: no name of a file of the landing zone, of quarantine or of the archive, for it may hold a
person's.

A log is read, copied and kept by others than data stewards. It says of an object its number (DATA_ID), of an error what
kind it is.
"""

from __future__ import annotations

import json
import re
import time
from enum import StrEnum

from policy.zone import Zone, ZoneError, data_object
from policy.zone.error_kinds import kind_of


class Level(StrEnum):
    """How much a line matters: what is normal is INFO, what somebody has to look at is ERROR."""

    INFO = "info"
    WARNING = "warning"
    """Something failed, and is tried again or told elsewhere (a review, the board)."""
    ERROR = "error"


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


def line(
    act: str, text: str, *, level: Level = Level.INFO, experiment: str = "", number: str = "", code: str = ""
) -> str:
    """A line of a log (logfmt), without its time: `act` is what was being done, `number` the DATA_ID of an object.

    >>> line("archive", "no space left", level=Level.WARNING, number="10023", code="unavailable")
    'level=warning act=archive object=10023 code=unavailable text="no space left"'
    """
    fields = {"level": level, "act": act, "experiment": experiment, "object": number, "code": code, "text": text}
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items() if value)


def timed_line(act: str, text: str, level: Level = Level.INFO) -> str:
    """The same with its time, for parts outside the server: its log has the time already."""
    return f"time={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line(act, text, level=level)}"


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w.:/+-]+", value) else json.dumps(value, ensure_ascii=False)


def tell(
    zone: Zone,
    act: str,
    text: str,
    *,
    experiment: str = "",
    path: str = "",
    error: BaseException | None = None,
    level: Level | None = None,
) -> None:
    """Writes a line to the zone's log. An object is named by its number, an error by its kind and what failed."""
    said = f"{text}: {error_text(error)}" if error else text
    level = level or (Level.WARNING if error else Level.INFO)
    code = kind_of(error) if error else ""
    zone.log(line(act, said, level=level, experiment=experiment, number=_number(zone, path) if path else "", code=code))


def _number(zone: Zone, path: str) -> str:
    try:
        rows = zone.query(["DATA_ID"], *data_object(path))
    except ZoneError:
        rows = []
    return rows[0][0] if rows else ""


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

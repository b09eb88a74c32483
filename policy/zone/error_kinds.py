"""The kinds of errors: every error that a person or a program can meet has one, and its code is the same everywhere.

A rule's answer has it as `code`, a page as its HTTP status, the command line as its exit status.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """What kind of error it is: the code in answers of rules."""

    BAD_REQUEST = "bad-request"
    """The request itself is wrong: it has to be changed."""
    NOT_FOUND = "not-found"
    """What was asked for is not there."""
    NOT_PERMITTED = "not-permitted"
    """The person may not do this."""
    CONFLICT = "conflict"
    """The state of things does not allow it, or something else is there already."""
    UNAVAILABLE = "unavailable"
    """A part of the system does not answer, or could not do its work: the same request may succeed later."""

    @property
    def http_status(self) -> int:
        """The status of a page (RFC 9110 15.5, 15.6)."""
        return {"bad-request": 400, "not-found": 404, "not-permitted": 403, "conflict": 409, "unavailable": 503}[self]

    @property
    def exit_status(self) -> int:
        """The status of a command; 1 is left for work that was done and found something wrong."""
        return {"bad-request": 2, "not-found": 4, "not-permitted": 5, "conflict": 6, "unavailable": 7}[self]


class MrDataError(Exception):
    """An error in words for people: what failed, why, what to do next."""

    kind = ErrorKind.UNAVAILABLE


def kind_of(error: BaseException) -> ErrorKind:
    """The kind of any error. What is neither MrData's own nor about a file is something that does not answer."""
    if isinstance(error, MrDataError):
        return error.kind
    of_files = {
        FileNotFoundError: ErrorKind.NOT_FOUND,
        FileExistsError: ErrorKind.CONFLICT,
        PermissionError: ErrorKind.NOT_PERMITTED,
    }
    return next((kind for one, kind in of_files.items() if isinstance(error, one)), ErrorKind.UNAVAILABLE)

"""Errors that stop the landing host, and errors that only postpone a file."""

from __future__ import annotations

from policy.zone.error_kinds import ErrorKind, MrDataError


class LandingError(MrDataError):
    """The landing zone cannot be worked on at all; the message says why and what to do."""

    kind = ErrorKind.BAD_REQUEST


class NotYet(Exception):
    """A file is not taken now, and is to be tried again; the message says why, and what a person can do."""


class Gone(Exception):
    """A file is not in the intake any more: another process goes on with it, or somebody has removed it."""

"""Names in the landing zone: what iRODS can hold, what is still temporary, and why something is not registered."""

from __future__ import annotations

import re
from enum import StrEnum

from microservices.catalog import unfindable

LONGEST_PATH = 1087
"""Bytes of a logical or physical path: MAX_NAME_LEN of rodsDef.h, without its closing zero."""

_TEMPORARY_ENDINGS = (".tmp", ".part", ".partial", ".filepart", "~")

# Control characters break iRODS's line and XML protocols and every log; lone surrogates are what Python makes of bytes that are no UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile(f"{_CONTROL.pattern}|{_NOT_UTF8.pattern}|[\u200e\u200f\u202a-\u202e\u2066-\u2069]|\\\\")


class Reason(StrEnum):
    """Why a file or folder of the landing zone needs a person."""

    SYMLINK = "symbolic link"
    SPECIAL = "neither a file nor a folder"
    NOT_UTF8 = "name is not UTF-8"
    CONTROL = "control character in the name"
    UNFINDABLE = "a path that iRODS cannot look up"
    TOO_LONG = "path too long"
    TEMPORARY = "temporary name that stays"
    UNREADABLE = "cannot be read"
    PLACE = "outside the scanners' folders"
    TAKEN = "another object has its name"
    CHANGED = "changed after it was registered"
    OVERWRITTEN = "written over before it was archived"
    RENAMED = "renamed after it was registered"


ADVICE: dict[Reason, str] = {
    Reason.SYMLINK: "links are never followed; put the file itself here (mount a folder, do not link it)",
    Reason.SPECIAL: "sockets, pipes and devices are not archived; remove it",
    Reason.NOT_UTF8: "rename it with UTF-8 characters",
    Reason.CONTROL: "rename it without control characters (line feed, tab, ...)",
    Reason.UNFINDABLE: "iRODS can neither read nor remove it; rename it: no quote together with || or &&, no \\x with two digits",
    Reason.TOO_LONG: f"iRODS holds paths of at most {LONGEST_PATH} bytes; shorten the folders' names",
    Reason.TEMPORARY: "a copy may have been broken off: copy it again, or rename it if it is complete (no leading dot, no .tmp, .part, ~)",
    Reason.UNREADABLE: "let this account read it",
    Reason.PLACE: "move it to <scanner>/{dicom,twix,expdata}/ of a scanner that mrdata.yaml names",
    Reason.TAKEN: "it is registered as soon as that object has left the landing collection; if it does not, rename this file",
    Reason.CHANGED: "the archive keeps what was registered; to archive the new content too, copy it to a new name",
    Reason.OVERWRITTEN: "it is registered as it is now, and what it was before is lost; find out what writes over files that were finished",
    Reason.RENAMED: "it is archived under its first name, and is not registered again; give it that name back",
}
"""What to do about it."""


ODD_NAMES = (Reason.NOT_UTF8, Reason.CONTROL, Reason.UNFINDABLE)
"""What a second name helps against (`landing.tree`)."""


def is_temporary(name: str) -> bool:
    """Whether copying programs use such names for a file that they still write.

    >>> is_temporary(".meas.dat.Xk3f2a"), is_temporary("meas.dat.PART"), is_temporary("meas.dat")
    (True, True, False)
    """
    return name.startswith(".") or name.lower().endswith(_TEMPORARY_ENDINGS)


def unfit(path: str) -> Reason | None:
    """Why iRODS cannot hold such a path; None when it can.

    >>> unfit("it's 100% || b"), unfit("it's 100%")
    (<Reason.UNFINDABLE: 'a path that iRODS cannot look up'>, None)
    """
    if _NOT_UTF8.search(path):
        return Reason.NOT_UTF8
    if _CONTROL.search(path):
        return Reason.CONTROL
    return Reason.UNFINDABLE if unfindable(path) else None


def told(error: OSError) -> str:
    """What the operating system says of an error, without the path."""
    return error.strerror or str(error)


def shown(path: str) -> str:
    """A path as one safe line: what a terminal would obey, or could not print, is escaped.

    >>> shown("a\\nb")
    'a\\\\nb'
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), path)

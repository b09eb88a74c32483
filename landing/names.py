"""Names in the landing zone: what iRODS can hold, what is still temporary, and why something is not taken."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from enum import StrEnum

from microservices.zones.catalog_queries import unfindable
from policy.zone.layout import Branch

LONGEST_PATH = 1087
"""Bytes of a logical or physical path: MAX_NAME_LEN of rodsDef.h, without its closing zero."""
_LONGEST_NAME = 255
"""Bytes of one name of a path: NAME_MAX of limits.h."""

_TEMPORARY_ENDINGS = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")
_LEFTOVER = re.compile(
    r"\.nfs[0-9a-f]{8,}|\.smbdelete.*|~\$.*|\.~lock\..*#|\.#.*|#.*#|\..*\.sw[a-p]|.*~|.*\.(tmp|part|partial|filepart|crdownload)",
    re.IGNORECASE | re.DOTALL,
)

# Control characters break iRODS's line and XML protocols and every log; lone surrogates are what Python makes of bytes
# that are not UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile(f"{_CONTROL.pattern}|{_NOT_UTF8.pattern}|[\u200e\u200f\u202a-\u202e\u2066-\u2069]|\\\\")
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff%'\\\\|&\ud800-\udfff]")


class Reason(StrEnum):
    """Why a file or folder of the landing zone needs a person."""

    SYMLINK = "symbolic link"
    SPECIAL = "neither a file nor a folder"
    TOO_LONG = "path too long"
    TEMPORARY = "temporary name that stays"
    UNREADABLE = "cannot be read"
    PLACE = "outside the scanners' folders"
    NOT_OURS = "may not be taken"


ADVICE: dict[Reason, str] = {
    Reason.SYMLINK: "links are never followed; put the file itself here (mount a folder, do not link it)",
    Reason.SPECIAL: "sockets, pipes and devices are not archived; remove it",
    Reason.TOO_LONG: (
        f"at most {LONGEST_PATH} bytes of a path and {_LONGEST_NAME} of a name can be held (an odd one as three);"
        " shorten it"
    ),
    Reason.TEMPORARY: (
        "a copy may have been broken off: copy it again, or rename it if it is complete (no leading dot, no .tmp,"
        " .part, ~)"
    ),
    Reason.UNREADABLE: "let this account read it",
    Reason.PLACE: "move it to <scanner>/{dicom,twix,expdata}/ of a scanner that mrdata.yaml names",
    Reason.NOT_OURS: (
        "complete files are taken by a rename: let this account write in the folder, which must not have the sticky bit"
    ),
}
"""What to do about it."""


def is_temporary(name: str) -> bool:
    """Whether copying programs use such names for a file that they still write.

    >>> is_temporary(".meas.dat.Xk3f2a"), is_temporary("meas.dat.PART"), is_temporary("meas.dat")
    (True, True, False)
    """
    return name.startswith((".", "~$")) or name.lower().endswith(_TEMPORARY_ENDINGS)


def is_leftover(name: str) -> bool:
    """Whether a file of a tree was made by a program that had, or has, another file open.

    Such a file is not data and is not taken.

    >>> is_leftover(".nfs0000000002c1a3f500000001"), is_leftover("~$table.xlsx"), is_leftover(".bidsignore")
    (True, True, False)
    """
    return _LEFTOVER.fullmatch(name) is not None


def is_fit(path: str) -> bool:
    """Whether iRODS can hold and find such a path.

    >>> is_fit("it's 100% || b"), is_fit("it's 100%"), is_fit("a\\nb")
    (False, True, False)
    """
    return not (_NOT_UTF8.search(path) or _CONTROL.search(path) or unfindable(path))


def escaped(name: str) -> str:
    """A path that iRODS can hold, from which the first can be told: what is in the way as `%XX` (RFC 3986, 2.1).

    >>> escaped("it's 100%\\n")
    'it%27s 100%25%0A'
    """
    return _ODD.sub(lambda match: "".join(f"%{byte:02X}" for byte in os.fsencode(match[0])), name)


def fitted(path: str) -> str:
    """The path under which a file is taken: itself, or escaped where iRODS could not hold it."""
    return path if is_fit(path) else escaped(path)


def is_too_long(path: str, longest: int) -> bool:
    """Whether the path under which a file would be taken has more bytes than `longest`.

    Or one of its names too many.
    """
    if 3 * len(os.fsencode(path)) <= min(longest, _LONGEST_NAME):
        return False
    wanted = os.fsencode(fitted(path))
    return len(wanted) > longest or max(map(len, wanted.split(b"/"))) > _LONGEST_NAME


def another(path: str, attempt: int) -> str:
    """A further path for a file whose fitted path another file has: its name tells which attempt, and keeps its ending.

    >>> another("9.4T/expdata/a", 2), another("9.4T/expdata/a.txt", 2)
    ('9.4T/expdata/a%2', '9.4T/expdata/a%2.txt')
    """
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{slash}{stem}%{attempt}{dot}{ending}" if stem else f"{path}%{attempt}"


def folder_key(text: str) -> str:
    """Text as part of a folder's name: letters, digits and hyphens, told apart by a hash where something is lost."""
    plain = re.sub(r"[^A-Za-z0-9-]", "-", text)[:24].strip("-")
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def told(error: OSError) -> str:
    """What the operating system says of an error, without the path."""
    return error.strerror or str(error)


def place(path: str, scanners: Collection[str]) -> str:
    """What a log says of a file of the landing zone: in which branch of which scanner it is, and no name that somebody
    gave it.

    >>> place("94T/dicom/SIMPSON/1.dcm", ["94T"]), place("SIMPSON/dicom/1.dcm", ["94T"])
    ('a file in 94T/dicom', 'a file')
    """
    scanner, branch = (*path.split("/", 2), "")[:2]
    return f"a file in {scanner}/{branch}" if scanner in scanners and branch in set(Branch) else "a file"


def shown(path: str) -> str:
    """A path as one safe line: what a terminal would obey, or could not print, is escaped.

    >>> shown("a\\nb")
    'a\\\\nb'
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), path)


def said(error: Exception) -> str:
    """What an error says, as one safe line."""
    return shown(told(error) if isinstance(error, OSError) else str(error)) or "no answer"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{count} {noun}{'s' * (count != 1)}"

"""Whether a file of the landing zone is still what the catalog has under its name, and what follows if it is not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum, auto

from landing.connections import call
from landing.disk import Signature
from landing.known import Known
from landing.register import unchanged_checksum
from landing.tree import tree_of
from policy.settings import Settings
from policy.zone import Zone


class Verdict(Enum):
    """What a file is, beside an object of its name."""

    SAME = auto()
    CHANGING = auto()
    """It changes while it is read."""
    AGAIN = auto()
    """The object was nothing but the file as it was, and is gone: the file is to be registered as it is now."""
    OTHER = auto()
    """The archive has other bytes, and this file of a tree keeps its name in the archive: it stays as it is there."""
    ANOTHER = auto()
    """The archive has what came under this name before; this is to be registered too."""
    WAITS = auto()
    """It is just being archived: later."""
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`detail`: the error, for people."""

    verdict: Verdict
    detail: str = ""


def compare(zone: Zone, settings: Settings, relative: str, signature: Signature, there: Known) -> Comparison:
    """Reads the whole file. Raises ZoneError where the zone does not answer."""
    checksum = unchanged_checksum(f"{os.path.abspath(settings.landing.folder)}/{relative}", signature)
    if checksum is None:
        return Comparison(Verdict.CHANGING)
    if checksum in there.checksums:
        return Comparison(Verdict.SAME)
    if there.in_place:
        reply = call(zone, settings, "mrdata_register_again", path=there.in_place, checksum=checksum)
        if "error" in reply:
            return Comparison(Verdict.FAILED, f"{there.in_place} changed: {reply['error']}")
        if reply["again"] or reply["same"]:
            return Comparison(Verdict.AGAIN if reply["again"] else Verdict.SAME)
    if tree_of(relative):
        return Comparison(Verdict.OTHER)
    # Before it is registered, the archive has all that is known of this name, and nothing is registered from this file any more.
    return Comparison(Verdict.ANOTHER if there.checksums and not there.in_place else Verdict.WAITS)

"""Which objects have certain bytes, by the checksums that the catalog keeps."""

from __future__ import annotations

import re
from collections.abc import Iterable

from policy.zone import GOOD, Among, Condition
from policy.zone.context import Context

AT_ONCE = 50
"""Checksums that are asked for with one query: the catalog has no index on checksums, and reads all replicas for each
query.
"""
_CHECKSUM = re.compile(r"[\w:+/=]+")


def objects(context: Context, checksums: Iterable[str]) -> dict[str, list[str]]:
    """Checksum -> the objects below the service account's home with a good replica of it; what no object has is not
    there.
    """
    wanted = sorted({checksum for checksum in checksums if _CHECKSUM.fullmatch(checksum)})
    found: dict[str, list[str]] = {}
    columns = ["DATA_CHECKSUM", "COLL_NAME", "DATA_NAME"]
    for first in range(0, len(wanted), AT_ONCE):
        some = Among("DATA_CHECKSUM", tuple(wanted[first : first + AT_ONCE]))
        for checksum, collection, name in context.zone.query(columns, some, Condition("DATA_REPL_STATUS", "=", GOOD)):
            if f"{collection}/".startswith(context.settings.home + "/"):
                found.setdefault(checksum, []).append(f"{collection}/{name}")
    return found

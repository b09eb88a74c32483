"""The audit log of a test's zone."""

import time

from mrdata.commands.listing import Entry, entries
from policy.zone.layout import audit

_SETTLED = 60
"""Seconds after which an entry is not changed any more, not even by a test that forges one."""
_read: dict[tuple[str, Entry], bytes] = {}
"""A server's log grows through a test session, and each look would read all of it again."""


def files(site) -> list[tuple[str, bytes]]:
    """Path below the log's collection and content of each entry, as `iget -r` brings them."""
    base, zone = audit(site.settings), site.connect()
    found = []
    for entry in entries(zone, base, recursive=True):
        if not entry.is_collection:
            key = str(site.settings_file), entry
            content = _read.get(key)
            if content is None:
                content = zone.read(entry.path, 0, entry.size)
                if time.time() - entry.modified > _SETTLED:
                    _read[key] = content
            found.append((entry.path.removeprefix(base + "/"), content))
    return found

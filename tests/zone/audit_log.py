"""The audit log of a test's zone."""

from mrdata.listing import entries
from policy.layout import audit


def files(site) -> list[tuple[str, bytes]]:
    """Path below the log's collection and content of each entry, as `iget -r` brings them."""
    base, zone = audit(site.settings), site.connect()
    found = [entry for entry in entries(zone, base, recursive=True) if not entry.is_collection]
    return [(entry.path.removeprefix(base + "/"), zone.read(entry.path, 0, entry.size)) for entry in found]

"""A registered file of the landing zone has changed since: whether it is to be registered anew."""

from __future__ import annotations

from policy import layout
from policy.context import Context, Refused
from policy.zone import GOOD, Condition, data_object


def again(context: Context, path: str, checksum: str) -> dict[str, bool]:
    """A file has this checksum now (`sha2:<base64>`): is it to be registered `again`, or is it the `same` as the object of a path?

    Once the archive has a good replica, its bytes stay. Until then the object is nothing but the file itself as it was:
    it goes, and the file is registered anew.
    """
    if not any(path.startswith(root(context.settings) + "/") for root in (layout.landing, layout.studies, layout.quarantine)):
        raise Refused(f"{path} is not where files of the landing zone can be")
    stat = context.zone.stat(path)
    if stat is None or stat.is_collection:
        return {"again": True, "same": False}
    if layout.experiment_of(context.settings, path) and stat.checksum and _is_archived(context, path, stat.checksum):
        return {"again": False, "same": stat.checksum == checksum}
    context.zone.erase(path)
    context.zone.log(f"{path}: its file changed before it was archived; it is registered anew")
    return {"again": True, "same": False}


def _is_archived(context: Context, path: str, checksum: str) -> bool:
    archived = Condition("DATA_RESC_NAME", "=", context.settings.archive.resource)
    rows = context.zone.query(["DATA_REPL_STATUS", "DATA_CHECKSUM"], *data_object(path), archived)
    return (GOOD, checksum) in rows

"""The collections of an MrData zone and who may do what with them."""

from __future__ import annotations

from policy import audit, layout
from policy.context import Context
from policy.layout import Branch
from policy.zone import Access, Condition


def prepare(context: Context) -> None:
    """Makes what is missing; what is there stays. Landing, studies, quarantine; the group of the data stewards."""
    zone, settings = context.zone, context.settings
    if not zone.query(["USER_NAME"], Condition("USER_NAME", "=", settings.stewards)):
        zone.group(settings.stewards, [])
    for path in (layout.landing(settings), layout.studies(settings), layout.quarantine(settings)):
        zone.make_collection(path)
    # Everybody may enter, so that WebDAV can list; each study is readable for its members alone.
    zone.permit(layout.studies(settings), "public", Access.READ)
    zone.permit(layout.quarantine(settings), settings.stewards, Access.READ)
    zone.inherit(layout.quarantine(settings))
    audit.prepare(context)
    for scanner in settings.scanners:
        for branch in Branch:
            path = f"{layout.landing(settings)}/{scanner}/{branch}"
            zone.make_collection(path)
            zone.permit(path, settings.uploaders, Access.WRITE)

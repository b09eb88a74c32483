"""The service account in other people's collections, for as long as a move takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from policy.zone import Access
from policy.zone.context import Context


@contextmanager
def writable(context: Context, path: str) -> Iterator[None]:
    """Within the block, the service account may put something into this collection, or take something out of it."""
    zone, account = context.zone, context.settings.account
    held = zone.permissions(path).get(account, Access.NULL)
    lent = held not in (Access.WRITE, Access.OWN)
    if lent:
        zone.permit(path, account, Access.OWN)
    try:
        yield
    finally:
        if lent:
            zone.permit(path, account, held)

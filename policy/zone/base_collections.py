"""The collections of an MrData zone and who may do what with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy.zone import Access, Condition, access_named, account, layout
from policy.zone.context import Context
from policy.zone.layout import Branch
from policy.zone.settings import Settings

_ACCESS_COLUMNS = ["COLL_ACCESS_USER_ID", "COLL_ACCESS_NAME"]


@dataclass(frozen=True, slots=True)
class Rights:
    """Who has access to a collection, and whether what is made in it gets the same."""

    access: Mapping[str, Access]
    """By the name of a user or group; `name#zone` for one of another zone."""
    inherits: bool = False
    is_made: bool = True
    """False for a collection that is made when it is needed first."""


def rights(settings: Settings) -> dict[str, Rights]:
    """The collections directly below home, and the landing zone's folders. What studies hold is not among them."""
    own = {settings.account: Access.OWN}
    stewards = {**own, settings.stewards: Access.READ}
    wanted = {
        layout.landing(settings): Rights(own),
        # Everybody may enter, so that WebDAV can list; each study is readable for its members alone.
        layout.studies(settings): Rights({**own, "public": Access.READ}),
        layout.quarantine(settings): Rights(stewards, inherits=True),
        layout.audit(settings): Rights(stewards, inherits=True),
        layout.reviews(settings): Rights(stewards, inherits=True, is_made=False),
        layout.receipts(settings): Rights(stewards, inherits=True, is_made=False),
        layout.fixity(settings): Rights(stewards, inherits=True, is_made=False),
        layout.withdrawn(settings): Rights(stewards, is_made=False),
        layout.erased(settings): Rights(own, is_made=False),
        layout.locks(settings): Rights(own, is_made=False),
    }
    for scanner in settings.scanners:
        for branch in Branch:
            wanted[f"{layout.landing(settings)}/{scanner}/{branch}"] = Rights({**own, settings.uploaders: Access.WRITE})
    return wanted


def prepare(context: Context) -> None:
    """Makes what is missing, and gives and takes access where it is not as `rights` says.

    The group of the data stewards, too.
    """
    zone, settings = context.zone, context.settings
    if not zone.query(["USER_NAME"], *account.named(settings.stewards, settings.zone)):
        zone.group(settings.stewards, [])
    for path, wanted in rights(settings).items():
        if wanted.is_made:
            zone.make_collection(path)
        if (held := _held(context, path)) is None:
            continue
        for name, _, access in _other_access(held, wanted):
            zone.permit(path, name, access)
        if held.inherits != wanted.inherits:
            zone.inherit(path, on=wanted.inherits)


def differences(context: Context) -> list[str]:
    """What `prepare` would change, a line for each: empty where everything is as `rights` says."""
    found = []
    for path, wanted in rights(context.settings).items():
        held = _held(context, path)
        if held is None:
            found += [f"{path}: is not there"] if wanted.is_made else []
            continue
        found += [
            f"{path}: {name} has {_named(has)}, not {_named(access)}"
            for name, has, access in _other_access(held, wanted)
        ]
        if held.inherits != wanted.inherits:
            found.append(f"{path}: what is made in it {'gets' if held.inherits else 'does not get'} its permissions")
    return found


def _held(context: Context, path: str) -> Rights | None:
    """What the catalog says; None where the collection is not there."""
    here = Condition("COLL_NAME", "=", path)
    rows = context.zone.query(["COLL_INHERITANCE"], here)
    if not rows:
        return None
    access = {}
    for user, level in context.zone.query(_ACCESS_COLUMNS, here):
        for name, zone in context.zone.query(["USER_NAME", "USER_ZONE"], Condition("USER_ID", "=", user)):
            access[account.shown(name, zone, context.settings.zone)] = access_named(level)
    return Rights(access, rows[0][0] == "1")


def _other_access(held: Rights, wanted: Rights) -> Iterator[tuple[str, Access | None, Access]]:
    """Name, the access that it has, and the one that it is to have; where both differ."""
    for name in sorted({*held.access, *wanted.access}):
        has, access = held.access.get(name), wanted.access.get(name)
        if has != access:
            yield name, has, access or Access.NULL


def _named(access: Access | None) -> str:
    return "no access" if access is None or access is Access.NULL else access.value

"""Manages users and groups as iadmin does (rsGeneralAdmin.cpp, rsUserAdmin.cpp)."""

from __future__ import annotations

from embedded.catalog.database import OWN, Catalog, timestamp
from embedded.catalog.rows import Account
from embedded.catalog.session import split_path
from embedded.errors import IrodsError


def account(catalog: Catalog, name: str) -> Account:
    """Returns the account of `name`, or `name#zone`. CAT_INVALID_USER for an unknown name or a group."""
    user, _, zone = name.partition("#")
    own = str(catalog.one("SELECT zone_name FROM R_ZONE_MAIN WHERE zone_type_name = 'local'")[0])
    row = catalog.one(
        "SELECT user_id, user_name, zone_name, user_type_name FROM R_USER_MAIN "
        "WHERE user_name = ? AND zone_name = ? AND user_type_name <> 'rodsgroup'",
        (user, zone or own),
    )
    if row is None:
        raise IrodsError("CAT_INVALID_USER", name)
    number, user, zone, kind = row
    return Account(number, user, zone, kind, is_local=zone == own)


def make_user(catalog: Catalog, zone: str, name: str, kind: str, owner: str) -> None:
    """With its home and trash collections, and in the group `public`.

    Of another zone where it is written `name#zone`.
    """
    name, _, other = name.partition("#")
    if kind not in ("rodsuser", "rodsadmin", "groupadmin"):
        raise IrodsError("CAT_INVALID_USER_TYPE", kind)
    with catalog.writing():
        user_id = _insert(catalog, other or zone, name, kind)
        public = catalog.one("SELECT user_id FROM R_USER_MAIN WHERE user_name = 'public'")
        catalog.run("INSERT INTO R_USER_GROUP VALUES (?, ?)", (public[0], user_id))
        home = f"{name}#{other}" if other else name
        for path in (f"/{zone}/home/{home}", f"/{zone}/trash/home/{home}"):
            make_home(catalog, zone, path, name, user_id)


def make_zone(catalog: Catalog, name: str, kind: str) -> None:
    """Another zone, whose users may be let in; only its name is kept."""
    if kind != "remote":
        raise IrodsError("SYS_INVALID_INPUT_PARAM", kind)
    with catalog.writing():
        catalog.run("INSERT INTO R_ZONE_MAIN VALUES (?, ?, 'remote')", (catalog.next_id(), name))


def make_group(catalog: Catalog, zone: str, name: str, owner: str) -> None:
    """With its home collection."""
    with catalog.writing():
        group_id = _insert(catalog, zone, name, "rodsgroup")
        make_home(catalog, zone, f"/{zone}/home/{name}", owner, group_id)


def _insert(catalog: Catalog, zone: str, name: str, kind: str) -> int:
    if not name or len(name) >= 64 or not all(c.isalnum() or c in "._-@" for c in name) or name in (".", ".."):
        raise IrodsError(-319000, f"USER_INVALID_USERNAME_FORMAT {name}")
    if catalog.one("SELECT 1 FROM R_USER_MAIN WHERE user_name = ? AND zone_name = ?", (name, zone)):
        raise IrodsError("CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME", name)
    user_id, now = catalog.next_id(), timestamp()
    catalog.run(
        "INSERT INTO R_USER_MAIN (user_id, user_name, user_type_name, zone_name, create_ts, modify_ts) VALUES (?, ?, ?,"
        " ?, ?, ?)",
        (user_id, name, kind, zone, now, now),
    )
    catalog.run("INSERT INTO R_USER_GROUP VALUES (?, ?)", (user_id, user_id))
    return user_id


def make_home(catalog: Catalog, zone: str, path: str, owner: str, owner_id: int) -> None:
    """A collection that `owner_id` owns, whatever its parent's permissions; within a transaction."""
    coll_id, now = catalog.next_id(), timestamp()
    parent, _ = split_path(path)
    catalog.run(
        "INSERT INTO R_COLL_MAIN (coll_id, parent_coll_name, coll_name, coll_owner_name, coll_owner_zone, create_ts,"
        " modify_ts) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (coll_id, parent, path, owner, zone, now, now),
    )
    catalog.run("INSERT INTO R_OBJT_ACCESS VALUES (?, ?, ?, ?, ?)", (coll_id, owner_id, OWN, now, now))


def _group(catalog: Catalog, name: str) -> int:
    row = catalog.one("SELECT user_id FROM R_USER_MAIN WHERE user_name = ? AND user_type_name = 'rodsgroup'", (name,))
    if row is None:
        raise IrodsError("CAT_INVALID_GROUP", name)
    return int(row[0])


def add_member(catalog: Catalog, group: str, user: str) -> None:
    """Adds a user to a group. CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME if the user is a member already."""
    with catalog.writing():
        group_id, user_id = _group(catalog, group), account(catalog, user).id
        if catalog.one("SELECT 1 FROM R_USER_GROUP WHERE group_user_id = ? AND user_id = ?", (group_id, user_id)):
            raise IrodsError("CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME", f"{user} is in {group}")
        catalog.run("INSERT INTO R_USER_GROUP VALUES (?, ?)", (group_id, user_id))


def remove_member(catalog: Catalog, group: str, user: str) -> None:
    """Removes a user from a group. USER_NOT_IN_GROUP if the user is not a member."""
    with catalog.writing():
        group_id, user_id = _group(catalog, group), account(catalog, user).id
        if not catalog.run("DELETE FROM R_USER_GROUP WHERE group_user_id = ? AND user_id = ?", (group_id, user_id)):
            raise IrodsError("USER_NOT_IN_GROUP", f"{user} is not in {group}")


def users(catalog: Catalog) -> list[tuple[str, str]]:
    """Returns (name, zone) of all users, without groups."""
    return [
        (n, z)
        for n, z in catalog.all(
            "SELECT user_name, zone_name FROM R_USER_MAIN WHERE user_type_name <> 'rodsgroup' ORDER BY 1"
        )
    ]


def groups(catalog: Catalog) -> list[str]:
    """Returns all groups, sorted by name."""
    return [
        n for (n,) in catalog.all("SELECT user_name FROM R_USER_MAIN WHERE user_type_name = 'rodsgroup' ORDER BY 1")
    ]


def members(catalog: Catalog, group: str) -> list[str]:
    """Returns the users of a group, sorted by name; those of other zones as name#zone."""
    group_id = _group(catalog, group)
    rows = catalog.all(
        "SELECT CASE z.zone_type_name WHEN 'local' THEN u.user_name ELSE u.user_name || '#' || u.zone_name END "
        "FROM R_USER_GROUP g JOIN R_USER_MAIN u ON u.user_id = g.user_id LEFT JOIN R_ZONE_MAIN z USING (zone_name) "
        "WHERE g.group_user_id = ? AND u.user_type_name <> 'rodsgroup' ORDER BY 1",
        (group_id,),
    )
    return [name for (name,) in rows]

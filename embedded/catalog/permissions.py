"""Access control lists (rsModAccessControl.cpp, db_mod_access_control_op)."""

from __future__ import annotations

from collections.abc import Sequence

from embedded.catalog.database import ACCESS_NAMES, NULL, OWN, READ, WRITE, timestamp
from embedded.catalog.session import Session
from embedded.errors import IrodsError

_LEVELS = {name: level for level, name in ACCESS_NAMES.items()} | {
    name.replace("_", " "): level for level, name in ACCESS_NAMES.items()
}
_LEVELS |= {"read": READ, "write": WRITE}


def _subject(session: Session, name: str) -> int:
    user, _, zone = name.partition("#")
    row = session.catalog.one(
        "SELECT user_id FROM R_USER_MAIN WHERE user_name = ? AND zone_name = ?", (user, zone or session.zone)
    )
    if row is None:
        raise IrodsError("CAT_INVALID_USER", name)
    return int(row[0])


def _target(session: Session, path: str) -> tuple[int, bool]:
    coll_id = session.collection_id(path)
    if coll_id is not None:
        return coll_id, True
    data_id = session.object_id(path)
    if data_id is None:
        raise IrodsError("CAT_UNKNOWN_FILE", path)
    return data_id, False


def set_access(session: Session, path: str, name: str, level: str, *, recursive: bool = False) -> None:
    """`level` as ichmod names it (`admin:` before it for rodsadmins), or `inherit`, `noinherit`; needs own."""
    admin = level.startswith("admin:")
    level = level.removeprefix("admin:")
    if admin and not session.account.is_admin:
        raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL", path)
    with session.catalog.writing():
        object_id, is_collection = _target(session, path)
        session.demand(object_id, OWN, path, admin=admin)
        if level in ("inherit", "noinherit"):
            _set_inheritance(session, path, object_id, is_collection, level == "inherit", recursive)
            return
        if level not in _LEVELS:
            raise IrodsError("CAT_INVALID_ARGUMENT", level)
        subject = _subject(session, name)
        objects = [object_id]
        if recursive and is_collection:
            objects = _below(session, path)
        for one in objects:
            _set(session, one, subject, _LEVELS[level])


def _below(session: Session, path: str) -> list[int]:
    inside = (path, f"{path}/", f"{path}0")
    collections = session.catalog.all(
        "SELECT coll_id FROM R_COLL_MAIN WHERE coll_name = ? OR (coll_name >= ? AND coll_name < ?)", inside
    )
    data = session.catalog.all(
        "SELECT DISTINCT d.data_id FROM R_COLL_MAIN c JOIN R_DATA_MAIN d ON d.coll_id = c.coll_id "
        "WHERE c.coll_name = ? OR (c.coll_name >= ? AND c.coll_name < ?)",
        inside,
    )
    return [row[0] for row in collections + data]


def _set_inheritance(session: Session, path: str, coll_id: int, is_collection: bool, on: bool, recursive: bool) -> None:
    if not is_collection:
        raise IrodsError("CAT_UNKNOWN_COLLECTION", path)
    value, now = "1" if on else "0", timestamp()
    session.catalog.run(
        "UPDATE R_COLL_MAIN SET coll_inheritance = ?, modify_ts = ? WHERE coll_id = ?", (value, now, coll_id)
    )
    if recursive:
        session.catalog.run(
            "UPDATE R_COLL_MAIN SET coll_inheritance = ?, modify_ts = ? WHERE coll_name >= ? AND coll_name < ?",
            (value, now, f"{path}/", f"{path}0"),
        )


def _set(session: Session, object_id: int, subject: int, level: int) -> None:
    if level == NULL:
        session.catalog.run("DELETE FROM R_OBJT_ACCESS WHERE object_id = ? AND user_id = ?", (object_id, subject))
        return
    now = timestamp()
    session.catalog.run(
        "INSERT INTO R_OBJT_ACCESS VALUES (?, ?, ?, ?, ?) ON CONFLICT (object_id, user_id) DO UPDATE "
        "SET access_type_id = excluded.access_type_id, modify_ts = excluded.modify_ts",
        (object_id, subject, level, now, now),
    )


def apply_atomically(session: Session, path: str, operations: Sequence[tuple[str, str]], *, admin: bool) -> None:
    """All of the (name, level) pairs or none (rs_atomic_apply_acl_operations.cpp)."""
    if admin and not session.account.is_admin:
        raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL", path)
    with session.catalog.writing():
        coll_id = session.collection_id(path)
        object_id = coll_id if coll_id is not None else session.object_id(path)
        if object_id is None:
            raise IrodsError("OBJ_PATH_DOES_NOT_EXIST", path)
        session.demand(object_id, OWN, path, admin=admin)
        for name, level in operations:
            if level not in _LEVELS:
                raise IrodsError("SYS_INVALID_INPUT_PARAM", level)
            _set(session, object_id, _subject(session, name), _LEVELS[level])


def access_list(session: Session, path: str) -> list[tuple[str, int]]:
    """(name, permission) of users and groups; those of other zones as name#zone."""
    object_id, _ = _target(session, path)
    if not session.account.is_admin:
        session.demand(object_id, READ, path)
    rows = session.catalog.all(
        "SELECT CASE u.zone_name WHEN ? THEN u.user_name ELSE u.user_name || '#' || u.zone_name END, a.access_type_id "
        "FROM R_OBJT_ACCESS a JOIN R_USER_MAIN u ON u.user_id = a.user_id "
        "WHERE a.object_id = ? ORDER BY 1",
        (session.zone, object_id),
    )
    return [(name, level) for name, level in rows]

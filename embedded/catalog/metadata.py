"""AVUs of objects, collections, resources and users (rsModAVUMetadata.cpp, db_*_avu_metadata_op)."""

from __future__ import annotations

from collections.abc import Sequence

from embedded.catalog.database import CREATE_METADATA, DELETE_METADATA, WRITE, Catalog, timestamp
from embedded.catalog.session import Session, split_path
from embedded.errors import IrodsError

_KINDS = {"-d": "data_object", "-C": "collection", "-c": "collection", "-R": "resource", "-r": "resource", "-u": "user"}
MAX_VALUE = 2700


def _entity(session: Session, kind: str, name: str, level: int, *, admin: bool = False) -> int:
    """Returns the id of the entity that carries the AVU, after checking permissions."""
    if kind == "data_object":
        collection, _ = split_path(name)
        data_id = session.object_id(name)
        if data_id is None:
            raise IrodsError(
                "CAT_UNKNOWN_FILE" if session.collection_id(collection) is not None else "CAT_UNKNOWN_COLLECTION", name
            )
        session.demand(data_id, level, name, admin=admin)
        return data_id
    if kind == "collection":
        coll_id = session.collection_id(name)
        if coll_id is None:
            raise IrodsError("CAT_UNKNOWN_COLLECTION", name)
        session.demand(coll_id, level, name, admin=admin)
        return coll_id
    if not session.account.is_admin:
        raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL", name)
    if kind == "resource":
        row = session.catalog.one("SELECT resc_id FROM R_RESC_MAIN WHERE resc_name = ?", (name,))
        missing = "CAT_INVALID_RESOURCE"
    else:
        user, _, zone = name.partition("#")
        row = session.catalog.one(
            "SELECT user_id FROM R_USER_MAIN WHERE user_name = ? AND zone_name = ?", (user, zone or session.zone)
        )
        missing = "CAT_INVALID_USER"
    if row is None:
        raise IrodsError(missing, name)
    return int(row[0])


def modify(
    session: Session,
    option: str,
    name: str,
    operation: str,
    attribute: str,
    value: str,
    unit: str,
    *,
    admin: bool = False,
) -> None:
    """`add` (an AVU that is there is CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME), `set` (the attribute's only value) or
    `rm`.
    """
    kind = _KINDS.get(option)
    if kind is None:
        raise IrodsError("CAT_INVALID_ARGUMENT", option)
    with session.catalog.writing():
        if operation == "rm":
            _remove(session, _entity(session, kind, name, DELETE_METADATA, admin=admin), attribute, value, unit)
            return
        _check(attribute, value, unit)
        object_id = _entity(session, kind, name, CREATE_METADATA, admin=admin)
        if operation == "set":
            _detach(session, object_id, "SELECT meta_id FROM R_META_MAIN WHERE meta_attr_name = ?", (attribute,))
        _add(session, object_id, attribute, value, unit)


def _check(attribute: str, value: str, unit: str) -> None:
    if (
        not attribute
        or not value
        or any(len(text.encode(errors="surrogateescape")) > MAX_VALUE for text in (attribute, value))
    ):
        raise IrodsError("CAT_INVALID_ARGUMENT", attribute[:64])
    if len(unit.encode(errors="surrogateescape")) > 250:
        raise IrodsError("CAT_SQL_ERR", unit[:64])


def _add(session: Session, object_id: int, attribute: str, value: str, unit: str, *, again: bool = False) -> None:
    catalog, now = session.catalog, timestamp()
    row = catalog.one(
        "SELECT meta_id FROM R_META_MAIN WHERE meta_attr_name = ? AND meta_attr_value = ? AND meta_attr_unit = ?",
        (attribute, value, unit),
    )
    if row is None:
        meta_id = catalog.next_id()
        catalog.run(
            "INSERT INTO R_META_MAIN (meta_id, meta_attr_name, meta_attr_value, meta_attr_unit, create_ts, "
            "modify_ts) VALUES (?, ?, ?, ?, ?, ?)",
            (meta_id, attribute, value, unit, now, now),
        )
    else:
        meta_id = row[0]
    added = catalog.run("INSERT OR IGNORE INTO R_OBJT_METAMAP VALUES (?, ?, ?, ?)", (object_id, meta_id, now, now))
    if not added and not again:
        raise IrodsError("CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME", f"{attribute} {value} {unit}")


def _remove(session: Session, object_id: int, attribute: str, value: str, unit: str, *, again: bool = False) -> None:
    select = "SELECT meta_id FROM R_META_MAIN WHERE meta_attr_name = ? AND meta_attr_value = ? AND meta_attr_unit = ?"
    if not _detach(session, object_id, select, (attribute, value, unit)) and not again:
        raise IrodsError("CAT_SUCCESS_BUT_WITH_NO_INFO", f"{attribute} {value} {unit}")


def _detach(session: Session, object_id: int, select: str, parameters: tuple[str, ...]) -> int:
    gone = 0
    for (meta_id,) in session.catalog.all(select, parameters):
        gone += session.catalog.run(
            "DELETE FROM R_OBJT_METAMAP WHERE object_id = ? AND meta_id = ?", (object_id, meta_id)
        )
    return gone


Operation = tuple[str, str, str, str]
"""`add` or `remove`, attribute, value, unit."""


def apply_atomically(session: Session, name: str, kind: str, operations: Sequence[Operation], *, admin: bool) -> None:
    """Applies all operations or none (rs_atomic_apply_metadata_operations.cpp).

    Adding an AVU that exists and removing one that does not exist are not errors.
    """
    if kind not in set(_KINDS.values()):
        raise IrodsError("SYS_INVALID_INPUT_PARAM", kind)
    if admin and not session.account.is_admin:
        raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL", name)
    with session.catalog.writing():
        try:
            object_id = _entity(session, kind, name, WRITE, admin=admin)
        except IrodsError as error:
            if error.code in (-817000, -814000):
                raise IrodsError("OBJ_PATH_DOES_NOT_EXIST", name) from error
            raise
        for operation, attribute, value, unit in operations:
            if operation == "add":
                _check(attribute, value, unit)
                _add(session, object_id, attribute, value, unit, again=True)
            elif operation == "remove":
                _remove(session, object_id, attribute, value, unit, again=True)
            else:
                raise IrodsError("SYS_INVALID_INPUT_PARAM", operation)


def prune(catalog: Catalog) -> None:
    """`iadmin rum`: AVUs that nothing has any more (db_del_unused_avus_op)."""
    with catalog.writing():
        catalog.run("DELETE FROM R_META_MAIN WHERE meta_id NOT IN (SELECT meta_id FROM R_OBJT_METAMAP)")

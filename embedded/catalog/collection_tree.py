"""Collections, and renaming of collections and data objects (rsCollCreate.cpp, rsDataObjRename.cpp, db_plugin.cpp)."""

from __future__ import annotations

from embedded.catalog.database import CREATE_OBJECT, DELETE, OWN, WRITE, timestamp
from embedded.catalog.rows import Changed
from embedded.catalog.session import Session, split_path
from embedded.errors import IrodsError


def inherited_access(session: Session, object_id: int, parent_id: int, inherit: bool) -> None:
    """Returns the permissions of a new object or collection: the parent's if it inherits, else its owner's."""
    now = timestamp()
    if inherit:
        session.catalog.run(
            "INSERT INTO R_OBJT_ACCESS SELECT ?, user_id, access_type_id, ?, ? FROM R_OBJT_ACCESS WHERE object_id = ?",
            (object_id, now, now, parent_id),
        )
    else:
        session.catalog.run(
            "INSERT INTO R_OBJT_ACCESS VALUES (?, ?, ?, ?, ?)", (object_id, session.account.id, OWN, now, now)
        )


def parent_for_new(session: Session, collection: str) -> tuple[int, bool]:
    """Returns id and inheritance of the collection for a new object or collection.

    CAT_UNKNOWN_COLLECTION, CAT_NO_ACCESS_PERMISSION.
    """
    row = session.catalog.one("SELECT coll_id, coll_inheritance FROM R_COLL_MAIN WHERE coll_name = ?", (collection,))
    if row is None:
        raise IrodsError("CAT_UNKNOWN_COLLECTION", collection)
    session.demand(row[0], WRITE, collection)
    return int(row[0]), row[1] == "1"


def make_collection(session: Session, path: str, *, recursive: bool = False) -> None:
    """Makes a collection; with `recursive` its parents too.

    CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME if it exists, unless `recursive`.
    """
    path = path.rstrip("/") or "/"
    if recursive:
        if session.collection_id(path) is not None:
            return
        parent, _ = split_path(path)
        if session.collection_id(parent) is None and parent != "/":
            make_collection(session, parent, recursive=True)
    parent, name = split_path(path)
    with session.catalog.writing():
        if session.collection_id(path) is not None:
            if recursive:
                return
            raise IrodsError("CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME", path)
        parent_id, inherit = parent_for_new(session, parent)
        if session.catalog.one("SELECT 1 FROM R_DATA_MAIN WHERE coll_id = ? AND data_name = ?", (parent_id, name)):
            raise IrodsError("CAT_NAME_EXISTS_AS_DATAOBJ", path)
        insert_collection(session, path, parent_id, inherit)


def insert_collection(session: Session, path: str, parent_id: int, inherit: bool) -> int:
    """The row itself; within a transaction, permissions being checked."""
    now, coll_id = timestamp(), session.catalog.next_id()
    parent, _ = split_path(path)
    session.catalog.run(
        "INSERT INTO R_COLL_MAIN (coll_id, parent_coll_name, coll_name, coll_owner_name, coll_owner_zone, "
        "coll_inheritance, create_ts, modify_ts) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (coll_id, parent, path, session.account.name, session.zone, "1" if inherit else "", now, now),
    )
    inherited_access(session, coll_id, parent_id, inherit)
    return coll_id


def rename(session: Session, source: str, destination: str, *, collection: bool | None = None) -> None:
    """Renames and moves; own on the source and write on the destination's parent. Never overwrites.

    First the name, then the collection, in one transaction: an object of the new name in the old collection is in the
    way (CAT_NAME_EXISTS_AS_DATAOBJ), as on a server. Permissions travel along; the target collection's are not
    inherited. A source that is not there is CAT_NO_ROWS_FOUND, which the rule engine does not raise: a rule sees it in
    `code` only.
    """
    if source == destination:
        raise IrodsError("SAME_SRC_DEST_PATHS_ERR", source)
    if source.split("/")[1:2] != destination.split("/")[1:2]:
        raise IrodsError(-341000, "SYS_CROSS_ZONE_MV_NOT_SUPPORTED")
    split_path(source), split_path(destination)
    changed: list[Changed] = []
    with session.catalog.writing():
        data_id = None if collection else session.object_id(source)
        if data_id is not None:
            changed = _rename_object(session, data_id, source, destination)
        elif collection is False or (coll_id := session.collection_id(source)) is None:
            raise IrodsError("CAT_NO_ROWS_FOUND", source)
        else:
            _rename_collection(session, coll_id, source, destination)
    for change in changed:
        session.on_modified(change)


def _rename_object(session: Session, data_id: int, source: str, destination: str) -> list[Changed]:
    (old_collection, old_name), (new_collection, new_name) = split_path(source), split_path(destination)
    catalog, now = session.catalog, timestamp()
    session.demand(data_id, DELETE, source)
    replicas = catalog.all(
        "SELECT data_is_dirty, resc_id, data_path, data_size FROM R_DATA_MAIN WHERE data_id = ?", (data_id,)
    )
    for status, *_ in replicas:
        if status > 1:
            raise IrodsError("INTERMEDIATE_REPLICA_ACCESS" if status == 2 else "LOCKED_DATA_OBJECT_ACCESS", source)
    session.demand(data_id, OWN, source)
    old_id = session.collection_id(old_collection)
    if old_name != new_name:
        _free(session, old_id, old_collection, new_name)
        catalog.run("UPDATE R_DATA_MAIN SET data_name = ? WHERE data_id = ?", (new_name, data_id))
        catalog.run("UPDATE R_COLL_MAIN SET modify_ts = ? WHERE coll_id = ?", (now, old_id))
    if old_collection != new_collection:
        new_id = session.collection_id(new_collection)
        if new_id is None:
            raise IrodsError("CAT_UNKNOWN_COLLECTION", new_collection)
        session.demand(new_id, WRITE, new_collection)
        _free(session, new_id, new_collection, new_name)
        catalog.run("UPDATE R_DATA_MAIN SET coll_id = ?, modify_ts = ? WHERE data_id = ?", (new_id, now, data_id))
        catalog.run("UPDATE R_COLL_MAIN SET modify_ts = ? WHERE coll_id = ?", (now, new_id))
    resources = [(session.resource_by_id(resource), file, size) for _, resource, file, size in replicas]
    # a server renames the file inside its vault now and tells pep_resource_modified; here the file's name does not
    # depend on the path
    return [Changed(destination, file, r.name, size) for r, file, size in resources if file.startswith(f"{r.vault}/")]


def _free(session: Session, coll_id: int | None, collection: str, name: str) -> None:
    if session.catalog.one("SELECT 1 FROM R_DATA_MAIN WHERE coll_id = ? AND data_name = ?", (coll_id, name)):
        raise IrodsError("CAT_NAME_EXISTS_AS_DATAOBJ", f"{collection}/{name}")
    if session.collection_id(f"{collection}/{name}") is not None:
        raise IrodsError("CAT_NAME_EXISTS_AS_COLLECTION", f"{collection}/{name}")


def _rename_collection(session: Session, coll_id: int, source: str, destination: str) -> None:
    (old_parent, old_name), (new_parent, new_name) = split_path(source), split_path(destination)
    session.demand(coll_id, OWN, source)
    if old_name != new_name:
        _free(session, session.collection_id(old_parent), old_parent, new_name)
        _repath(session, coll_id, source, f"{old_parent}/{new_name}")
    if old_parent != new_parent:
        new_id = session.collection_id(new_parent)
        if new_id is None:
            raise IrodsError("CAT_UNKNOWN_COLLECTION", new_parent)
        session.demand(new_id, WRITE, new_parent)
        session.demand(session.collection_id(old_parent) or 0, WRITE, old_parent)
        _free(session, new_id, new_parent, new_name)
        if f"{new_parent}/".startswith(f"{old_parent}/{new_name}/"):
            raise IrodsError("CAT_RECURSIVE_MOVE", destination)
        _repath(session, coll_id, f"{old_parent}/{new_name}", destination)


def _repath(session: Session, coll_id: int, old: str, new: str) -> None:
    below = {"old": old, "new": new, "from": f"{old}/", "to": f"{old}0"}  # '0' follows '/'
    session.catalog.run(
        "UPDATE R_COLL_MAIN SET coll_name = :new || substr(coll_name, length(:old) + 1), parent_coll_name = :new ||"
        " substr(parent_coll_name, length(:old) + 1) WHERE coll_name >= :from AND coll_name < :to",
        below,
    )
    session.catalog.run(
        "UPDATE R_COLL_MAIN SET coll_name = ?, parent_coll_name = ?, modify_ts = ? WHERE coll_id = ?",
        (new, split_path(new)[0], timestamp(), coll_id),
    )


def trash_path(session: Session, path: str) -> str:
    """Returns the path in the trash for a removed path: `/zone/trash/home/<user>/...` (rsMkTrashPath)."""
    parts = path.split("/")  # '', zone, 'home', user, ...
    below = parts[2:]
    if below[:1] == ["home"]:
        below = below[1:]
    if below[:1] == [session.account.name]:
        below = below[1:]
    return "/".join([f"/{parts[1]}/trash/home/{session.account.name}", *below])


def free_name(session: Session, path: str) -> str:
    """`path`, or with a number behind it where that is taken."""
    candidate, count = path, 0
    while session.object_id(candidate) is not None or session.collection_id(candidate) is not None:
        count += 1
        candidate = f"{path}.{count}"
    return candidate


def forget(session: Session, object_id: int) -> None:
    """The permissions and metadata of what is being removed; within a transaction."""
    session.catalog.run("DELETE FROM R_OBJT_ACCESS WHERE object_id = ?", (object_id,))
    session.catalog.run("DELETE FROM R_OBJT_METAMAP WHERE object_id = ?", (object_id,))


__all__ = [
    "CREATE_OBJECT",
    "forget",
    "free_name",
    "inherited_access",
    "insert_collection",
    "make_collection",
    "parent_for_new",
    "rename",
]
__all__ += ["trash_path"]

"""Removes collections with everything below them (rsRmColl.cpp)."""

from __future__ import annotations

from embedded.catalog import collection_tree
from embedded.catalog.database import DELETE
from embedded.catalog.session import Session, split_path
from embedded.errors import IrodsError
from embedded.objects import objects


def remove_collection(session: Session, path: str, *, force: bool) -> None:
    """With all below it; to the trash unless `force`. Home collections of users stay."""
    coll_id = session.collection_id(path)
    if coll_id is None:
        raise IrodsError("CAT_UNKNOWN_COLLECTION", path)
    if path.count("/") <= 2 or (path.split("/")[2] == "home" and path.count("/") == 3):
        raise IrodsError("CANT_RM_NON_EMPTY_HOME_COLL", path)
    session.demand(coll_id, DELETE, path)
    if not force and not path.startswith(f"/{session.zone}/trash/"):
        target = collection_tree.trash_path(session, path)
        collection_tree.make_collection(session, split_path(target)[0], recursive=True)
        collection_tree.rename(session, path, collection_tree.free_name(session, target), collection=True)
        return
    below = (f"{path}/", f"{path}0", path)
    for collection, name in session.catalog.all(
        "SELECT DISTINCT c.coll_name, d.data_name FROM R_COLL_MAIN c JOIN R_DATA_MAIN d ON d.coll_id = c.coll_id "
        "WHERE (c.coll_name >= ? AND c.coll_name < ?) OR c.coll_name = ?",
        below,
    ):
        objects.unlink(session, f"{collection}/{name}", force=True)
    with session.catalog.writing():
        ids = "SELECT coll_id FROM R_COLL_MAIN WHERE (coll_name >= ? AND coll_name < ?) OR coll_name = ?"
        rows = session.catalog.all(ids, below)
        for (one,) in rows:
            if session.catalog.one("SELECT 1 FROM R_DATA_MAIN WHERE coll_id = ?", (one,)):
                raise IrodsError("CAT_COLLECTION_NOT_EMPTY", path)
            collection_tree.forget(session, one)
            session.catalog.run("DELETE FROM R_COLL_MAIN WHERE coll_id = ?", (one,))

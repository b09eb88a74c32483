"""Data objects and their replicas: create, open, read, write, close, register, unlink, stat.

As in iRODS, a replica that is being written is INTERMEDIATE, and its siblings are write-locked. When it is closed, it
becomes good and they become stale. A file in a vault is named after DATA_ID, not after the logical path as in iRODS. So
a rename changes only the catalog, and an interrupted rename needs no repair. pep_resource_modified fires nevertheless.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from embedded.catalog import collection_tree
from embedded.catalog.database import DELETE, READ, WRITE, timestamp
from embedded.catalog.rows import (
    GOOD,
    INTERMEDIATE,
    READ_LOCKED,
    STALE,
    WRITE_LOCKED,
    Changed,
    Descriptor,
    Replica,
    Resource,
)
from embedded.catalog.session import Session, split_path
from embedded.errors import CODES, IrodsError


def os_error(kind: str, error: OSError) -> IrodsError:
    """A failure of the file system: the code of iRODS minus errno."""
    return IrodsError(CODES[kind] - (error.errno or 0), str(error))


def replicas(session: Session, path: str) -> list[Replica]:
    """Returns all replicas of a data object, sorted by number; empty if it has none."""
    collection, name = split_path(path)
    rows = session.catalog.all(
        "SELECT d.data_id, d.data_repl_num, d.data_is_dirty, d.resc_id, d.data_path, d.data_size, d.data_checksum,"
        " d.data_status FROM R_COLL_MAIN c JOIN R_DATA_MAIN d ON d.coll_id = c.coll_id WHERE c.coll_name = ? AND"
        " d.data_name = ? ORDER BY d.data_repl_num",
        (collection, name),
    )
    return [Replica(r[0], r[1], r[2], session.resource_by_id(r[3]), *r[4:]) for r in rows]


def choose(found: list[Replica], resource: str = "", number: str = "") -> Replica:
    """Chooses the replica to read: a good one, of the given resource or number."""
    wanted = [r for r in found if (not number or str(r.number) == number)]
    if not wanted:
        raise IrodsError("SYS_REPLICA_DOES_NOT_EXIST")
    best = sorted(wanted, key=lambda r: (r.status != GOOD, r.resource.name != resource, r.number))[0]
    if best.status == INTERMEDIATE:
        raise IrodsError("INTERMEDIATE_REPLICA_ACCESS")
    if best.status in (READ_LOCKED, WRITE_LOCKED):
        raise IrodsError("LOCKED_DATA_OBJECT_ACCESS")
    return best


def insert(
    session: Session,
    path: str,
    resource: Resource,
    *,
    file: str = "",
    size: int = 0,
    status: int = INTERMEDIATE,
    checksum: str = "",
) -> Replica:
    """A new data object with its first replica, a file in the vault unless one is given. Its parent must allow it."""
    collection, name = split_path(path)
    catalog, now = session.catalog, timestamp()
    with catalog.writing():
        parent_id, inherit = collection_tree.parent_for_new(session, collection)
        if session.collection_id(path) is not None:
            raise IrodsError("CAT_NAME_EXISTS_AS_COLLECTION", path)
        if catalog.one("SELECT 1 FROM R_DATA_MAIN WHERE coll_id = ? AND data_name = ?", (parent_id, name)):
            raise IrodsError("CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME", path)
        data_id = catalog.next_id()
        replica = Replica(
            data_id, 0, status, resource, file or vault_file(resource, data_id, data_id), size, checksum, ""
        )
        catalog.run(
            "INSERT INTO R_DATA_MAIN (data_id, coll_id, data_name, data_repl_num, data_size, resc_id, data_path,"
            " data_owner_name, data_owner_zone, data_is_dirty, data_checksum, create_ts, modify_ts, access_ts) VALUES"
            " (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                data_id,
                parent_id,
                name,
                size,
                resource.id,
                replica.file,
                session.account.name,
                session.zone,
                status,
                checksum,
                now,
                now,
                now,
            ),
        )
        collection_tree.inherited_access(session, data_id, parent_id, inherit)
        if status == INTERMEDIATE:
            catalog.run("INSERT INTO open_replica VALUES (?, ?, ?)", (data_id, 0, session.agent))
    return replica


def vault_file(resource: Resource, data_id: int, fresh: int) -> str:
    """Where the vault keeps a replica: 256 folders, so that none gets too large.

    `fresh` is an id that was never given before: a replica's number may come again after a trim, while the trimmed file
    is still waiting to be removed.
    """
    return str(resource.vault / f"{data_id % 256:02x}" / f"{data_id}_{fresh}")


def create(session: Session, path: str, resource: str = "", *, force: bool = False) -> int:
    """A descriptor for a new object, or with `force` for an emptied one."""
    if session.object_id(path) is not None:
        if not force:
            raise IrodsError("OVERWRITE_WITHOUT_FORCE_FLAG", path)
        return open_object(session, path, os.O_RDWR | os.O_TRUNC)
    target = session.resource(resource or session.default_resource)
    replica = insert(session, path, target)
    try:
        Path(replica.file).parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(replica.file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        _settle(session, replica, STALE, 0)
        raise os_error("UNIX_FILE_CREATE_ERR", error) from error
    return _enter(session, Descriptor(path, replica, handle, True, True))


def open_object(session: Session, path: str, flags: int = os.O_RDONLY, resource: str = "", number: str = "") -> int:
    """A descriptor. OBJ_PATH_DOES_NOT_EXIST, CAT_NO_ACCESS_PERMISSION, or what says that somebody else is writing."""
    writable = bool(flags & (os.O_WRONLY | os.O_RDWR))
    found = replicas(session, path)
    if not found:
        if flags & os.O_CREAT and writable:
            return create(session, path, resource)
        raise IrodsError("OBJ_PATH_DOES_NOT_EXIST", path)
    session.demand(found[0].data_id, WRITE if writable else READ, path)
    if not writable:
        replica = choose(found, resource, number)
        handle = _open_file(replica, os.O_RDONLY)
        return _enter(session, Descriptor(path, replica, handle, False, False))
    with session.catalog.writing():
        found = replicas(session, path)  # looked at again: since then another object may have got this name
        if not found:
            raise IrodsError("OBJ_PATH_DOES_NOT_EXIST", path)
        session.demand(found[0].data_id, WRITE, path)
        replica = choose(found, resource, number)
        _lock(session, found, replica)
    try:
        handle = _open_file(replica, os.O_RDWR | (flags & os.O_TRUNC))
    except IrodsError:
        _unlock(session, replica)
        raise
    return _enter(session, Descriptor(path, replica, handle, True, False, truncated=bool(flags & os.O_TRUNC)))


def join(session: Session, descriptor: int) -> int:
    """One more open of a replica that this client is writing already (a replica token's parallel streams)."""
    first = _descriptor(session, descriptor)
    handle = _open_file(first.replica, os.O_RDWR)
    return _enter(session, Descriptor(first.path, first.replica, handle, True, False, shared=True))


def _open_file(replica: Replica, flags: int) -> int:
    try:
        return os.open(replica.file, flags)
    except OSError as error:
        raise os_error("UNIX_FILE_OPEN_ERR", error) from error


def _lock(session: Session, found: list[Replica], writing: Replica) -> None:
    if any(r.status == INTERMEDIATE for r in found):
        raise IrodsError("INTERMEDIATE_REPLICA_ACCESS")
    if any(r.status in (READ_LOCKED, WRITE_LOCKED) for r in found):
        raise IrodsError("LOCKED_DATA_OBJECT_ACCESS")
    for replica in found:
        status = INTERMEDIATE if replica.number == writing.number else WRITE_LOCKED
        state = json.dumps({"original_status": str(replica.status)})
        session.catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = ?, data_status = ? WHERE data_id = ? AND data_repl_num = ?",
            (status, state, replica.data_id, replica.number),
        )
    session.catalog.run("INSERT INTO open_replica VALUES (?, ?, ?)", (writing.data_id, writing.number, session.agent))


def restore(session: Session, data_id: int) -> None:
    """Gives the replicas the status back that they had before they were locked; within a transaction."""
    for number, status, state in session.catalog.all(
        "SELECT data_repl_num, data_is_dirty, data_status FROM R_DATA_MAIN WHERE data_id = ? AND data_is_dirty > 1",
        (data_id,),
    ):
        before = int(json.loads(state)["original_status"]) if state else (STALE if status == INTERMEDIATE else GOOD)
        session.catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = ?, data_status = '' WHERE data_id = ? AND data_repl_num = ?",
            (before, data_id, number),
        )


def _unlock(session: Session, replica: Replica) -> None:
    with session.catalog.writing():
        restore(session, replica.data_id)
        session.catalog.run(
            "DELETE FROM open_replica WHERE data_id = ? AND agent = ?", (replica.data_id, session.agent)
        )


def _settle(session: Session, replica: Replica, status: int, size: int) -> None:
    """The end of a write: the replica's status and size, its siblings stale, the checksum of the old bytes gone."""
    with session.catalog.writing():
        restore(session, replica.data_id)
        session.catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = ?, data_status = '', data_size = ?, data_checksum = '', modify_ts ="
            " ? WHERE data_id = ? AND data_repl_num = ?",
            (status, size, timestamp(), replica.data_id, replica.number),
        )
        if status == GOOD:
            session.catalog.run(
                "UPDATE R_DATA_MAIN SET data_is_dirty = 0 WHERE data_id = ? AND data_repl_num <> ?",
                (replica.data_id, replica.number),
            )
        session.catalog.run(
            "DELETE FROM open_replica WHERE data_id = ? AND agent = ?", (replica.data_id, session.agent)
        )


def mark_stale(session: Session, replica: Replica) -> None:
    """What replica_close does to the replica when a post-PEP of its finalisation fails (replica_close.cpp)."""
    with session.catalog.writing():
        session.catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = 0 WHERE data_id = ? AND data_repl_num = ?",
            (replica.data_id, replica.number),
        )


def _enter(session: Session, descriptor: Descriptor) -> int:
    number = next(n for n in range(3, 1027) if n not in session.descriptors)
    session.descriptors[number] = descriptor
    return number


def _descriptor(session: Session, number: int) -> Descriptor:
    if number not in session.descriptors:
        raise IrodsError("SYS_FILE_DESC_OUT_OF_RANGE", str(number))
    return session.descriptors[number]


def seek(session: Session, number: int, offset: int, whence: int) -> int:
    """Moves a descriptor; where it then is."""
    try:
        return os.lseek(_descriptor(session, number).file, offset, whence)
    except OSError as error:
        raise os_error("UNIX_FILE_LSEEK_ERR", error) from error


def read(session: Session, number: int, length: int) -> bytes:
    """At most `length` bytes from where the descriptor is; fewer only at the end."""
    descriptor = _descriptor(session, number)
    parts = []
    try:
        while length > 0 and (part := os.read(descriptor.file, length)):
            parts.append(part)
            length -= len(part)
    except OSError as error:
        raise os_error("UNIX_FILE_READ_ERR", error) from error
    return b"".join(parts)


def write(session: Session, number: int, data: bytes) -> int:
    """Writes all of `data` where the descriptor is; how many bytes."""
    descriptor = _descriptor(session, number)
    if not descriptor.writable:
        raise IrodsError("USER_INCOMPATIBLE_OPEN_FLAGS", descriptor.path)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor.file, rest) :]
    except OSError as error:
        raise os_error("UNIX_FILE_WRITE_ERR", error) from error
    descriptor.written += len(data)
    return len(data)


def close(session: Session, number: int, *, update: bool = True) -> Descriptor:
    """Makes what was written good and tells the rule engine.

    Without `update` only the descriptor goes (replica_close).
    """
    descriptor = _descriptor(session, number)
    size = os.fstat(descriptor.file).st_size
    os.close(descriptor.file)
    del session.descriptors[number]
    if not descriptor.writable or descriptor.shared or not update:
        return descriptor
    touched = descriptor.created or descriptor.truncated or descriptor.written > 0 or size != descriptor.replica.size
    if not touched:
        _unlock(session, descriptor.replica)
        return descriptor
    _settle(session, descriptor.replica, GOOD, size)
    replica = descriptor.replica
    session.on_modified(
        Changed(descriptor.path, replica.file, replica.resource.name, size, "1" if descriptor.created else "3")
    )
    return descriptor


def register(
    session: Session, path: str, file: str, resource: str, *, size: int | None = None, checksum: str = ""
) -> Replica:
    """Registers a file where it lies.

    Rodsadmins only (acSetChkFilePathPerm as packaged: PATH_REG_NOT_ALLOWED for others).
    """
    if not session.account.is_admin:
        raise IrodsError("PATH_REG_NOT_ALLOWED", file)
    target = session.resource(resource or session.default_resource)
    if size is None:
        try:
            size = os.stat(file).st_size
        except OSError as error:
            raise os_error("UNIX_FILE_STAT_ERR", error) from error
    return insert(session, path, target, file=file, size=size, status=GOOD, checksum=checksum)


def register_collection(session: Session, path: str, folder: str, resource: str) -> None:
    """`ireg -C`: a directory and all below it."""
    if not session.account.is_admin:
        raise IrodsError("PATH_REG_NOT_ALLOWED", folder)
    for current, _, names in os.walk(folder):
        below = os.path.relpath(current, folder)
        collection = path if below == "." else f"{path}/{below}"
        collection_tree.make_collection(session, collection, recursive=True)
        for name in sorted(names):
            register(session, f"{collection}/{name}", os.path.join(current, name), resource)


def unlink(session: Session, path: str, *, force: bool = False, unregister: bool = False) -> None:
    """Moves an object to the user's trash; with `force`, or if it is in the trash, removes it permanently.

    Files outside the vault stay where they are.
    """
    found = replicas(session, path)
    if not found:
        raise IrodsError("CAT_NO_ROWS_FOUND", path)
    session.demand(found[0].data_id, DELETE, path)
    if not force and not unregister and not path.startswith(f"/{session.zone}/trash/"):
        target = collection_tree.trash_path(session, path)
        collection_tree.make_collection(session, split_path(target)[0], recursive=True)
        collection_tree.rename(session, path, collection_tree.free_name(session, target), collection=False)
        return
    with session.catalog.writing():
        # looked at again: since then another object may have got this name
        found = replicas(session, path)
        if not found:
            raise IrodsError("CAT_NO_ROWS_FOUND", path)
        data_id = found[0].data_id
        session.demand(data_id, DELETE, path)
        if any(r.status > GOOD for r in found):
            raise IrodsError("LOCKED_DATA_OBJECT_ACCESS", path)
        session.catalog.run("DELETE FROM R_DATA_MAIN WHERE data_id = ?", (data_id,))
        collection_tree.forget(session, data_id)
        doomed = [] if unregister else [r.file for r in found if r.in_vault]
        doom(session, doomed)
    erase(session, doomed)


def doom(session: Session, files: list[str]) -> None:
    """Notes, in the transaction that forgets their replicas, that these files of the vault have to go."""
    for file in files:
        session.catalog.run("INSERT OR REPLACE INTO doomed_file VALUES (?, ?)", (file, session.agent))


def erase(session: Session, files: list[str]) -> None:
    """Removes doomed files."""
    for file in files:
        Path(file).unlink(missing_ok=True)
        with session.catalog.writing():
            session.catalog.run("DELETE FROM doomed_file WHERE path = ?", (file,))


def stat(session: Session, path: str) -> dict[str, Any]:
    """Returns what msiObjStat returns. USER_FILE_DOES_NOT_EXIST unless the account may see the path."""
    catalog = session.catalog
    parent, name = split_path(path) if path != "/" else ("", "")
    rows = catalog.all(
        "SELECT d.data_id, d.data_size, d.data_is_dirty, d.data_checksum, d.data_owner_name, d.data_owner_zone,"
        " d.create_ts, d.modify_ts, d.resc_id, d.coll_id FROM R_COLL_MAIN c JOIN R_DATA_MAIN d ON d.coll_id = c.coll_id"
        " WHERE c.coll_name = ? AND d.data_name = ? ORDER BY d.data_is_dirty <> 1, d.data_repl_num",
        (parent, name),
    )
    visible = session.account.is_admin
    if rows and (visible or (session.access(rows[0][0]) >= READ and session.access(rows[0][9]) >= READ)):
        row = rows[0]
        values = dict(
            zip(
                ("dataId", "ownerName", "ownerZone", "createTime", "modifyTime"),
                map(str, (row[0], *row[4:8])),
                strict=True,
            )
        )
        return {
            "objType": 1,
            "objSize": row[1],
            "chksum": row[3],
            "rescHier": session.resource_by_id(row[8]).name,
            **values,
        }
    found = catalog.one(
        "SELECT coll_id, coll_owner_name, coll_owner_zone, create_ts, modify_ts FROM R_COLL_MAIN WHERE coll_name = ?",
        (path,),
    )
    if found and (visible or session.access(found[0]) >= READ):
        values = dict(
            zip(("dataId", "ownerName", "ownerZone", "createTime", "modifyTime"), map(str, found), strict=True)
        )
        return {"objType": 2, "objSize": 0, "chksum": "", "rescHier": "", **values}
    raise IrodsError("USER_FILE_DOES_NOT_EXIST", path)

"""Works on whole replicas: checksum, replicate, trim, copy, touch (rsDataObjChksum.cpp, rsDataObjRepl.cpp,
rsDataObjTrim.cpp).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from pathlib import Path

from embedded.catalog import collection_tree
from embedded.catalog.database import OWN, READ, WRITE, Catalog, timestamp
from embedded.catalog.rows import GOOD, INTERMEDIATE, STALE, Changed, Replica
from embedded.catalog.session import Session, split_path
from embedded.errors import IrodsError
from embedded.objects.objects import choose, close, create, doom, erase, mark_stale, os_error, replicas, vault_file


def digest(file: str) -> str:
    """`sha2:<base64 of SHA-256>` of a file."""
    sha = hashlib.sha256()
    try:
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                sha.update(block)
    except OSError as error:
        raise os_error("UNIX_FILE_OPEN_ERR", error) from error
    return "sha2:" + base64.b64encode(sha.digest()).decode()


def _found(session: Session, path: str, level: int, admin: bool = False) -> list[Replica]:
    found = replicas(session, path)
    if not found:
        raise IrodsError("CAT_NO_ROWS_FOUND", path)
    session.demand(found[0].data_id, level, path, admin=admin)
    return found


def checksum(
    session: Session,
    path: str,
    *,
    force: bool = False,
    verify: bool = False,
    number: str = "",
    every: bool = False,
    admin: bool = False,
) -> str:
    """The checksum, computed where none is kept (or with `force`); `verify` reads the bytes and answers nothing.

    CHECK_VERIFICATION_RESULTS where bytes, size or replicas differ or a checksum is missing.
    """
    found = _found(session, path, READ, admin)
    if force and verify:
        raise IrodsError("USER_INCOMPATIBLE_PARAMS", "forceChksum and verifyChksum")
    chosen = [r for r in found if (r.status == GOOD if not number else str(r.number) == number)]
    if not chosen:
        raise IrodsError("SYS_NO_GOOD_REPLICA" if not number else "SYS_REPLICA_DOES_NOT_EXIST", path)
    if any(r.status > GOOD for r in chosen):
        raise IrodsError("SYS_REPLICA_INACCESSIBLE", path)
    if verify:
        _verify(session, path, chosen)
        return ""
    result = ""
    for replica in chosen if every else chosen[:1]:
        result = replica.checksum
        if force or not result:
            result = digest(replica.file)
            with session.catalog.writing():
                session.catalog.run(
                    "UPDATE R_DATA_MAIN SET data_checksum = ? WHERE data_id = ? AND data_repl_num = ?",
                    (result, replica.data_id, replica.number),
                )
            session.on_modified(Changed(path, replica.file, replica.resource.name, replica.size))
    return result


def _verify(session: Session, path: str, chosen: list[Replica]) -> None:
    problems = []
    for replica in chosen:
        if not os.path.exists(replica.file) or os.path.getsize(replica.file) != replica.size:
            problems.append(f"replica {replica.number}: size on disk differs")
        elif not replica.checksum:
            problems.append(f"replica {replica.number}: no checksum")
        elif digest(replica.file) != replica.checksum:
            problems.append(f"replica {replica.number}: checksum differs")
    if len({replica.checksum for replica in chosen if replica.checksum}) > 1:
        problems.append("replicas with different checksums")
    if problems:
        session.log(f"checksum verification of {path}: {'; '.join(problems)}")
        raise IrodsError("CHECK_VERIFICATION_RESULTS", "; ".join(problems))


def replicate(
    session: Session,
    path: str,
    resource: str = "",
    *,
    verify: bool = False,
    register: bool = False,
    every: bool = False,
    admin: bool = False,
) -> None:
    """Makes a good replica on `resource`, or updates its stale one. A replica that is good already is not an error."""
    target = session.resource(resource or session.default_resource)
    with session.catalog.writing():
        found = _found(session, path, WRITE, admin)
        source = choose(found)
        if source.status != GOOD:
            raise IrodsError("SYS_NO_GOOD_REPLICA", path)
        there = next((r for r in found if r.resource.id == target.id), None)
        if there and there.status == GOOD:
            return
        if verify and not source.checksum:
            raise IrodsError("CAT_NO_CHECKSUM_FOR_REPLICA", path)
        copy = _begin(session, path, source, there, max(r.number for r in found) + 1, target.name)
    try:
        Path(copy.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.file, copy.file)
        if os.path.getsize(copy.file) != source.size:
            raise IrodsError("USER_FILE_SIZE_MISMATCH", path)
        if verify and digest(copy.file) != source.checksum:
            raise IrodsError("USER_CHKSUM_MISMATCH", path)
    except (OSError, IrodsError) as error:
        _finish(session, copy, STALE, "")
        raise os_error("UNIX_FILE_CREATE_ERR", error) if isinstance(error, OSError) else error from error
    checksum = source.checksum if verify or source.checksum else (digest(copy.file) if register else "")
    _finish(session, copy, GOOD, checksum, source.size)
    try:
        session.on_modified(Changed(path, copy.file, target.name, source.size, "1"))
    except IrodsError:
        # as rsDataObjRepl.cpp: the catalog says good, the file is gone; rules must not raise here
        Path(copy.file).unlink(missing_ok=True)
        raise


def _begin(session: Session, path: str, source: Replica, there: Replica | None, number: int, resource: str) -> Replica:
    target, catalog, now = session.resource(resource), session.catalog, timestamp()
    if there:
        copy = there
        catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = 2 WHERE data_id = ? AND data_repl_num = ?",
            (copy.data_id, copy.number),
        )
    else:
        copy = Replica(
            source.data_id,
            number,
            INTERMEDIATE,
            target,
            vault_file(target, source.data_id, catalog.next_id()),
            source.size,
            "",
            "",
        )
        catalog.run(
            "INSERT INTO R_DATA_MAIN (data_id, coll_id, data_name, data_repl_num, data_type_name, data_size, "
            "resc_id, data_path, data_owner_name, "
            "data_owner_zone, data_is_dirty, create_ts, modify_ts, access_ts) SELECT data_id, coll_id, data_name, "
            "?, data_type_name, data_size, ?, ?, "
            "data_owner_name, data_owner_zone, 2, ?, ?, ? FROM R_DATA_MAIN WHERE data_id = ? AND data_repl_num = ?",
            (number, target.id, copy.file, now, now, now, source.data_id, source.number),
        )
    catalog.run(
        "UPDATE R_DATA_MAIN SET data_is_dirty = 3, data_status = ? WHERE data_id = ? AND data_is_dirty = 1",
        (json.dumps({"original_status": "1"}), copy.data_id),
    )
    catalog.run("INSERT INTO open_replica VALUES (?, ?, ?)", (copy.data_id, copy.number, session.agent))
    return copy


def _finish(session: Session, copy: Replica, status: int, kept: str, size: int | None = None) -> None:
    """Ends a copy with `status`. `size`: bytes copied; by default the size of the file that is there."""
    if size is None:
        size = os.path.getsize(copy.file) if os.path.exists(copy.file) else 0
    with session.catalog.writing():
        session.catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = 1, data_status = '' WHERE data_id = ? AND data_is_dirty = 3",
            (copy.data_id,),
        )
        session.catalog.run(
            "UPDATE R_DATA_MAIN SET data_is_dirty = ?, data_status = '', data_size = ?, data_checksum = ?, modify_ts ="
            " ? WHERE data_id = ? AND data_repl_num = ?",
            (status, size, kept, timestamp(), copy.data_id, copy.number),
        )
        session.catalog.run("DELETE FROM open_replica WHERE data_id = ? AND agent = ?", (copy.data_id, session.agent))


def trim(
    session: Session, path: str, resource: str = "", number: str = "", copies: str = "", *, admin: bool = False
) -> int:
    """Removes replicas, keeping `copies` (2) of them; how many went. A file outside the vault is only unregistered."""
    if resource and number:
        raise IrodsError("USER_INCOMPATIBLE_PARAMS", "rescName and replNum")
    try:
        keep = int(copies) if copies else 2
    except ValueError:
        raise IrodsError("USER_INCOMPATIBLE_PARAMS", copies) from None
    if keep < 1:
        raise IrodsError("USER_INCOMPATIBLE_PARAMS", copies)
    with session.catalog.writing():
        found = _found(session, path, OWN, admin)
        doomed = _to_trim(session, path, found, resource, number, keep)
        for replica in doomed:
            session.catalog.run(
                "DELETE FROM R_DATA_MAIN WHERE data_id = ? AND data_repl_num = ?", (replica.data_id, replica.number)
            )
        files = [replica.file for replica in doomed if replica.in_vault]
        doom(session, files)
    erase(session, files)
    return len(doomed)


def _to_trim(session: Session, path: str, found: list[Replica], resource: str, number: str, keep: int) -> list[Replica]:
    if any(r.status > GOOD for r in found):
        raise IrodsError("LOCKED_DATA_OBJECT_ACCESS", path)
    if len(found) <= keep:
        return []
    good = [r for r in found if r.status == GOOD]
    if number:
        chosen = [r for r in found if str(r.number) == number]
        if not chosen:
            raise IrodsError("SYS_REPLICA_DOES_NOT_EXIST", path)
    else:
        if resource:
            session.resource(resource)
        chosen = [r for r in found if not resource or r.resource.name == resource]
    if number and chosen[0].status == GOOD and len(good) == 1:
        raise IrodsError("USER_INCOMPATIBLE_PARAMS", "cannot remove the last good replica")
    doomed: list[Replica] = []
    good_left = len(good)
    for replica in sorted(chosen, key=lambda r: (r.status, r.number)):  # stale ones first
        if len(found) - len(doomed) <= keep or (replica.status == GOOD and good_left <= 1):
            continue
        doomed.append(replica)
        good_left -= replica.status == GOOD
    return doomed


def modify(catalog: Catalog, path: str, number: str, column: str, value: str) -> None:
    """Writes a column of one replica in the catalog alone (iadmin modrepl)."""
    texts = {"DATA_STATUS": "data_status", "DATA_PATH": "data_path"}
    names = {"DATA_REPL_NUM": "data_repl_num", "DATA_REPL_STATUS": "data_is_dirty", **texts}
    if column not in names or not number.isdigit() or not (value.isdigit() or column in texts):
        raise IrodsError("SYS_INVALID_INPUT_PARAM", f"{number} {column} {value}")
    with catalog.writing():
        changed = catalog.run(
            f"UPDATE R_DATA_MAIN SET {names[column]} = ? WHERE data_repl_num = ? AND data_name = ? "  # noqa: S608 - one of the above
            "AND coll_id = (SELECT coll_id FROM R_COLL_MAIN WHERE coll_name = ?)",
            (value, int(number), *reversed(split_path(path))),
        )
        if not changed:
            raise IrodsError("CAT_NO_ROWS_FOUND", path)


def copy(session: Session, source: str, destination: str, resource: str = "", *, force: bool = False) -> None:
    """A new object with the source's bytes; its metadata is not copied.

    Makes the destination's collections, as a server does.
    """
    if source == destination:
        raise IrodsError("SAME_SRC_DEST_PATHS_ERR", source)
    found = _found(session, source, READ)
    if session.object_id(destination) is not None and not force:
        raise IrodsError("OVERWRITE_WITHOUT_FORCE_FLAG", destination)
    collection_tree.make_collection(session, split_path(destination)[0], recursive=True)
    replica = choose(found)
    number = create(session, destination, resource, force=force)
    descriptor = session.descriptors[number]
    try:
        with open(replica.file, "rb") as stream:
            while block := stream.read(1 << 20):
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(descriptor.file, rest) :]
                descriptor.written += len(block)
    except OSError as error:
        close(session, number)
        mark_stale(session, descriptor.replica)
        raise os_error("UNIX_FILE_READ_ERR", error) from error
    close(session, number)


def touch(session: Session, path: str, *, no_create: bool = False, seconds: int | None = None) -> None:
    """Sets the modification time of an object or collection; makes an empty object where there is nothing."""
    now = timestamp(seconds)
    coll_id, data_id = session.collection_id(path), session.object_id(path)
    if coll_id is None and data_id is None:
        if no_create:
            return
        close(session, create(session, path))
        data_id = session.object_id(path)
    session.demand(coll_id or data_id or 0, WRITE, path)
    with session.catalog.writing():
        if coll_id is not None:
            session.catalog.run("UPDATE R_COLL_MAIN SET modify_ts = ? WHERE coll_id = ?", (now, coll_id))
        else:
            session.catalog.run(
                "UPDATE R_DATA_MAIN SET modify_ts = ? WHERE data_id = ? AND data_is_dirty = 1", (now, data_id)
            )

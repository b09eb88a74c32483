"""The API calls of clients: each fires the same enforcement points as on a server (apiHandler.hpp).

A route calls the server, so a pre-PEP that rewrites the path in its arguments decides where the object goes. Functions
are named after the command (iput, ireg, imv...) or the library (prc: python-irodsclient, istream: replica_open).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from embedded.catalog import collection_tree, metadata, permissions
from embedded.catalog.rows import Replica
from embedded.engine.agent import Agent
from embedded.errors import IrodsError
from embedded.objects import collection_removal, objects, replication
from embedded.query.genquery2 import compile_query
from embedded.types import (
    BulkOprInp,
    CollInp,
    DataObjCopyInp,
    DataObjInp,
    GenQueryOut,
    ModAccessControlInp,
    OpenedDataObjInp,
    buffer_of,
    bytes_of,
    pairs_of,
)
from microservices.zones import bulk_registration
from policy.zone import Registration

SINGLE_BUFFER = 32 * 1024 * 1024
"""Largest file in bytes that iput and PRC send in one piece (MAX_SZ_FOR_SINGLE_BUF)."""
BULK = 50
_CHUNK = 8 * 1024 * 1024


def _pairs(resource: str, force: bool) -> dict[str, str]:
    return (
        {"dataType": "generic"}
        | ({"destRescName": resource} if resource else {})
        | ({"forceFlag": ""} if force else {})
    )


def iput(agent: Agent, path: str, content: bytes, *, resource: str = "", force: bool = False) -> None:
    """DATA_OBJ_PUT; large files through a portal, with OPR_COMPLETE before the put's post."""
    inp = DataObjInp(path, _pairs(resource, force), dataSize=len(content), oprType=1)

    def put() -> None:
        number = objects.create(agent.session, str(inp.objPath), resource, force=force)
        objects.write(agent.session, number, content)
        if len(content) > SINGLE_BUFFER:
            code = agent.fire("pep_api_opr_complete_pre", ["api_instance", None, 0])
            if code < 0:
                raise IrodsError(code, "pep_api_opr_complete_pre")
        objects.close(agent.session, number)

    agent.api("data_obj_put", [inp, buffer_of(content if len(content) <= SINGLE_BUFFER else b""), None], put)


def iput_bulk(agent: Agent, collection: str, files: Sequence[tuple[str, bytes]], *, resource: str = "") -> None:
    """BULK_DATA_OBJ_PUT, once for each 50 files; names are relative to the collection."""
    for start in range(0, len(files), BULK):
        batch = files[start : start + BULK]
        paths = [f"{collection}/{name}" for name, _ in batch]
        inp = BulkOprInp(
            collection, [paths, [""] * len(paths), ["0"] * len(paths), [str(i) for i in range(len(paths))]]
        )

        def put(batch: Sequence[tuple[str, bytes]] = batch, paths: Sequence[str] = paths) -> None:
            for path, (_, content) in zip(paths, batch, strict=True):
                number = objects.create(agent.session, path, resource)
                objects.write(agent.session, number, content)
                objects.close(agent.session, number)

        agent.api("bulk_data_obj_put", [inp, buffer_of(b"".join(content for _, content in batch))], put)


def prc_put(agent: Agent, path: str, content: bytes, *, resource: str = "", streams: int = 3) -> None:
    """python-irodsclient's put: open, write, close; above 32 MiB several opens that write at once."""
    if len(content) > SINGLE_BUFFER:
        _prc_parallel(agent, path, content, resource, streams)
        return
    number = _prc_open(agent, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, resource)
    _prc_write(agent, number, content)
    agent.api("data_obj_close", [OpenedDataObjInp(number)], lambda: objects.close(agent.session, number))


def _prc_open(agent: Agent, path: str, flags: int, resource: str, join: int | None = None, replica: str = "") -> int:
    pairs = ({"destRescName": resource} if resource else {}) | ({"replNum": replica} if replica else {})
    inp = DataObjInp(path, pairs | ({"replicaToken": str(join)} if join is not None else {}), openFlags=flags)

    def opened() -> int:
        if join is not None:
            return objects.join(agent.session, join)
        return objects.open_object(agent.session, str(inp.objPath), flags, resource, replica)

    return agent.api("data_obj_open", [inp], opened)


def _prc_write(agent: Agent, number: int, content: bytes) -> None:
    for start in range(0, len(content), _CHUNK):
        part = content[start : start + _CHUNK]
        inp = OpenedDataObjInp(number, len(part))
        agent.api("data_obj_write", [inp, buffer_of(part)], partial(objects.write, agent.session, number, part))


def _prc_parallel(agent: Agent, path: str, content: bytes, resource: str, streams: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    first = _prc_open(agent, path, flags, resource)
    session = agent.session
    agent.api(
        "get_file_descriptor_info",
        [buffer_of(json.dumps({"fd": first}).encode()), None],
        lambda: session.descriptors[first].path,
    )
    others = [_prc_open(agent, path, os.O_WRONLY, resource, first) for _ in range(streams - 1)]
    share = -(-len(content) // streams)
    for index, number in enumerate([first, *others]):
        part = content[index * share : (index + 1) * share]
        agent.api(
            "data_obj_lseek",
            [OpenedDataObjInp(number), None],
            partial(objects.seek, session, number, index * share, os.SEEK_SET),
        )
        _prc_write(agent, number, part)
    for number in others:
        request = {"fd": number, "update_size": False, "update_status": False}
        close = buffer_of(json.dumps(request).encode())
        agent.api("replica_close", [close], partial(objects.close, session, number, update=False))
    agent.api("data_obj_close", [OpenedDataObjInp(first)], lambda: objects.close(session, first))


def prc_create(agent: Agent, path: str, *, resource: str = "") -> None:
    """python-irodsclient's create: an empty object."""
    inp = DataObjInp(path, _pairs(resource, False))
    number = agent.api("data_obj_create", [inp], lambda: objects.create(agent.session, str(inp.objPath), resource))
    agent.api("data_obj_close", [OpenedDataObjInp(number)], lambda: objects.close(agent.session, number))


def istream(agent: Agent, path: str, content: bytes, *, resource: str = "") -> None:
    """replica_open, write, replica_close (istream, dstream, NFSRODS).

    A post-PEP that fails at the close leaves the replica stale.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    inp = DataObjInp(path, {"destRescName": resource} if resource else {}, openFlags=flags)
    session = agent.session
    number = agent.api(
        "replica_open", [inp, None], lambda: objects.open_object(session, str(inp.objPath), flags, resource)
    )
    _prc_write(agent, number, content)
    replica = session.descriptors[number].replica

    def close() -> None:
        try:
            objects.close(session, number)
        except IrodsError:
            objects.mark_stale(session, replica)
            raise

    agent.api("replica_close", [buffer_of(json.dumps({"fd": number}).encode())], close)


def ireg(agent: Agent, file: Path | str, path: str, resource: str) -> str:
    """PHY_PATH_REG of a file where it lies; the path where the object is afterwards (pre- and post-PEP may have placed
    it).
    """
    try:
        size = os.stat(file).st_size
    except OSError as error:
        raise objects.os_error("UNIX_FILE_STAT_ERR", error) from error
    inp = DataObjInp(path, {"filePath": str(file), "destRescName": resource, "dataSize": str(size)}, dataSize=size)

    def register() -> Replica | None:
        pairs = pairs_of(inp.condInput)
        return objects.register(agent.session, str(inp.objPath), pairs["filePath"], pairs["destRescName"], size=size)

    replica = agent.api("phy_path_reg", [inp], register, None)
    return _path_of(agent, replica) if replica else str(inp.objPath)


def ireg_bulk(agent: Agent, files: Sequence[Registration], resource: str) -> None:
    """BULK_DATA_OBJ_REG: all files or none, as rsBulkDataObjReg.cpp registers them. It never looks at the files."""
    if len(files) > BULK:
        raise IrodsError("USER_PACKSTRUCT_INPUT_ERR", f"{len(files)} files")
    columns = bulk_registration.columns(files, resource, str(agent.session.resource(resource).id))
    inp = GenQueryOut(len(files), len(columns), 0, len(files), list(columns.values()), list(columns))

    def register() -> None:
        with agent.session.catalog.writing():
            for file in files:
                objects.register(agent.session, file.path, file.file, resource, size=file.size, checksum=file.checksum)

    agent.api("bulk_data_obj_reg", [inp, None], register)


def _path_of(agent: Agent, replica: Replica) -> str:
    row = agent.session.catalog.one(
        "SELECT c.coll_name, d.data_name FROM R_DATA_MAIN d JOIN R_COLL_MAIN c ON c.coll_id = d.coll_id WHERE"
        " d.data_id = ?",
        (replica.data_id,),
    )
    if row is None:
        raise IrodsError("OBJ_PATH_DOES_NOT_EXIST", replica.file)
    return f"{row[0]}/{row[1]}"


def ireg_collection(agent: Agent, folder: Path | str, path: str, resource: str) -> None:
    """`ireg -C`: PHY_PATH_REG once, for the directory."""
    inp = DataObjInp(path, {"filePath": str(folder), "destRescName": resource, "collection": ""})
    agent.api(
        "phy_path_reg",
        [inp],
        lambda: objects.register_collection(agent.session, str(inp.objPath), str(folder), resource),
    )


def imv(agent: Agent, source: str, destination: str) -> None:
    """DATA_OBJ_RENAME, of an object or a collection."""
    inp = DataObjCopyInp(DataObjInp(source), DataObjInp(destination))

    def rename() -> None:
        collection_tree.rename(agent.session, str(inp.srcDataObjInp.objPath), str(inp.destDataObjInp.objPath))

    agent.api("data_obj_rename", [inp], rename)


def icp(agent: Agent, source: str, destination: str, *, resource: str = "", force: bool = False) -> None:
    """DATA_OBJ_COPY."""
    inp = DataObjCopyInp(DataObjInp(source), DataObjInp(destination, _pairs(resource, force)))

    def copy() -> None:
        target = str(inp.destDataObjInp.objPath)
        replication.copy(agent.session, str(inp.srcDataObjInp.objPath), target, resource, force=force)

    agent.api("data_obj_copy", [inp, None], copy)


def itouch(agent: Agent, path: str, *, seconds: int | None = None, no_create: bool = False) -> None:
    """TOUCH, whose argument is JSON in a BytesBuf."""
    request: dict[str, object] = {"logical_path": path, "options": {"no_create": no_create}}
    if seconds is not None:
        request["options"] = {"no_create": no_create, "seconds_since_epoch": seconds}
    inp = buffer_of(json.dumps(request).encode())

    def touch() -> None:
        asked = json.loads(bytes_of(inp))
        options = asked["options"]
        replication.touch(
            agent.session,
            asked["logical_path"],
            no_create=options["no_create"],
            seconds=options.get("seconds_since_epoch"),
        )

    agent.api("touch", [inp], touch)


def iget(agent: Agent, path: str) -> bytes:
    """DATA_OBJ_GET: the whole object."""
    inp = DataObjInp(path)

    def get() -> bytes:
        number = objects.open_object(agent.session, str(inp.objPath))
        try:
            return objects.read(agent.session, number, agent.session.descriptors[number].replica.size)
        finally:
            objects.close(agent.session, number)

    return agent.api("data_obj_get", [inp, None, buffer_of(b"")], get, b"")


def read(agent: Agent, path: str, offset: int, length: int, replica: str = "") -> bytes:
    """Open, seek, read, close; of the replica with this number."""
    session = agent.session
    number = _prc_open(agent, path, os.O_RDONLY, "", replica=replica)
    try:
        if offset:
            agent.api(
                "data_obj_lseek",
                [OpenedDataObjInp(number), None],
                lambda: objects.seek(session, number, offset, os.SEEK_SET),
            )
        inp = OpenedDataObjInp(number, length)
        return agent.api("data_obj_read", [inp, buffer_of(b"")], lambda: objects.read(session, number, length), b"")
    finally:
        agent.api("data_obj_close", [OpenedDataObjInp(number)], lambda: objects.close(session, number))


def irm(agent: Agent, path: str, *, force: bool = False) -> None:
    """DATA_OBJ_UNLINK."""
    inp = DataObjInp(path, {"forceFlag": ""} if force else {})
    agent.api("data_obj_unlink", [inp], lambda: objects.unlink(agent.session, str(inp.objPath), force=force))


def irm_collection(agent: Agent, path: str, *, force: bool = False) -> None:
    """RM_COLL."""
    inp = CollInp(path, {"recursiveOpr": ""} | ({"forceFlag": ""} if force else {}))
    agent.api(
        "rm_coll",
        [inp, None],
        lambda: collection_removal.remove_collection(agent.session, str(inp.collName), force=force),
    )


def imkdir(agent: Agent, path: str, *, parents: bool = False) -> None:
    """COLL_CREATE."""
    inp = CollInp(path, {"recursiveOpr": ""} if parents else {})
    agent.api(
        "coll_create",
        [inp],
        lambda: collection_tree.make_collection(agent.session, str(inp.collName), recursive=parents),
    )


def iquery(agent: Agent, query: str) -> list[tuple[str, ...]]:
    """GENQUERY2, whose argument has no type of its own in rules: a dict."""
    inp = {"query_string": query, "zone": "", "sql_only": "0", "column_mappings": "0"}

    def ask() -> list[tuple[str, ...]]:
        session = agent.session
        statement, literals = compile_query(query, restricted=not session.account.is_admin)
        return session.catalog.rows(statement.sql, statement.parameters(literals, session.account.id))

    return agent.api("genquery2", [inp, None], ask, [])


def ichmod(agent: Agent, level: str, name: str, path: str, *, recursive: bool = False) -> None:
    """MOD_ACCESS_CONTROL; `inherit` and `noinherit` take no name."""
    inp = ModAccessControlInp(path, name, level, recursive)
    agent.api(
        "mod_access_control",
        [inp],
        lambda: permissions.set_access(agent.session, path, name, level, recursive=recursive),
    )


def imeta(agent: Agent, operation: str, option: str, name: str, attribute: str, value: str, unit: str = "") -> None:
    """MOD_AVU_METADATA, whose argument has no type of its own in rules: a dict."""
    inp = dict(
        zip(
            ("arg0", "arg1", "arg2", "arg3", "arg4", "arg5"),
            (operation, option, name, attribute, value, unit),
            strict=True,
        )
    )
    agent.api(
        "mod_avu_metadata",
        [inp],
        lambda: metadata.modify(agent.session, option, name, operation, attribute, value, unit),
    )


def imeta_atomic(
    agent: Agent, name: str, kind: str, operations: Sequence[metadata.Operation], *, admin: bool = False
) -> None:
    """ATOMIC_APPLY_METADATA_OPERATIONS; `admin` is its admin_mode."""
    listed = [{"operation": o, "attribute": a, "value": v, "units": u} for o, a, v, u in operations]
    inp = buffer_of(
        json.dumps({"entity_name": name, "entity_type": kind, "operations": listed, "admin_mode": admin}).encode()
    )
    agent.api(
        "atomic_apply_metadata_operations",
        [inp, None],
        lambda: metadata.apply_atomically(agent.session, name, kind, operations, admin=admin),
    )


def ichksum(agent: Agent, path: str, *, force: bool = False, verify: bool = False, number: str = "") -> str:
    """DATA_OBJ_CHKSUM; `number` tells one replica."""
    options = {key: "" for key, on in (("forceChksum", force), ("verifyChksum", verify)) if on}
    inp = DataObjInp(path, options | ({"replNum": number} if number else {}))

    def compute() -> str:
        return replication.checksum(agent.session, str(inp.objPath), force=force, verify=verify, number=number)

    return agent.api("data_obj_chksum", [inp, None], compute, "")


def irepl(agent: Agent, path: str, resource: str, *, verify: bool = False) -> None:
    """DATA_OBJ_REPL."""
    inp = DataObjInp(path, {"destRescName": resource} | ({"verifyChksum": ""} if verify else {}))
    agent.api(
        "data_obj_repl",
        [inp, None],
        lambda: replication.replicate(agent.session, str(inp.objPath), resource, verify=verify),
    )


def itrim(agent: Agent, path: str, resource: str = "", *, copies: int = 2) -> int:
    """DATA_OBJ_TRIM; how many replicas went."""
    inp = DataObjInp(path, {"COPIES": str(copies)} | ({"rescName": resource} if resource else {}))
    return agent.api(
        "data_obj_trim",
        [inp],
        lambda: replication.trim(agent.session, str(inp.objPath), resource, copies=str(copies)),
        0,
    )

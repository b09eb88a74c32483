"""Microservices on data objects and collections (server/re/src/reDataObjOpr.cpp)."""

from __future__ import annotations

import os

from embedded import types
from embedded.catalog import collection_tree
from embedded.engine.callback import Outputs, RuleHost, Value, integer, keywords, microservice, text
from embedded.errors import IrodsError
from embedded.objects import collection_removal, objects, replication

_OPEN = frozenset({"objPath", "rescName", "openFlags", "replNum"})
_CREATE = frozenset({"destRescName", "createMode", "dataType", "forceFlag", "dataSize", "objPath"})
_UNLINK = frozenset({"objPath", "forceFlag", "irodsRmTrash", "irodsAdminRmTrash", "unreg"})
_REPLICATE = frozenset(
    [
        "destRescName",
        "rescName",
        "backupRescName",
        "updateRepl",
        "replNum",
        "objPath",
        "dataType",
        "verifyChksum",
        "regChksum",
        "forceChksum",
        "irodsAdmin",
        "numThreads",
        "all",
    ]
)
_CHECKSUM = frozenset({"ChksumAll", "forceChksum", "replNum", "objPath", "verifyChksum", "irodsAdmin"})
_COPY = frozenset(
    {"destRescName", "forceFlag", "numThreads", "filePath", "dataType", "verifyChksum", "rescName", "regChksum"}
)
_REMOVE = frozenset({"irodsRmTrash", "irodsAdminRmTrash", "forceFlag", "collName"})


def _path(value: Value) -> str:
    path = text(value)
    return path if path != "null" else ""


@microservice("msiDataObjCreate", 3)
def data_obj_create(agent: RuleHost, path: Value, options: Value, out: Value) -> Outputs:
    """path, options, out descriptor."""
    wanted = keywords(options, _CREATE, "destRescName")
    return {
        2: objects.create(
            agent.session,
            wanted.get("objPath") or _path(path),
            wanted.get("destRescName", ""),
            force="forceFlag" in wanted,
        )
    }


@microservice("msiDataObjOpen", 2)
def data_obj_open(agent: RuleHost, options: Value, out: Value) -> Outputs:
    """options with objPath and openFlags, out descriptor."""
    wanted = keywords(options, _OPEN, "objPath")
    spelled = wanted.get("openFlags", "")
    flags = next(
        (flag for name, flag in (("O_RDWR", os.O_RDWR), ("O_WRONLY", os.O_WRONLY)) if name in spelled), os.O_RDONLY
    )
    flags |= (os.O_CREAT if "O_CREAT" in spelled else 0) | (os.O_TRUNC if "O_TRUNC" in spelled else 0)
    return {
        1: objects.open_object(
            agent.session, wanted.get("objPath", ""), flags, wanted.get("rescName", ""), wanted.get("replNum", "")
        )
    }


@microservice("msiDataObjLseek", 4)
def data_obj_lseek(agent: RuleHost, descriptor: Value, offset: Value, whence: Value, out: Value) -> Outputs:
    """descriptor, offset, whence, out FileLseekOut_t."""
    names = {"SEEK_SET": os.SEEK_SET, "SEEK_CUR": os.SEEK_CUR, "SEEK_END": os.SEEK_END, "null": os.SEEK_SET}
    how = names.get(whence, -1) if isinstance(whence, str) else whence
    if how == -1:
        how = integer(whence)
    if how not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
        raise IrodsError("USER_PARAM_TYPE_ERR")
    at = objects.seek(agent.session, integer(descriptor), 0 if offset == "null" else integer(offset), how)
    return {3: types.FileLseekOut_t(at)}


@microservice("msiDataObjRead", 3)
def data_obj_read(agent: RuleHost, descriptor: Value, length: Value, out: Value) -> Outputs:
    """descriptor, length, out BytesBuf."""
    return {2: types.buffer_of(objects.read(agent.session, integer(descriptor), max(integer(length), 0)))}


@microservice("msiDataObjWrite", 3)
def data_obj_write(agent: RuleHost, descriptor: Value, data: Value, out: Value) -> Outputs:
    """descriptor, text or BytesBuf, out bytes written."""
    content = (
        data.encode() if isinstance(data, str) else types.bytes_of(data) if isinstance(data, types.BytesBuf) else None
    )
    if content is None:
        raise IrodsError("USER_PARAM_TYPE_ERR")
    return {2: objects.write(agent.session, integer(descriptor), content)}


@microservice("msiDataObjClose", 2)
def data_obj_close(agent: RuleHost, descriptor: Value, out: Value) -> Outputs:
    """descriptor, out status."""
    objects.close(agent.session, integer(descriptor))
    return {1: 0}


@microservice("msiDataObjUnlink", 2)
def data_obj_unlink(agent: RuleHost, options: Value, out: Value) -> Outputs:
    """options with objPath, out status; to the trash without forceFlag."""
    wanted = keywords(options, _UNLINK, "objPath")
    objects.unlink(agent.session, wanted.get("objPath", ""), force="forceFlag" in wanted, unregister="unreg" in wanted)
    return {1: 0}


@microservice("msiDataObjRename", 4)
def data_obj_rename(agent: RuleHost, source: Value, destination: Value, kind: Value, out: Value) -> Outputs:
    """source, destination, 0 object or 1 collection, out status."""
    collection_tree.rename(agent.session, _path(source), _path(destination), collection=integer(kind) > 0)
    return {3: 0}


@microservice("msiDataObjCopy", 4)
def data_obj_copy(agent: RuleHost, source: Value, destination: Value, options: Value, out: Value) -> Outputs:
    """source, destination, options, out status."""
    wanted = keywords(options, _COPY, "destRescName")
    replication.copy(
        agent.session, _path(source), _path(destination), wanted.get("destRescName", ""), force="forceFlag" in wanted
    )
    return {3: 0}


@microservice("msiDataObjRepl", 3)
def data_obj_repl(agent: RuleHost, path: Value, options: Value, out: Value) -> Outputs:
    """path, options with destRescName, out status."""
    wanted = keywords(options, _REPLICATE, "destRescName")
    if "verifyChksum" in wanted and "regChksum" in wanted:
        raise IrodsError("USER_INCOMPATIBLE_PARAMS")
    if agent.session.account.is_admin is False and "irodsAdmin" in wanted:
        raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL")
    replication.replicate(
        agent.session,
        wanted.get("objPath") or _path(path),
        wanted.get("destRescName", ""),
        verify="verifyChksum" in wanted,
        register="regChksum" in wanted,
        admin="irodsAdmin" in wanted,
    )
    return {2: 0}


@microservice("msiDataObjTrim", 6)
def data_obj_trim(
    agent: RuleHost, path: Value, resource: Value, number: Value, copies: Value, admin: Value, out: Value
) -> Outputs:
    """path, resource, replica number, copies to keep, irodsAdmin, out count; `null` for none."""
    resource, number, copies, admin = (
        value if value != "null" else "" for value in map(text, (resource, number, copies, admin))
    )
    return {5: replication.trim(agent.session, _path(path), resource, number, copies, admin=bool(admin))}


@microservice("msiDataObjChksum", 3)
def data_obj_chksum(agent: RuleHost, path: Value, options: Value, out: Value) -> Outputs:
    """path, options, out checksum."""
    wanted = keywords(options, _CHECKSUM, "keyWord")
    result = replication.checksum(
        agent.session,
        wanted.get("objPath") or _path(path),
        force="forceChksum" in wanted,
        verify="verifyChksum" in wanted,
        number=wanted.get("replNum", ""),
        every="ChksumAll" in wanted,
        admin="irodsAdmin" in wanted,
    )
    return {2: result}


@microservice("msiPhyPathReg", 5)
def phy_path_reg(agent: RuleHost, path: Value, resource: Value, file: Value, kind: Value, out: Value) -> Outputs:
    """path, resource, file, `null` or `collection`, out status."""
    resource = "" if text(resource) == "null" else resource
    if text(kind) == "collection":
        objects.register_collection(agent.session, _path(path), text(file), resource)
    elif kind in ("", "null"):
        objects.register(agent.session, _path(path), text(file), resource)
    else:
        raise IrodsError("USER_PARAM_TYPE_ERR", kind)
    return {4: 0}


@microservice("msiObjStat", 2)
def obj_stat(agent: RuleHost, path: Value, out: Value) -> Outputs:
    """path, out RodsObjStat."""
    return {1: types.RodsObjStat(**objects.stat(agent.session, _path(path)))}


@microservice("msiGetObjType", 2)
def get_obj_type(agent: RuleHost, path: Value, out: Value) -> Outputs:
    """path, out `-d` or `-c`."""
    return {1: "-d" if objects.stat(agent.session, _path(path))["objType"] == 1 else "-c"}


@microservice("msiCollCreate", 3)
def coll_create(agent: RuleHost, path: Value, recursive: Value, out: Value) -> Outputs:
    """path, 1 for parents too, out status."""
    collection_tree.make_collection(agent.session, _path(path), recursive=integer(recursive) > 0)
    return {2: 0}


@microservice("msiRmColl", 3)
def rm_coll(agent: RuleHost, path: Value, options: Value, out: Value) -> Outputs:
    """path, options, out status."""
    wanted = keywords(options, _REMOVE, "keyWord")
    collection_removal.remove_collection(agent.session, _path(path), force="forceFlag" in wanted)
    return {2: 0}

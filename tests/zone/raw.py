"""Requests to an iRODS server as no client of iRODS sends them: packed by hand, for any API by its number.

References: lib/core/include/irods/rodsPackInstruct.h, lib/api/include/irods/apiNumberData.h
"""

from __future__ import annotations

from html import escape

from irods.exception import iRODSException
from irods.message import iRODSMessage

from microservices.zones.client_zone import IrodsZone


class Packed:
    """A message as it is sent."""

    def __init__(self, xml: str) -> None:
        self._xml = xml.encode()

    def pack(self) -> bytes:
        return self._xml


def struct(name: str, **fields: object) -> str:
    """A structure in iRODS's XML: values in the order of the structure; what begins with `<` is packed already."""
    inside = "".join(
        str(v) if str(v).startswith("<") else f"<{key}>{escape(str(v), quote=False)}</{key}>"
        for key, v in fields.items()
    )
    return f"<{name}>{inside}</{name}>"


def pairs(**keywords: str) -> str:
    """Keywords of a request."""
    names = "".join(f"<keyWord>{name}</keyWord>" for name in keywords)
    values = "".join(f"<svalue>{escape(value)}</svalue>" for value in keywords.values())
    return f"<KeyValPair_PI><ssLen>{len(keywords)}</ssLen>{names}{values}</KeyValPair_PI>"


def bytes_buffer(content: str, name: str = "BytesBuf_PI") -> str:
    """Text in a buffer."""
    return f"<{name}><buflen>{len(content)}</buflen><buf>{escape(content)}</buf></{name}>"


def data_obj_inp(path: str, special: str = "", opr: int = 0, **keywords: str) -> str:
    """DataObjInp_PI."""
    numbers = {"createMode": 0, "openFlags": 0, "offset": 0, "dataSize": 0, "numThreads": 0, "oprType": opr}
    return struct(
        "DataObjInp_PI", objPath=path, **numbers, special=special or "<!-- -->", pairs=pairs(**keywords)
    ).replace("<!-- -->", "")


def coll_inp(path: str, **keywords: str) -> str:
    """CollInpNew_PI."""
    return struct("CollInpNew_PI", collName=path, flags=0, oprType=0, pairs=pairs(**keywords))


def data_obj_info(path: str, file: str, resource: str, resource_id: int, **given: object) -> str:
    """DataObjInfo_PI."""
    fields: dict[str, object] = {
        "objPath": path, "rescName": resource, "rescHier": resource, "dataType": "generic", "dataSize": 10, "chksum": "",
        "version": "", "filePath": file, "dataOwnerName": "", "dataOwnerZone": "", "replNum": 0, "replStatus": 1, "statusString": "",
        "dataId": 0, "collId": 0, "dataMapId": 0, "flags": 0, "dataComments": "", "dataMode": "384", "dataExpiry": "",
        "dataCreate": "", "dataModify": "", "dataAccess": "", "dataAccessInx": 0, "writeFlag": 0, "destRescName": "",
        "backupRescName": "", "subPath": "", "regUid": 0, "otherFlags": 0, "pairs": pairs(), "in_pdmo": "", "rescId": resource_id,
        "dataAccessTime": "",
    }  # fmt: skip
    return struct("DataObjInfo_PI", **{**fields, **given})


def special_collection(path: str, folder: str, resource: str) -> str:
    """SpecColl_PI: a folder of the server, mounted as a collection."""
    return struct(
        "SpecColl_PI",
        collClass=2, type=0, collection=path, objPath="", resource=resource, rescHier=resource, phyPath=folder, cacheDir=folder,
        cacheDirty=0, replNum=0,
    )  # fmt: skip


def host(name: str = "") -> str:
    """RHostAddr_PI."""
    return struct("RHostAddr_PI", hostAddr=name, rodsZone="", port=1247, dummyInt=0)


def send(zone: IrodsZone, number: int, xml: str, content: bytes = b"") -> int:
    """The server's answer: 0 or more, or the code of the error."""
    with zone.session.pool.get_connection() as connection:
        connection.send(iRODSMessage("RODS_API_REQ", msg=Packed(xml), bs=content, int_info=number))
        try:
            return int(connection.recv().int_info)
        except iRODSException as error:
            return int(error.code)
        except KeyError as error:  # a code that the library does not know
            return int(error.args[0])

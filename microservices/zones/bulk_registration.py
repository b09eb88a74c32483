"""The request that registers a batch of files: the columns of a GenQueryOut_PI, which BULK_DATA_OBJ_REG takes.

References: irods/server/api/src/rsBulkDataObjReg.cpp, lib/core/include/irods/rodsGenQuery.h
"""

from __future__ import annotations

from collections.abc import Sequence

from policy.zone import Registration

DATA_NAME, DATA_PATH = 403, 410
_REPLICA_NUMBER, _TYPE, _SIZE, _RESOURCE, _CHECKSUM, _MODE, _RESOURCE_ID, _OPERATION = (
    404,
    406,
    407,
    409,
    415,
    421,
    423,
    999999,
)
_MODE_READ_ONLY = str(0o100440)


def columns(files: Sequence[Registration], resource: str, resource_id: str) -> dict[int, list[str]]:
    """Number of the column -> its value for each file."""
    return {
        DATA_NAME: [file.path for file in files],
        _TYPE: ["generic"] * len(files),
        _SIZE: [str(file.size) for file in files],
        _RESOURCE: [resource] * len(files),
        _RESOURCE_ID: [resource_id] * len(files),
        DATA_PATH: [file.file for file in files],
        _MODE: [_MODE_READ_ONLY] * len(files),
        _OPERATION: ["register"] * len(files),
        _REPLICA_NUMBER: ["0"] * len(files),
        _CHECKSUM: [file.checksum for file in files],
    }

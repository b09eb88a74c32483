"""Keywords of a client's request: the key-value pairs (`condInput`) that go with paths."""

from __future__ import annotations

from typing import Any


def keywords_of(request: Any) -> set[str]:  # noqa: ANN401 - DataObjInp, DataObjCopyInp, CollInp or BulkOprInp of irods_types
    """Returns the keywords of a request about one path, or two. AttributeError for any other request."""
    ends = (request.srcDataObjInp, request.destDataObjInp) if hasattr(request, "srcDataObjInp") else (request,)
    return {str(end.condInput.key[i]) for end in ends for i in range(end.condInput.len)}

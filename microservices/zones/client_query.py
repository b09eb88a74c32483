"""GenQuery1 over python-irodsclient, with rows as the catalog has them: texts.

The library's own Query turns values into numbers and dates, and may ask for the next page on another connection than
the first one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from irods.api_number import api_number
from irods.exception import CAT_NO_ROWS_FOUND
from irods.message import (
    GenQueryRequest,
    GenQueryResponse,
    IntegerIntegerMap,
    IntegerStringMap,
    StringStringMap,
    iRODSMessage,
)
from irods.models import ModelBase
from irods.session import iRODSSession

from microservices.zones import genquery1_text
from policy.zone import Among, Condition

_PAGE = 500


@cache
def _numbers() -> dict[str, int]:
    """GenQuery's column names and numbers.

    The library's keys carry the prefixes of the C constants (rodsGenQuery.h).
    """
    found: dict[str, int] = {}
    for number, column in ModelBase.columns().items():
        name = re.sub("^COL_", "", column.icat_key)
        name = re.sub("^D_(DATA_)?", "DATA_", name)
        found[re.sub("^R_(RESC_)?", "RESC_", name)] = number
    return found


def number(column: str) -> int:
    """Returns GenQuery's number of a column. ValueError for an unknown column."""
    try:
        return _numbers()[column]
    except KeyError:
        raise ValueError(f"{column!r} is not a GenQuery column") from None


def rows(
    session: iRODSSession, columns: Sequence[str], conditions: Sequence[Condition | Among]
) -> list[tuple[str, ...]]:
    """All rows; iRODSException as the server raises it.

    The values of the conditions go over as they are, between quotes.
    """
    asked = list(dict.fromkeys(columns))
    select = IntegerIntegerMap(dict.fromkeys(map(number, asked), 1))
    where = IntegerStringMap()
    where.isLen = len(conditions)
    where.inx = [number(c.column) for c in conditions]
    where.svalue = [genquery1_text.clause(c, lambda value: f"'{value}'") for c in conditions]
    found: list[tuple[str, ...]] = []
    order = [asked.index(column) for column in columns]
    with session.pool.get_connection() as connection:
        page = 0
        while True:
            request = GenQueryRequest(
                maxRows=_PAGE,
                continueInx=page,
                partialStartIndex=0,
                options=0,
                KeyValPair_PI=StringStringMap(),
                InxIvalPair_PI=select,
                InxValPair_PI=where,
            )
            connection.send(iRODSMessage("RODS_API_REQ", msg=request, int_info=api_number["GEN_QUERY_AN"]))
            try:
                reply = connection.recv().get_main_message(GenQueryResponse)
            except CAT_NO_ROWS_FOUND:
                return found
            values = [reply.SqlResult_PI[i].value for i in order]
            found += (tuple(value or "" for value in row) for row in zip(*values, strict=True))
            page = reply.continueInx
            if page <= 0:
                return found

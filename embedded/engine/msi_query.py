"""Microservices that ask the catalog (server/re/src/genQueryMS.cpp, msi_genquery2.cpp)."""

from __future__ import annotations

from typing import Any

from embedded.catalog.session import Session
from embedded.engine.callback import Outputs, RuleHost, Value, integer, microservice, text
from embedded.errors import IrodsError
from embedded.query import genquery1, genquery2
from embedded.types import GenQueryInp, GenQueryOut

MAX_SQL_ROWS = 256
MAX_STATEMENTS = 50
RETURN_TOTAL_ROW_COUNT = 0x20
AUTO_CLOSE = 0x100


@microservice("msiMakeGenQuery", 3)
def make_gen_query(agent: RuleHost, columns: Value, conditions: Value, out: Value) -> Outputs:
    """columns, conditions, out GenQueryInp."""
    where = text(conditions)
    query = f"select {text(columns)}" + (f" where {where}" if where else "")
    inp = GenQueryInp(maxRows=MAX_SQL_ROWS)
    inp.__dict__["parsed"] = genquery1.parse(query)
    return {2: inp}


def _query(value: Value) -> GenQueryInp:
    if not isinstance(value, GenQueryInp) or value.__dict__["parsed"] is None:
        raise IrodsError("USER_PARAM_TYPE_ERR")
    return value


@microservice("msiExecGenQuery", 2)
def exec_gen_query(agent: RuleHost, inp: Value, out: Value) -> Outputs:
    """GenQueryInp, out GenQueryOut with the first page."""
    session, query = agent.session, _query(inp)
    parsed = query.__dict__["parsed"]
    offset = max(query.__dict__["rowOffset"], 0)
    statement = parsed.statement(
        options=query.__dict__["options"], restricted=not session.account.is_admin, offset=bool(offset)
    )
    rows = session.catalog.rows(statement.sql, statement.parameters(parsed.literals, session.account.id, offset=offset))
    if not rows:
        return {1: GenQueryOut()}
    number = next((n for n in range(1, MAX_STATEMENTS + 1) if n not in session.statements), None)
    if number is None:
        raise IrodsError("CAT_STATEMENT_TABLE_FULL", "close queries by reading them to their end")
    session.statements[number] = rows
    total = len(rows) + offset if query.__dict__["options"] & RETURN_TOTAL_ROW_COUNT else 0
    return {1: _page(session, number, query, statement.width, total)}


def _page(session: Session, number: int, query: GenQueryInp, width: int, total: int = 0) -> GenQueryOut:
    rows: list[tuple[str, ...]] = session.statements[number]
    wanted = max(query.__dict__["maxRows"], 0)
    page, session.statements[number] = rows[:wanted], rows[wanted:]
    columns = [[row[index] for row in page] for index in range(width)]
    going_on = number
    if len(page) < wanted:
        del session.statements[number]
        going_on = 0
    elif query.__dict__["options"] & AUTO_CLOSE:
        del session.statements[number]
        going_on = -1
    return GenQueryOut(len(page), width, going_on, total, columns)


@microservice("msiGetMoreRows", 3)
def get_more_rows(agent: RuleHost, inp: Value, last: Value, out: Value) -> Outputs:
    """GenQueryInp, the last GenQueryOut and out the next, out its continueInx."""
    query, session = _query(inp), agent.session
    if not isinstance(last, GenQueryOut):
        raise IrodsError("USER_PARAM_TYPE_ERR")
    number = last.__dict__["continueInx"]
    if number <= 0 or number not in session.statements:
        return {1: GenQueryOut(), 2: 0}
    query.__dict__.update(continueInx=number, maxRows=MAX_SQL_ROWS)
    page = _page(session, number, query, last.__dict__["attriCnt"])
    return {1: page, 2: page.__dict__["continueInx"]}


@microservice("msiCloseGenQuery", 2)
def close_gen_query(agent: RuleHost, inp: Value, last: Value) -> None:
    """GenQueryInp, GenQueryOut: forgets the rest of the rows."""
    if not isinstance(last, GenQueryOut):
        raise IrodsError("USER_PARAM_TYPE_ERR")
    agent.session.statements.pop(last.__dict__["continueInx"], None)


@microservice("msiGetContInxFromGenQueryOut", 2)
def get_cont_inx(agent: RuleHost, last: Value, out: Value) -> Outputs:
    """GenQueryOut, out continueInx."""
    if not isinstance(last, GenQueryOut):
        raise IrodsError("USER_PARAM_TYPE_ERR")
    return {1: last.__dict__["continueInx"]}


@microservice("msi_genquery2_execute", 2)
def genquery2_execute(agent: RuleHost, handle: Value, query: Value) -> Outputs:
    """out handle, query."""
    session = agent.session
    statement, literals = genquery2.compile_query(text(query), restricted=not session.account.is_admin)
    try:
        rows = session.catalog.rows(statement.sql, statement.parameters(literals, session.account.id))
    except IrodsError as error:
        raise IrodsError("SYS_LIBRARY_ERROR", error.message) from error
    key = len(session.results)
    if key in session.results:  # as on a server: results have to be freed last in, first out
        raise IrodsError("SYS_LIBRARY_ERROR", "could not capture GenQuery2 results")
    session.results[key] = [rows, -1]
    return {0: str(key)}


def _result(agent: RuleHost, handle: Value) -> list[Value]:
    found = agent.session.results.get(integer(text(handle)))
    if found is None:
        raise IrodsError("SYS_INVALID_INPUT_PARAM", f"unknown context handle {handle}")
    result: list[Any] = found
    return result


@microservice("msi_genquery2_next_row", 1)
def genquery2_next_row(agent: RuleHost, handle: Value) -> None:
    """handle; END_OF_RESULTSET after the last row."""
    result = _result(agent, handle)
    if result[1] + 1 >= len(result[0]):
        raise IrodsError("END_OF_RESULTSET")
    result[1] += 1


@microservice("msi_genquery2_column", 3)
def genquery2_column(agent: RuleHost, handle: Value, index: Value, out: Value) -> Outputs:
    """handle, index as text, out value."""
    rows, current = _result(agent, handle)
    column = integer(text(index))
    if not 0 <= current < len(rows) or not 0 <= column < len(rows[current]):
        raise IrodsError("SYS_LIBRARY_ERROR", "no such row or column")
    return {2: rows[current][column]}


@microservice("msi_genquery2_free", 1)
def genquery2_free(agent: RuleHost, handle: Value) -> None:
    """handle."""
    _result(agent, handle)
    del agent.session.results[integer(handle)]

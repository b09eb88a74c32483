"""What the tests of the embedded zone share: zones with a rulebase of the test's own, and calls made as a rule makes
them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from embedded.catalog.database import Catalog
from embedded.catalog.users import make_user
from embedded.engine.agent import Agent
from embedded.folder import ZoneFolder

HOME = "/tempZone/home/mrdata"

RECORDER = """
log = []
fail = {}

def __getattr__(name):
    if not name.startswith("pep_"):
        raise AttributeError(name)
    def pep(rule_args, callback, rei):
        log.append(name[4:])
        return fail.get(name[4:], 5000000)
    return pep
"""
"""A core.py that has every enforcement point: it notes which fire, and `fail` says which return what."""


def make_zone(folder: Path, core: str = "", users: tuple[str, ...] = ("alice", "bob")) -> ZoneFolder:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "core.py").write_text(core, encoding="utf-8")
    zone = ZoneFolder.create(folder / "zone", core=folder / "core.py")
    catalog = zone.catalog()
    for user in users:
        make_user(catalog, "tempZone", user, "rodsuser", "rods")
    catalog.close()
    return zone


def in_rule(agent: Agent, function):
    """What `function(callback)` gives or raises when a rule calls it."""
    outcome: dict[str, object] = {}

    def rule(rule_args, callback, rei):
        try:
            outcome["value"] = function(callback)
        except (RuntimeError, TypeError, OverflowError) as error:
            outcome["error"] = error

    agent.run(rule, "test", [])
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def code_of(agent: Agent, function) -> int:
    """The code in the RuntimeError that a rule sees, or in the answer: -808000 is not raised."""
    try:
        answer = in_rule(agent, function)
    except RuntimeError as error:
        return int(str(error).partition("[iRods__Error__Code:")[2].partition("]")[0])
    return answer["code"] if isinstance(answer, dict) else 0


def genquery1(agent: Agent, columns: str, where: str = "") -> list[tuple[str, ...]]:
    """All rows of a GenQuery1, asked for as rules do."""
    import irods_types

    def ask(callback):
        query = callback.msiMakeGenQuery(columns, where, irods_types.GenQueryInp())["arguments"][2]
        page = callback.msiExecGenQuery(query, irods_types.GenQueryOut())["arguments"][1]
        rows = []
        while True:
            rows += [tuple(page.sqlResult[c].row(r) for c in range(page.attriCnt)) for r in range(page.rowCnt)]
            if page.continueInx <= 0:
                return rows
            page = callback.msiGetMoreRows(query, page, 0)["arguments"][1]

    return in_rule(agent, ask)


def genquery2(agent: Agent, query: str) -> list[tuple[str, ...]]:
    """All rows of a GenQuery2, asked for as rules do."""

    def ask(callback):
        handle = callback.msi_genquery2_execute("", query)["arguments"][0]
        rows = []
        try:
            while True:
                try:
                    callback.msi_genquery2_next_row(handle)
                except RuntimeError as error:
                    if ":-408000]" in str(error):
                        return rows
                    raise
                row = []
                while True:
                    try:
                        row.append(callback.msi_genquery2_column(handle, str(len(row)), "")["arguments"][2])
                    except RuntimeError:
                        break
                rows.append(tuple(row))
        finally:
            callback.msi_genquery2_free(handle)

    return in_rule(agent, ask)


def catalog_of(zone: ZoneFolder) -> Catalog:
    return zone.catalog()


@pytest.fixture(name="zone")
def zone_fixture(tmp_path) -> ZoneFolder:
    """A zone whose rulebase is empty, with the ordinary users alice and bob."""
    return make_zone(tmp_path)


@pytest.fixture(name="agent")
def agent_fixture(zone):
    """A connection of the service account."""
    with Agent(zone, "mrdata") as connected:
        yield connected

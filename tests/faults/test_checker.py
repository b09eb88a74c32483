"""The checker finds what is wrong: it has to, before its silence says anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from policy.zone.layout import DataType
from tests.faults import checker
from tests.faults.checker import Wrong, counted
from tests.faults.machine import Bench
from tests.faults.scenarios import Scenario, archived
from tests.faults.site import Site
from tests.files import dicom

ARCHIVED = Scenario("archived", archived, Site.scan)


def _files(site: Site) -> list[Path]:
    return sorted(path for path in Path(site.settings.archive.vault, "landed").rglob("*") if path.is_file())


def _sql(site: Site, statement: str) -> None:
    with closing(sqlite3.connect(site.folder / "catalog.sqlite")) as catalog, catalog:
        assert catalog.execute(statement).rowcount > 0


def a_file_is_gone(site: Site) -> None:
    _files(site)[0].unlink()


def a_file_has_other_bytes(site: Site) -> None:
    file = _files(site)[0]
    file.chmod(0o600)
    file.write_bytes(b"x" * file.stat().st_size)


def an_object_is_gone(site: Site) -> None:
    _sql(site, "DELETE FROM R_DATA_MAIN WHERE data_name LIKE '1_%.dcm'")


def an_object_is_renamed(site: Site) -> None:
    other = site.register()
    _sql(
        site,
        "UPDATE R_DATA_MAIN SET coll_id = (SELECT coll_id FROM R_COLL_MAIN WHERE coll_name LIKE "  # noqa: S608 - an ID
        f"'%/experiments/{other}/DICOM') WHERE data_name LIKE '1_%.dcm'",
    )


def an_audit_entry_is_gone(site: Site) -> None:
    _sql(site, "DELETE FROM R_DATA_MAIN WHERE data_name = '000000002.json'")


def a_state_is_jumped_to(site: Site) -> None:
    _sql(
        site,
        "UPDATE R_OBJT_METAMAP SET meta_id = (SELECT meta_id FROM R_META_MAIN WHERE meta_attr_value = 'active') WHERE"
        " meta_id = (SELECT meta_id FROM R_META_MAIN WHERE meta_attr_name = 'State' AND meta_attr_value = 'acquiring')",
    )


def never_taken(site: Site) -> None:
    site.land("never", dicom("NOBODY"), DataType.DICOM)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


@pytest.mark.parametrize(
    ("harm", "wrong"),
    [
        (a_file_is_gone, Wrong.LOST),
        (a_file_has_other_bytes, Wrong.LOST),
        (an_object_is_gone, Wrong.DISORDER),
        (an_object_is_renamed, Wrong.MISFILED),
        (an_audit_entry_is_gone, Wrong.DISORDER),
        (a_state_is_jumped_to, Wrong.DISORDER),
        (never_taken, Wrong.DISORDER),
    ],
)
def test_it_is_found(bench: Bench, harm: Callable[[Site], None], wrong: Wrong) -> None:
    site = Site(bench.lay(ARCHIVED))
    assert checker.check(site, tidied=False) == []
    harm(site)
    assert counted(checker.check(Site(site.case), tidied=False))[wrong] > 0

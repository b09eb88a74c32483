"""Indexes of the catalog for `like '/zone/home/mrdata/landing/%'`, and for what iRODS itself never looks up.

PostgreSQL takes an ordinary index for a `like` with a fixed beginning only where the database's collation is C; in
every other database it reads the whole table, at each sweep and each look of the scanner (PostgreSQL, Operator Classes:
the *_pattern_ops).
"""

from __future__ import annotations

from irods_config.catalog import Catalog
from irods_config.site import Site, Step

COLUMNS = {
    ("r_coll_main", "coll_name"): "what lies below a collection",
    ("r_data_main", "data_path"): "which files of a landing folder are registered",
    ("r_meta_main", "meta_attr_value"): "which files of a landing folder are archived",
}
"""Columns that MrData asks by their beginning, and for what."""
WHOLE = {("r_data_main", "data_checksum"): "whether the archive has the bytes of a file"}
"""Columns that it asks by their whole value: any index serves, and iRODS has none."""

_INDEXED = """
SELECT t.relname || '.' || a.attname
  FROM pg_index i
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
  JOIN pg_opclass o ON o.oid = i.indclass[0]
  LEFT JOIN pg_collation l ON l.oid = i.indcollation[0]
 WHERE i.indisvalid AND i.indpred IS NULL AND pg_table_is_visible(t.oid)
"""
"""Columns with an index that holds all their values."""
_FOR_LIKE = """
   AND (o.opcname IN ('text_pattern_ops', 'varchar_pattern_ops')
        OR l.collname IN ('C', 'POSIX')
        OR l.collname = 'default' AND EXISTS (
           SELECT 1 FROM pg_database d WHERE d.datname = current_database() AND d.datcollate IN ('C', 'POSIX')
              AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c'))
"""
"""The condition that it serves `like` as well. Before version 15 every database's collation was the C library's."""


def differences(site: Site) -> list[str]:
    """Columns without an index that serves."""
    beginning = [
        f"{table}.{column}: no index for `like` with a fixed beginning ({COLUMNS[table, column]})"
        for table, column in _unserved(site)
    ]
    whole = [f"{table}.{column}: no index ({WHOLE[table, column]})" for table, column in _unindexed(site)]
    return [*beginning, *whole]


def make(site: Site) -> None:
    """Makes them while the server goes on working.

    SetupError when a transaction of somebody else lasts longer than a minute.
    """
    for table, column in _unserved(site):
        _make(site, table, column, f"{column} varchar_pattern_ops")
    for table, column in _unindexed(site):
        _make(site, table, column, column)


def _unserved(site: Site) -> list[tuple[str, str]]:
    found = set(_psql(site, _INDEXED + _FOR_LIKE).split())
    return [column for column in COLUMNS if ".".join(column) not in found]


def _unindexed(site: Site) -> list[tuple[str, str]]:
    found = set(_psql(site, _INDEXED).split())
    return [column for column in WHOLE if ".".join(column) not in found]


def _make(site: Site, table: str, column: str, what: str) -> None:
    index = f"mrdata_{table}_{column}"
    # An index that was broken off is there, and is used for nothing.
    _psql(site, f"DROP INDEX IF EXISTS {index}")
    _psql(site, f"CREATE INDEX CONCURRENTLY {index} ON {table} ({what})")


def _psql(site: Site, statement: str) -> str:
    return Catalog.of(site.config_file).query("SET lock_timeout = '60s'", statement)


STEP = Step("indexes of the catalog", differences, make)

"""A catalog filled by SQL: series of images as MrData's policies leave them. The statements suit PostgreSQL and SQLite.

What is filled in has numbers from `FIRST` on, far above those that the catalog gives out itself.
"""

# ruff: noqa: S608 - numbers and quoted names

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policy.zone.settings import Settings

FIRST = 5_000_000_000
IMAGES = 100
"""Images of a series."""
AVUS = 20
"""AVUs of a series; all but one are shared with every other series."""
_OWN, _READ = 1200, 1050
_NOW = "'01760000000'"
_TABLES = {
    "R_COLL_MAIN": "coll_id",
    "R_DATA_MAIN": "data_id",
    "R_META_MAIN": "meta_id",
    "R_OBJT_METAMAP": "object_id",
    "R_OBJT_ACCESS": "object_id",
}


@dataclass(frozen=True)
class Filling:
    """So many images of one study, in the archive resource `resource_id`; readers are the numbers of two users or
    groups.
    """

    settings: Settings
    study: str
    images: int
    resource_id: int
    readers: tuple[int, int]

    def statements(self) -> Iterator[str]:
        """What fills the catalog."""
        series = self.images // IMAGES
        top = f"{self.settings.home}/studies/{self.study}/experiments/FILL-0000/DICOM"
        owner = f"{_quoted(self.settings.account)}, {_quoted(self.settings.zone)}"
        collections, objects, avus = FIRST, FIRST + series, FIRST + series + self.images
        yield (
            "INSERT INTO R_COLL_MAIN (coll_id, parent_coll_name, coll_name, coll_owner_name, coll_owner_zone,"
            f" create_ts, modify_ts) {_numbers(series)} SELECT {collections} + i, {_quoted(top)}, {_quoted(top)} || '/'"
            f" || i || '_filled', {owner}, {_NOW}, {_NOW} FROM n"
        )
        yield (
            "INSERT INTO R_DATA_MAIN (data_id, data_repl_num, coll_id, data_name, data_type_name, data_size, resc_id,"
            " data_path, data_owner_name, data_owner_zone, data_is_dirty, data_checksum, create_ts, modify_ts,"
            f" access_ts) {_numbers(self.images)} SELECT {objects} + i, 0, {collections} + i / {IMAGES}, (i % {IMAGES})"
            f" || '_1.2.840.' || i || '.dcm', 'generic', 25000, {self.resource_id}, '/vault/landed/filled/' || i,"
            f" {owner}, 1, 'sha2:filled' || i, {_NOW}, {_NOW}, {_NOW} FROM n"
        )
        yield (
            "INSERT INTO R_META_MAIN (meta_id, meta_attr_name, meta_attr_value, meta_attr_unit, create_ts, modify_ts)"
            f" {_numbers(series + AVUS)} SELECT {avus} + i, 'Filled' || (i % {AVUS}), 'value ' || i, '', {_NOW}, {_NOW}"
            " FROM n"
        )
        yield (
            "INSERT INTO R_OBJT_METAMAP (object_id, meta_id, create_ts, modify_ts) "
            f"{_numbers(series * AVUS)} SELECT {collections} + i / {AVUS}, "
            f"{avus} + CASE WHEN i % {AVUS} = 0 THEN {AVUS} + i / {AVUS} ELSE i % {AVUS} END, {_NOW}, {_NOW} FROM n"
        )
        for reader, access in zip(self.readers, (_OWN, _READ), strict=True):
            yield (
                "INSERT INTO R_OBJT_ACCESS (object_id, user_id, access_type_id, create_ts, modify_ts) "
                f"{_numbers(series + self.images)} SELECT {FIRST} + i, {reader}, {access}, {_NOW}, {_NOW} FROM n"
            )

    @staticmethod
    def emptied() -> Iterator[str]:
        """What removes it again."""
        for table, column in _TABLES.items():
            yield f"DELETE FROM {table} WHERE {column} >= {FIRST}"


def _numbers(count: int) -> str:
    return f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

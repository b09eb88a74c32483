"""What is read from a dump, and what a backup notices. On a server: docs/how-to/back-up.md."""

import json

import pytest

from irods_config import backup, restore
from irods_config.catalog import Catalog, contents
from irods_config.icommands import SetupError

DUMP = b"""--
SET statement_timeout = 0;
COPY public.r_data_main (data_id, data_name) FROM stdin;
10001\tone
10002\tCOPY public.x (a) FROM stdin;
\\.

COPY public.r_empty (a) FROM stdin;
\\.
SELECT pg_catalog.setval('public.r_objectid', 10003, true);
"""


def lines(text):
    return text.splitlines(keepends=True)


def test_rows_are_counted_whatever_they_hold():
    found = contents(lines(DUMP))
    assert {table: rows for table, (rows, _) in found.items()} == {
        "public.r_data_main": 2,
        "public.r_empty": 0,
        "sequence public.r_objectid": 1,
    }


def test_the_order_of_rows_says_nothing_and_a_byte_says_much():
    one, two = b"10001\tone\n", b"10002\tCOPY public.x (a) FROM stdin;\n"
    assert contents(lines(DUMP.replace(one + two, two + one))) == contents(lines(DUMP))
    for changed in (DUMP.replace(b"one", b"onf"), DUMP.replace(two, one), DUMP.replace(b"10003", b"10004")):
        assert contents(lines(changed)) != contents(lines(DUMP))


def test_a_dump_that_ends_early_is_none():
    with pytest.raises(SetupError, match="ends within the table"):
        contents(lines(DUMP[: DUMP.index(b"\\.")]))


@pytest.fixture
def made(tmp_path):
    """A backup's folder, without a database."""
    folder = tmp_path / "20260102T030000Z"
    folder.mkdir()
    (folder / backup.DUMP).write_bytes(DUMP)
    (folder / backup.ETC).write_bytes(b"")
    digests = {name: backup.sha256(folder / name) for name in (backup.DUMP, backup.ETC)}
    manifest = {"format": 1, "made": folder.name, "database": "ICAT", "release": "", "postgres": "", "files": digests}
    (folder / backup.MANIFEST).write_text(json.dumps({**manifest, "tables": contents(lines(DUMP))}))
    return folder


def test_a_backup_that_is_whole_is_read(made):
    manifest = backup.Manifest.read(made)
    assert manifest.differences(contents(lines(DUMP))) == []
    assert manifest.differences(contents(lines(DUMP.replace(b"10001\tone\n", b"")))) == [
        "public.r_data_main: 1 rows, 2 in the backup"
    ]
    assert len(manifest.differences({})) == 3


def test_a_backup_from_before_there_was_a_history_is_read_too(made):
    assert backup.Manifest.read(made).history == ""
    held = json.loads((made / backup.MANIFEST).read_text())
    (made / backup.MANIFEST).write_text(json.dumps({**held, "format": backup.FORMAT + 1}))
    with pytest.raises(SetupError, match="another version"):
        backup.Manifest.read(made)


def test_damage_is_noticed_before_anything_is_restored(made):
    (made / backup.DUMP).write_bytes(DUMP[:-1])
    catalog = Catalog("127.0.0.1", 1, "ICAT", "irods", "x")
    with pytest.raises(SetupError, match="damaged or missing"):
        restore.restore(made, catalog)
    (made / backup.DUMP).unlink()
    with pytest.raises(SetupError, match="damaged or missing"):
        restore.try_out(made, catalog)


def test_the_backup_of_another_database_is_refused(made):
    with pytest.raises(SetupError, match="is of the database ICAT"):
        restore.restore(made, Catalog("127.0.0.1", 1, "OTHER", "irods", "x"))


def test_only_whole_backups_count_when_old_ones_go(tmp_path):
    for name in ("20260101T000000Z", "20260102T000000Z", "20260103T000000Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / backup.MANIFEST).write_text("{}")
    (tmp_path / ".20260104T000000Z.77").mkdir()
    (tmp_path / "20260105T000000Z").mkdir()
    assert [p.name for p in backup.forget(tmp_path, 2)] == ["20260101T000000Z"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_failed_backup_leaves_nothing(tmp_path):
    (tmp_path / "etc").mkdir()
    with pytest.raises(SetupError, match="pg_dump"):
        backup.backup(
            Catalog("127.0.0.1", 1, "ICAT", "irods", "x"), tmp_path / "to", tmp_path / "etc", tmp_path / "current"
        )
    assert list((tmp_path / "to").iterdir()) == []


def test_the_password_is_not_shown():
    assert "secret" not in repr(Catalog("h", 5432, "ICAT", "irods", "secret"))

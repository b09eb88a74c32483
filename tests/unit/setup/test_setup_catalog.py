"""The catalog's indexes, its backup and its restore, on a real PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from irods_config import backup, restore
from irods_config.catalog import Catalog
from irods_config.icommands import ICommands, SetupError
from irods_config.site import Site
from irods_config.steps import catalog_indexes
from microservices.castellum.git_history import GitHistory
from policy.zone.castellum_settings import Castellum
from tests.unit.setup import postgres

BELOW = "explain select coll_id from r_coll_main where coll_name like '/zone/home/mrdata/landing/%'"


@pytest.fixture(scope="module")
def socket():
    with postgres.cluster() as folder:
        yield folder


def site(socket, tmp_path, collation):
    name = f"db_{abs(hash(str(tmp_path)))}"
    config = postgres.database(socket, name, collation, tmp_path)
    return Site(ICommands(tmp_path), etc=tmp_path), Catalog.of(config)


def plan(catalog, question=BELOW):
    return postgres.run(
        ["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-Atc", f"analyze; {question}"]
    )


def test_an_ordinary_database_lacks_them_and_gets_them_once(socket, tmp_path):
    here, catalog = site(socket, tmp_path, "C.UTF-8")
    assert "Seq Scan" in plan(catalog)
    assert [line.split(":")[0] for line in catalog_indexes.differences(here)] == [
        "r_coll_main.coll_name",
        "r_data_main.data_path",
        "r_meta_main.meta_attr_value",
        "r_data_main.data_checksum",
    ]
    catalog_indexes.make(here)
    assert catalog_indexes.differences(here) == []
    assert "using mrdata_r_coll_main_coll_name" in plan(catalog)
    catalog_indexes.make(here)
    assert catalog_indexes.differences(here) == []


def test_a_database_of_collation_c_needs_none_for_the_beginning_of_a_path(socket, tmp_path):
    here, catalog = site(socket, tmp_path, "C")
    assert catalog_indexes.differences(here) == [
        "r_data_main.data_checksum: no index (whether the archive has the bytes of a file)"
    ]
    assert "using idx_coll_main3" in plan(catalog)


@pytest.mark.parametrize("collation", ["C", "C.UTF-8"])
def test_a_checksum_is_looked_up(socket, tmp_path, collation):
    here, catalog = site(socket, tmp_path, collation)
    filled = "insert into r_data_main select n, '/v/' || n, 'sha2:' || md5(n::text) from generate_series(1, 20000) n"
    postgres.run(["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-qc", filled])
    question = "explain select data_id from r_data_main where data_checksum = 'sha2:' || md5('77')"
    assert "Seq Scan" in plan(catalog, question)
    catalog_indexes.make(here)
    assert catalog_indexes.differences(here) == []
    assert "mrdata_r_data_main_data_checksum" in plan(catalog, question)


def test_an_index_of_somebody_else_serves_as_well(socket, tmp_path):
    here, catalog = site(socket, tmp_path, "C")
    theirs = "create index theirs on r_data_main (data_checksum, data_id)"
    postgres.run(["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-qc", theirs])
    assert catalog_indexes.differences(here) == []


def test_an_index_that_was_broken_off_is_made_again(socket, tmp_path):
    here, catalog = site(socket, tmp_path, "C.UTF-8")
    catalog_indexes.make(here)
    broken = "update pg_index set indisvalid = false where indexrelid = 'mrdata_r_data_main_data_path'::regclass"
    postgres.run(["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-qc", broken])
    assert [line.split(":")[0] for line in catalog_indexes.differences(here)] == ["r_data_main.data_path"]
    catalog_indexes.make(here)
    assert catalog_indexes.differences(here) == []


def test_a_backup_is_tried_and_restored(socket, tmp_path):
    _, catalog = site(socket, tmp_path, "C.UTF-8")
    made = backup.backup(catalog, tmp_path / "backups", tmp_path, tmp_path / "current")
    change = (
        "delete from r_coll_main where coll_id > 5; create table left_behind (a int); insert into r_data_main values"
        " (1, '/x')"
    )
    postgres.run(["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-qc", change])
    before = catalog.contents()
    assert backup.Manifest.read(made).differences(before)

    scratch = f"{catalog.database}_scratch"
    postgres.database(socket, scratch, "C", tmp_path, text="")
    assert restore.try_out(made, catalog.named(scratch)) == 20001
    assert catalog.contents() == before, "a trial touches nothing"
    with pytest.raises(SetupError, match="is not empty"):
        restore.try_out(made, catalog.named(scratch))

    # A table that the backup does not know stays, and is told.
    with pytest.raises(SetupError, match=r"left_behind: 0 rows"):
        restore.restore(made, catalog)
    postgres.run(["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-qc", "drop table left_behind"])
    assert restore.restore(made, catalog) == 20001
    locks = postgres.run(
        ["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-Atc", "select lock_host from r_rule_exec"]
    )
    assert locks.strip() == "", "what a delay server had begun would never run again"


def test_the_history_of_mixed_use_metadata_is_backed_up_tried_and_put_back(socket, tmp_path, capsys):
    _, catalog = site(socket, tmp_path, "C")
    repository = tmp_path / "mixed-use.git"
    (tmp_path / "mrdata.yaml").write_text(f"zone: site\nscanners: [94T]\ncastellum:\n  repository: {repository}\n")
    with closing(GitHistory(Castellum(repository=str(repository)), alone=True)) as git:
        head = git.commit("", {"studies/pain/study.yaml": b"a\n"}, "first\n")
    etc = ["--etc", str(tmp_path)]
    assert backup.main([str(tmp_path / "backups"), *etc]) == 0
    made = Path(capsys.readouterr().out.partition(":")[0])
    assert backup.Manifest.read(made).history == head
    scratch = f"{catalog.database}_scratch"
    (tmp_path / "elsewhere").mkdir()
    postgres.database(socket, scratch, "C", tmp_path / "elsewhere", text="")
    assert restore.main([str(made), "--try", scratch, *etc]) == 0

    shutil.rmtree(repository)
    assert restore.main([str(made), "--history-only", *etc]) == 0
    assert f"is back, its newest commit is {head}" in capsys.readouterr().out
    shutil.rmtree(repository)
    assert restore.main([str(made), "--port", "1", *etc]) == 0
    assert f"is back, its newest commit is {head}" in capsys.readouterr().out
    with closing(GitHistory(Castellum(repository=str(repository)))) as git:
        assert git.read(head, "studies/pain/study.yaml") == b"a\n"
    assert restore.main([str(made), "--keep-nothing", "--port", "1", *etc]) == 0
    assert "it stays" in capsys.readouterr().out

    (made / backup.HISTORY).write_bytes(b"x")
    assert restore.main([str(made), "--history-only", *etc]) == 1
    assert "damaged or missing" in capsys.readouterr().err


def test_nothing_is_restored_while_somebody_is_connected(socket, tmp_path):
    _, catalog = site(socket, tmp_path, "C")
    made = backup.backup(catalog, tmp_path / "backups", tmp_path, tmp_path / "current")
    before = catalog.contents()
    command = ["psql", "-h", catalog.host, "-U", "irods", "-d", catalog.database, "-qAt"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        agent.stdin.write("select 'connected';\n")
        agent.stdin.flush()
        assert agent.stdout.readline() == "connected\n"
        with pytest.raises(SetupError, match="1 other connections"):
            restore.restore(made, catalog)
        agent.stdin.close()
    assert catalog.contents() == before


def test_a_catalog_that_does_not_answer_says_so(socket, tmp_path):
    here, catalog = site(socket, tmp_path, "C")
    (here.etc / "server_config.json").write_text(
        (here.etc / "server_config.json").read_text().replace(catalog.database, "no_such")
    )
    with pytest.raises(SetupError, match='database "no_such" does not exist'):
        catalog_indexes.differences(here)

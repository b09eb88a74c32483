"""The history of mixed-use metadata in a backup and back, with real repositories, and git itself as the judge."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from irods_config import history
from irods_config.icommands import SetupError
from microservices.castellum.git_history import GitHistory
from policy.zone.castellum_settings import Castellum

MANY = {f"studies/pain/subjects/P{i}.yaml": b"%d\n" % i for i in range(150)}


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(repository: Path, files: dict[str, bytes]) -> str:
    with closing(GitHistory(Castellum(repository=str(repository)), alone=True)) as opened:
        return opened.commit(opened.head(), files, "Castellum: some\n")


@pytest.fixture
def repository(tmp_path) -> Path:
    """Two commits: a pack and single objects."""
    made = tmp_path / "mrdata/mixed-use.git"
    commit(made, MANY)
    commit(made, {"studies/pain/study.yaml": b"title: Pain\n"})
    return made


def test_what_was_saved_comes_back_as_git_reads_it(repository, tmp_path):
    head = git(repository, "rev-parse", "main")
    assert history.save(repository, tmp_path / "saved.tar", tmp_path / "trial") == head
    assert not (tmp_path / "trial").exists()
    before = git(repository, "log", "--raw", "--no-abbrev", "main")
    shutil.rmtree(repository.parent)
    assert head in history.put_back(tmp_path / "saved.tar", head, repository)
    assert git(repository, "fsck", "--strict", "--full") == ""
    assert git(repository, "log", "--raw", "--no-abbrev", "main") == before
    assert sorted(path.name for path in repository.parent.iterdir()) == ["mixed-use.git", "mixed-use.git.lock"]
    after = commit(repository, {"studies/pain/study.yaml": b"title: Pain 2\n"})
    assert git(repository, "rev-parse", "main~1") == head != after


def test_where_there_is_no_history_there_is_nothing_to_save(tmp_path):
    assert history.save(tmp_path / "none.git", tmp_path / "saved.tar", tmp_path / "trial") == ""
    assert history.save(None, tmp_path / "saved.tar", tmp_path / "trial") == ""
    assert not (tmp_path / "saved.tar").exists()
    with closing(GitHistory(Castellum(repository=str(tmp_path / "new.git")), alone=True)):
        pass
    assert history.save(tmp_path / "new.git", tmp_path / "saved.tar", tmp_path / "trial") == ""


def test_polls_go_on_while_it_is_saved(repository, tmp_path):
    commits, stop = [git(repository, "rev-parse", "main")], threading.Event()

    def polls() -> None:
        for number in range(40):
            if stop.wait(0.02):
                return
            files = {
                f"studies/pain/subjects/P{i}.yaml": b"%d %d\n" % (i, number) for i in range(110 if number % 2 else 20)
            }
            commits.append(commit(repository, files))

    poller = threading.Thread(target=polls)
    poller.start()
    try:
        saved = [history.save(repository, tmp_path / f"{i}.tar", tmp_path / "trial") for i in range(4)]
    finally:
        stop.set()
        poller.join()
    assert set(saved) <= set(commits)
    assert len(set(saved)) > 1, "nobody polled"


def test_what_is_being_written_is_left_out(repository, tmp_path):
    half = [
        "refs/heads/main.lock",
        "objects/pack/tmp_pack_x",
        f"objects/pack/pack-{'0' * 40}.pack",
        "objects/00/tmp_obj_x",
    ]
    for name in half:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_bytes(b"half")
    history.save(repository, tmp_path / "saved.tar", tmp_path / "trial")
    with tarfile.open(tmp_path / "saved.tar") as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"HEAD", "refs/heads/main"} <= names
    assert not names & set(half)


@pytest.mark.parametrize("which", ["objects/pack/*.pack", "objects/??/*"])
def test_damage_is_noticed_before_the_backup_is_kept(repository, tmp_path, which):
    file = next(path for path in repository.glob(which) if path.parent.name != "pack" or path.suffix == ".pack")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.chmod(0o600)
    file.write_bytes(content)
    with pytest.raises(SetupError, match=r"is damaged, so nothing was backed up.*--history-only"):
        history.save(repository, tmp_path / "saved.tar", tmp_path / "trial")
    assert not (tmp_path / "trial").exists()


def test_an_object_that_is_missing_is_noticed(repository, tmp_path):
    tree = git(repository, "rev-parse", "main^{tree}")
    (repository / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(SetupError, match=tree):
        history.save(repository, tmp_path / "saved.tar", tmp_path / "trial")


def test_a_newer_history_stays(repository, tmp_path):
    head = history.save(repository, tmp_path / "saved.tar", tmp_path / "trial")
    newer = commit(repository, {"x": b"1"})
    assert "it stays" in history.put_back(tmp_path / "saved.tar", head, repository)
    assert git(repository, "rev-parse", "main") == newer


def test_a_history_that_was_rewritten_is_not_replaced(repository, tmp_path):
    """A subject that was erased from it would be back."""
    head = history.save(repository, tmp_path / "saved.tar", tmp_path / "trial")
    shutil.rmtree(repository)
    other = commit(repository, {"studies/pain/study.yaml": b"rewritten\n"})
    with pytest.raises(SetupError, match=r"has another history.*move it away"):
        history.put_back(tmp_path / "saved.tar", head, repository)
    assert git(repository, "rev-parse", "main") == other


def test_not_while_a_poll_is_at_work(repository, tmp_path):
    head = history.save(repository, tmp_path / "saved.tar", tmp_path / "trial")
    shutil.rmtree(repository)
    with open(f"{repository}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SetupError, match="a poll is at work"):
            history.put_back(tmp_path / "saved.tar", head, repository)
    assert not repository.exists()
    assert head in history.put_back(tmp_path / "saved.tar", head, repository)


def test_an_archive_of_something_else_puts_nothing_in_place(repository, tmp_path):
    shutil.rmtree(repository)
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "saved.tar", "w") as tar:
        tar.add(tmp_path / "x", arcname="mixed-use.git/../../x")
    with pytest.raises(SetupError, match="does not belong to a repository"):
        history.put_back(tmp_path / "saved.tar", "0" * 40, repository)
    assert not repository.exists()

"""git, with real repositories, and git itself as the judge."""

import calendar
import os
import subprocess
import time

import pytest

from microservices.castellum.git_history import GitHistory
from policy.castellum.metadata_history import HistoryError
from policy.zone.settings import settings_from


def git(*arguments):
    done = subprocess.run(["git", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def history(tmp_path):
    opened = []

    def make(alone=True, **settings):
        given = {"repository": str(tmp_path / "here/mixed-use.git"), **settings}
        opened.append(GitHistory(settings_from({"zone": "z", "castellum": given}).castellum, alone=alone))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def remote(tmp_path):
    git("init", "--quiet", "--bare", tmp_path / "remote.git")
    return f"file://{tmp_path}/remote.git"


FIRST = {"studies/pain/study.yaml": b"a\n", "studies/pain/subjects/P1.yaml": b"b\n", "studies/sleep/study.yaml": b"a\n"}


def test_a_commit_is_what_git_reads(history, tmp_path):
    new = history()
    assert new.head() == ""
    assert new.files("") == {}
    first = new.commit("", FIRST, "Castellum: 2 studies new\n")
    second = new.commit(
        first, {"studies/pain/subjects/P1.yaml": "ü\n".encode(), "studies/pain/subjects/P2.yaml": b"c\n"}, "more\n"
    )
    assert new.head() == second
    assert (new.has(first), new.has("0" * 40), new.has("")) == (True, False, False)
    assert new.changed(first, second) == ["studies/pain/subjects/P1.yaml", "studies/pain/subjects/P2.yaml"]
    assert new.changed("", second) == sorted([*FIRST, "studies/pain/subjects/P2.yaml"])
    assert new.changed(second, second) == []
    assert new.read(first, "studies/pain/subjects/P1.yaml") == b"b\n"
    assert new.read(second, "studies/pain/subjects/P1.yaml") == "ü\n".encode()
    for nothing in ("studies/pain/subjects/P9.yaml", "studies/pain/study.yaml/x", "nowhere"):
        assert new.read(second, nothing) is None
    assert new.files(first) == {path: new.identity(content) for path, content in FIRST.items()}
    assert abs(time.time() - calendar.timegm(time.strptime(new.when(second), "%Y-%m-%dT%H:%M:%SZ"))) < 60
    where = tmp_path / "here/mixed-use.git"
    assert git("-C", where, "fsck", "--strict", "--full").strip() == ""
    assert git("-C", where, "log", "--format=%s", "main").split("\n")[:2] == ["more", "Castellum: 2 studies new"]
    assert git("-C", where, "show", "main:studies/pain/subjects/P1.yaml") == "ü\n"


def test_many_files(history, tmp_path):
    new = history()
    files = {f"studies/s{i % 7}/subjects/p{i}.yaml": b"%d\n" % i for i in range(500)}
    commit = new.commit("", files, "many\n")
    assert len(new.files(commit)) == 500
    assert git("-C", tmp_path / "here/mixed-use.git", "fsck", "--strict", "--full").strip() == ""


def test_somebody_else_has_committed(history):
    new = history()
    first = new.commit("", FIRST, "first\n")
    new.commit(first, {"a": b"1"}, "second\n")
    with pytest.raises(HistoryError, match="somebody else"):
        new.commit(first, {"a": b"2"}, "third\n")


def test_push_and_begin_again_from_the_remote(history, remote, tmp_path):
    new = history(remote=remote)
    assert not new.push()
    first = new.commit("", FIRST, "first\n")
    assert new.push()
    assert not new.push()
    assert git("-C", tmp_path / "remote.git", "rev-parse", "main").strip() == first
    again = history(remote=remote, repository=str(tmp_path / "elsewhere.git"))
    assert again.head() == first
    assert not again.push()
    assert again.read(first, "studies/pain/study.yaml") == b"a\n"
    second = again.commit(first, {"x": b"1"}, "second\n")
    assert again.push()
    assert git("-C", tmp_path / "remote.git", "rev-parse", "main").strip() == second
    new.commit(first, {"x": b"2"}, "another second\n")
    with pytest.raises(HistoryError, match="did not make"):
        new.push()


def test_a_push_that_fails_is_made_up_for(history, remote, tmp_path):
    new = history(remote=remote)
    commit = new.commit("", FIRST, "first\n")
    (tmp_path / "remote.git").rename(tmp_path / "away")
    with pytest.raises(HistoryError, match=r"remote\.git"):
        new.push()
    (tmp_path / "away").rename(tmp_path / "remote.git")
    assert new.push()
    assert git("-C", tmp_path / "remote.git", "rev-parse", "main").strip() == commit


def test_without_its_remote_no_new_history_begins(history, tmp_path):
    with pytest.raises(HistoryError):
        history(remote=f"file://{tmp_path}/nowhere.git")
    assert not (tmp_path / "here/mixed-use.git").exists()


def test_locks_of_the_dead_do_not_block(history, remote, tmp_path):
    new = history(remote=remote)
    first = new.commit("", FIRST, "first\n")
    (tmp_path / "here/mixed-use.git/refs/heads/main.lock").touch()
    lock = tmp_path / "remote.git/refs/heads/main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    again = history(remote=remote)
    again.commit(first, {"x": b"1"}, "second\n")
    with pytest.raises(HistoryError):
        again.push()  # perhaps somebody alive holds that one
    os.utime(lock, (0, 0))
    assert again.push()


def test_who_only_reads_removes_no_lock_and_makes_nothing(history, tmp_path):
    new = history()
    first = new.commit("", FIRST, "first\n")
    lock = tmp_path / "here/mixed-use.git/refs/heads/main.lock"
    lock.touch()  # as a poll does that is just about to commit
    assert history(alone=False).head() == first
    assert lock.exists()
    with pytest.raises(HistoryError, match="is not a git repository"):
        history(alone=False, repository=str(tmp_path / "there/mixed-use.git"))
    assert not (tmp_path / "there").exists()


def test_nobody_answers(history):
    with pytest.raises(HistoryError, match=r"https://127\.0\.0\.1:9/x\.git") as caught:
        history(remote="https://somebody@127.0.0.1:9/x.git")
    assert "somebody" not in str(caught.value).partition(": ")[0]


def test_what_is_no_repository(tmp_path, history):
    (tmp_path / "here/mixed-use.git").mkdir(parents=True)
    with pytest.raises(HistoryError, match="is not a git repository"):
        history()


def test_what_a_file_held_at_a_moment(history, tmp_path, monkeypatch):
    one, other = "studies/pain/subjects/P1.yaml", "studies/pain/subjects/P2.yaml"
    new, commits = history(), [""]
    assert new.as_of(one, 100) == ""
    for when, changes in (
        (100, {one: b"a"}),
        (200, {other: b"a"}),
        (300, {one: b"b"}),
        (400, {other: b"b"}),
        (500, {one: b"a"}),
    ):
        monkeypatch.setattr(time, "time", lambda when=when: when)
        commits.append(new.commit(commits[-1], changes, "x\n"))
    asked = {50: 1, 100: 1, 299: 1, 300: 3, 450: 3, 499.9: 3, 500: 5, 1000: 5}
    assert {moment: commits.index(new.as_of(one, moment)) for moment in asked} == asked
    assert commits.index(new.as_of(other, 150)) == 2  # the first that has it
    assert new.as_of("studies/pain/subjects/P9.yaml", 1000) == ""
    for commit in (1, 3, 5):
        assert (
            git("-C", tmp_path / "here/mixed-use.git", "log", "-1", "--format=%H", commits[commit], "--", one).strip()
            == commits[commit]
        )

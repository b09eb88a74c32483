"""What an earlier version registered in the mailbox is taken into the intake, on both zones."""

import os
import uuid
from pathlib import Path

import pytest

from policy.ingest import registered_in_place
from policy.zone import Condition
from tests.zone.names import PAIN, T94


@pytest.fixture
def registered(site) -> dict[str, Path]:
    """Objects with their files in the mailbox, outside the collections in which the policies look for work."""
    home = f"{site.settings.home}/in_place{PAIN}{uuid.uuid4().hex[:8]}"
    site.connect().make_collection(home)
    found = {}
    for name in ("a", "o'y", "c ü"):
        file = site.landing_file(f"{T94}/expdata/{uuid.uuid4().hex}/{name}", name.encode())
        file.parent.chmod(0o777)  # a server's account renames in it
        found[site.connect().register(str(file), f"{home}/{name}", site.settings.landing.resource)] = file
    yield found
    site.connect().erase(home)


def file_of(site, path: str) -> Path:
    collection, _, name = path.rpartition("/")
    ((file,),) = site.connect().query(
        ["DATA_PATH"], Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", name)
    )
    return Path(file)


def test_they_are_taken_in_a_few_at_a_time(site, registered):
    before = site.rule("take_in", {"dry_run": True})
    assert before["left"] >= 3
    first = site.rule("take_in", {"most": 2})
    assert (first["taken"], first["left"], first["stays"]) == (2, before["left"] - 2, before["stays"])
    while site.rule("take_in")["left"]:
        pass
    mailbox = Path(site.settings.landing.folder)
    for path, file in registered.items():
        assert file_of(site, path) == mailbox / ".intake" / registered_in_place.BATCH / file.relative_to(mailbox)
        assert not file.exists()
        assert site.connect().read(path, 0, 99).decode() == file.name
    assert site.rule("take_in", {"dry_run": True})["left"] == 0


def test_what_is_no_regular_file_stays_and_hinders_nobody(site, registered):
    gone, link, _ = registered.values()
    gone.unlink()
    link.unlink()
    link.symlink_to("/etc/passwd")
    told = site.rule("take_in", {"dry_run": True})
    assert told["stays"] >= 2
    while site.rule("take_in")["left"]:
        pass
    assert link.is_symlink()
    assert [file_of(site, path) == file for path, file in registered.items()] == [True, True, False]


@pytest.mark.embedded
def test_a_mailbox_that_refuses_says_what_to_grant(site, registered, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refused)
    told = site.ask("take_in")["error"]
    assert "Permission denied. The account that runs the server needs to enter and write" in told
    assert [file_of(site, path) for path in registered] == list(registered.values())

"""What the embedded zone does with objects, collections, permissions and replicas is what iRODS does with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedded.client import routes
from embedded.client.embedded_zone import EmbeddedZone
from embedded.engine.agent import Agent
from embedded.errors import IrodsError
from policy.zone import AVU, Access, Condition, Exists, NotFound, NotPermitted, Stat, User, ZoneError
from tests.zone.embedded.test_embedded_helpers import HOME, agent_fixture, code_of, genquery1, genquery2, zone_fixture  # noqa: F401

ALICE = "/tempZone/home/alice"


@pytest.fixture
def alice(zone):
    with Agent(zone, "alice") as connected:
        yield connected


def refused(act, *arguments, **options) -> int:
    """The code that the operation fails with, 0 where it succeeds."""
    try:
        act(*arguments, **options)
    except IrodsError as error:
        return error.code
    return 0


def rename(agent, source, destination, kind="0"):
    return code_of(agent, lambda cb: cb.msiDataObjRename(source, destination, kind, 0))


def test_rename_and_move(agent):
    routes.imkdir(agent, f"{HOME}/c/d", parents=True)
    routes.iput(agent, f"{HOME}/a", b"bytes")
    routes.imeta(agent, "add", "-d", f"{HOME}/a", "k", "v")
    before = genquery1(agent, "DATA_ID, DATA_CREATE_TIME", "DATA_NAME = 'a'")
    assert rename(agent, f"{HOME}/a", f"{HOME}/c/d/b") == 0
    assert (
        genquery1(agent, "DATA_ID, DATA_CREATE_TIME", f"COLL_NAME = '{HOME}/c/d' and META_DATA_ATTR_VALUE = 'v'")
        == before
    )
    assert rename(agent, f"{HOME}/c", f"{HOME}/e", "1") == 0
    assert routes.iget(agent, f"{HOME}/e/d/b") == b"bytes"
    assert genquery1(agent, "COLL_PARENT_NAME", f"COLL_NAME = '{HOME}/e/d'") == [(f"{HOME}/e",)]


def test_a_move_with_a_new_name_trips_over_the_old_collection(agent):
    """Renamed first, moved then: an object of the new name where it comes from is in the way."""
    routes.imkdir(agent, f"{HOME}/c")
    routes.iput(agent, f"{HOME}/a", b"1")
    routes.iput(agent, f"{HOME}/b", b"2")
    assert rename(agent, f"{HOME}/a", f"{HOME}/c/b") == -834000
    assert routes.iget(agent, f"{HOME}/a") == b"1"


@pytest.mark.parametrize(
    ("source", "destination", "kind", "code"),
    [
        ("a", "b", "0", -834000),
        ("a", "c", "0", -833000),
        ("a", "c/b", "0", -834000),
        ("a", "none/a", "0", -814000),
        ("a", "none/b", "0", -834000),
        ("a", "a", "0", -339000),
        ("none", "x", "0", -808000),
        ("none", "x", "1", -808000),
        ("c", "x", "0", -808000),
        ("c", "c/x", "1", -814000),
        ("c", "c/c", "1", -837000),
        ("c", "b", "1", -834000),
    ],
)
def test_renames_that_are_refused(agent, source, destination, kind, code):
    routes.imkdir(agent, f"{HOME}/c")
    for name in ("a", "b", "c/a", "c/b"):
        routes.iput(agent, f"{HOME}/{name}", name.encode())
    before = genquery1(agent, "COLL_NAME, DATA_NAME, DATA_ID")
    assert rename(agent, f"{HOME}/{source}", f"{HOME}/{destination}", kind) == code
    assert genquery1(agent, "COLL_NAME, DATA_NAME, DATA_ID") == before


def test_a_collection_whose_name_starts_alike_is_left_alone(agent):
    for name in ("c/x", "cc/x", "c0/x", "c%/x", "c_/x"):
        routes.imkdir(agent, f"{HOME}/{name}", parents=True)
    routes.imv(agent, f"{HOME}/c", f"{HOME}/new")
    found = {
        name.removeprefix(HOME + "/") for (name,) in genquery1(agent, "COLL_NAME", f"COLL_PARENT_NAME like '{HOME}/%'")
    }
    assert found == {"new/x", "cc/x", "c0/x", "c%/x", "c_/x"}


def test_rename_needs_own_on_the_object_and_write_on_the_target(agent, alice):
    routes.iput(agent, f"{HOME}/a", b"1")
    routes.imkdir(agent, f"{HOME}/c")
    assert rename(alice, f"{HOME}/a", f"{ALICE}/a") == -818000
    for level in ("read", "write", "delete_object"):
        routes.ichmod(agent, level, "alice", f"{HOME}/a")
        assert rename(alice, f"{HOME}/a", f"{ALICE}/a") == -818000
    routes.ichmod(agent, "own", "alice", f"{HOME}/a")
    assert rename(alice, f"{HOME}/a", f"{HOME}/c/a") == -818000
    assert rename(alice, f"{HOME}/a", f"{ALICE}/a") == 0


def test_an_admin_has_no_more_permissions_than_others(agent, alice):
    routes.iput(alice, f"{ALICE}/a", b"1")
    assert refused(routes.iget, agent, f"{ALICE}/a") == -818000
    assert rename(agent, f"{ALICE}/a", f"{HOME}/a") == -818000
    assert refused(routes.ichmod, agent, "own", "mrdata", f"{ALICE}/a") == -818000
    assert refused(routes.ichmod, alice, "admin:own", "mrdata", f"{ALICE}/a") == -830000
    routes.ichmod(agent, "admin:own", "mrdata", f"{ALICE}/a")
    assert routes.iget(agent, f"{ALICE}/a") == b"1"


def test_permissions_travel_and_are_not_inherited_on_a_move(agent, alice):
    routes.imkdir(agent, f"{HOME}/in")
    routes.ichmod(agent, "read", "bob", f"{HOME}/in")
    routes.ichmod(agent, "write", "alice", f"{HOME}/in")
    routes.ichmod(agent, "inherit", "", f"{HOME}/in")
    routes.iput(alice, f"{HOME}/in/born", b"1")
    routes.iput(alice, f"{ALICE}/moved", b"1")
    routes.imv(alice, f"{ALICE}/moved", f"{HOME}/in/moved")
    with EmbeddedZone(agent.folder, "mrdata") as zone:
        assert zone.permissions(f"{HOME}/in/born") == {"mrdata": Access.OWN, "bob": Access.READ, "alice": Access.WRITE}
        assert zone.permissions(f"{HOME}/in/moved") == {"alice": Access.OWN}
    routes.imkdir(alice, f"{HOME}/in/deep/er", parents=True)
    assert genquery1(agent, "COLL_INHERITANCE", f"COLL_NAME = '{HOME}/in/deep/er'") == [("1",)]


def test_recursive_permissions(agent, alice):
    routes.imkdir(agent, f"{HOME}/c/d", parents=True)
    routes.iput(agent, f"{HOME}/c/d/x", b"1")
    assert code_of(agent, lambda cb: cb.msiSetACL("recursive", "read", "alice", f"{HOME}/c")) == 0
    assert routes.iget(alice, f"{HOME}/c/d/x") == b"1"
    assert code_of(agent, lambda cb: cb.msiSetACL("recursive", "admin:null", "alice", f"{HOME}/c")) == 0
    assert refused(routes.iget, alice, f"{HOME}/c/d/x") == -818000
    assert code_of(agent, lambda cb: cb.msiSetACL("default", "read", "nobody", f"{HOME}/c")) == -827000
    assert code_of(agent, lambda cb: cb.msiSetACL("default", "readwrite", "alice", f"{HOME}/c")) == -816000


def test_ordinary_users_see_what_they_may_read(agent, alice):
    routes.imkdir(agent, f"{HOME}/c")
    routes.iput(agent, f"{HOME}/c/x", b"1")
    routes.ichmod(agent, "read", "alice", f"{HOME}/c/x")
    where = "DATA_NAME = 'x'"
    assert genquery1(alice, "DATA_NAME", where) == genquery2(alice, f"select DATA_NAME where {where}") == [("x",)]
    assert genquery1(alice, "COLL_NAME, DATA_NAME", where) == []  # the collection must be readable as well
    assert genquery2(alice, f"select COLL_NAME, DATA_NAME where {where}") == []
    routes.ichmod(agent, "read", "public", f"{HOME}/c")
    assert genquery1(alice, "COLL_NAME, DATA_NAME", where) == [(f"{HOME}/c", "x")]
    assert genquery1(agent, "COLL_NAME, DATA_NAME", where) == [(f"{HOME}/c", "x")]
    with Agent(agent.folder, "bob") as bob:
        assert genquery1(bob, "DATA_NAME", where) == []


def test_what_needs_which_permission(agent, alice):
    routes.imkdir(agent, f"{HOME}/c")
    routes.iput(agent, f"{HOME}/c/x", b"1")
    acts = {
        "read": lambda: routes.iget(alice, f"{HOME}/c/x"),
        "write": lambda: routes.iput(alice, f"{HOME}/c/x", b"2", force=True),
        "annotate": lambda: routes.imeta(alice, "set", "-d", f"{HOME}/c/x", "a", "v"),
        "permit": lambda: routes.ichmod(alice, "read", "bob", f"{HOME}/c/x"),
        "create": lambda: routes.iput(alice, f"{HOME}/c/y", b"1", force=True),
        "collection": lambda: routes.imkdir(alice, f"{HOME}/c/d", parents=True),
        "replicate": lambda: routes.irepl(alice, f"{HOME}/c/x", "archiveResc"),
        "trim": lambda: routes.itrim(alice, f"{HOME}/c/x"),
        "trash": lambda: routes.irm(alice, f"{HOME}/c/x"),
    }
    needs = {
        "none": set(),
        "read": {"read"},
        "write": {"read", "write", "annotate", "create", "collection", "replicate"},
        "own": set(acts),
    }
    for level, expected in needs.items():
        if level != "none":
            routes.ichmod(agent, level, "alice", f"{HOME}/c")
            routes.ichmod(agent, level, "alice", f"{HOME}/c/x")
        assert {name for name, act in acts.items() if not refused(act)} == expected, level


def test_registering_is_for_rodsadmins(agent, alice):
    file = agent.folder.path / "landing" / "f"
    file.write_bytes(b"1")
    assert refused(routes.ireg, alice, file, f"{ALICE}/f", "landingResc") == -129000
    routes.ireg(agent, file, f"{HOME}/f", "landingResc")
    assert refused(routes.ireg, agent, file, f"{HOME}/f", "landingResc") == -809000
    assert refused(routes.ireg, agent, file, f"{HOME}/none/f", "landingResc") == -814000
    assert refused(routes.ireg, agent, file.with_name("none"), f"{HOME}/g", "landingResc") == -516002
    assert refused(routes.ireg, agent, file, f"{HOME}/g", "noResc") == -78000


def test_nothing_is_overwritten_without_force(agent):
    routes.iput(agent, f"{HOME}/a", b"1")
    assert refused(routes.iput, agent, f"{HOME}/a", b"2") == -312000
    assert refused(routes.icp, agent, f"{HOME}/a", f"{HOME}/a") == -339000
    routes.imkdir(agent, f"{HOME}/c")
    assert refused(routes.iput, agent, f"{HOME}/c", b"2") == -833000
    assert refused(routes.imkdir, agent, f"{HOME}/a") == -834000
    assert refused(routes.imkdir, agent, HOME) == -809000
    routes.ichksum(agent, f"{HOME}/a")
    routes.iput(agent, f"{HOME}/a", b"22", force=True)
    assert genquery1(agent, "DATA_SIZE, DATA_CHECKSUM, DATA_REPL_STATUS", "DATA_NAME = 'a'") == [("2", "", "1")]


def test_an_object_while_it_is_written(agent):
    """Intermediate; its other replicas are write-locked; nobody else can open, rename or remove it."""
    routes.iput(agent, f"{HOME}/a", b"old")
    routes.irepl(agent, f"{HOME}/a", "archiveResc")
    fd = routes._prc_open(agent, f"{HOME}/a", os.O_WRONLY, "")
    assert genquery1(agent, "DATA_REPL_NUM, DATA_REPL_STATUS", "DATA_NAME = 'a'") == [("0", "2"), ("1", "4")]
    with Agent(agent.folder, "mrdata") as other:
        assert refused(routes.iput, other, f"{HOME}/a", b"x", force=True) in (-405000, -406000)
        assert rename(other, f"{HOME}/a", f"{HOME}/b") in (-405000, -406000)
        assert refused(routes.irm, other, f"{HOME}/a", force=True) == -406000
    routes._prc_write(agent, fd, b"new")
    code = code_of(agent, lambda cb: cb.msiDataObjClose(fd, 0))
    assert code == 0
    assert genquery1(agent, "DATA_REPL_NUM, DATA_REPL_STATUS", "DATA_NAME = 'a'") == [("0", "1"), ("1", "0")]


def test_a_writer_that_leaves_leaves_a_stale_replica(agent):
    other = Agent(agent.folder, "mrdata")
    fd = routes._prc_open(other, f"{HOME}/a", os.O_WRONLY | os.O_CREAT, "")
    routes._prc_write(other, fd, b"half")
    other.close()
    assert genquery1(agent, "DATA_SIZE, DATA_REPL_STATUS", "DATA_NAME = 'a'") == [("4", "0")]


def test_replicate_verify_and_trim(agent):
    file = agent.folder.path / "landing" / "f"
    file.write_bytes(b"bytes")
    path = routes.ireg(agent, file, f"{HOME}/f", "landingResc")
    assert refused(routes.irepl, agent, path, "archiveResc", verify=True) == -862000
    kept = routes.ichksum(agent, path)
    assert kept == "sha2:J3Z0+tg3NyOwhnaIl8uITm2ImOI4SdCFq8jVQDGkQmg=" or kept.startswith("sha2:")
    routes.irepl(agent, path, "archiveResc", verify=True)
    routes.ichksum(agent, path, verify=True)
    assert routes.itrim(agent, path, "landingResc") == 0  # two are kept unless fewer are asked for
    assert routes.itrim(agent, path, "landingResc", copies=1) == 1
    assert file.exists()  # outside the vault: only unregistered
    ((resource, vault_file, checksum),) = genquery1(
        agent, "DATA_RESC_NAME, DATA_PATH, DATA_CHECKSUM", "DATA_NAME = 'f'"
    )
    assert (resource, checksum) == ("archiveResc", kept)
    assert routes.itrim(agent, path, "archiveResc", copies=1) == 0
    Path(vault_file).write_bytes(b"Bytes")
    assert refused(routes.ichksum, agent, path, verify=True) == -407000


def test_a_stale_replica_is_brought_up_to_date(agent):
    routes.iput(agent, f"{HOME}/a", b"long ago")
    routes.irepl(agent, f"{HOME}/a", "archiveResc")
    routes.iput(agent, f"{HOME}/a", b"now", force=True)
    assert genquery1(agent, "DATA_REPL_NUM, DATA_REPL_STATUS, DATA_SIZE", "DATA_NAME = 'a'") == [
        ("0", "1", "3"),
        ("1", "0", "8"),
    ]
    routes.irepl(agent, f"{HOME}/a", "archiveResc")
    rows = genquery1(agent, "DATA_REPL_NUM, DATA_REPL_STATUS, DATA_SIZE, DATA_PATH", "DATA_NAME = 'a'")
    assert [row[:3] for row in rows] == [("0", "1", "3"), ("1", "1", "3")]
    assert [Path(row[3]).read_bytes() for row in rows] == [b"now"] * 2


def test_what_is_removed_goes_to_the_trash(agent):
    routes.iput(agent, f"{HOME}/a", b"1")
    routes.imeta(agent, "add", "-d", f"{HOME}/a", "k", "v")
    routes.irm(agent, f"{HOME}/a")
    assert genquery1(agent, "COLL_NAME, DATA_NAME", "META_DATA_ATTR_NAME = 'k'") == [
        ("/tempZone/trash/home/mrdata", "a")
    ]
    routes.iput(agent, f"{HOME}/a", b"2")
    routes.irm(agent, f"{HOME}/a")
    assert len(genquery1(agent, "DATA_NAME", "COLL_NAME = '/tempZone/trash/home/mrdata'")) == 2
    routes.imkdir(agent, f"{HOME}/c")
    routes.iput(agent, f"{HOME}/c/x", b"3")
    routes.irm_collection(agent, f"{HOME}/c")
    assert routes.iget(agent, "/tempZone/trash/home/mrdata/c/x") == b"3"
    routes.irm_collection(agent, "/tempZone/trash/home/mrdata/c", force=True)
    assert genquery1(agent, "COLL_NAME", "COLL_NAME like '%/c'") == []


def test_removed_for_good(agent):
    routes.iput(agent, f"{HOME}/a", b"1")
    ((vault_file,),) = genquery1(agent, "DATA_PATH", "DATA_NAME = 'a'")
    routes.irm(agent, f"{HOME}/a", force=True)
    assert not Path(vault_file).exists()
    file = agent.folder.path / "landing" / "f"
    file.write_bytes(b"1")
    routes.irm(agent, routes.ireg(agent, file, f"{HOME}/f", "landingResc"), force=True)
    assert file.exists()


def test_the_client_speaks_the_zone_protocol(agent):
    file = agent.folder.path / "landing" / "f"
    file.write_bytes(b"0123456789")
    with EmbeddedZone(agent.folder, "mrdata") as zone:
        assert (zone.name, zone.whoami()) == ("tempZone", User("mrdata", "tempZone", True))
        zone.make_collection(f"{HOME}/c/d")
        zone.make_collection(f"{HOME}/c/d")
        path = zone.register(str(file), f"{HOME}/c/it's", "landingResc")
        found = zone.stat(path)
        assert found == Stat(path, False, 10, "mrdata", "", found.modified)
        assert zone.read(path, 8, 5) == b"89"
        zone.annotate(path, [AVU("a", "1"), AVU("a", "1"), AVU("b", "o'y\\x41", "s")])
        zone.annotate(path, [AVU("a", "1")], [AVU("none", "x")])
        assert zone.metadata(path) == [AVU("a", "1"), AVU("b", "o'y\\x41", "s")]
        where = [Condition("META_DATA_ATTR_VALUE", "=", "o'y\\x41"), Condition("DATA_NAME", "like", "it'_")]
        assert zone.query(["COLL_NAME", "DATA_NAME"], *where) == [(f"{HOME}/c", "it's")]
        zone.move(path, f"{HOME}/c/d/b")
        assert zone.stat(path) is None
        zone.write(f"{HOME}/c/t", b"1")
        zone.write(f"{HOME}/c/t", b"two")
        assert zone.read(f"{HOME}/c/t", 0, 99) == b"two"
        zone.group("readers", ["alice"])
        zone.permit(f"{HOME}/c", "readers", Access.READ, recursive=True)
        zone.inherit(f"{HOME}/c")
        with EmbeddedZone(agent.folder, "alice") as alice:
            assert alice.read(f"{HOME}/c/t", 0, 9) == b"two"
            with pytest.raises(NotPermitted):
                alice.rule("anything", "{}")
            with pytest.raises(NotPermitted):
                alice.write(f"{HOME}/c/u", b"")
        zone.group("readers", ["bob"])
        with EmbeddedZone(agent.folder, "alice") as alice, pytest.raises(NotPermitted):
            alice.read(f"{HOME}/c/t", 0, 9)
        with pytest.raises(Exists):
            zone.move(f"{HOME}/c/t", f"{HOME}/c/d")
        with pytest.raises(NotFound):
            zone.read(f"{HOME}/none", 0, 1)
        with pytest.raises(NotFound):
            zone.metadata(f"{HOME}/none")
        with pytest.raises(ZoneError) as caught:
            zone.replicate(f"{HOME}/c/t", "noResc")
        assert caught.value.code == -78000
    with pytest.raises(ZoneError):
        EmbeddedZone(agent.folder, "nobody")

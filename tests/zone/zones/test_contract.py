"""What policies and clients may rely on, for every implementation of `policy.zone.Zone`.

`inside` is the zone over the rule engine's callback, in a rule; `client` is the zone from outside. Both are the service
account.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from policy.zone import (
    AVU,
    BATCH,
    Access,
    Among,
    Condition,
    Damaged,
    Either,
    Exists,
    NotFound,
    NotPermitted,
    Registration,
    User,
    ZoneError,
)
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T94

NAMES = [
    "plain", "o'y", "''", '"quoted"', "100%", "a_b", "back\\slash", "\\", "trailing\\", "blanks  in it", " first", "last ",
    "umlaut \u00e4\u00df", "caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e", "\U0001f9e0",
    "a || b", "a && b", "-rf", "=", "a=b",
    "<a>&amp;", "`id`", "$HOME", "*?[x]", "#", ";", "{0}", "%s", "null", "x" * 200, "a+++b",
]  # fmt: skip


@pytest.fixture(params=["inside", "client"])
def zone(request, site):
    return site.inside() if request.param == "inside" else site.connect()


@pytest.fixture
def home(site):
    """An empty collection."""
    path = f"{site.settings.home}/contract{PAIN}{uuid.uuid4().hex[:8]}"  # an old name's folders stay in the vault
    site.connect().make_collection(path)
    return path


def named(home: str, name: str) -> list[Condition]:
    return [Condition("COLL_NAME", "=", home), Condition("DATA_NAME", "=", name)]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_goes_through_every_verb(zone, home, name):
    path = f"{home}/{name}"
    zone.write(f"{home}/other", b"other")
    zone.write(path, b"hello")
    assert zone.query(["DATA_NAME", "DATA_SIZE"], *named(home, name)) == [(name, "5")]
    assert (zone.stat(path).size, zone.stat(path).path, zone.stat(path).is_collection) == (5, path, False)
    assert zone.read(path, 1, 3) == b"ell"
    zone.annotate(path, add=[AVU(name, name, name)])
    assert zone.metadata(path) == [AVU(name, name, name)]
    where = [Condition("META_DATA_ATTR_NAME", "=", name), Condition("META_DATA_ATTR_VALUE", "=", name)]
    assert zone.query(["DATA_NAME"], *named(home, name), *where) == [(name,)]
    assert zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", home), Condition("DATA_NAME", "!=", name)) == [
        ("other",)
    ]
    zone.permit(path, BOB, Access.READ)
    assert zone.permissions(path) == {"mrdata": Access.OWN, BOB: Access.READ}
    assert zone.checksum(path, verify=True) == sha2(b"hello")
    zone.move(path, f"{home}/moved")
    zone.make_collection(f"{home}/{name}/{name}")
    zone.move(f"{home}/moved", f"{home}/{name}/{name}/{name}")
    assert zone.read(f"{home}/{name}/{name}/{name}", 0, 9) == b"hello"
    assert zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", path)) == [(f"{path}/{name}",)]
    zone.annotate(path, add=[AVU("a", name)])
    assert zone.metadata(path) == [AVU("a", name)]
    zone.remove(f"{path}/{name}/{name}")
    zone.remove(path)
    assert zone.stat(path) is None
    assert zone.read(f"{home}/other", 0, 9) == b"other"


def sha2(content: bytes) -> str:
    return "sha2:" + base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_a_name_with_the_separator_of_irods(zone, site, home):
    """`++++` parts the arguments of microservices: rules cannot read or remove such an object, and say so."""
    path = f"{home}/a++++b=c"
    zone.write(path, b"1")
    zone.annotate(path, add=[AVU("a", "++++")])
    assert zone.metadata(path) == [AVU("a", "++++")]
    zone.move(path, f"{home}/x")
    zone.move(f"{home}/x", path)
    assert site.connect().read(path, 0, 9) == b"1"
    assert zone.checksum(path) == sha2(b"1")
    if zone is not site.connect():
        for attempt in (lambda: zone.read(path, 0, 9), lambda: zone.remove(path)):
            with pytest.raises(ZoneError, match="separates arguments"):
                attempt()
    site.connect().remove(path)
    assert zone.stat(path) is None


@pytest.mark.parametrize("name", ["o'y || && _%", "'||'", "\\x41"])
def test_a_name_that_irods_stumbles_over(zone, site, home, name):
    """A quote together with || or &&, or \\xHH: a verb works or fails, and never lets the next one go wrong."""
    path = f"{home}/{name}"
    zone.write(f"{home}/other", b"other")
    file = site.landing_file(f"{T94}/expdata/{name}", b"content")
    for attempt in (
        lambda: zone.write(path, b"hello"),
        lambda: zone.register(str(file), path, site.settings.landing.resource),
        lambda: zone.make_collection(f"{path}/{name}"),
        lambda: zone.move(f"{home}/other", path),
        lambda: zone.read(path, 0, 9),
        lambda: zone.checksum(path),
        lambda: zone.annotate(path, add=[AVU("a", "b")]),
        lambda: zone.metadata(path),
        lambda: zone.permissions(path),
        lambda: zone.permit(path, ALICE, Access.READ),
        lambda: zone.replicate(path, "archiveResc"),
        lambda: zone.remove(path),
    ):
        with suppress(ZoneError):
            attempt()
        assert zone.query(["COLL_NAME"], Condition("COLL_NAME", "=", home)) == [(home,)]
    assert zone.stat(path) is None
    zone.annotate(home, add=[AVU(name, name)])
    found = [Condition("META_COLL_ATTR_NAME", "=", name), Condition("META_COLL_ATTR_VALUE", "=", name)]
    assert zone.query(["COLL_NAME"], *found) == [(home,)]


def test_like(zone, home):
    names = ["a_b", "aXb", "ab", "a%b", "aXXb", "a\\b", "A_b", "a'b"]
    for name in names:
        zone.write(f"{home}/{name}", b"")
    for pattern, expected in {
        "a_b": ["a_b", "aXb", "a%b", "a\\b", "a'b"],
        "a%b": [name for name in names if name != "A_b"],
        "%": names,
        "a\\%": ["a\\b"],
        "a'%": ["a'b"],
        "%' || '": [],
        "_": [],
    }.items():
        rows = zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", home), Condition("DATA_NAME", "like", pattern))
        assert sorted(rows) == sorted((name,) for name in expected), pattern


def test_comparisons(zone, home):
    for number in range(4):
        zone.write(f"{home}/{number}", b"")
        zone.annotate(f"{home}/{number}", add=[AVU("due", f"{number:011d}")])
    attribute = [Condition("COLL_NAME", "=", home), Condition("META_DATA_ATTR_NAME", "=", "due")]
    for operator, expected in {"<": "0", "<=": "01", ">": "23", ">=": "123", "!=": "023", "=": "1"}.items():
        rows = zone.query(["DATA_NAME"], *attribute, Condition("META_DATA_ATTR_VALUE", operator, f"{1:011d}"))
        assert sorted(name for (name,) in rows) == list(expected), operator


def test_all_rows_of_a_large_answer(zone, home):
    zone.write(f"{home}/many", b"")
    avus = [AVU("number", f"{number:04d}") for number in range(1100)]
    zone.annotate(f"{home}/many", add=avus)
    assert sorted(zone.metadata(f"{home}/many")) == avus
    columns = ["COLL_NAME", "META_DATA_ATTR_VALUE", "DATA_NAME", "COLL_NAME"]
    rows = zone.query(columns, *named(home, "many"))
    assert sorted(rows) == [(home, avu.value, "many", home) for avu in avus]


def test_rows_are_distinct(zone, home):
    zone.write(f"{home}/a", b"1")
    zone.replicate(f"{home}/a", "archiveResc")
    assert zone.query(["DATA_NAME"], *named(home, "a")) == [("a",)]
    assert len(zone.query(["DATA_NAME", "DATA_REPL_NUM"], *named(home, "a"))) == 2
    assert zone.query(["DATA_NAME"], *named(home, "none")) == []


def test_a_column_that_does_not_exist(zone):
    for column in ("NO_SUCH_COLUMN", "DATA_NAME, DATA_ID", ""):
        with pytest.raises((ValueError, ZoneError)):
            zone.query([column])


def test_who_asks(zone, site):
    assert zone.whoami() == User("mrdata", site.settings.zone, True)
    zone.log("the contract's line")


def test_stat(zone, home):
    assert zone.stat(f"{home}/none") is None
    assert zone.stat(f"{home}/none/deeper") is None
    zone.write(f"{home}/a", b"123")
    found = zone.stat(f"{home}/a")
    assert (found.size, found.owner, found.checksum, found.is_collection) == (3, "mrdata", "", False)
    assert found.modified > 1_700_000_000
    zone.checksum(f"{home}/a")
    assert zone.stat(f"{home}/a").checksum == sha2(b"123")
    found = zone.stat(home)
    assert (found.is_collection, found.owner, found.size) == (True, "mrdata", 0)


def test_write_creates_and_replaces(zone, home):
    zone.write(f"{home}/a", b"long content")
    zone.write(f"{home}/a", "\u00fc".encode())
    assert zone.read(f"{home}/a", 0, 99) == "\u00fc".encode()
    assert zone.stat(f"{home}/a").size == 2
    zone.write(f"{home}/empty", b"")
    assert zone.read(f"{home}/empty", 0, 99) == b""
    with pytest.raises(NotFound):
        zone.write(f"{home}/none/a", b"")
    with pytest.raises(ZoneError):
        zone.write(home, b"")


def test_read_any_piece_of_any_bytes(zone, site, home):
    content = bytes(range(256)) * 20_000
    site.connect().write(f"{home}/a", content)
    for offset, length in (
        (0, len(content)),
        (0, 1),
        (255, 3),
        (4_000_000, 1 << 20),
        (len(content) - 5, 99),
        (len(content), 9),
    ):
        assert zone.read(f"{home}/a", offset, length) == content[offset : offset + length]
    with pytest.raises(NotFound):
        zone.read(f"{home}/none", 0, 1)


def test_make_collection(zone, home):
    zone.make_collection(f"{home}/a/b/c")
    zone.make_collection(f"{home}/a/b/c")
    assert zone.stat(f"{home}/a/b").is_collection
    zone.write(f"{home}/object", b"")
    for path in (f"{home}/object", f"{home}/object/below"):
        with pytest.raises(ZoneError):
            zone.make_collection(path)
    assert not zone.stat(f"{home}/object").is_collection


def test_move_never_overwrites(zone, home):
    for name in ("a", "b"):
        zone.write(f"{home}/{name}", name.encode())
    zone.make_collection(f"{home}/c/d")
    for target in ("b", "c", "a"):
        with pytest.raises(Exists):
            zone.move(f"{home}/a", f"{home}/{target}")
    with pytest.raises(Exists):
        zone.move(f"{home}/c/d", f"{home}/b")
    assert (zone.read(f"{home}/a", 0, 9), zone.read(f"{home}/b", 0, 9)) == (b"a", b"b")
    with pytest.raises(NotFound):
        zone.move(f"{home}/none", f"{home}/x")
    with pytest.raises(NotFound):
        zone.move(f"{home}/a", f"{home}/none/a")
    assert zone.read(f"{home}/a", 0, 9) == b"a"


def test_move_keeps_what_belongs_to_it(zone, home):
    zone.make_collection(f"{home}/c/d")
    zone.make_collection(f"{home}/e")
    zone.write(f"{home}/c/d/a", b"a")
    zone.annotate(f"{home}/c/d/a", add=[AVU("k", "v")])
    zone.annotate(f"{home}/c", add=[AVU("k", "w")])
    zone.move(f"{home}/c", f"{home}/e/f")
    assert zone.read(f"{home}/e/f/d/a", 0, 9) == b"a"
    assert (zone.metadata(f"{home}/e/f/d/a"), zone.metadata(f"{home}/e/f")) == ([AVU("k", "v")], [AVU("k", "w")])
    assert zone.stat(f"{home}/c") is None


def test_move_where_the_new_name_is_taken_in_the_old_collection(zone, home):
    """iRODS renames first and moves then, and stumbles."""
    zone.make_collection(f"{home}/to")
    zone.write(f"{home}/old", b"old")
    zone.write(f"{home}/new", b"new")
    zone.move(f"{home}/old", f"{home}/to/new")
    assert (zone.read(f"{home}/to/new", 0, 9), zone.read(f"{home}/new", 0, 9)) == (b"old", b"new")
    assert zone.stat(f"{home}/old") is None
    zone.make_collection(f"{home}/from/x")
    zone.make_collection(f"{home}/from/y")
    zone.move(f"{home}/from/x", f"{home}/to/y")
    assert (zone.stat(f"{home}/from/x"), zone.stat(f"{home}/from/y").is_collection) == (None, True)


def test_remove_goes_to_the_trash(zone, site, home):
    zone.make_collection(f"{home}/c")
    zone.write(f"{home}/a", b"a")
    zone.write(f"{home}/c/b", b"b")
    zone.remove(f"{home}/a")
    zone.remove(f"{home}/c")
    assert zone.stat(f"{home}/a") is zone.stat(f"{home}/c") is None
    trash = home.replace("/home/", "/trash/home/", 1)
    rows = zone.query(["DATA_NAME"], Condition("COLL_NAME", "like", f"{trash}%"))
    assert sorted(rows) == [("a",), ("b",)]
    with pytest.raises(NotFound):
        zone.remove(f"{home}/a")


@pytest.mark.parametrize("what", ["object", "collection"])
def test_annotate(zone, home, what):
    path = f"{home}/{what}"
    zone.write(path, b"") if what == "object" else zone.make_collection(path)
    first, second = AVU("a", "1"), AVU("a", "2", "s")
    zone.annotate(path, add=[first, second])
    zone.annotate(path, add=[first, second, AVU("b", "\u00fc" * 1000)])
    assert sorted(zone.metadata(path)) == [first, second, AVU("b", "\u00fc" * 1000)]
    zone.annotate(path, add=[AVU("c", "3")], remove=[second, AVU("none", "x"), AVU("a", "1", "s")])
    zone.annotate(path, remove=[second])
    assert sorted(zone.metadata(path)) == [first, AVU("b", "\u00fc" * 1000), AVU("c", "3")]
    zone.annotate(path)
    for add, remove in (([first], []), ([], [first])):
        with pytest.raises(NotFound):
            zone.annotate(f"{home}/none", add=add, remove=remove)
    with pytest.raises(NotFound):
        zone.metadata(f"{home}/none")


def test_an_avu_without_a_value_is_refused(zone, home):
    zone.write(f"{home}/a", b"")
    with pytest.raises(ZoneError):
        zone.annotate(f"{home}/a", add=[AVU("empty", "")])
    assert zone.metadata(f"{home}/a") == []


def test_permissions(zone, site, home):
    zone.make_collection(f"{home}/c/d")
    zone.write(f"{home}/c/d/a", b"")
    assert zone.permissions(home) == zone.permissions(f"{home}/c/d/a") == {"mrdata": Access.OWN}
    group = f"study_{PAIN}"
    zone.permit(f"{home}/c", group, Access.READ, recursive=True)
    for path in ("c", "c/d", "c/d/a"):
        assert zone.permissions(f"{home}/{path}") == {"mrdata": Access.OWN, group: Access.READ}
    zone.permit(f"{home}/c/d/a", ALICE, Access.WRITE)
    zone.permit(f"{home}/c/d/a", group, Access.NULL)
    assert zone.permissions(f"{home}/c/d/a") == {"mrdata": Access.OWN, ALICE: Access.WRITE}
    zone.permit(f"{home}/c", ALICE, Access.OWN)
    assert zone.permissions(f"{home}/c") == {"mrdata": Access.OWN, group: Access.READ, ALICE: Access.OWN}
    with pytest.raises(ZoneError):
        zone.permit(f"{home}/c", "nobody" + PAIN, Access.READ)
    with pytest.raises(ZoneError):
        zone.permit(f"{home}/none", ALICE, Access.READ)
    with pytest.raises(NotFound):
        zone.permissions(f"{home}/none")


def test_the_service_account_gives_itself_access_to_what_others_own(zone, site):
    alice = site.connect(ALICE)
    path = f"{site.settings.home}/landing/{T94}/dicom/hers"
    alice.write(path, b"hers")
    zone.permit(path, "mrdata", Access.OWN)
    assert zone.read(path, 0, 9) == b"hers"
    zone.permit(path, ALICE, Access.NULL)
    assert alice.stat(path) is None


def test_inherit(zone, home):
    zone.make_collection(f"{home}/c")
    zone.permit(f"{home}/c", BOB, Access.READ)
    zone.inherit(f"{home}/c")
    zone.make_collection(f"{home}/c/d")
    zone.write(f"{home}/c/d/a", b"")
    for path in ("c/d", "c/d/a"):
        assert zone.permissions(f"{home}/{path}") == {"mrdata": Access.OWN, BOB: Access.READ}
    zone.inherit(f"{home}/c", on=False)
    zone.make_collection(f"{home}/c/e")
    assert zone.permissions(f"{home}/c/e") == {"mrdata": Access.OWN}


def test_group(zone, site):
    """The group of a study, which the site removes afterwards."""
    name = f"study_{SLEEP}"
    who = [Condition("USER_GROUP_NAME", "=", name), Condition("USER_TYPE", "=", "rodsuser")]
    for members in ([ALICE, BOB], [ALICE], [], [BOB]):
        zone.group(name, members)
        assert sorted(user for (user,) in zone.query(["USER_NAME"], *who)) == members
    with pytest.raises(ZoneError):
        zone.group(name, ["nobody" + PAIN])


def test_checksum_and_changed_bytes(zone, site, home):
    file = site.landing_file(f"{T94}/expdata/sum", b"right")
    path = site.connect().register(str(file), f"{home}/sum", site.settings.landing.resource)
    assert zone.checksum(path) == zone.checksum(path, verify=True) == zone.stat(path).checksum == sha2(b"right")
    file.write_bytes(b"wrong")
    assert zone.checksum(path) == sha2(b"right")
    with pytest.raises(Damaged):
        zone.checksum(path, verify=True)
    with pytest.raises(NotFound):
        zone.checksum(f"{home}/none")


def test_a_replica_is_verified_by_its_number(zone, site, home):
    file = site.landing_file(f"{T94}/expdata/two", b"right")
    path = site.connect().register(str(file), f"{home}/two", site.settings.landing.resource)
    site.connect().replicate(path, "archiveResc")
    rows = zone.query(
        ["DATA_RESC_NAME", "DATA_REPL_NUM"], Condition("COLL_NAME", "=", home), Condition("DATA_NAME", "=", "two")
    )
    numbers = dict(rows)
    for number in numbers.values():
        assert zone.checksum(path, verify=True, replica=number) == sha2(b"right")
    file.write_bytes(b"wrong")
    with pytest.raises(Damaged):
        zone.checksum(path, verify=True)
    with pytest.raises(Damaged):
        zone.checksum(path, verify=True, replica=numbers[site.settings.landing.resource])
    assert zone.checksum(path, verify=True, replica=numbers["archiveResc"]) == sha2(b"right")
    file.unlink()
    with pytest.raises(Damaged):
        zone.checksum(path, verify=True, replica=numbers[site.settings.landing.resource])
    site.connect().trim(path, site.settings.landing.resource)
    assert zone.checksum(path, verify=True) == sha2(b"right")


def test_replicate_and_trim(zone, site, home):
    resource = site.settings.landing.resource
    file = site.landing_file(f"{T94}/expdata/repl", b"content")
    path = site.connect().register(str(file), f"{home}/repl", resource)

    def where() -> list[tuple[str, ...]]:
        return sorted(zone.query(["DATA_RESC_NAME", "DATA_REPL_STATUS"], *named(home, "repl")))

    zone.replicate(path, "archiveResc")
    assert where() == [("archiveResc", "1"), (resource, "1")]
    assert len(zone.query(["DATA_CHECKSUM"], *named(home, "repl"))) == 1
    assert zone.checksum(path, verify=True) == sha2(b"content")
    zone.trim(path, resource)
    assert where() == [("archiveResc", "1")]
    assert zone.read(path, 0, 99) == b"content"
    with suppress(ZoneError):
        zone.trim(path, "archiveResc")
    assert where() == [("archiveResc", "1")]
    assert file.read_bytes() == b"content"
    with pytest.raises(ZoneError):
        zone.replicate(path, "noSuchResc")
    with pytest.raises(ZoneError):
        zone.replicate(f"{home}/none", "archiveResc")


def test_give_up(zone, site, home):
    """As an agent leaves it that is killed while it replicates: the copy is intermediate, the original write-locked."""
    file = site.landing_file(f"{T94}/expdata/killed", b"content")
    path = site.connect().register(str(file), f"{home}/killed", site.settings.landing.resource)
    zone.replicate(path, "archiveResc")
    ((copy,),) = zone.query(["DATA_PATH"], *named(home, "killed"), Condition("DATA_RESC_NAME", "=", "archiveResc"))
    before = [
        ("0", "DATA_STATUS", '{"original_status":"1"}'),
        ("0", "DATA_REPL_STATUS", "4"),
        ("1", "DATA_REPL_STATUS", "2"),
    ]
    for number, column, value in before:
        site.iadmin("modrepl", "logical_path", path, "replica_number", number, column, value)
    for attempt in (
        lambda: zone.read(path, 0, 9),
        lambda: zone.replicate(path, "archiveResc"),
        lambda: zone.trim(path, "archiveResc"),
        lambda: zone.give_up(f"{home}/none"),
    ):
        with pytest.raises(ZoneError):
            attempt()
    owner = os.stat(copy)
    with (
        open(copy, "rb") as held,
        subprocess.Popen(
            ["cat"], stdin=subprocess.PIPE, pass_fds=[held.fileno()], user=owner.st_uid, group=owner.st_gid
        ) as cat,
    ):
        assert zone.give_up(path) is False
        assert zone.give_up(path, certain=True) is False
        cat.communicate()
    assert zone.give_up(path) is True
    assert {row[:2] for row in zone.query(["DATA_RESC_NAME", "DATA_REPL_STATUS"], *named(home, "killed"))} == {
        ("archiveResc", "0"),
        (site.settings.landing.resource, "1"),
    }
    assert zone.read(path, 0, 9) == b"content"
    zone.replicate(path, "archiveResc")
    zone.trim(path, site.settings.landing.resource)
    assert zone.query(["DATA_RESC_NAME", "DATA_REPL_STATUS"], *named(home, "killed")) == [("archiveResc", "1")]
    assert zone.give_up(path) is True  # of nothing


def test_register(zone, site, home):
    resource = site.settings.landing.resource
    for name in ("a", "o'y \\ \u00fc"):
        file = site.landing_file(f"{T94}/expdata/{name}", b"content")
        assert zone.register(str(file), f"{home}/{name}", resource) == f"{home}/{name}"
        assert zone.read(f"{home}/{name}", 0, 99) == b"content"
        assert zone.query(["DATA_PATH", "DATA_RESC_NAME"], *named(home, name)) == [(str(file), resource)]
    other = site.landing_file(f"{T94}/expdata/other", b"other")
    with pytest.raises(Exists):
        zone.register(str(other), f"{home}/a", resource)
    assert zone.read(f"{home}/a", 0, 99) == b"content"
    with pytest.raises(ZoneError):
        zone.register(str(other) + "none", f"{home}/none", resource)
    with pytest.raises(NotFound):
        zone.register(str(other), f"{home}/none/a", resource)
    assert zone.stat(f"{home}/none") is None


def test_relocate(zone, site, home):
    """The file was renamed; the catalog is told."""
    resource = site.settings.landing.resource
    for name in ("a", "o'y \\ \u00fc"):
        file = site.landing_file(f"{T94}/expdata/{uuid.uuid4().hex}", b"content")
        path = site.connect().register(str(file), f"{home}/{name}", resource)
        moved = file.rename(f"{file} of o'y")
        with pytest.raises(ZoneError):
            zone.read(path, 0, 99)
        with pytest.raises(NotFound):
            zone.relocate(path, str(file) + "none", str(moved))
        zone.relocate(path, str(file), str(moved))
        assert zone.read(path, 0, 99) == b"content"
        assert zone.query(["DATA_PATH", "DATA_RESC_NAME", "DATA_REPL_STATUS"], *named(home, name)) == [
            (str(moved), resource, "1")
        ]
    with site.new_connection(ALICE) as other, pytest.raises(ZoneError):
        other.relocate(path, str(moved), str(file))
    with pytest.raises(NotFound):
        zone.relocate(f"{home}/none", str(moved), str(file))
    assert zone.query(["DATA_PATH"], *named(home, name)) == [(str(moved),)]


def test_delay(zone, site):
    argument = json.dumps({"o'y": '"\\ \u00fc'})
    zone.delay("mrdata_health", argument, 86400)
    rows = zone.query(
        ["RULE_EXEC_NAME", "RULE_EXEC_FREQUENCY"], Condition("RULE_EXEC_NAME", "like", "callback.mrdata_health(%")
    )
    site.unschedule("callback.mrdata_health(%")
    assert rows == [(f"callback.mrdata_health({argument!r}, '')", "86400s REPEAT FOR EVER")]
    with pytest.raises(ZoneError):
        zone.delay("x('')\n", "{}", 1)


def test_rules(zone, site):
    assert json.loads(zone.rule("mrdata_health", "{}"))["user"] == "mrdata"
    assert "error" in json.loads(zone.rule("mrdata_register", "no json"))
    with pytest.raises(ZoneError):
        zone.rule("mrdata_none", "{}")


def test_long_requests_and_answers(zone, site):
    path = "".join(f"/{number:06d} o'y \u00fc \\ \" ||" for number in range(20_000))
    answer = json.loads(zone.rule("mrdata_retry", json.dumps({"path": path})))
    assert answer["error"].startswith(f"{path} is not in landing")


# What only clients have, and what ordinary users may


def test_put(site, home):
    zone = site.connect()
    small, large = Path(site.folder / "small"), Path(site.folder / "large")
    small.write_bytes(b"small")
    large.write_bytes(bytes(range(256)) * (34 << 12))
    for file in (small, large):
        zone.put(str(file), f"{home}/o'y {file.name}")
        assert zone.stat(f"{home}/o'y {file.name}").size == file.stat().st_size
        assert zone.checksum(f"{home}/o'y {file.name}") == sha2(file.read_bytes())
    for taken in (f"{home}/o'y small", home):
        with pytest.raises(Exists):
            zone.put(str(large), taken)
    assert zone.read(f"{home}/o'y small", 0, 99) == b"small"
    with pytest.raises(ZoneError):
        zone.put(str(small), f"{home}/none/small")


def test_ordinary_users_see_only_what_they_may(site, home):
    service, alice = site.connect(), site.connect(ALICE)
    for name in ("hidden", "shown"):
        service.make_collection(f"{home}/{name}")
        service.write(f"{home}/{name}/a", b"x")
        service.annotate(f"{home}/{name}/a", add=[AVU("seen", PAIN)])
    service.permit(f"{home}/shown", f"study_{PAIN}", Access.READ, recursive=True)
    assert alice.whoami() == User(ALICE, site.settings.zone, False)
    assert alice.stat(f"{home}/hidden") is alice.stat(f"{home}/hidden/a") is None
    assert alice.read(f"{home}/shown/a", 0, 9) == b"x"
    attribute = [Condition("META_DATA_ATTR_NAME", "=", "seen"), Condition("META_DATA_ATTR_VALUE", "=", PAIN)]
    assert alice.query(["COLL_NAME", "DATA_NAME"], *attribute) == [(f"{home}/shown", "a")]
    assert alice.query(["COLL_NAME"], Condition("COLL_NAME", "like", f"{home}/%")) == [(f"{home}/shown",)]
    for verb in ("metadata", "permissions", "checksum"):
        with pytest.raises((NotFound, NotPermitted)):
            getattr(alice, verb)(f"{home}/hidden/a")
    with pytest.raises((NotFound, NotPermitted)):
        alice.read(f"{home}/hidden/a", 0, 1)
    assert alice.metadata(f"{home}/shown/a") == [AVU("seen", PAIN)]


def test_ordinary_users_change_only_what_they_may(site, home):
    service, alice = site.connect(), site.connect(ALICE)
    service.make_collection(f"{home}/shown")
    service.write(f"{home}/shown/a", b"x")
    service.permit(home, f"study_{PAIN}", Access.READ, recursive=True)
    path, hers = f"{home}/shown/a", f"/{site.settings.zone}/home/{ALICE}"
    for attempt in (
        lambda: alice.write(path, b"y"),
        lambda: alice.write(f"{home}/shown/new", b"y"),
        lambda: alice.make_collection(f"{home}/new"),
        lambda: alice.move(path, f"{hers}/a"),
        lambda: alice.move(f"{home}/shown", f"{hers}/shown"),
        lambda: alice.remove(path),
        lambda: alice.remove(f"{home}/shown"),
        lambda: alice.annotate(path, add=[AVU("a", "b")]),
        lambda: alice.permit(path, ALICE, Access.OWN),
        lambda: alice.inherit(f"{home}/shown"),
        lambda: alice.group(f"study_{PAIN}", [ALICE, BOB]),
        lambda: alice.register(
            str(site.landing_file(f"{T94}/expdata/x", b"x")), f"{hers}/x", site.settings.landing.resource
        ),
        lambda: alice.rule("mrdata_health", "{}"),
        lambda: alice.delay("mrdata_health", "{}", 86400),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    assert service.read(path, 0, 9) == b"x"
    assert service.metadata(path) == []
    assert service.permissions(path) == {"mrdata": Access.OWN, f"study_{PAIN}": Access.READ}


def test_a_user_keeps_files_of_her_own(site):
    alice, bob = site.connect(ALICE), site.connect(BOB)
    shared = f"/{site.settings.zone}/home/{ALICE}/shared"
    path = f"{shared}/mine"
    alice.make_collection(shared)
    alice.write(path, b"mine")
    assert bob.stat(path) is None
    alice.permit(shared, BOB, Access.READ)
    alice.permit(path, BOB, Access.WRITE)
    bob.write(path, b"ours")
    assert alice.read(path, 0, 9) == b"ours"
    alice.remove(path)
    alice.remove(shared)


def test_a_query_among_values_of_several_avus(zone, home):
    """The second condition on a name and a value is one on another AVU."""
    for name, tr, te in (("a", "1", "2"), ("b", "1", "3"), ("c", "2", "2")):
        zone.make_collection(f"{home}/{name}")
        zone.annotate(f"{home}/{name}", add=[AVU("tr", tr), AVU("te", te)])
    name, value, below = "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE", Condition("COLL_NAME", "like", f"{home}/%")
    found = zone.query(["COLL_NAME"], Condition(name, "=", "tr"), Among(value, ("1", "9")), below)
    assert sorted(found) == [(f"{home}/a",), (f"{home}/b",)]
    both = [Condition(name, "=", "tr"), Among(value, ("1", "2")), Condition(name, "=", "te"), Among(value, ("3",))]
    assert zone.query(["COLL_NAME"], *both, below) == [(f"{home}/b",)]
    wide = ("3", *(str(number) for number in range(100, 140)))
    both = [Condition(name, "=", "tr"), Among(value, ("1", "2")), Condition(name, "=", "te"), Among(value, wide)]
    assert zone.query(["COLL_NAME"], *both, below) == [(f"{home}/b",)], "many values of the further AVU"
    for wrong in ((), ("o'y",)):
        with pytest.raises(ValueError, match="GenQuery1"):
            zone.query(["COLL_NAME"], Among("COLL_NAME", wrong))


def test_select_counts_orders_and_limits(zone, site, home):
    """What people's pages ask: counts of objects (not of replicas), one row for each collection, ordered, at most so
    many.
    """
    for name in ("a", "b'c"):
        zone.make_collection(f"{home}/{name}")
        zone.annotate(f"{home}/{name}", add=[AVU("a", name)])
    for name in ("1", "2", "3"):
        zone.write(f"{home}/a/{name}", b"x")
    zone.replicate(f"{home}/a/1", "archiveResc")
    below = Condition("COLL_NAME", "like", f"{home}/%")
    assert zone.select(["COLL_NAME", "count(DATA_ID)", "min(DATA_NAME)"], below) == [(f"{home}/a", "3", "1")]
    both = (Condition("META_COLL_ATTR_NAME", "=", "a"), Among("META_COLL_ATTR_VALUE", ("a", "b'c")), below)
    asked = ["COLL_NAME", "META_COLL_ATTR_VALUE"]
    found = zone.select(asked, *both, order="META_COLL_ATTR_VALUE", descending=True)
    assert found == [(f"{home}/b'c", "b'c"), (f"{home}/a", "a")]
    assert zone.select(asked, *both, order="META_COLL_ATTR_VALUE", limit=1) == [(f"{home}/a", "a")]
    either = Either((Condition("COLL_NAME", "=", f"{home}/a"), Condition("COLL_NAME", "like", f"{home}/b'%")))
    assert zone.select(["COLL_NAME"], either, order="COLL_NAME") == [(f"{home}/a",), (f"{home}/b'c",)]
    one = Condition("META_COLL_ATTR_VALUE", "=", "a")
    assert zone.select(["COLL_NAME"], either, one) == zone.select(["COLL_NAME"], one, either) == [(f"{home}/a",)]
    with pytest.raises(ValueError, match="no conditions"):
        zone.select(["COLL_NAME"], Either(()))
    with pytest.raises(ValueError, match="not a GenQuery column"):
        zone.select(["COLL_NAME where"], below)


def test_select_shows_only_what_one_may_read(site, home):
    with site.new_connection() as service:
        service.make_collection(f"{home}/own")
    assert site.connect(ALICE).select(["COLL_NAME"], Condition("COLL_NAME", "=", f"{home}/own")) == []
    assert site.connect().select(["COLL_NAME"], Condition("COLL_NAME", "=", f"{home}/own")) == [(f"{home}/own",)]


def test_erase_leaves_nothing_in_the_trash(zone, site, home):
    zone.make_collection(f"{home}/c/d")
    for path in ("a", "c/d/b"):
        zone.write(f"{home}/{path}", b"x")
    zone.annotate(f"{home}/a", add=[AVU("k", "v")])
    files = [file for (file,) in zone.query(["DATA_PATH"], Condition("COLL_NAME", "like", f"{home}%"))]
    zone.erase(f"{home}/a")
    zone.erase(f"{home}/c")
    assert zone.stat(f"{home}/a") is None
    assert zone.stat(f"{home}/c") is None
    assert len(files) == 2
    assert not any(Path(file).exists() for file in files)
    name = home.rpartition("/")[2]
    assert not zone.query(["COLL_NAME"], Condition("COLL_NAME", "like", f"/{site.settings.zone}/trash/%{name}%"))
    with pytest.raises(NotFound):
        zone.erase(f"{home}/a")


def test_who_may_annotate_only_changes_avus_and_nothing_else(zone, site, home):
    """What finalized experiments rely on: the service account itself can neither write nor rename nor remove."""
    zone.make_collection(f"{home}/c")
    zone.write(f"{home}/c/a", b"a")
    kept = zone.checksum(f"{home}/c/a")
    zone.permit(f"{home}/c", "mrdata", Access.ANNOTATE, recursive=True)
    assert zone.permissions(f"{home}/c/a") == {"mrdata": Access.ANNOTATE}
    assert zone.permissions(f"{home}/c") == {"mrdata": Access.ANNOTATE}
    rules = site.inside()  # clients change AVUs all or nothing, for which iRODS demands more
    rules.annotate(f"{home}/c/a", add=[AVU("k", "v"), AVU("k", "w")])
    rules.annotate(f"{home}/c/a", remove=[AVU("k", "v")])
    assert zone.metadata(f"{home}/c/a") == [AVU("k", "w")]
    for attempt in (
        lambda: zone.write(f"{home}/c/a", b"b"),
        lambda: zone.write(f"{home}/c/new", b"b"),
        lambda: zone.move(f"{home}/c/a", f"{home}/a"),
        lambda: zone.move(f"{home}/c", f"{home}/d"),
        lambda: zone.remove(f"{home}/c/a"),
        lambda: zone.erase(f"{home}/c/a"),
        lambda: zone.erase(f"{home}/c"),
        lambda: zone.replicate(f"{home}/c/a", site.settings.landing.resource),
    ):
        with pytest.raises(ZoneError):
            attempt()
    assert zone.read(f"{home}/c/a", 0, 9) == b"a"
    assert zone.checksum(f"{home}/c/a", verify=True) == kept
    zone.permit(f"{home}/c", "mrdata", Access.OWN, recursive=True)
    zone.erase(f"{home}/c")


def test_a_stale_replica_is_never_read(zone, site, home):
    """What a client has written, a rule writes anew, perhaps on another resource; and the other way round."""
    path = f"{home}/again"
    site.connect().write(path, b"first")
    site.inside().write(path, b"second")
    assert zone.read(path, 0, 100) == b"second"
    site.connect().write(path, b"third")
    assert zone.read(path, 0, 100) == b"third"


@pytest.fixture
def outside(site):
    """A collection outside MrData's, in which the service account may register what it likes."""
    path, alice = f"/{site.settings.zone}/home/{ALICE}/{uuid.uuid4().hex[:8]}", site.connect(ALICE)
    alice.make_collection(path)
    alice.permit(path, "mrdata", Access.OWN)
    return path


def files_of_the_host(site, collection: str, number: int) -> list[Registration]:
    """Files that are not in the catalog, each with its place in this collection."""
    contents = [f"content {one}".encode() for one in range(number)]
    files = [site.landing_file(f"{T94}/expdata/in bulk/{one}", content) for one, content in enumerate(contents)]
    return [
        Registration(f"{collection}/o'clock 100% {one}", str(file), len(content), sha2(content))
        for one, (file, content) in enumerate(zip(files, contents, strict=True))
    ]


def test_register_all(site, outside):
    zone, resource = site.connect(), site.settings.landing.resource
    files = files_of_the_host(site, outside, BATCH)
    site.connect(ALICE).permit(outside, BOB, Access.READ)
    site.connect(ALICE).inherit(outside)
    zone.register_all(files, resource)
    columns = [
        "DATA_NAME",
        "DATA_PATH",
        "DATA_SIZE",
        "DATA_CHECKSUM",
        "DATA_RESC_NAME",
        "DATA_REPL_STATUS",
        "DATA_REPL_NUM",
    ]
    wanted = {(one.path.rpartition("/")[2], one.file, str(one.size), one.checksum, resource, "1", "0") for one in files}
    assert set(zone.query(columns, Condition("COLL_NAME", "=", outside))) == wanted
    first = files[0]
    assert zone.read(first.path, 0, 99) == site.connect(BOB).read(first.path, 0, 99) == Path(first.file).read_bytes()
    assert zone.checksum(first.path, verify=True) == first.checksum
    assert zone.permissions(first.path) == {"mrdata": Access.OWN, ALICE: Access.OWN, BOB: Access.READ}
    assert zone.stat(first.path).owner == "mrdata"


def test_register_all_does_not_read_the_files(site, outside):
    """What is told of a file is what the catalog then says; whether it is true shows when it is verified."""
    zone = site.connect()
    (file,) = files_of_the_host(site, outside, 1)
    zone.register_all([replace(file, checksum=sha2(b"something else"))], site.settings.landing.resource)
    assert zone.checksum(file.path) == sha2(b"something else")
    with pytest.raises(Damaged):
        zone.checksum(file.path, verify=True)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("object", Exists),
        ("collection", Exists),
        ("twice", Exists),
        ("no collection", NotFound),
        ("too many", ZoneError),
    ],
)
def test_register_all_registers_all_or_none(site, outside, bad, error):
    zone = site.connect()
    files = files_of_the_host(site, outside, 2 * BATCH if bad == "too many" else 10)
    taken = files[-1].path
    if bad == "object":
        zone.write(taken, b"theirs")
    elif bad == "collection":
        zone.make_collection(taken)
    elif bad == "twice":
        files[-1] = replace(files[-1], path=files[0].path)
    elif bad == "no collection":
        files[-1] = replace(files[-1], path=f"{outside}/none/x")
    with pytest.raises(error):
        zone.register_all(files, site.settings.landing.resource)
    left = {f"{outside}/{name}" for (name,) in zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", outside))}
    assert left == ({taken} if bad == "object" else set())
    if bad == "object":
        assert zone.read(taken, 0, 9) == b"theirs"
    assert all(Path(one.file).exists() for one in files)
    zone.register_all(
        files[: len(files) // 2][:BATCH], site.settings.landing.resource
    )  # the connection is still of use
    assert zone.read(files[1].path, 0, 99) == b"content 1"


def test_register_all_asks_who_may_write_in_the_collection(site, outside):
    """The service account is an administrator, but registers nothing where it has no permission."""
    zone, theirs = site.connect(), f"{outside}/hers"
    site.connect(ALICE).make_collection(theirs)
    site.connect(ALICE).permit(theirs, "mrdata", Access.READ)
    good, bad = files_of_the_host(site, outside, 2)
    with pytest.raises(NotPermitted):
        zone.register_all([good, replace(bad, path=f"{theirs}/x")], site.settings.landing.resource)
    assert zone.stat(good.path) is None
    assert zone.stat(f"{theirs}/x") is None

"""Archiving: a compared replica on the archive resource, then no other; killed anywhere, the next run goes on."""

import base64
import errno
import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from microservices.zones.server_zone import ServerZone
from policy.verification import verification
from policy.zone import Condition, ZoneError, durability
from tests.files import dicom, twix
from tests.zone.names import ALICE, PAIN, T94

ARCHIVE = "archiveResc"
MB = 10**6
LARGE = "MRDATA_TEST_LARGE"
"""Environment variable: bytes of the large file for a server (5000000000, say).

It takes twice that on the server's disk.
"""


BYTES = int(os.environ.get(LARGE, "0"))
NOT_SO_LARGE = pytest.mark.skipif(
    not BYTES, reason=f"{LARGE}=5000000000 makes a file of 5 GB, and another in the archive"
)
SIZES = [
    pytest.param(10_000, id="10 KB"),
    pytest.param(100 * MB, id="100 MB"),
    pytest.param(BYTES, id="large", marks=NOT_SO_LARGE),
]
STEPS = [
    ("checksum", "before"), ("checksum", "after"), ("replicate", "before"), ("replicate", "within"), ("replicate", "after"),
    ("trim", "before"), ("trim", "after"),
]  # fmt: skip


@pytest.fixture
def site(make_site):
    """Whoever has died is not waited for."""
    return make_site(archive={"give_up_seconds": 0})


@pytest.fixture
def placed(site):
    """Two images that the scanner registered and one raw file that a user put: their paths in the archive."""
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new, instance=1))
    site.land(f"{T94}/dicom/b", dicom(new, instance=2))
    site.upload(f"{T94}/twix/m.dat", twix(new))
    site.sweep()
    return [
        f"{site.settings.home}/{path}" for path in site.paths(f"studies/{PAIN}/experiments/{new}") if "yaml" not in path
    ]


@pytest.fixture
def alone(site):
    """One object in the archive, its experiment's record beside it is archived already: (path, checksum) of so many
    bytes.
    """

    def make(size: int) -> tuple[str, str]:
        new = site.register()
        site.rule("archive")
        return _expdata(site, new, size)

    return make


def _expdata(site, new: str, size: int) -> tuple[str, str]:
    relative = f"{T94}/expdata/{new}/size{size}"
    file = site.landing_file(relative, b"")
    block, digest = os.urandom(MB), hashlib.sha256()
    with file.open("wb") as stream:
        for at in range(0, size, MB):
            piece = block[: size - at]
            stream.write(piece)
            digest.update(piece)
    checksum = "sha2:" + base64.b64encode(digest.digest()).decode()
    zone = site.connect()
    path = f"{site.settings.home}/landing/{relative}"
    zone.make_collection(path.rpartition("/")[0])
    path = zone.register(str(file), path, site.settings.landing.resource)
    assert "/studies/" in path
    return path, checksum


def replicas(site, path):
    """{(resource, status)} and the checksums of an object's replicas."""
    collection, _, name = path.rpartition("/")
    rows = site.connect().query(
        ["DATA_RESC_NAME", "DATA_REPL_STATUS", "DATA_CHECKSUM"],
        Condition("COLL_NAME", "=", collection),
        Condition("DATA_NAME", "=", name),
    )
    return {row[:2] for row in rows}, {row[2] for row in rows}


def file_on(site, path, resource):
    """The file of an object's replica."""
    collection, _, name = path.rpartition("/")
    where = [
        Condition("COLL_NAME", "=", collection),
        Condition("DATA_NAME", "=", name),
        Condition("DATA_RESC_NAME", "=", resource),
    ]
    ((file,),) = site.connect().query(["DATA_PATH"], *where)
    return Path(file)


def test_what_is_placed_is_moved_to_the_archive_resource(site, placed):
    assert len(placed) == 3
    contents = {path: site.connect().read(path, 0, 1 << 21) for path in placed}
    assert site.rule("archive")["archived"] == 4  # the experiment's record as well
    for path in placed:
        where, checksums = replicas(site, path)
        assert where == {(ARCHIVE, "1")}
        assert len(checksums) == 1
        assert site.connect().read(path, 0, 1 << 21) == contents[path]
    assert site.rule("archive") == {}
    assert (site.folder / "landing" / T94 / "dicom" / "a").exists()
    assert site.verify()["sound"]


@pytest.mark.parametrize("size", SIZES)
def test_files_of_every_size(site, alone, size):
    path, checksum = alone(size)
    began, rounds = time.monotonic(), 0
    threading.Thread(target=_archive, args=(site,), daemon=True).start()
    while replicas(site, path)[0] != {(ARCHIVE, "1")}:  # nobody else has to wait meanwhile
        site.upload(f"{T94}/dicom/{rounds}", dicom("SIMPSON^HOMER", instance=rounds), user=ALICE)
        assert site.sweep() == {"quarantined": 1}
        rounds += 1
        assert time.monotonic() < began + 900
    print(f"archived {size} bytes in {time.monotonic() - began:.1f} s; {rounds} sweeps meanwhile")
    assert rounds >= size // (500 * MB)
    assert replicas(site, path) == ({(ARCHIVE, "1")}, {checksum})
    assert file_on(site, path, ARCHIVE).stat().st_size == size
    found = site.verify(checksums=False)
    assert found["sound"], found


def _archive(site):
    with (
        site.new_connection() as zone,
        suppress(ZoneError),
    ):  # python-irodsclient waits for two minutes at most; the rule goes on
        zone.rule("mrdata_archive", "{}")


def test_a_file_that_is_archived_is_not_registered_again(site, placed):
    from landing import scanner
    from landing.progress import progress_to

    site.rule("archive")
    summary = scanner.run_once(site.settings, lambda: site.connect(), progress_to())
    assert (summary.registered, summary.same) == (0, 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("verb", "when"), STEPS)
def test_killed_at_any_step_it_goes_on(site, alone, size, verb, when):
    if when == "within" and size < MB:
        pytest.skip("over before anybody can be killed within it")
    path, checksum = alone(size)
    site.killed("archive", verb, when)
    where, _ = replicas(site, path)
    if (verb, when) == ("replicate", "within"):
        assert (ARCHIVE, "1") not in where
    assert site.rule("archive").get("archived", 0) == ((verb, when) != ("trim", "after"))
    assert replicas(site, path) == ({(ARCHIVE, "1")}, {checksum})
    assert site.connect().checksum(path, verify=True) == checksum
    assert site.verify(checksums=False)["sound"]
    assert site.rule("archive") == {}


def test_what_may_still_be_written_is_left_alone(make_site, monkeypatch):
    site = make_site(archive={"give_up_seconds": 3600})
    new = site.register()
    path, _ = _expdata(site, new, 1000)
    site.connect().replicate(path, ARCHIVE)
    for number, status in (("0", "4"), ("1", "2")):
        site.iadmin("modrepl", "logical_path", path, "replica_number", number, "DATA_REPL_STATUS", status)
    assert "given_up" not in site.rule("archive")
    assert {status for _, status in replicas(site, path)[0]} == {"2", "4"}
    monkeypatch.setattr(verification, "PATIENCE_SECONDS", 0.0)
    assert site.verify(checksums=False)["busy"] == [path]
    with site.new_connection(ALICE) as alice, pytest.raises(ZoneError):
        alice.give_up(path, certain=True)
    assert site.connect().give_up(path, certain=True)


def test_a_replica_that_differs_is_never_the_only_one(site, alone):
    """The archive's file is damaged while the run that made it was killed: the next run makes it again from the good
    one.
    """
    path, checksum = alone(1000)
    site.killed("archive", "replicate", "after")
    damaged, good = file_on(site, path, ARCHIVE), file_on(site, path, site.settings.landing.resource)
    damaged.write_bytes(b"x" * 1000)
    content = good.read_bytes()
    assert site.rule("archive") == {"archived": 1}
    assert replicas(site, path)[0] == {(ARCHIVE, "1")}
    assert file_on(site, path, ARCHIVE).read_bytes() == content
    assert "sha2:" + base64.b64encode(hashlib.sha256(content).digest()).decode() == checksum


@pytest.mark.embedded
def test_a_replica_is_on_the_disk_before_its_source_goes(site, alone, monkeypatch):
    path, _ = alone(1000)
    told: list[str] = []
    fsync, trim = os.fsync, ServerZone.trim

    def forced(descriptor: int) -> None:
        told.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def trimmed(zone: ServerZone, *arguments: str) -> None:
        told.append("trim")
        trim(zone, *arguments)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(ServerZone, "trim", trimmed)
    assert site.rule("archive") == {"archived": 1}
    file = file_on(site, path, ARCHIVE)
    assert [one for one in told if one in (str(file), str(file.parent), "trim")][-3:] == [
        str(file),
        str(file.parent),
        "trim",
    ]


@pytest.mark.embedded
def test_what_the_disk_does_not_take_is_never_the_only_replica(site, alone, monkeypatch):
    path, checksum = alone(1000)

    def full(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        assert site.rule("archive") == {"failed": 1}
    assert replicas(site, path)[0] == {(ARCHIVE, "1"), (site.settings.landing.resource, "1")}
    assert site.rule("archive") == {"archived": 1}
    assert replicas(site, path) == ({(ARCHIVE, "1")}, {checksum})


def test_only_files_of_this_host_can_be_forced_to_the_disk(tmp_path):
    """An object store's replica has a path that is none here."""
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert durability.force(str(file))
    assert not durability.force("/bucket/of/another/host")
    assert not durability.force(f"{file}/below")


def test_quarantine_and_landing_are_left_alone(site):
    site.land(f"{T94}/dicom/x", dicom("SIMPSON^HOMER"))
    site.sweep()
    site.land(f"{T94}/dicom/y", dicom("SIMPSON^MARGE"))
    assert site.rule("archive") == {}

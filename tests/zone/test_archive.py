"""Archiving: a compared replica on the archive resource, then no other; interrupted anywhere, the next run goes on."""

import pytest

from policy.zone import Condition, ZoneError
from tests.files import dicom, twix
from tests.zone.names import PAIN, T94

ARCHIVE = "archiveResc"


@pytest.fixture
def placed(site):
    """Two images that the scanner registered and one raw file that a user put: their paths in the archive."""
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new, instance=1))
    site.land(f"{T94}/dicom/b", dicom(new, instance=2))
    site.upload(f"{T94}/twix/m.dat", twix(new))
    site.sweep()
    return [f"{site.settings.home}/{path}" for path in site.paths(f"studies/{PAIN}/experiments/{new}") if "yaml" not in path]


def replicas(site, path):
    """{(resource, status)} and the checksums of an object's replicas."""
    collection, _, name = path.rpartition("/")
    rows = site.connect().query(
        ["DATA_RESC_NAME", "DATA_REPL_STATUS", "DATA_CHECKSUM"], Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", name)
    )
    return {row[:2] for row in rows}, {row[2] for row in rows}


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


def test_a_file_that_is_archived_is_not_registered_again(site, placed):
    from landing import scanner
    from landing.progress import progress_to

    site.rule("archive")
    summary = scanner.run_once(site.settings, lambda: site.connect(), progress_to())
    assert (summary.registered, summary.already_registered) == (0, 2)


@pytest.mark.parametrize("step", ["checksum", "replicate", "trim"])
def test_interrupted_at_any_step_it_goes_on(site, placed, step, monkeypatch):
    from microservices.zone import ServerZone

    with monkeypatch.context() as broken:
        for after in (False, True):
            real = getattr(ServerZone, step)

            def fail(*arguments, _real=real, _after=after, **keywords):
                if _after:
                    _real(*arguments, **keywords)
                raise ZoneError("the server went away")

            broken.setattr(ServerZone, step, fail)
            assert site.rule("archive") == {"failed": 4}
            broken.setattr(ServerZone, step, real)
    done = site.rule("archive")
    assert set(done) <= {"archived"}
    for path in placed:
        assert replicas(site, path)[0] == {(ARCHIVE, "1")}
    assert site.verify()["sound"]


def test_a_replica_that_differs_is_never_the_only_one(site, placed, monkeypatch):
    from microservices.zone import ServerZone

    path = placed[0]
    good = site.connect().read(path, 0, 1 << 21)
    real = ServerZone.query

    def altered(self, columns, *conditions):
        rows = real(self, columns, *conditions)
        return [(row[0], "sha2:AAAA") for row in rows] if list(columns) == ["DATA_REPL_STATUS", "DATA_CHECKSUM"] else rows

    with monkeypatch.context() as broken:
        broken.setattr(ServerZone, "query", altered)
        assert site.rule("archive") == {"failed": 4}
    assert ("landingResc", "1") in replicas(site, path)[0]
    assert site.connect().read(path, 0, 1 << 21) == good


def test_quarantine_and_landing_are_left_alone(site):
    site.land(f"{T94}/dicom/x", dicom("SIMPSON^HOMER"))
    site.sweep()
    site.land(f"{T94}/dicom/y", dicom("SIMPSON^MARGE"))
    assert site.rule("archive") == {}

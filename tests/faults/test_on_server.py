"""The nemesis' books and its checker, tried on an embedded zone that is whole, and on one that is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from landing.scanner import Scanner
from policy.zone import AVU, Access, Client, Condition
from policy.zone.experiment import State
from policy.zone.layout import DataType, experiment_path
from tests.faults import checker, nemesis, on_server
from tests.faults.checker import Wrong
from tests.landing_zone import Told
from tests.zone.embedded_site import EmbeddedSite
from tests.zone.names import STEWARD


class World(on_server.ServerWorld):
    """Its files are written, scanned and archived one after the other."""

    @contextmanager
    def connect(self, user: str = "mrdata") -> Iterator[Client]:  # type: ignore[override]
        with self.site.new_connection(user) as zone:
            yield zone

    def live(self, files: int) -> None:
        for _ in range(3):
            self._register()
        self._stop.set()  # nobody pauses
        for _ in range(files):
            self._write()
        self.settle()

    def settle(self) -> None:
        Scanner(self.settings, self.site.new_connection, Told(), retry_seconds=0.01).run_once()
        for rule in on_server.RULES:
            self.site.rule(rule, {"follow": 0} if rule == "sweep" else {})

    def images(self) -> list[tuple[str, str]]:
        """Path and file."""
        rows = self.site.connect().query(
            ["COLL_NAME", "DATA_NAME", "DATA_PATH"], Condition("DATA_NAME", "like", "%.dcm")
        )
        return [(f"{collection}/{name}", file) for collection, name, file in rows if "/studies/" in collection]

    def check(self) -> dict[Wrong, int]:
        with self.connect() as zone:
            held = on_server.held(zone, self.settings, self.suffix)
        return dict(checker.counted(checker.check(self, tidied=False, waits=self._why(), held=held)))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Is left as it was by every test."""
    top = tmp_path_factory.mktemp("world")
    (top / "case").mkdir()
    site = EmbeddedSite(
        top / "zone", {"landing": {"quiet_seconds": 0.0, "look_seconds": 0.0, "incomplete_seconds": 0.0}}
    )
    world = World(site, top / "case", 1, stranger=STEWARD)
    world.live(45)
    yield world
    site.close()


def test_a_world_in_which_nothing_fails(lived: World) -> None:
    assert lived.check() == {}
    kinds = {content.kind for content in lived.books.contents.values()}
    assert len(kinds) == 3
    assert [1 for content in lived.books.contents.values() if not content.experiments], "nobody's file"
    assert [1 for content in lived.books.contents.values() if content.landings > 1], "a file that came again"


def test_a_byte_that_is_another_one(lived: World) -> None:
    _, file = lived.images()[0]
    content = Path(file).read_bytes()
    os.chmod(file, 0o640)
    Path(file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = lived.check()
    Path(file).write_bytes(content)
    assert found[Wrong.LOST] >= 1
    assert Wrong.UNNOTICED not in found, "verify has seen it as well"
    assert lived.check() == {}


def test_an_image_under_another_experiment(lived: World) -> None:
    zone = lived.site.connect()
    path, _ = lived.images()[0]
    own = experiment_path(lived.settings, path)
    other = next(
        experiment_path(lived.settings, one) for one, _ in lived.images() if experiment_path(lived.settings, one) != own
    )
    wrong = f"{other}/DICOM/{path.rpartition('/')[2]}"
    zone.move(path, wrong)
    found = lived.check()
    zone.move(wrong, path)
    assert found[Wrong.MISFILED] == 1


def test_bytes_that_never_landed(lived: World) -> None:
    zone, path = (
        lived.site.connect(),
        f"{lived.settings.home}/studies/{lived.study}/experiments/{lived._experiments[0]}/DICOM/strange",
    )
    zone.write(path, b"strange")
    found = lived.check()
    zone.erase(path)
    assert found[Wrong.MISFILED] == 1


def test_a_file_that_nobody_took(lived: World) -> None:
    file = lived.landing / lived.scanner / "dicom" / "left"
    content = b"left"
    file.write_bytes(content)
    lived.books.landed(content, "left", DataType.DICOM, required=False)
    found = lived.check()
    lived.settle()
    assert found[Wrong.DISORDER] >= 1
    assert Wrong.LOST not in found
    assert lived.check() == {}


def test_a_state_that_the_log_does_not_tell(lived: World) -> None:
    zone, path = (
        lived.site.connect(),
        f"{lived.settings.home}/studies/{lived.study}/experiments/{lived._experiments[0]}",
    )
    (held,) = [avu for avu in zone.metadata(path) if avu.attribute == "State"]
    zone.annotate(path, add=[AVU("State", State.FINALIZED)], remove=[held])
    found = lived.check()
    zone.annotate(path, add=[held], remove=[AVU("State", State.FINALIZED)])
    assert found[Wrong.DISORDER] >= 1


def test_whoever_is_in_no_study_is_refused_and_looked_at(lived: World) -> None:
    lived._look_around()
    assert lived.read_by_stranger == []
    assert lived.counts["refused to the stranger"] == 5
    path, _ = lived.images()[0]
    zone = lived.site.connect()
    for one in (path.rpartition("/")[0], path):
        zone.permit(one, STEWARD, Access.READ)
    for _ in range(3):
        lived._look_around()
    for one in (path.rpartition("/")[0], path):
        zone.permit(one, STEWARD, Access.NULL)
    assert lived.read_by_stranger


def test_processes_are_found_by_their_programs() -> None:
    assert os.getpid() in nemesis.processes(os.readlink("/proc/self/exe"))
    assert nemesis._parent(os.getpid()) == os.getppid()
    assert nemesis.processes("/no/such/program") == []

"""A large embedded zone, written into its catalog at once: studies, experiments, series and objects as the policies
leave them.

Only for benchmarks: what is looked at closely (one experiment with its images and history, the people, the studies)
goes the real way.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.catalog.database import OWN, READ, Catalog, timestamp
from embedded.client.embedded_zone import EmbeddedZone
from embedded.folder import ZoneFolder
from microservices.settings_file import load_settings
from mrdata.zones.new_zone import create, make_users
from policy.zone import experiment_id, layout
from policy.zone.settings import Settings
from tests.files import dicom

SCANNER = "94T"
SERIES, SESSIONS = 10, 50
TECHNIQUE = {
    "Modality": "MR",
    "MagneticFieldStrength": "9.4",
    "Manufacturer": "SIEMENS",
    "Rows": "320",
    "Columns": "320",
}


@dataclass(frozen=True)
class Large:
    """The zone; `experiment` came the real way and is alice's, who is in one study of ten."""

    folder: Path
    settings: Settings
    experiment: str
    session: str


def make(folder: Path, *, studies: int, experiments: int, objects: int) -> Large:
    """A zone in `folder`."""
    create(folder, scanners=[SCANNER], site={"sweep": {"quiet_seconds": 0}})
    settings = load_settings(folder / "mrdata.yaml")
    make_users(settings, "alice", "bob", "steward")
    with EmbeddedZone(folder, "mrdata") as zone:
        zone.group(settings.stewards, ["steward"])
        for number in range(studies):
            members = ["bob", *(["alice"] if number % 10 == 0 else [])]
            request = {
                "study": f"s{number}",
                "title": f"Study {number}",
                "members": members,
                "subjects": ["P0", "P1", "P2", "P3"],
            }
            _call(zone, "study", request)
    catalog = ZoneFolder.open(folder).catalog()
    with catalog.writing():
        _Writer(catalog, settings).write(studies, experiments, objects)
    catalog.close()
    with EmbeddedZone(folder, "mrdata") as zone:
        return Large(folder, settings, *_real(zone, settings))


def _call(zone: EmbeddedZone, rule: str, request: dict[str, object]) -> dict[str, object]:
    reply: dict[str, object] = json.loads(zone.rule(f"mrdata_{rule}", json.dumps(request)))
    assert "error" not in reply, reply
    return reply


def _real(zone: EmbeddedZone, settings: Settings) -> tuple[str, str]:
    """An experiment with ten series and their history, and the name of a session in quarantine."""
    request = {"study": "s0", "pseudonym": "P1", "owner": "alice", "scanner": SCANNER, "scan_type": "pilot"}
    new = str(_call(zone, "register", request)["experiment_id"])
    wrong = ("2" if new[0] != "2" else "3") + new[1:]
    for number in range(60):
        name = wrong if number >= 50 else new
        file = Path(settings.landing.folder) / SCANNER / "dicom" / f"{number}"
        file.write_bytes(dicom(name, series=number % 10 + 1, instance=number, Rows=64, Columns=64, pixels=bytes(8192)))
        zone.register(str(file), f"{layout.landing(settings)}/{SCANNER}/dicom/{number}", settings.landing.resource)
    _call(zone, "sweep", {})
    listed = _call(zone, "quarantine_list", {})["sessions"]
    assert isinstance(listed, list)
    return new, next(s["path"] for s in listed if s["header_says"] == wrong).rpartition("/")[2]


class _Writer:
    """Rows of the catalog's tables, as iRODS has them."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self.catalog, self.settings = catalog, settings
        self.random = random.Random(1)
        self.now = timestamp()
        self.ids = itertools.count(int(catalog.one("SELECT next FROM R_ObjectID")[0]) + 1)
        self.meta: dict[tuple[str, str, str], int] = {
            (a, v, u): i
            for i, a, v, u in catalog.all(
                "SELECT meta_id, meta_attr_name, meta_attr_value, meta_attr_unit FROM R_META_MAIN"
            )
        }
        self.users = dict(catalog.all("SELECT user_name, user_id FROM R_USER_MAIN"))
        self.resource = catalog.one("SELECT resc_id FROM R_RESC_MAIN WHERE resc_name = 'archiveResc'")[0]
        self.collections, self.objects, self.avus, self.maps, self.access = [], [], [], [], []

    def write(self, studies: int, experiments: int, objects: int) -> None:
        each = objects // experiments
        for number in range(experiments):
            self._experiment(number, f"s{number % studies}", each)
        for number in range(SESSIONS):
            self._session(number)
        self._insert(
            "R_COLL_MAIN (coll_id, parent_coll_name, coll_name, coll_owner_name, coll_owner_zone, create_ts,"
            " modify_ts)",
            self.collections,
        )
        self._insert(
            "R_DATA_MAIN (data_id, data_repl_num, coll_id, data_name, data_size, resc_id, data_path, data_owner_name,"
            " data_owner_zone, data_is_dirty, create_ts, modify_ts, access_ts)",
            self.objects,
        )
        self._insert(
            "R_META_MAIN (meta_id, meta_attr_name, meta_attr_value, meta_attr_unit, create_ts, modify_ts)", self.avus
        )
        self._insert("R_OBJT_METAMAP", self.maps)
        self._insert("R_OBJT_ACCESS", self.access)
        self.catalog.run("UPDATE R_ObjectID SET next = ?", (next(self.ids),))

    def _insert(self, table: str, rows: list[tuple[object, ...]]) -> None:
        places = ", ".join("?" * len(rows[0]))
        for row in rows:
            self.catalog.run(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608 - the table is this module's own

    def _collection(self, path: str, reader: str) -> int:
        number, parent = next(self.ids), layout.parent(path)
        self.collections.append((number, parent, path, "mrdata", self.settings.zone, self.now, self.now))
        self._permit(number, reader)
        return number

    def _object(self, collection: int, path: str, reader: str) -> int:
        number = next(self.ids)
        row = (
            number,
            1,
            collection,
            path.rpartition("/")[2],
            205_000,
            self.resource,
            f"/vault{path}",
            "mrdata",
            self.settings.zone,
            1,
        )
        self.objects.append((*row, self.now, self.now, self.now))
        self._permit(number, reader)
        return number

    def _permit(self, number: int, reader: str) -> None:
        for name, level in (("mrdata", OWN), (reader, READ)):
            self.access.append((number, self.users[name], level, self.now, self.now))

    def _annotate(self, number: int, avus: dict[str, str], unit: str = "") -> None:
        for name, value in avus.items():
            known = self.meta.get((name, value, unit))
            if known is None:
                known = self.meta[name, value, unit] = next(self.ids)
                self.avus.append((known, name, value, unit, self.now, self.now))
            self.maps.append((number, known, self.now, self.now))

    def _experiment(self, number: int, study: str, objects: int) -> None:
        new, reader = experiment_id.draw(), layout.study_group(study)
        path = f"{layout.study(self.settings, study)}/experiments/{new}"
        top = self._collection(path, reader)
        registered = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_700_000_000 + number * 3600))
        self._annotate(
            top,
            {"StudyID": study, "Pseudonym": f"P{number % 4}", "Owner": "bob", "Scanner": SCANNER, "ScanType": "pilot"},
        )
        state = "acquiring" if number % 20 == 0 else "finished"
        self._annotate(
            top, {"Registered": registered, "State": state, "ExperimentID": new, "Description": f"Visit {number}"}
        )
        for kind in layout.DataType:
            self._collection(f"{path}/{kind}", reader)
        for series in range(1, SERIES + 1):
            self._series(f"{path}/DICOM", new, series, objects // SERIES, reader)

    def _series(self, parent: str, new: str, series: int, objects: int, reader: str) -> None:
        path = f"{parent}/{series}_protocol{series}"
        collection = self._collection(path, reader)
        self._annotate(collection, {**TECHNIQUE, "SeriesNumber": str(series), "SeriesDescription": f"protocol{series}"})
        self._annotate(
            collection,
            {"ProtocolName": f"protocol{self.random.randrange(60)}", "SeriesInstanceUID": f"1.2.{new}.{series}"},
        )
        times = {
            "RepetitionTime": f"{self.random.randrange(1, 40) / 10:g}",
            "EchoTime": f"{self.random.randrange(20, 400) / 10000:g}",
        }
        self._annotate(collection, times, "s")
        self._annotate(collection, {"FlipAngle": str(self.random.randrange(5, 91))}, "deg")
        for instance in range(1, objects + 1):
            uid = f"1.2.{series}.{instance}.{new}"
            image = self._object(collection, f"{path}/{instance}_{uid}.dcm", reader)
            self._annotate(image, {"SOPInstanceUID": uid, "LandingPath": f"{SCANNER}/dicom/{new}/{series}/{instance}"})

    def _session(self, number: int) -> None:
        path, reader = f"{layout.quarantine(self.settings)}/{SCANNER}/20260101_{number:08x}", self.settings.stewards
        if number == 0:
            self._collection(layout.parent(path), reader)
        top = self._collection(path, reader)
        self._annotate(top, {"HeaderSays": experiment_id.draw()})
        files = self._collection(f"{path}/dicom", reader)
        for instance in range(40):
            image = self._object(files, f"{path}/dicom/{instance}.dcm", reader)
            told = {
                "Reason": "mistyped",
                "Detail": "Patient Name is not an ExperimentID",
                "Quarantined": f"2026-01-01T00:00:{instance:02}Z",
            }
            self._annotate(image, told)


def read_only(large: Large) -> Iterator[str]:
    """What it holds, for a report."""
    catalog = ZoneFolder.open(large.folder).catalog()
    for table in ("R_COLL_MAIN", "R_DATA_MAIN", "R_META_MAIN", "R_OBJT_METAMAP", "R_OBJT_ACCESS"):
        yield f"{table}: {catalog.one(f'SELECT count(*) FROM {table}')[0]} rows"  # noqa: S608 - names of this module
    catalog.close()

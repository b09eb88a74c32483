"""What catalog and disks hold, read straight from SQLite and the file system: none of MrData's code is asked."""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from policy.zone import layout
from policy.zone.settings import Settings

GOOD = 1


@dataclass(frozen=True, slots=True)
class Replica:
    """A row of R_DATA_MAIN, with the SHA-256 of its file (hexadecimal; empty where there is none)."""

    number: int
    status: int
    resource: str
    file: str
    size: int
    checksum: str
    digest: str
    length: int

    @property
    def is_sound(self) -> bool:
        """Whether its file is what the catalog says."""
        told = "sha2:" + base64.b64encode(bytes.fromhex(self.digest)).decode() if self.digest else ""
        return self.status == GOOD and self.length == self.size and self.checksum in ("", told) and bool(self.digest)


@dataclass(slots=True)
class Held:
    """A moment of a zone. Paths of objects are logical, those of files absolute; contents are SHA-256."""

    objects: dict[str, list[Replica]] = field(default_factory=dict)
    mailbox: dict[str, str] = field(default_factory=dict)
    intake: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    """Batches of the intake that are done."""
    vaults: dict[str, str] = field(default_factory=dict)
    states: dict[str, list[str]] = field(default_factory=dict)
    """Experiment -> the values of its AVU `State`."""
    readers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Path of an experiment's collection, or of an object -> who has any permission."""
    unfinished: list[str] = field(default_factory=list)
    """What processes have under way in the catalog."""

    def at(self, path: str) -> str:
        """The content of an object: that of a sound replica; empty where it has none."""
        return next((one.digest for one in self.objects.get(path, []) if one.is_sound), "")

    def below(self, collection: str) -> Iterator[str]:
        """Its objects."""
        return (path for path in self.objects if path.startswith(collection + "/"))


def read(folder: Path, settings: Settings) -> Held:
    """Reads all of it."""
    held = Held()
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as catalog:
        _objects(catalog, held)
        held.states = _states(catalog, settings)
        for table in ("open_replica", "doomed_file"):
            held.unfinished += [f"{table}: {row}" for row in catalog.execute(f"SELECT * FROM {table}")]  # noqa: S608 - one of the two
    landing = Path(settings.landing.folder)
    for path, digest in _files(landing):
        relative = path.relative_to(landing).as_posix()
        if not relative.startswith(layout.INTAKE + "/"):
            held.mailbox[relative] = digest
        elif path.name == ".done":
            held.done.add(path.parent.name)
        elif not path.name.startswith("."):
            held.intake[relative.removeprefix(layout.INTAKE + "/")] = digest
    held.vaults = {str(path): digest for path, digest in _files(folder / "vault")}
    return held


def _objects(catalog: sqlite3.Connection, held: Held) -> None:
    rows = catalog.execute(
        "SELECT c.coll_name || '/' || d.data_name, d.data_repl_num, d.data_is_dirty, r.resc_name, d.data_path,"
        " d.data_size, d.data_checksum FROM R_DATA_MAIN d JOIN R_COLL_MAIN c ON c.coll_id = d.coll_id JOIN R_RESC_MAIN"
        " r ON r.resc_id = d.resc_id"
    )
    for path, number, status, resource, file, size, checksum in rows:
        digest, length = _digest(Path(file))
        held.objects.setdefault(path, []).append(
            Replica(number, status, resource, file, size, checksum, digest, length)
        )
    readers = catalog.execute(
        "SELECT c.coll_name || '/' || d.data_name, u.user_name FROM R_OBJT_ACCESS a JOIN R_DATA_MAIN d ON d.data_id ="
        " a.object_id JOIN R_COLL_MAIN c ON c.coll_id = d.coll_id JOIN R_USER_MAIN u ON u.user_id = a.user_id WHERE"
        " a.access_type_id > 1000"
    )
    for path, user in readers:
        held.readers[path].add(user)


def experiments(folder: Path, settings: Settings) -> dict[str, list[str]]:
    """Experiment -> the values of its AVU `State`: none where it was never registered to the end."""
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as catalog:
        return _states(catalog, settings)


def _states(catalog: sqlite3.Connection, settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for (path,) in catalog.execute("SELECT coll_name FROM R_COLL_MAIN"):
        experiment = layout.experiment_of(settings, path)
        if experiment and path.endswith(f"/experiments/{experiment}"):
            rows = catalog.execute(
                "SELECT m.meta_attr_value FROM R_META_MAIN m JOIN R_OBJT_METAMAP o ON o.meta_id = m.meta_id JOIN"
                " R_COLL_MAIN c ON c.coll_id = o.object_id WHERE c.coll_name = ? AND m.meta_attr_name = 'State'",
                (path,),
            )
            found[experiment] = [value for (value,) in rows]
    return found


def _files(top: Path) -> Iterator[tuple[Path, str]]:
    for where, _, names in os.walk(top):
        for name in names:
            path = Path(where) / name
            yield path, _digest(path)[0]


def _digest(file: Path) -> tuple[str, int]:
    try:
        content = file.read_bytes()
    except OSError:
        return "", -1
    return hashlib.sha256(content).hexdigest(), len(content)

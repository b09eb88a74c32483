"""An embedded zone: a folder with a catalog, a vault, a log, and the rulebase it runs."""

from __future__ import annotations

import fcntl
import os
import sys
import uuid
from pathlib import Path
from typing import Any

from embedded.catalog import recovery, users
from embedded.catalog.database import ACCESS_NAMES, READ, Catalog, timestamp
from embedded.catalog.session import Session
from embedded.errors import IrodsError

RESOURCES = ("demoResc", "landingResc", "archiveResc")
VERSION = 2
"""What this MrData makes. 1: of the delay rules the sweep alone, files stay registered where they landed.

2: every delay rule, the intake, files archived when they are registered.
"""
ADMIN = "rods"
SERVICE = "mrdata"


class ZoneFolder:
    """A zone's folder; `connect` is what a client does.

    catalog.sqlite, vault/<resource>/, landing/ (the landing zone), rods.log, mrdata.yaml (settings), version, agents/
    (one locked file for each agent that is connected).
    """

    default_resource = "demoResc"

    def __init__(self, path: Path, core: Path | str | None = None) -> None:
        self.path = path.resolve()
        self.core = Path(core or Path(__file__).resolve().parent.parent / "rulebase" / "core.py").resolve()
        self.log = self.path / "rods.log"
        self.settings = self.path / "mrdata.yaml"
        self._recovered = False

    @property
    def name(self) -> str:
        """The zone's name."""
        catalog = self.catalog()
        try:
            return str(catalog.one("SELECT zone_name FROM R_ZONE_MAIN WHERE zone_type_name = 'local'")[0])
        finally:
            catalog.close()

    @classmethod
    def create(cls, path: Path | str, name: str = "tempZone", *, core: Path | str | None = None) -> ZoneFolder:
        """Makes a zone in an empty or new folder. FileExistsError if the folder holds a zone."""
        if not name.isalnum():
            raise ValueError(f"a zone's name has letters and digits only: {name!r}")
        zone = cls(Path(path), core)
        zone.path.mkdir(parents=True, exist_ok=True)
        if (zone.path / "catalog.sqlite").exists():
            raise FileExistsError(f"{zone.path} holds a zone already")
        for folder in [zone.path / "vault" / resource for resource in RESOURCES] + [
            zone.path / "landing",
            zone.path / "agents",
        ]:
            folder.mkdir(parents=True, exist_ok=True)
        # made under another name, so that a folder never holds half a catalog
        draft = zone.path / f"catalog.{uuid.uuid4().hex}"
        catalog = Catalog(draft)
        _fill(catalog, name, zone.path)
        catalog.close()
        os.replace(draft, zone.path / "catalog.sqlite")
        if not zone.settings.exists():
            from yaml import safe_dump

            zone.settings.write_text(safe_dump(first_settings(name, zone.path), sort_keys=False), encoding="utf-8")
        return zone

    @classmethod
    def open(cls, path: Path | str, *, core: Path | str | None = None) -> ZoneFolder:
        """Opens the zone in a folder. FileNotFoundError if the folder holds none."""
        zone = cls(Path(path), core)
        if not (zone.path / "catalog.sqlite").exists():
            raise FileNotFoundError(f"{zone.path} holds no zone; make one with ZoneFolder.create")
        return zone

    @property
    def version(self) -> int:
        """The version of MrData's zones as which this zone was made, or to which it was upgraded.

        Zones of version 1 hold no version.
        """
        try:
            return int((self.path / "version").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 1

    def mark(self) -> None:
        """Marks the zone as one of the newest version."""
        new = self.path / ".version.new"
        new.write_text(f"{VERSION}\n", encoding="ascii")
        os.replace(new, self.path / "version")

    def catalog(self) -> Catalog:
        """Opens a new connection to the catalog."""
        return Catalog(self.path / "catalog.sqlite")

    def connect(self, user: str) -> Connection:
        """Connects a client as `user`. First finishes what dead processes left unfinished."""
        catalog = self.catalog()
        try:
            if not self._recovered:
                recovery.recover(catalog, self.path / "agents")
                self._recovered = True
            return Connection(self, catalog, user)
        except BaseException:
            catalog.close()
            raise


class Connection:
    """One client's session, and the file that shows others that its process lives."""

    def __init__(self, folder: ZoneFolder, catalog: Catalog, user: str) -> None:
        account = users.account(catalog, user)
        self._alive, self._lock = _alive(folder.path / "agents")
        self.session = Session(catalog, account, self._alive.name, folder.log, folder.default_resource)

    def close(self) -> None:
        """Closes what is open, as a server does when a client leaves: replicas that were being written become stale."""
        for descriptor in self.session.descriptors.values():
            os.close(descriptor.file)
        self.session.descriptors.clear()
        recovery.give_up(self.session.catalog, self.session.agent)
        self.session.catalog.close()
        self._alive.unlink(missing_ok=True)
        os.close(self._lock)


def _alive(agents: Path) -> tuple[Path, int]:
    """A new file for this agent, and the lock on it that ends with the process."""
    while True:
        path = agents / uuid.uuid4().hex
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():
            return path, handle
        os.close(handle)  # somebody tidied it away before it was locked


def first_settings(name: str, path: Path) -> dict[str, Any]:
    """What a zone's mrdata.yaml begins with: where its folders are, and its `iadmin`."""
    return {
        "zone": name,
        "iadmin": [sys.executable, "-m", "embedded.iadmin", str(path)],
        "landing": {"folder": str(path / "landing"), "resource": "landingResc"},
        "archive": {"vault": str(path / "vault" / "archiveResc")},
    }


def _fill(catalog: Catalog, zone: str, path: Path) -> None:
    catalog.script((Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"))
    now = timestamp()
    with catalog.writing():
        catalog.run("INSERT INTO R_ObjectID VALUES (9999)")
        catalog.run("INSERT INTO R_ZONE_MAIN (zone_id, zone_name) VALUES (9000, ?)", (zone,))
        for level, name in ACCESS_NAMES.items():
            catalog.run("INSERT INTO R_TOKN_MAIN VALUES ('access_type', ?, ?)", (level, name))
        for resource in RESOURCES:
            catalog.run(
                "INSERT INTO R_RESC_MAIN (resc_id, resc_name, zone_name, resc_type_name, resc_net, resc_def_path,"
                " create_ts, modify_ts) VALUES (?, ?, ?, 'unixfilesystem', 'localhost', ?, ?, ?)",
                (catalog.next_id(), resource, zone, str(path / "vault" / resource), now, now),
            )
        admin, public = catalog.next_id(), catalog.next_id()
        for user_id, user, kind in ((admin, ADMIN, "rodsadmin"), (public, "public", "rodsgroup")):
            catalog.run(
                "INSERT INTO R_USER_MAIN (user_id, user_name, user_type_name, zone_name, create_ts, modify_ts) VALUES"
                " (?, ?, ?, ?, ?, ?)",
                (user_id, user, kind, zone, now, now),
            )
            catalog.run("INSERT INTO R_USER_GROUP VALUES (?, ?)", (user_id, user_id))
        catalog.run("INSERT INTO R_USER_GROUP VALUES (?, ?)", (public, admin))
        tops = [
            "/",
            f"/{zone}",
            f"/{zone}/home",
            f"/{zone}/home/{ADMIN}",
            f"/{zone}/trash",
            f"/{zone}/trash/home",
            f"/{zone}/trash/home/{ADMIN}",
        ]
        for top in tops:
            _top(catalog, zone, top, admin)
            if ADMIN not in top:
                catalog.run(
                    "INSERT INTO R_OBJT_ACCESS SELECT coll_id, ?, ?, ?, ? FROM R_COLL_MAIN WHERE coll_name = ?",
                    (public, READ, now, now, top),
                )
        users.make_home(catalog, zone, f"/{zone}/home/public", ADMIN, public)
    users.make_user(catalog, zone, SERVICE, "rodsadmin", ADMIN)


def _top(catalog: Catalog, zone: str, path: str, admin: int) -> None:
    if path != "/":
        users.make_home(catalog, zone, path, ADMIN, admin)
        return
    now, coll_id = timestamp(), catalog.next_id()
    catalog.run(
        "INSERT INTO R_COLL_MAIN (coll_id, parent_coll_name, coll_name, coll_owner_name, coll_owner_zone, create_ts,"
        " modify_ts) VALUES (?, '/', '/', ?, ?, ?, ?)",
        (coll_id, ADMIN, zone, now, now),
    )
    catalog.run("INSERT INTO R_OBJT_ACCESS VALUES (?, ?, 1200, ?, ?)", (coll_id, admin, now, now))


__all__ = ["ADMIN", "RESOURCES", "SERVICE", "Connection", "IrodsError", "ZoneFolder"]

"""One client's connection to the zone, below the rule engine: its account, permissions and open replicas."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedded.catalog.database import Catalog
from embedded.catalog.rows import Account, Changed, Descriptor, Resource
from embedded.errors import IrodsError


def split_path(path: str) -> tuple[str, str]:
    """Splits a path into collection and name. USER_INPUT_PATH_ERR unless it is an absolute logical path.

    >>> split_path("/zone/home/a")
    ('/zone/home', 'a')
    """
    collection, _, name = path.rpartition("/")
    if not path.startswith("/") or not name or "\0" in path:
        raise IrodsError("USER_INPUT_PATH_ERR", path)
    if len(path.encode(errors="surrogateescape")) >= 1088:
        raise IrodsError("USER_PATH_EXCEEDS_MAX", path[:64])
    return collection or "/", name


class Session:
    """The connection of one account. `on_modified` is how the rule engine learns of replicas that changed."""

    def __init__(self, catalog: Catalog, account: Account, agent: str, log: Path, default_resource: str) -> None:
        """`agent` is the name of its file in `agents/`, `log` the file that `log` writes to."""
        self.default_resource = default_resource
        self._log = log
        self.catalog = catalog
        self.account = account
        self.agent = agent
        self.on_modified: Callable[[Changed], None] = lambda changed: None
        self.descriptors: dict[int, Descriptor] = {}
        self.statements: dict[int, Any] = {}
        self.results: dict[int, Any] = {}
        self._resources = {
            name: Resource(i, name, Path(vault))
            for i, name, vault in catalog.all("SELECT resc_id, resc_name, resc_def_path FROM R_RESC_MAIN")
        }

    @property
    def zone(self) -> str:
        return self.account.zone

    def log(self, message: str) -> None:
        """Writes a line to rods.log."""
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} pid:{os.getpid()} {self.account.name} {message}".replace(
            "\n", "\\n"
        )
        with self._log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(line + "\n")

    def resource(self, name: str) -> Resource:
        """Returns the resource of this name. SYS_RESC_DOES_NOT_EXIST if it does not exist."""
        if name not in self._resources:
            raise IrodsError("SYS_RESC_DOES_NOT_EXIST", name)
        return self._resources[name]

    def resource_by_id(self, resource_id: int) -> Resource:
        return next(resource for resource in self._resources.values() if resource.id == resource_id)

    def access(self, object_id: int) -> int:
        """Returns the account's highest permission on an object or collection, 0 for none.

        Administrators have no additional permissions.
        """
        found = self.catalog.one(
            "SELECT max(oa.access_type_id) FROM R_OBJT_ACCESS oa JOIN R_USER_GROUP ug ON ug.group_user_id = oa.user_id "
            "WHERE oa.object_id = ? AND ug.user_id = ?",
            (object_id, self.account.id),
        )
        return int(found[0] or 0)

    def demand(self, object_id: int, level: int, path: str, *, admin: bool = False) -> None:
        """Raises CAT_NO_ACCESS_PERMISSION if the account's permission is below `level`.

        With `admin` a rodsadmin passes, and every other account gets CAT_INSUFFICIENT_PRIVILEGE_LEVEL.
        """
        if admin:
            if not self.account.is_admin:
                raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL", path)
        elif self.access(object_id) < level:
            raise IrodsError("CAT_NO_ACCESS_PERMISSION", path)

    def collection_id(self, path: str) -> int | None:
        row = self.catalog.one("SELECT coll_id FROM R_COLL_MAIN WHERE coll_name = ?", (path,))
        return int(row[0]) if row else None

    def object_id(self, path: str) -> int | None:
        collection, name = split_path(path)
        row = self.catalog.one(
            "SELECT d.data_id FROM R_DATA_MAIN d JOIN R_COLL_MAIN c ON c.coll_id = d.coll_id WHERE c.coll_name = ? AND"
            " d.data_name = ?",
            (collection, name),
        )
        return int(row[0]) if row else None

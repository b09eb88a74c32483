"""What both zones of a real server ask its catalog: stat, metadata, permissions, who is in a group; in GenQuery1."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from microservices.zones import error_codes
from microservices.zones.rename import move
from policy.zone import AVU, Access, Among, Condition, NotFound, Stat, ZoneError, access_named, account, data_object

_ESCAPE = re.compile(r"\\x[0-9A-Fa-f]{2}")


class Catalog(ABC):
    """The verbs of `policy.zone.Zone` that a catalog of its own kind makes necessary: those that only read it, and
    move.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The zone's."""

    @abstractmethod
    def query(self, columns: Sequence[str], *conditions: Condition | Among) -> list[tuple[str, ...]]:
        """As `policy.zone.Zone.query`."""

    @abstractmethod
    def rename(self, source: str, destination: str, is_collection: bool) -> None:
        """What iRODS calls a rename."""

    def move(self, source: str, destination: str) -> None:
        """See `microservices.zones.rename`."""
        is_collection = self.is_collection(source)
        move(self.stat, lambda old, new: self.rename(old, new, is_collection), source, destination)

    def is_collection(self, path: str) -> bool:
        """Or a data object. NotFound where there is neither."""
        found = self.stat(path)
        if found is None:
            raise NotFound(f"{path} is not there")
        return found.is_collection

    def stat(self, path: str) -> Stat | None:
        """One query for an object, a second one for a collection.

        Of several replicas a good one, the youngest of them.
        """
        columns = ["DATA_SIZE", "DATA_OWNER_NAME", "DATA_CHECKSUM", "DATA_MODIFY_TIME", "DATA_REPL_STATUS"]
        rows = self.query(columns, *data_object(path))
        if rows:
            size, owner, checksum, modified, _ = max(rows, key=lambda row: (row[4] == "1", row[3]))
            return Stat(path, False, int(size), owner, checksum, int(modified))
        rows = self.query(["COLL_OWNER_NAME", "COLL_MODIFY_TIME"], Condition("COLL_NAME", "=", path))
        return Stat(path, True, 0, rows[0][0], "", int(rows[0][1])) if rows else None

    def metadata(self, path: str) -> list[AVU]:
        """NotFound only where there is nothing at all."""
        if rows := self.query(_metadata("DATA"), *data_object(path)):
            return [AVU(*row) for row in rows]
        kind, conditions = self.entity(path)
        return [AVU(*row) for row in self.query(_metadata("COLL"), *conditions)] if kind == "COLL" else []

    def permissions(self, path: str) -> dict[str, Access]:
        """Only levels that MrData knows; a level between two counts as the lower one.

        A collection's by user id: by COLL_USER_NAME the catalog answers with the members of a group, not with the
        group.
        """
        if rows := self.query(["USER_NAME", "USER_ZONE", "DATA_ACCESS_NAME"], *data_object(path)):
            return {account.shown(name, zone, self.name): access_named(level) for name, zone, level in rows}
        kind, conditions = self.entity(path)
        rows = self.query(["COLL_ACCESS_USER_ID", "COLL_ACCESS_NAME"], *conditions) if kind == "COLL" else []
        return {self._user_name(user): access_named(level) for user, level in rows}

    def _user_name(self, user_id: str) -> str:
        ((name, zone),) = self.query(["USER_NAME", "USER_ZONE"], Condition("USER_ID", "=", user_id))
        return account.shown(name, zone, self.name)

    def members(self, group: str) -> set[str] | None:
        """Returns the users in a group; None if the group does not exist."""
        if not self.query(["USER_NAME"], Condition("USER_NAME", "=", group), Condition("USER_TYPE", "=", "rodsgroup")):
            return None
        return account.members(self, group)

    def entity(self, path: str) -> tuple[str, Sequence[Condition]]:
        """`DATA` or `COLL`, and the conditions that select it. NotFound where there is neither."""
        if self.query(["DATA_ID"], *data_object(path)):
            return "DATA", data_object(path)
        collection = [Condition("COLL_NAME", "=", path)]
        if self.query(["COLL_ID"], *collection):
            return "COLL", collection
        raise NotFound(f"{path} is not there")


def _metadata(kind: str) -> list[str]:
    return [f"META_{kind}_ATTR_{part}" for part in ("NAME", "VALUE", "UNITS")]


def unfindable(path: str) -> bool:
    """Whether iRODS itself cannot look up the path, which its own conditions hold.

    The catalog stumbles where a quote meets `||` or `&&` (see `microservices.zones.genquery1_text`), and then answers
    the next question of the connection wrongly; in the server's own GenQuery1 texts, \\xHH stands for another character
    (lib/genquery1/dsl/lexer.l).
    """
    return ("'" in path and ("||" in path or "&&" in path)) or _ESCAPE.search(path) is not None


def demand(*paths: str) -> None:
    """ZoneError for a path that iRODS itself cannot look up."""
    for path in paths:
        if unfindable(path):
            raise ZoneError(
                f"{path}: iRODS finds no name that holds a quote with || or &&, or \\xHH; rename it",
                error_codes.INVALID_ARGUMENT,
            )

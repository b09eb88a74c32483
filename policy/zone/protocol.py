"""A zone as a policy sees it: about twenty verbs, and the values that travel through them.

Three things implement `Zone`: `microservices.zones.server_zone.ServerZone` over the rule engine's `callback`, inside
the server; a client over python-irodsclient; and `embedded.client.embedded_zone.EmbeddedZone`. Paths are absolute
logical paths (`/tempZone/home/mrdata/...`), column names are those of GenQuery (`COLL_NAME`, `DATA_NAME`,
`META_DATA_ATTR_VALUE`...).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from policy.zone.error_kinds import ErrorKind, MrDataError


class ZoneError(MrDataError):
    """A verb failed. `code` is the iRODS error code (rodsErrorTable.h), 0 where there is none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NotFound(ZoneError):
    """The collection or data object is not there (any more)."""

    kind = ErrorKind.NOT_FOUND


class Exists(ZoneError):
    """The target of a move, a registration or a creation is taken."""

    kind = ErrorKind.CONFLICT


class NotPermitted(ZoneError):
    """The client user may not do this."""

    kind = ErrorKind.NOT_PERMITTED


class Damaged(ZoneError):
    """The bytes of a replica do not fit its checksum and size, or cannot be read."""


class Access(StrEnum):
    """Permission levels of iRODS that MrData uses, as ichmod names them."""

    NULL = "null"
    READ = "read"
    ANNOTATE = "delete_metadata"
    """Reads, and in rules also changes AVUs; neither bytes nor names."""
    WRITE = "write"
    OWN = "own"


_NAMED = {
    "own": Access.OWN,
    "write": Access.WRITE,
    "modify object": Access.WRITE,
    "read": Access.READ,
    "read object": Access.READ,
}
_NAMED |= {f"{what} metadata": Access.ANNOTATE for what in ("create", "modify", "delete")}


def access_named(level: str) -> Access:
    """The level that the catalog names so, with blanks or with underscores.

    One that MrData does not use gives nothing.
    """
    return _NAMED.get(level.replace("_", " "), Access.NULL)


@dataclass(frozen=True, slots=True)
class User:
    """The client user of the connection."""

    name: str
    zone: str
    is_admin: bool


@dataclass(frozen=True, slots=True, order=True)
class AVU:
    """Attribute, value, unit: iRODS metadata."""

    attribute: str
    value: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Stat:
    """What the catalog says of a path. `checksum` is iRODS's text (`sha2:<base64>`), empty where none is kept."""

    path: str
    is_collection: bool
    size: int
    owner: str
    checksum: str
    modified: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A file that is to become the good replica of a new data object.

    `size` in bytes, `checksum` as iRODS writes it.
    """

    path: str
    file: str
    size: int
    checksum: str


Operator = Literal["=", "!=", "like", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Condition:
    """`column operator value` of a query. The value is plain text: each Zone escapes it for its query language.

    With `like`, `%` stands for any text and `_` for any character, as in SQL: a pattern for what is below `/z/a_b` also
    fits what is below `/z/a-b`. A caller that puts a path or a name into a pattern compares the rows with it.
    """

    column: str
    operator: Operator
    value: str


GOOD = "1"
"""DATA_REPL_STATUS of a good replica (irods/objInfo.h)."""


def data_object(path: str) -> tuple[Condition, Condition]:
    """The conditions that select a data object."""
    collection, _, name = path.rpartition("/")
    return Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", name)


@dataclass(frozen=True, slots=True)
class Among:
    """`column in (values...)`: at least one value, and in a query none with a quote or a backslash."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of these conditions holds: for `select`."""

    conditions: tuple[Condition, ...]


class Zone(Protocol):
    """The verbs. Each raises NotFound, Exists, NotPermitted, or ZoneError with the code of iRODS."""

    @property
    def name(self) -> str:
        """The zone's name, without slashes."""

    def whoami(self) -> User: ...

    def query(self, columns: Sequence[str], *conditions: Condition | Among) -> list[tuple[str, ...]]:
        """The distinct rows, each as long as `columns`; the conditions are joined by `and`.

        The second, third... condition on META_COLL_ATTR_NAME and META_COLL_ATTR_VALUE (or META_DATA_...) is one on
        another AVU.
        """

    def select(
        self,
        columns: Sequence[str],
        *conditions: Condition | Among | Either,
        order: str = "",
        descending: bool = False,
        limit: int = 10_000,
    ) -> list[tuple[str, ...]]:
        """At most `limit` distinct rows in an order, and counts: dearer than `query` (it opens a catalog connection),
        for people's pages.

        Columns are those of GenQuery2. One may be `count(DATA_ID)` (objects, not replicas), `sum(...)`, `min(...)` or
        `max(...)`, over the rows that are equal in the other columns.
        """

    def stat(self, path: str) -> Stat | None:
        """None where there is nothing (or nothing that the user may see)."""

    def read(self, path: str, offset: int, length: int, *, replica: str = "") -> bytes:
        """At most `length` bytes of a data object from `offset`; fewer only at its end.

        Of a good replica, or of the one with the number `replica` alone.
        """

    def write(self, path: str, content: bytes) -> None:
        """Creates or replaces a small data object."""

    def make_collection(self, path: str) -> None:
        """Makes a collection and its parents. Does nothing if the collection exists."""

    def move(self, source: str, destination: str) -> None:
        """Renames an object or a collection. Never overwrites: Exists. The destination's parent must exist."""

    def remove(self, path: str) -> None:
        """Moves a data object or a collection to the trash of the client user; nothing is erased."""

    def erase(self, path: str) -> None:
        """Removes a data object or a collection with all below it permanently: no trash, all replicas.

        Files registered in place stay. Needs `own` on what is removed, as `remove` does.
        """

    def metadata(self, path: str) -> list[AVU]: ...

    def annotate(self, path: str, add: Iterable[AVU] = (), remove: Iterable[AVU] = ()) -> None:
        """Adds AVUs, then removes AVUs. An AVU to add may be there already; one to remove may be missing."""

    def prune(self) -> None:
        """Forgets the AVUs that nothing has any more: the catalog keeps their values, and every user can read them.

        Administrators only.
        """

    def permissions(self, path: str) -> dict[str, Access]:
        """Access by user or group name."""

    def permit(self, path: str, name: str, access: Access, *, recursive: bool = False) -> None:
        """Sets the access of a user or group; NULL withdraws it."""

    def inherit(self, path: str, *, on: bool = True) -> None:
        """What is created below the collection from now on gets the collection's permissions; or, with `on=False`, does
        not.
        """

    def group(self, name: str, members: Iterable[str]) -> None:
        """Makes the group if there is none, and makes `members` its members, exactly."""

    def checksum(self, path: str, *, verify: bool = False, replica: str = "") -> str:
        """Computes (once) and keeps the checksum; `verify` reads the bytes again and raises Damaged where they differ.

        Of all good replicas, or of the one with the number `replica` alone.
        """

    def replicate(self, path: str, resource: str) -> None: ...

    def trim(self, path: str, resource: str) -> None:
        """Removes the replica on `resource`, keeping at least one good replica elsewhere."""

    def give_up(self, path: str, *, certain: bool = False) -> bool:
        """Ends what a process that died was writing there: it becomes stale, and the object's other replicas what they
        were.

        Does nothing and returns False if a process is still writing, or may be. `certain`: the caller knows that no
        process writes that cannot be seen from here. For administrators.
        """

    def register(self, file: str, path: str, resource: str) -> str:
        """Registers a file of the resource's host in place; the path where the object then is, which a policy may have
        changed.
        """

    def relocate(self, path: str, file: str, to: str) -> None:
        """Tells the catalog that the replica in the file `file` is in the file `to`, where somebody has moved it.

        For administrators.
        """

    def delay(self, rule: str, argument: str, every: int) -> None:
        """Schedules `rule(argument)` every `every` seconds, for ever, as the asking user."""

    def rule(self, name: str, argument: str) -> str:
        """Calls a rule of the rulebase with one JSON text; its JSON answer."""

    def log(self, message: str) -> None:
        """A line for the server's log. Never personal data, never secrets."""


class Client(Zone, Protocol):
    """A zone from outside: a user's connection."""

    def put(self, file: str, path: str) -> None:
        """Uploads a local file, as iput does."""

    def register_all(self, files: Sequence[Registration], resource: str) -> None:
        """Registers files of the resource's host in place, all or none; their collections must be there.

        Raises Exists if a path is taken, NotPermitted if the rulebase has not decided about one
        (`policy.ingest.batch`). At most `BATCH` files. References: irods/server/api/src/rsBulkDataObjReg.cpp
        """

    def close(self) -> None: ...


BATCH = 50
"""Files that one request registers at most (MAX_NUM_BULK_OPR_FILES, irods/rodsDef.h)."""

"""EmbeddedZone: implements `policy.zone.Zone` for a client of an embedded zone, with the API calls that clients of a
server make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, TypeVar

from embedded.catalog import metadata, permissions, users
from embedded.catalog.database import CREATE_METADATA, OWN, READ, WRITE
from embedded.client import routes
from embedded.engine import delay_queue
from embedded.engine.agent import Agent
from embedded.engine.callback import _call as call
from embedded.errors import IrodsError
from embedded.folder import ZoneFolder
from embedded.objects import objects, replication
from embedded.query import genquery1
from embedded.types import DataObjInp
from microservices.zones import error_codes, genquery1_text, genquery2_text, left_unfinished, rename, vault_replicas
from policy.zone import AVU, Access, Among, Condition, Either, NotFound, Registration, Stat, User, ZoneError
from policy.zone.log import without_names

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def zone_error(error: IrodsError) -> ZoneError:
    """Returns the zone protocol's exception for an error code of iRODS."""
    return error_codes.kind(error.code)(str(error), error.code)


def _translated(verb: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    @wraps(verb)
    def translated(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return verb(*args, **kwargs)
        except IrodsError as error:
            raise zone_error(error) from error

    return translated


def quoted(value: str) -> str:
    """A text as a literal of GenQuery1.

    >>> quoted("o'y")
    "'o''y'"
    """
    return "'" + value.replace("\\x", "\\x5cx").replace("'", "''") + "'"


class EmbeddedZone:
    """A connection to an embedded zone, open until `close`; implements `policy.zone.Zone`."""

    @_translated
    def __init__(self, folder: ZoneFolder | Path | str, user: str) -> None:
        self.agent = Agent(folder, user)

    def close(self) -> None:
        self.agent.close()

    def hurry(self, seconds: float) -> None:
        """Calls of this zone end by themselves."""

    def __enter__(self) -> EmbeddedZone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        return self.agent.session.zone

    def whoami(self) -> User:
        account = self.agent.session.account
        return User(account.name, account.zone, account.is_admin)

    @_translated
    def query(self, columns: Sequence[str], *conditions: Condition | Among) -> list[tuple[str, ...]]:
        """The distinct rows; see `microservices.zones.genquery1_text`."""
        return genquery1_text.distinct(self._rows, columns, conditions)

    def _rows(self, columns: Sequence[str], conditions: Sequence[Condition | Among]) -> list[tuple[str, ...]]:
        where = " and ".join(
            f"{condition.column} {genquery1_text.clause(condition, quoted)}" for condition in conditions
        )
        parsed = genquery1.parse(f"select {', '.join(columns)}" + (f" where {where}" if where else ""))
        session = self.agent.session

        def ask() -> list[tuple[str, ...]]:
            statement = parsed.statement(options=0, restricted=not session.account.is_admin, offset=False)
            return session.catalog.rows(statement.sql, statement.parameters(parsed.literals, session.account.id))

        return self.agent.api("gen_query", [None, None], ask, [])

    @_translated
    def select(
        self,
        columns: Sequence[str],
        *conditions: Condition | Among | Either,
        order: str = "",
        descending: bool = False,
        limit: int = 10_000,
    ) -> list[tuple[str, ...]]:
        """See `microservices.zones.genquery2_text`."""
        return routes.iquery(self.agent, genquery2_text.text(columns, conditions, order, descending, limit))

    @_translated
    def stat(self, path: str) -> Stat | None:
        """None where there is nothing that the user may see."""
        try:
            found = self.agent.api("obj_stat", [DataObjInp(path), None], lambda: objects.stat(self.agent.session, path))
        except IrodsError as error:
            if error.code == -310000:
                return None
            raise
        return Stat(
            path, found["objType"] == 2, found["objSize"], found["ownerName"], found["chksum"], int(found["modifyTime"])
        )

    @_translated
    def read(self, path: str, offset: int, length: int, *, replica: str = "") -> bytes:
        return routes.read(self.agent, path, offset, length, replica)

    @_translated
    def write(self, path: str, content: bytes) -> None:
        """Creates or replaces a small data object."""
        routes.iput(self.agent, path, content, force=True)

    @_translated
    def put(self, file: str, path: str) -> None:
        """Uploads a local file as iput does; Exists where there is an object already."""
        routes.iput(self.agent, path, Path(file).read_bytes())

    @_translated
    def make_collection(self, path: str) -> None:
        routes.imkdir(self.agent, path, parents=True)

    def move(self, source: str, destination: str) -> None:
        """See `microservices.zones.rename`.

        A rename of iRODS stumbles over a name that is taken in the old collection.
        """
        rename.move(self.stat, self._rename, source, destination)

    @_translated
    def _rename(self, source: str, destination: str) -> None:
        routes.imv(self.agent, source, destination)

    @_translated
    def remove(self, path: str) -> None:
        """Moves a data object or a collection to the trash."""
        self._remove(path, force=False)

    @_translated
    def erase(self, path: str) -> None:
        """Removes a data object or a collection permanently."""
        self._remove(path, force=True)

    def _remove(self, path: str, *, force: bool) -> None:
        found = self.stat(path)
        if found is None:
            raise IrodsError("OBJ_PATH_DOES_NOT_EXIST", path)
        (routes.irm_collection if found.is_collection else routes.irm)(self.agent, path, force=force)

    def _is_collection(self, path: str) -> bool:
        return self.agent.session.collection_id(path) is not None

    def metadata(self, path: str) -> list[AVU]:
        """All AVUs, sorted."""
        kind = "COLL" if self._is_collection(path) else "DATA"
        if not self.stat(path):
            raise NotFound(path, -310000)
        collection, _, name = path.rpartition("/")
        where = (
            [Condition("COLL_NAME", "=", path)]
            if kind == "COLL"
            else [Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", name)]
        )
        columns = [f"META_{kind}_ATTR_{part}" for part in ("NAME", "VALUE", "UNITS")]
        return sorted(AVU(*row) for row in self.query(columns, *where))

    @_translated
    def annotate(self, path: str, add: Iterable[AVU] = (), remove: Iterable[AVU] = ()) -> None:
        """Adds, then removes, all or nothing. Adding an existing AVU and removing a missing one are not errors."""
        operations = [("add", avu.attribute, avu.value, avu.unit) for avu in add]
        operations += [("remove", avu.attribute, avu.value, avu.unit) for avu in remove]
        if operations:
            kind = "collection" if self._is_collection(path) else "data_object"
            routes.imeta_atomic(self.agent, path, kind, operations, admin=self.whoami().is_admin)

    @_translated
    def prune(self) -> None:
        self._demand_admin("unused AVUs")
        metadata.prune(self.agent.session.catalog)

    @_translated
    def permissions(self, path: str) -> dict[str, Access]:
        levels = (
            (OWN, Access.OWN),
            (WRITE, Access.WRITE),
            (CREATE_METADATA, Access.ANNOTATE),
            (READ, Access.READ),
            (0, Access.NULL),
        )
        found = permissions.access_list(self.agent.session, path)
        return {name: next(access for least, access in levels if level >= least) for name, level in found}

    @_translated
    def permit(self, path: str, name: str, access: Access, *, recursive: bool = False) -> None:
        level = f"admin:{access}" if self.whoami().is_admin else access.value
        routes.ichmod(self.agent, level, name, path, recursive=recursive)

    @_translated
    def inherit(self, path: str, *, on: bool = True) -> None:
        routes.ichmod(self.agent, "inherit" if on else "noinherit", "", path)

    @_translated
    def group(self, name: str, members: Iterable[str]) -> None:
        """Makes the group if there is none, and makes `members` its members, exactly; rodsadmins only."""
        session = self.agent.session
        if not session.account.is_admin:
            raise IrodsError("CAT_INSUFFICIENT_PRIVILEGE_LEVEL", name)
        wanted = set(members)
        with session.catalog.writing():
            if name not in users.groups(session.catalog):
                users.make_group(session.catalog, session.zone, name, session.account.name)
            there = set(users.members(session.catalog, name))
            for user in sorted(wanted - there):
                users.add_member(session.catalog, name, user)
            for user in sorted(there - wanted):
                users.remove_member(session.catalog, name, user)

    @_translated
    def checksum(self, path: str, *, verify: bool = False, replica: str = "") -> str:
        """Computed once and kept; `verify` reads the bytes again."""
        kept = routes.ichksum(self.agent, path, number=replica)
        if verify:
            routes.ichksum(self.agent, path, verify=True, number=replica)
        return kept

    @_translated
    def replicate(self, path: str, resource: str) -> None:
        routes.ichksum(self.agent, path)
        routes.irepl(self.agent, path, resource, verify=True)

    @_translated
    def trim(self, path: str, resource: str) -> None:
        """Removes the replica on `resource`, keeping at least one good replica elsewhere."""
        routes.itrim(self.agent, path, resource, copies=1)

    @_translated
    def give_up(self, path: str, *, certain: bool = False) -> bool:
        """See `microservices.zones.left_unfinished`."""

        def modify(number: str, column: str, value: str) -> None:
            self._demand_admin(path)
            replication.modify(self.agent.session.catalog, path, number, column, value)

        return left_unfinished.give_up(self.query, path, modify, certain=certain)

    @_translated
    def register(self, file: str, path: str, resource: str) -> str:
        return routes.ireg(self.agent, file, path, resource)

    @_translated
    def register_all(self, files: Sequence[Registration], resource: str) -> None:
        routes.ireg_bulk(self.agent, files, resource)

    @_translated
    def relocate(self, path: str, file: str, to: str) -> None:
        self._demand_admin(path)
        number = vault_replicas.replica_in(self.query, path, file)
        replication.modify(self.agent.session.catalog, path, number, "DATA_PATH", to)

    @_translated
    def delay(self, rule: str, argument: str, every: int) -> None:
        """Schedules `rule(argument, '')` of the rulebase every `every` seconds, for ever."""
        if not rule.isidentifier():
            raise IrodsError("SYS_INVALID_INPUT_PARAM", rule)
        self._demand_admin(rule)
        condition = (
            f"<INST_NAME>{delay_queue.INSTANCE}</INST_NAME><PLUSET>1s</PLUSET><EF>{int(every)}s REPEAT FOR EVER</EF>"
        )
        delay_queue.submit(self.agent.session, condition, f"callback.{rule}({argument!r}, '')")

    def _demand_admin(self, what: str) -> None:
        if not self.agent.session.account.is_admin:
            raise IrodsError("SYS_NO_API_PRIV", what)

    @_translated
    def rule(self, name: str, argument: str) -> str:
        """Calls a rule of the rulebase as `callback.NAME(argument, '')`; what it answers.

        Rodsadmins only, as irule with Python.
        """

        def execute() -> str:
            self._demand_admin(name)
            try:
                return str(call(self.agent, name, (argument, ""))["arguments"][1])
            except RuntimeError as error:
                code = str(error).partition("Code:")[2].partition("]")[0]
                raise IrodsError(int(code or -1), name) from error

        return self.agent.api("exec_my_rule", [None, None], execute, "")

    def log(self, message: str) -> None:
        """A line for the server's log."""
        self.agent.session.log(without_names(message))

"""`policy.zone.Zone` over python-irodsclient: the zone from outside, for the command line, the forms and the landing
host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from types import TracebackType

import irods.keywords as kw
from irods.access import iRODSAccess
from irods.api_number import api_number
from irods.exception import DoesNotExist, NetworkException, PycommandsException, iRODSException
from irods.genquery2 import GenQuery2
from irods.manager.data_object_manager import Server_Checksum_Warning
from irods.message import (
    FileOpenRequest,
    GeneralAdminRequest,
    GenQueryResponse,
    GenQueryResponseColumn,
    ObjCopyRequest,
    RErrorStack,
    StringStringMap,
    iRODSMessage,
)
from irods.meta import AVUOperation, iRODSMeta
from irods.models import Collection as CollectionModel
from irods.models import DataObject
from irods.session import iRODSSession

from microservices.zones import (
    bulk_registration,
    client_query,
    client_rule,
    error_codes,
    genquery1_text,
    genquery2_text,
    left_unfinished,
    vault_replicas,
)
from microservices.zones.catalog_queries import Catalog, demand
from microservices.zones.repetition import repeated
from policy.zone import (
    AVU,
    BATCH,
    Access,
    Among,
    Condition,
    Damaged,
    Either,
    Exists,
    NotFound,
    NotPermitted,
    Registration,
    User,
    ZoneError,
)
from policy.zone.log import without_names

_RENAME_OBJECT, _RENAME_COLLECTION = 11, 12
"""objInp.h: oprType of a rename."""
_CHECKSUM_MISMATCH = -314000


class IrodsZone(Catalog):
    """A connection to an iRODS server, open until `close`. Not for use by several threads at once."""

    def __init__(self, session: iRODSSession) -> None:
        self.session = session
        self._resources: dict[str, str] = {}

    def close(self) -> None:
        """Ends the connection."""
        with suppress(OSError):  # TLS's farewell may meet an answer that nobody waits for any more
            self.session.cleanup()

    def hurry(self, seconds: float) -> None:
        """Limits the server's time for each answer from now on, in seconds.

        ZoneError when the time is over; the connection cannot be used after that.
        """
        self.session.connection_timeout = seconds

    def __enter__(self) -> IrodsZone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The zone's name."""
        return str(self.session.zone)

    def whoami(self) -> User:
        """The account of the connection."""
        name = str(self.session.username)
        rows = self.query(["USER_TYPE"], Condition("USER_NAME", "=", name), Condition("USER_ZONE", "=", self.name))
        return User(name, self.name, rows == [("rodsadmin",)])

    def query(self, columns: Sequence[str], *conditions: Condition | Among) -> list[tuple[str, ...]]:
        """GenQuery1: see `microservices.zones.genquery1_text`."""
        with _errors("query", ", ".join(columns)):
            return genquery1_text.distinct(
                lambda asked, where: client_query.rows(self.session, asked, where), columns, conditions
            )

    def select(
        self,
        columns: Sequence[str],
        *conditions: Condition | Among | Either,
        order: str = "",
        descending: bool = False,
        limit: int = 10_000,
    ) -> list[tuple[str, ...]]:
        """GenQuery2: see `microservices.zones.genquery2_text`."""
        text = genquery2_text.text(columns, conditions, order, descending, limit)
        with _errors("select", ", ".join(columns)):
            return [tuple(row) for row in GenQuery2(self.session).execute(text)]

    def read(self, path: str, offset: int, length: int, *, replica: str = "") -> bytes:
        """Opens, seeks, reads and closes."""
        demand(path)
        which = {kw.REPL_NUM_KW: replica} if replica else {}
        with _errors("read", path), self._any_replica(), self.session.data_objects.open(path, "r", **which) as file:
            file.seek(offset)
            return bytes(file.read(length))

    def write(self, path: str, content: bytes) -> None:
        """Creates or replaces a small data object.

        Who may not write into the collection may still replace what is there.
        """
        demand(path)
        found = self.stat(path)
        where = self._any_replica() if found else nullcontext()
        with _errors("write", path), where, self.session.data_objects.open(path, "w", create=found is None) as file:
            file.write(content)

    @contextmanager
    def _any_replica(self) -> Iterator[None]:
        """Within the block, the server chooses the replica: the library asks for that on the client's default resource,
        stale or not.
        """
        account = self.session.pool.account
        chosen = vars(account).pop("default_resource", None)
        try:
            yield
        finally:
            if chosen is not None:
                account.default_resource = chosen

    def put(self, file: str, path: str) -> None:
        """Uploads a local file, a large one by several streams at once;

        Exists where there is an object or a collection already.
        """
        demand(path)
        if self.stat(path) is not None:
            raise Exists(f"cannot upload {file}: {path} exists")
        with _errors(f"upload {file} to", path):
            self.session.data_objects.put(file, path)

    def make_collection(self, path: str) -> None:
        """With its parents."""
        demand(path)
        try:
            with _errors("make the collection", path):
                self.session.collections.create(path)
        except Exists:
            found = self.stat(path)
            if found is None or not found.is_collection:
                raise
        except NotFound as error:  # the library looks at what it made: then it was there
            raise NotPermitted(
                f"cannot make the collection {path}: it is there, but {self.whoami().name} may not see it"
            ) from error

    def rename(self, source: str, destination: str, is_collection: bool) -> None:
        """Not the library's own, which moves into a collection that is there."""
        demand(source, destination)
        kind = _RENAME_COLLECTION if is_collection else _RENAME_OBJECT
        ends = [
            FileOpenRequest(**_RENAME, objPath=path, oprType=kind, KeyValPair_PI=StringStringMap())
            for path in (source, destination)
        ]
        request = ObjCopyRequest(srcDataObjInp_PI=ends[0], destDataObjInp_PI=ends[1])
        with _errors("move", f"{source} to {destination}"), self.session.pool.get_connection() as connection:
            connection.send(iRODSMessage("RODS_API_REQ", msg=request, int_info=api_number["DATA_OBJ_RENAME_AN"]))
            connection.recv()

    def remove(self, path: str) -> None:
        """Moves the path to the trash."""
        self._remove(path, force=False)

    def erase(self, path: str) -> None:
        """Removes the path permanently."""
        self._remove(path, force=True)

    def _remove(self, path: str, *, force: bool) -> None:
        demand(path)
        found = self.stat(path)
        if found is None:
            raise NotFound(f"{path} is not there")
        with _errors("erase" if force else "remove", path):
            if found.is_collection:
                self.session.collections.remove(path, recurse=True, force=force)
            else:
                self.session.data_objects.unlink(path, force=force)

    def annotate(self, path: str, add: Iterable[AVU] = (), remove: Iterable[AVU] = ()) -> None:
        """All or nothing; as administrator where the user is one: who may only annotate (a finalized experiment) is
        refused else.
        """
        demand(path)
        operations = [AVUOperation(operation="add", avu=_meta(avu)) for avu in add]
        operations += [AVUOperation(operation="remove", avu=_meta(avu)) for avu in remove]
        if operations:
            model = DataObject if self.entity(path)[0] == "DATA" else CollectionModel
            with _errors("annotate", path):
                self.session.metadata(admin=self.whoami().is_admin).apply_atomic_operations(model, path, *operations)

    def prune(self) -> None:
        """Administrators only."""
        request = iRODSMessage(
            "RODS_API_REQ", msg=GeneralAdminRequest("rm", "unusedAVUs"), int_info=api_number["GENERAL_ADMIN_AN"]
        )
        with _errors("forget", "unused AVUs"), self.session.pool.get_connection() as connection:
            connection.send(request)
            connection.recv()

    def permit(self, path: str, name: str, access: Access, *, recursive: bool = False) -> None:
        """As administrator where the user is one."""
        demand(path)
        user, _, zone = name.partition("#")
        with _errors(f"give {name} {access} on", path):
            self.session.acls.set(
                iRODSAccess(access.value, path, user, zone), recursive=recursive, admin=self.whoami().is_admin
            )

    def inherit(self, path: str, *, on: bool = True) -> None:
        """For everything created below from now on."""
        with _errors("set inheritance on", path):
            self.session.acls.set(iRODSAccess("inherit" if on else "noinherit", path), admin=self.whoami().is_admin)

    def group(self, name: str, members: Iterable[str]) -> None:
        """Administrators only."""
        wanted, has = set(members), self.members(name)
        with _errors("change the group", name):
            if has is None:
                self.session.groups.create(name, group_admin=False)
                has = set()
            for user in sorted(wanted - has):
                self.session.groups.addmember(name, user, group_admin=False)
            for user in sorted(has - wanted):
                self.session.groups.removemember(name, user, group_admin=False)

    def checksum(self, path: str, *, verify: bool = False, replica: str = "") -> str:
        """The kept checksum, computed where there is none; `verify` compares the bytes of all good replicas with it."""
        demand(path)
        which = {kw.REPL_NUM_KW: replica} if replica else {}
        with _errors("checksum", path):
            kept = str(self.session.data_objects.chksum(path, **which))
            if verify:
                self._verify(path, which)
        return kept

    def _verify(self, path: str, which: dict[str, str]) -> None:
        try:
            self.session.data_objects.chksum(path, **{kw.VERIFY_CHKSUM_KW: "", "r_error": RErrorStack(), **which})
        except Server_Checksum_Warning as warning:
            faults = "; ".join(str(fault.get("message", fault)) for fault in warning.response)
            raise Damaged(f"cannot verify {path}: {faults}", _CHECKSUM_MISMATCH) from warning

    def replicate(self, path: str, resource: str) -> None:
        """The checksum, computed where there is none, goes along and is compared."""
        demand(path)
        with _errors("replicate", path):
            self.session.data_objects.chksum(path)
            self.session.data_objects.replicate(path, resource=resource, **{kw.VERIFY_CHKSUM_KW: ""})

    def trim(self, path: str, resource: str) -> None:
        """Leaves at least one replica."""
        demand(path)
        with _errors("trim", path):
            self.session.data_objects.trim(path, **{kw.RESC_NAME_KW: resource, kw.COPIES_KW: "1"})

    def give_up(self, path: str, *, certain: bool = False) -> bool:
        """See `microservices.zones.left_unfinished`: only where the server is this host, and its processes can be seen,
        or `certain`.
        """

        def modify(number: str, column: str, value: str) -> None:
            which = {"objPath": path, "replNum": int(number)}
            self.session.data_objects.modDataObjMeta(which, {_COLUMN[column]: value}, **{kw.ADMIN_KW: ""})

        with _errors("give up", path):
            return left_unfinished.give_up(self.query, path, modify, certain=certain)

    def register(self, file: str, path: str, resource: str) -> str:
        """Where the object then is tells its file, which only one object has: a policy may have changed the path."""
        demand(path)
        with _errors(f"register {file} as", path):
            self.session.data_objects.register(file, path, **{kw.DEST_RESC_NAME_KW: resource})
        found = [
            f"{collection}/{name}"
            for collection, name in self.query(["COLL_NAME", "DATA_NAME"], Condition("DATA_PATH", "=", file))
        ]
        if not found:
            raise NotFound(f"{file} was registered as {path}, and is gone already")
        return path if path in found else found[0]

    def register_all(self, files: Sequence[Registration], resource: str) -> None:
        """BULK_DATA_OBJ_REG, one transaction of the catalog: about eight times as fast as one by one."""
        demand(*(file.path for file in files))
        if len(files) > BATCH:
            raise ZoneError(f"{len(files)} files: a request registers {BATCH} at most")
        if resource not in self._resources:
            ((self._resources[resource],),) = self.query(["RESC_ID"], Condition("RESC_NAME", "=", resource))
        columns = bulk_registration.columns(files, resource, self._resources[resource])
        listed = [_column(number, values) for number, values in columns.items()]
        listed += [_column(0, [""] * len(files))] * (_MAX_SQL_ATTR - len(listed))
        rows = {"rowCnt": len(files), "attriCnt": len(columns), "continueInx": 0, "totalRowCount": len(files)}
        body = GenQueryResponse(**rows, SqlResult_PI=listed)
        request = iRODSMessage("RODS_API_REQ", msg=body, int_info=api_number["BULK_DATA_OBJ_REG_AN"])
        with _errors("register", f"{len(files)} files"), self.session.pool.get_connection() as connection:
            connection.send(request)
            connection.recv()

    def relocate(self, path: str, file: str, to: str) -> None:
        """As the administrator's command does it (iadmin modrepl)."""
        which = {"objPath": path, "replNum": int(vault_replicas.replica_in(self.query, path, file))}
        with _errors("relocate", path):
            self.session.data_objects.modDataObjMeta(which, {_COLUMN["DATA_PATH"]: to}, **{kw.ADMIN_KW: ""})

    def delay(self, rule: str, argument: str, every: int) -> None:
        """Through the Python rule engine, for administrators."""
        where, text = repeated(rule, argument, every)
        with _errors("schedule", rule):
            client_rule.call(self.session, "delayExec", where, text, "")

    def rule(self, name: str, argument: str) -> str:
        """For administrators: others may not use the Python rule engine."""
        with _errors("call", name):
            return client_rule.call(self.session, name, argument, "")

    def log(self, message: str) -> None:
        """Into the server's log, marked as MrData's; for administrators."""
        with _errors("write to", "the server's log"):
            client_rule.call(self.session, "writeLine", "serverLog", f"MrData: {without_names(message)}")


_COLUMN = {"DATA_PATH": kw.FILE_PATH_KW, "DATA_REPL_NUM": "replNum", "DATA_REPL_STATUS": "replStatus"}
_RENAME = {"createMode": 0, "openFlags": 0, "offset": 0, "dataSize": 0, "numThreads": 0}


_MAX_SQL_ATTR = 50
"""Columns that the request holds, empty ones included (rodsGenQuery.h)."""


def _column(number: int, values: list[str]) -> GenQueryResponseColumn:
    return GenQueryResponseColumn(
        attriInx=number, reslen=max(len(value.encode()) for value in values) + 1, value=values
    )


def _meta(avu: AVU) -> iRODSMeta:
    return iRODSMeta(avu.attribute, avu.value, avu.unit)


@contextmanager
def _errors(action: str, subject: str) -> Iterator[None]:
    """Turns the library's exceptions into a ZoneError that says what was being done."""
    try:
        yield
    except iRODSException as error:
        code = int(error.code)
        raise error_codes.kind(code)(f"cannot {action} {subject}: {type(error).__name__} ({code})", code) from error
    except KeyError as error:  # a code that the library does not know: exception.py looks it up in a table
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if not code:
            raise
        raise error_codes.kind(code)(f"cannot {action} {subject}: iRODS error {code}", code) from error
    except NetworkException as error:
        raise ZoneError(f"cannot {action} {subject}: {error}") from error
    except DoesNotExist as error:
        raise NotFound(f"cannot {action} {subject}: {type(error).__name__} {error}") from error
    except PycommandsException as error:
        raise ZoneError(f"cannot {action} {subject}: {type(error).__name__} {error}") from error

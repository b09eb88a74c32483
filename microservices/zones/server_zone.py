"""`policy.zone.Zone` over the rule engine's `callback`: what a policy asks for becomes microservices.

Signatures and placeholders are those of iRODS 5.0 (server/re/src, plugins/microservices/src); see the Python rule
engine plugin's python_rules/*.r for examples of each. Nothing here may outlive the rule call: `callback` refers to a
stack object.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from microservices.zones import error_codes, genquery1_text, genquery2_text, left_unfinished, vault_replicas
from microservices.zones.catalog_queries import Catalog, demand
from microservices.zones.repetition import repeated
from policy.zone import AVU, Access, Among, Condition, Either, Exists, NotFound, Stat, User, ZoneError
from policy.zone.log import without_names
from policy.zone.settings import Settings

_CODE = re.compile(r"\[iRods__Error__Code:(-?\d+)\]")
_LOCAL_ADMIN = 5
_ATOMIC = {"add": "add", "rm": "remove"}


class ServerZone(Catalog):
    """The zone as the asking user sees it, inside the server."""

    def __init__(self, callback: Any, rei: Any, settings: Settings) -> None:  # noqa: ANN401 - boost::python objects
        self._callback = callback
        self._rei = rei
        self._settings = settings
        self._collections: set[str] = set()
        """Paths that this call has seen to be collections."""
        self._object = ""
        """The path that this call has last seen to be a data object's."""

    @property
    def name(self) -> str:
        """The zone's name."""
        return self._settings.zone

    def whoami(self) -> User:
        """The client user; an administrator only if the client and the proxy user both are one, and of this zone."""
        client, proxy = self._rei.uoic, self._rei.uoip
        is_admin = all(u.authInfo.authFlag >= _LOCAL_ADMIN for u in (client, proxy))
        return User(str(client.userName), str(client.rodsZone), is_admin)

    def query(self, columns: Sequence[str], *conditions: Condition | Among) -> list[tuple[str, ...]]:
        """GenQuery1: see `microservices.zones.genquery1_text`."""
        with _errors("query", ", ".join(columns)):
            return genquery1_text.run(self._callback, columns, conditions)

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
            handle = self._call("msi_genquery2_execute", "", text)[0]
            try:
                return list(self._selected(handle, len(columns)))
            finally:
                self._call("msi_genquery2_free", handle)

    def _selected(self, handle: str, columns: int) -> Iterator[tuple[str, ...]]:
        while True:
            try:
                self._call("msi_genquery2_next_row", handle)
            except RuntimeError as error:
                if (found := _CODE.search(str(error))) and int(found[1]) == error_codes.END_OF_RESULTSET:
                    return
                raise
            yield tuple(str(self._call("msi_genquery2_column", handle, str(i), "")[2]) for i in range(columns))

    def read(self, path: str, offset: int, length: int, *, replica: str = "") -> bytes:
        """An administrator's rule reads the replica's file itself.

        Otherwise opens, seeks, reads and closes: callers read large pieces.
        """
        _demand_one_argument(path)
        demand(path)
        if (
            self.whoami().is_admin
            and (content := vault_replicas.read(self.query, path, offset, length, replica)) is not None
        ):
            return content
        with _errors("read", path):
            which = f"++++replNum={int(replica)}" if replica else ""
            opened = self._call("msiDataObjOpen", f"objPath={path}++++openFlags=O_RDONLY{which}", 0)[1]
            try:
                if offset:
                    self._call("msiDataObjLseek", opened, str(offset), "SEEK_SET", 0)
                buffer = self._call("msiDataObjRead", opened, str(length), _types().BytesBuf())[2]
                if buffer is None:  # nothing left to read
                    return b""
                data = bytes(buffer.get_bytes())[: buffer.len]
                buffer.clear_buffer()
                return data
            finally:
                self._call("msiDataObjClose", opened, 0)

    def write(self, path: str, content: bytes) -> None:
        """Text only, as UTF-8: what MrData writes itself are YAML and JSON.

        It is on the disk before the catalog calls it good.
        """
        demand(path)
        with _errors("write", path):
            opened = self._call("msiDataObjCreate", path, "forceFlag=", 0)[2]
            try:
                self._call("msiDataObjWrite", opened, content.decode("utf-8"), 0)
                vault_replicas.force(self.query, path)
            finally:
                self._call("msiDataObjClose", opened, 0)

    def make_collection(self, path: str) -> None:
        """With its parents."""
        demand(path)
        try:
            with _errors("make the collection", path):
                self._call("msiCollCreate", path, "1", 0)
        except Exists:
            found = self.stat(path)
            if found is None or not found.is_collection:
                raise
        self._collections.add(path)

    def entity(self, path: str) -> tuple[str, Sequence[Condition]]:
        """As for every catalog, and remembered."""
        kind, conditions = super().entity(path)
        if kind == "COLL":
            self._collections.add(path)
        return kind, conditions

    def stat(self, path: str) -> Stat | None:
        """As for every catalog, and a data object is remembered."""
        found = super().stat(path)
        if found is not None and not found.is_collection:
            self._object = path
        return found

    def is_collection(self, path: str) -> bool:
        """As for every catalog, without a question where it is remembered."""
        return path != self._object and super().is_collection(path)

    def rename(self, source: str, destination: str, is_collection: bool) -> None:
        """In the catalog, and in the vault: an object's new name is on the disk when this returns."""
        demand(source, destination)
        with _errors("move", f"{source} to {destination}"):
            self._call("msiDataObjRename", source, destination, "1" if is_collection else "0", 0)
        if not is_collection:
            vault_replicas.force(self.query, destination)

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
                self._call("msiRmColl", path, "forceFlag=" if force else "", 0)
            else:
                _demand_one_argument(path)
                self._call("msiDataObjUnlink", f"objPath={path}" + ("++++forceFlag=" if force else ""), 0)

    def annotate(self, path: str, add: Iterable[AVU] = (), remove: Iterable[AVU] = ()) -> None:
        """Single AVUs: the atomic microservice opens a catalog connection at each call, which costs as much as eight of
        them.

        With something to add, a path that was not seen yet is taken for an object's until the catalog says that there
        is none: that saves a query.
        """
        additions, removals = list(add), list(remove)
        if not additions and not removals:
            return
        option = "-C" if path in self._collections or not (additions or self.entity(path)[0] == "DATA") else "-d"
        for avu in additions:
            try:
                self._modify(option, path, "add", avu, error_codes.AVU_EXISTS)
            except NotFound:
                if option == "-C":
                    raise
                option = "-C"
                self._modify(option, path, "add", avu, error_codes.AVU_EXISTS)
        for avu in removals:
            self._modify(option, path, "rm", avu, error_codes.AVU_MISSING)

    def _modify(self, option: str, path: str, operation: str, avu: AVU, done_already: Collection[int]) -> None:
        with _errors("annotate", path, ignore=done_already):
            if "null" in (avu.attribute, avu.value, avu.unit):  # which stands for nothing in msiModAVUMetadata
                kind = "data_object" if self.entity(path)[0] == "DATA" else "collection"
                change = {
                    "operation": _ATOMIC[operation],
                    "attribute": avu.attribute,
                    "value": avu.value,
                    "units": avu.unit,
                }
                request = {"entity_name": path, "entity_type": kind, "operations": [change]}
                self._call("msi_atomic_apply_metadata_operations", json.dumps(request), "")
                return
            self._call("msiModAVUMetadata", option, path, operation, avu.attribute, avu.value, avu.unit)

    def prune(self) -> None:
        """Through the administrator's command: the rule engine has no microservice for it."""
        self._iadmin("rum")

    def permit(self, path: str, name: str, access: Access, *, recursive: bool = False) -> None:
        """As administrator where the user is one, so that the service account reaches what others put into landing."""
        demand(path)
        level = f"admin:{access}" if self.whoami().is_admin else str(access)
        with _errors(f"give {name} {access} on", path):
            self._call("msiSetACL", "recursive" if recursive else "default", level, name, path)

    def inherit(self, path: str, *, on: bool = True) -> None:
        """For everything created below from now on."""
        wanted = "inherit" if on else "noinherit"
        level = f"admin:{wanted}" if self.whoami().is_admin else wanted
        with _errors("set inheritance on", path):
            self._call("msiSetACL", "default", level, "", path)

    def group(self, name: str, members: Iterable[str]) -> None:
        """Through the administrator's command: the rule engine has no microservice for groups."""
        wanted, has = set(members), self.members(name)
        if has is None:
            self._iadmin("mkgroup", name)
            has = set()
        for user in sorted(wanted - has):
            self._iadmin("atg", name, user)
        for user in sorted(has - wanted):
            self._iadmin("rfg", name, user)

    def checksum(self, path: str, *, verify: bool = False, replica: str = "") -> str:
        """The kept checksum, computed where there is none; `verify` compares the bytes of all good replicas with it."""
        demand(path)
        which = f"replNum={int(replica)}" if replica else ""
        with _errors("checksum", path):
            kept = str(self._call("msiDataObjChksum", path, which, "")[2])
            if verify:
                self._call("msiDataObjChksum", path, f"{which}++++verifyChksum=" if which else "verifyChksum=", "")
        return kept

    def replicate(self, path: str, resource: str) -> None:
        """The checksum, computed where there is none, goes along and is compared.

        One thread: worker threads would wait for the interpreter that this rule holds, for ever (plugin issue 54).
        """
        demand(path)
        with _errors("replicate", path):
            self._call("msiDataObjChksum", path, "", "")
            self._call("msiDataObjRepl", path, f"destRescName={resource}++++numThreads=1++++verifyChksum=", 0)

    def trim(self, path: str, resource: str) -> None:
        """Leaves at least one replica."""
        demand(path)
        with _errors("trim", path):
            self._call("msiDataObjTrim", path, resource, "null", "1", "null", 0)

    def give_up(self, path: str, *, certain: bool = False) -> bool:
        """See `microservices.zones.left_unfinished`.

        Through the administrator's command: no microservice writes a replica's status.
        """

        def modify(number: str, column: str, value: str) -> None:
            self._iadmin("modrepl", "logical_path", path, "replica_number", number, column, value)

        return left_unfinished.give_up(self.query, path, modify, certain=certain)

    def register(self, file: str, path: str, resource: str) -> str:
        """From inside the server no policy enforcement point fires: the path stays."""
        demand(path)
        with _errors("register", path):
            self._call("msiPhyPathReg", path, resource, file, "null", 0)
        return path

    def relocate(self, path: str, file: str, to: str) -> None:
        """Through the administrator's command."""
        number = vault_replicas.replica_in(self.query, path, file)
        self._iadmin("modrepl", "logical_path", path, "replica_number", number, "DATA_PATH", to)

    def delay(self, rule: str, argument: str, every: int) -> None:
        """Runs as the asking user."""
        where, text = repeated(rule, argument, every)
        with _errors("schedule", rule):
            self._call("delayExec", where, text, "")

    def rule(self, name: str, argument: str) -> str:
        """A rule of the same rulebase."""
        with _errors("call", name):
            return str(self._call(name, argument, "")[1])

    def log(self, message: str) -> None:
        """Into the server's log, marked as MrData's."""
        self._call("writeLine", "serverLog", f"MrData: {without_names(message)}")

    def _call(self, microservice: str, *arguments: object) -> Any:  # noqa: ANN401 - str, int or a struct of irods_types
        reply = getattr(self._callback, microservice)(*arguments)
        if reply["code"] < 0:  # CAT_NO_ROWS_FOUND is returned, not raised
            raise RuntimeError(f"[iRods__Error__Code:{reply['code']}]")
        return reply["arguments"]

    def _iadmin(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self._settings.iadmin, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise ZoneError(f"iadmin {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")


def _demand_one_argument(path: str) -> None:
    if "++++" in path:
        raise ZoneError(
            f"{path}: `++++` separates arguments in iRODS: rules can neither read nor remove such an object; rename it"
        )


def _types() -> Any:  # noqa: ANN401 - a module that only the server has
    import irods_types

    return irods_types


@contextmanager
def _errors(action: str, subject: str, ignore: Collection[int] = ()) -> Iterator[None]:
    """Turns the rule engine's RuntimeError, whose text holds a code, into a ZoneError that says what was being done."""
    try:
        yield
    except RuntimeError as error:
        found = _CODE.search(str(error))
        code = int(found[1]) if found else 0
        if error_codes.family(code) not in ignore:
            raise error_codes.kind(code)(
                f"cannot {action} {subject}: iRODS error {code}" + ("" if found else f" ({error})"), code
            ) from error

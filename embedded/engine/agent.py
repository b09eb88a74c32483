"""An agent: one client's connection with its rule engine.

The agent imports core.py again for each connection, as the plugin does. It runs core.py's rules with
`(rule_args, callback, rei)`. It fires policy enforcement points with the same consequences as on a server.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeVar

import embedded.engine.registered_microservices  # noqa: F401 - fills the registry of the callback
from embedded import errors, types
from embedded.catalog.rows import Changed
from embedded.engine.callback import CallbackWrapper, expire
from embedded.errors import CODES, IrodsError
from embedded.folder import ZoneFolder

CONTINUE, SKIP = CODES["RULE_ENGINE_CONTINUE"], CODES["RULE_ENGINE_SKIP_OPERATION"]
_PREFIX = "[iRods__Error__Code:"
_IMPORTING = threading.Lock()
Result = TypeVar("Result")


class Agent:
    """A connection as `user`. Close it, or use it in a `with`; not for use by several threads at once."""

    def __init__(self, folder: ZoneFolder | Path | str, user: str) -> None:
        self.folder = folder if isinstance(folder, ZoneFolder) else ZoneFolder.open(folder)
        sys.modules.setdefault("irods_types", types.types_module())
        sys.modules.setdefault("irods_errors", errors.errors_module())
        self._connection = self.folder.connect(user)
        self.session = self._connection.session
        self.session.on_modified = self._modified
        self.output: list[str] = []
        """What rules wrote to stdout."""
        self._core: ModuleType | None = None
        account = self.session.account
        client, proxy = (types.UserInfo(account.name, account.zone, account.kind, account.flag) for _ in range(2))
        self._rei = types.RuleExecInfo(types.RsComm(client, proxy))

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; replicas that are still being written become stale."""
        self._connection.close()

    def core(self) -> ModuleType:
        """core.py, imported by this agent; RULE_ENGINE_ERROR each time while it cannot be imported."""
        if self._core is None:
            try:
                with _settings(str(self.folder.settings)):
                    self._core = _import(self.folder.core)
            except (Exception, SystemExit) as error:  # whatever core.py raises, the server logs and goes on
                self.session.log(f"rule engine: {self.folder.core}: {_formatted(error)}")
                raise IrodsError("RULE_ENGINE_ERROR", str(error)) from error
        sys.modules["core"] = self._core
        return self._core

    def has_rule(self, name: str) -> bool:
        """Whether core.py has an attribute of that name: that is all that the plugin asks."""
        return hasattr(self.core(), name)

    def run_rule(self, name: str, rule_args: list[Any]) -> int:
        """Runs a rule; returns its code. For an exception: the code in its text, or -1 without one."""
        core = self.core()
        vars(core).update(irods_types=sys.modules["irods_types"], irods_errors=sys.modules["irods_errors"])
        return self.run(lambda *a: getattr(core, name)(*a), name, rule_args)

    def run(self, function: Callable[..., Any], name: str, rule_args: list[Any]) -> int:
        """Calls a rule's function as the plugin does."""
        callback = CallbackWrapper(self)
        try:
            return _code(function(rule_args, callback, self._rei))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a rule raises, the server turns into a code
            formatted = _formatted(error)
            self.session.log(f"rule {name}: {formatted}")
            return _code_in(formatted)
        finally:
            expire(callback)

    def fire(self, name: str, rule_args: Sequence[Any]) -> int:
        """Fires a policy enforcement point; 0 if core.py lacks it or cannot be imported (the server then skips it
        silently).
        """
        try:
            if not self.has_rule(name):
                return 0
        except IrodsError:
            return 0
        return self.run_rule(name, list(rule_args))

    def api(
        self, operation: str, arguments: Sequence[Any], body: Callable[[], Result], skipped: Result | None = None
    ) -> Result:
        """Makes one API call of a client: pre, the operation, post.

        A negative code of either reaches the client (apiHandler.hpp).
        """
        rule_args = ["api_instance", types.PluginContext(self._connection_values()), *arguments]
        code = self.fire(f"pep_api_{operation}_pre", rule_args)
        if code < 0:
            raise IrodsError(code, f"pep_api_{operation}_pre")
        result = body() if code != SKIP else skipped
        code = self.fire(f"pep_api_{operation}_post", rule_args)
        if code < 0:
            raise IrodsError(code, f"pep_api_{operation}_post")
        return result  # type: ignore[return-value]

    def _connection_values(self) -> dict[str, str]:
        account = self.session.account
        who = {
            "user_name": account.name,
            "rods_zone": account.zone,
            "user_type": account.kind,
            "auth_info_auth_flag": str(account.flag),
        }
        values = {f"user_{key}": value for key, value in who.items()} | {
            f"proxy_{key}": value for key, value in who.items()
        }
        return values | {
            "client_addr": "127.0.0.1",
            "option": "embedded",
            "auth_scheme": "native",
            "connect_count": "0",
        }

    def _modified(self, changed: Changed) -> None:
        """pep_resource_modified_post: all texts (irods_file_object.cpp, get_re_vars)."""
        values = {
            "logical_path": changed.path,
            "physical_path": changed.file,
            "resc_hier": changed.resource,
            "file_size": str(changed.size),
        }
        values |= {
            "size": str(changed.size),
            "in_pdmo": "",
            "dataId": "0",
            "mode_kw": "384",
            "flags_kw": "2",
            "data_type": "",
            "repl_requested": "-1",
        }
        if changed.open_type:
            values["openType"] = changed.open_type
        context = types.PluginContext(values | self._connection_values())
        code = self.fire("pep_resource_modified_post", [changed.resource, context, ""])
        if code < 0:
            raise IrodsError(code, "pep_resource_modified_post")


@contextmanager
def _settings(file: str) -> Iterator[None]:
    """Within the block core.py finds its settings as a server's does, by the environment: one agent of this process at
    a time.
    """
    with _IMPORTING:
        before = os.environ.get("MRDATA_SETTINGS")
        os.environ["MRDATA_SETTINGS"] = file
        try:
            yield
        finally:
            if before is None:
                del os.environ["MRDATA_SETTINGS"]
            else:
                os.environ["MRDATA_SETTINGS"] = before


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("core", path)
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"no {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["core"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["core"]
        raise
    return module


def _formatted(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _code(result: object) -> int:
    """What a rule returned: an int is its code, anything else success."""
    if not isinstance(result, int):
        return 0
    if not -types.INT_MAX - 1 <= result <= types.INT_MAX:
        raise OverflowError("Python int too large to convert to C int")
    return int(result)


def _code_in(formatted: str) -> int:
    _, found, rest = formatted.partition(_PREFIX)
    if not found:
        return -1
    try:
        return int(rest.partition("]")[0])
    except ValueError:
        return CODES["SYS_UNKNOWN_ERROR"]


__all__ = ["CONTINUE", "SKIP", "Agent"]

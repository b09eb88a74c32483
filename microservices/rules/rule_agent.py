"""The agent's side of the rulebase: one `Agent` for each client connection, kept by `core.py`.

It reads the settings once, remembers what the policies want remembered, and makes a `Context` for each call from what
the rule engine hands over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from microservices.headers.header_reader import read_header
from microservices.settings_file import load_settings
from microservices.zones import bulk_registration
from microservices.zones.server_zone import ServerZone
from policy.archive import copies
from policy.ingest import batch, registration_hooks, sweep
from policy.zone import layout
from policy.zone.context import Context, Memory
from policy.zone.log import error_text

LOCAL_ADMIN = 5
"""`authFlag` of a rodsadmin of this zone; one of another zone has 4 (lib/core/include/irods/rodsUser.h)."""


MAX_NAME_LEN = 1088
"""Bytes of a path with its final zero byte (lib/core/include/irods/rodsDef.h)."""


class Agent:
    """What core.py hands over to. Arguments named `rule_args`, `callback` and `rei` are the rule engine's."""

    def __init__(self, settings_path: str) -> None:
        self.settings = load_settings(settings_path)
        self.memory = Memory()

    def context(self, callback: Any, rei: Any) -> Context:  # noqa: ANN401
        """For one call: the callback must not be kept."""
        return Context(ServerZone(callback, rei, self.settings), self.settings, read_header, self.memory)

    def registering(self, rule_args: Any, callback: Any, rei: Any) -> None:  # noqa: ANN401
        """Before a file is registered in place (PHY_PATH_REG): writes its place in the archive into `objPath`."""
        options = rule_args[2].condInput
        given = {str(options.key[i]): str(options.value[i]) for i in range(options.len)}
        if not self._trusts(rei) or "filePath" not in given or "collection" in given or "regRepl" in given:
            return
        path = registration_hooks.before(self.context(callback, rei), str(rule_args[2].objPath), given["filePath"])
        # A char array takes bytes one by one: other names are left to the sweep.
        if path and path.isascii() and len(path) < MAX_NAME_LEN:
            for i, character in enumerate(path + "\0"):
                rule_args[2].objPath[i] = character

    def registering_all(self, rule_args: Any, callback: Any, rei: Any) -> bool:  # noqa: ANN401
        """Before a batch is registered (BULK_DATA_OBJ_REG, which asks nobody's permission to read a file): whether it
        may be.

        Another server of the zone asks, as the zone's administrator, for a user who uploads with `iput -b`: it wrote
        the files itself.
        """
        if rei.uoic.authInfo.authFlag < LOCAL_ADMIN:
            return bool(rei.uoip.authInfo.authFlag >= LOCAL_ADMIN)
        with _nameless():
            return batch.may_register(self.context(callback, rei), _files(rule_args[2]))

    def registered_all(self, rule_args: Any, callback: Any, rei: Any) -> None:  # noqa: ANN401
        """After a batch was registered: describes what was decided."""
        context, paths = self.context(callback, rei), _files(rule_args[2])
        archived = [path for path in paths if layout.experiment_of(self.settings, path)]
        if archived and self.settings.archive.vault:
            copies.queue(context, archived)
        for path in paths:
            registration_hooks.after(context, path)

    def registered(self, rule_args: Any, callback: Any, rei: Any) -> None:  # noqa: ANN401
        """After a file was registered in place: describes it, if it was placed."""
        registration_hooks.after(self.context(callback, rei), str(rule_args[2].objPath))

    def arrived(self, path: str, callback: Any, rei: Any) -> None:  # noqa: ANN401
        """After an object was written, copied or renamed into landing: places it at once if the service account put it
        there.
        """
        if self._trusts(rei):
            sweep.settle(self.context(callback, rei), path)

    def answer(self, name: str, rule_args: Any, callback: Any, rei: Any) -> None:  # noqa: ANN401
        """Calls the rule `name` of `microservices.rules.rule_table` with the JSON of the first argument; the second
        becomes its JSON answer.
        """
        from microservices.rules import rule_table

        with _nameless():
            rule_args[1] = rule_table.answer(self.context(callback, rei), name, str(rule_args[0]))

    def _trusts(self, rei: Any) -> bool:  # noqa: ANN401
        user = rei.uoic
        return user.authInfo.authFlag >= LOCAL_ADMIN and str(user.userName) in self.settings.trusted


@contextmanager
def _nameless() -> Iterator[None]:
    """The rule engine logs an error with its traceback and its text, which may hold the name of a file: without the
    text.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again
        import traceback

        code = re.search(r"\[iRods__Error__Code:-?\d+\]", str(error))
        where = "".join(traceback.format_tb(error.__traceback__))
        raise RuntimeError(f"{code[0] if code else ''} {error_text(error)} (text left out)\n{where}") from None


def _files(rows: Any) -> dict[str, str]:  # noqa: ANN401 - a GenQueryOut
    """Path -> file of a request that registers a batch."""
    columns = {rows.sqlResult[i].attriInx: rows.sqlResult[i] for i in range(rows.attriCnt)}
    paths, files = columns[bulk_registration.DATA_NAME], columns[bulk_registration.DATA_PATH]
    return {str(paths.row(i)): str(files.row(i)) for i in range(rows.rowCnt)}

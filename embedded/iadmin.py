"""`python -m embedded.iadmin FOLDER COMMAND...`: users and groups of an embedded zone, as `iadmin` manages those of a
server.

mkuser NAME rodsuser|rodsadmin, mkzone NAME remote ADDRESS, mkgroup NAME, atg GROUP USER, rfg GROUP USER, lu, lg GROUP,
rum modrepl logical_path PATH replica_number NUMBER DATA_PATH|DATA_REPL_NUM|DATA_REPL_STATUS|DATA_STATUS VALUE
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from embedded.catalog import metadata, users
from embedded.catalog.database import Catalog
from embedded.errors import IrodsError
from embedded.folder import ADMIN, ZoneFolder
from embedded.objects import replication


def _list(rows: list[str]) -> None:
    print("\n".join(rows) if rows else "No rows found")


def main(arguments: Sequence[str]) -> int:
    """0, or 1 with iadmin's kind of message on stderr."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 1
    try:
        folder = ZoneFolder.open(arguments[0])
    except FileNotFoundError as error:
        print(f"iadmin: {error}", file=sys.stderr)
        return 1
    command, given = arguments[1], list(arguments[2:])
    catalog, zone = folder.catalog(), folder.name
    commands: dict[str, tuple[int, Callable[..., None]]] = {
        "mkuser": (2, lambda name, kind: users.make_user(catalog, zone, name, kind, ADMIN)),
        "mkzone": (3, lambda name, kind, _address: users.make_zone(catalog, name, kind)),
        "mkgroup": (1, lambda name: users.make_group(catalog, zone, name, ADMIN)),
        "atg": (2, lambda group, user: users.add_member(catalog, group, user)),
        "rfg": (2, lambda group, user: users.remove_member(catalog, group, user)),
        "modrepl": (
            6,
            lambda _p, path, _n, number, column, value: replication.modify(catalog, path, number, column, value),
        ),
        "rum": (0, lambda: metadata.prune(catalog)),
        "lu": (0, lambda: _list([f"{name}#{where}" for name, where in users.users(catalog)])),
        "lg": (len(given), lambda *group: _list_groups(catalog, zone, *group)),
    }
    try:
        return _run(commands, command, given)
    finally:
        catalog.close()


def _list_groups(catalog: Catalog, zone: str, group: str = "") -> None:
    _list([f"{name}#{zone}" for name in users.members(catalog, group)] if group else users.groups(catalog))


def _run(commands: dict[str, tuple[int, Callable[..., None]]], command: str, given: list[str]) -> int:
    if command not in commands or len(given) != commands[command][0]:
        print(f"iadmin: unknown command or wrong number of arguments: {command}\n{__doc__}", file=sys.stderr)
        return 1
    try:
        commands[command][1](*given)
    except IrodsError as error:
        print(f"iadmin: ERROR: {command} {' '.join(given)} failed with error {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`mrdata user`: the accounts of an embedded zone. Those of a server are managed by `iadmin`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from mrdata.commands.terminal import JSON, Commands, fail, show
from mrdata.commands.zone_connection import settings, zone_folder


@click.group(cls=Commands, invoke_without_command=True)
@JSON
@click.pass_context
def user(context: click.Context, as_json: bool) -> None:
    """Lists the users of an embedded zone; `mrdata user add` makes one."""
    if context.invoked_subcommand:
        return
    from embedded.catalog.users import members, users
    from embedded.folder import ADMIN, ZoneFolder

    stewards = settings().stewards
    with closing(ZoneFolder.open(_folder("iadmin lu")).catalog()) as catalog:
        names = [name for name, _ in users(catalog) if name != ADMIN]
        in_charge = set(members(catalog, stewards))
    rows = [{"name": name, "is_data_steward": name in in_charge} for name in names]
    text = "\n".join(f"{row['name']}{'  (data steward)' if row['is_data_steward'] else ''}" for row in rows)
    show(rows, as_json, text)


@user.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--steward", is_flag=True, help="As data stewards, who look after the quarantine.")
def add(names: tuple[str, ...], steward: bool) -> None:
    """Makes users of an embedded zone. `--steward` also works for users that are there."""
    from embedded.catalog.users import add_member, make_user, members, users
    from embedded.errors import IrodsError
    from embedded.folder import ADMIN, ZoneFolder

    folder, stewards = ZoneFolder.open(_folder(f"iadmin mkuser {names[0]} rodsuser")), settings().stewards
    with closing(folder.catalog()) as catalog:
        there = {name for name, _ in users(catalog)}
        if known := [name for name in names if name in there and not steward]:
            fail(f"there is a user {known[0]!r} already; `mrdata user` lists the users")
        for name in names:
            try:
                if name not in there:
                    make_user(catalog, folder.name, name, "rodsuser", ADMIN)
            except IrodsError:
                fail(f"{name!r} is no name for a user: use letters, digits, `.`, `_`, `-` and `@`, at most 63 of them")
            if steward and name not in members(catalog, stewards):
                add_member(catalog, stewards, name)
            click.echo(f"{name} is a user{' and a data steward' if steward else ''} of the zone {folder.name}")


def _folder(command: str) -> Path:
    """The embedded zone's; leaves the command on a server."""
    folder = zone_folder()
    if folder is None:
        fail(f"the users of a server are managed by iadmin there: {command}")
    return folder

"""`mrdata-answers`: writes the answers for iRODS's unattended set-up (scripts/setup_irods.py
--json_configuration_file) into a file.

They are made from the packaged template, so that a newer iRODS brings its own new settings. `mrdata-setup-zone` adds
later what MrData needs beyond an ordinary server.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irods_config import files
from irods_config.icommands import SetupError, name

PACKAGED = Path("/var/lib/irods/packaging/server_config.json.template")
RESOURCE = "demoResc"
NEGOTIATION_KEY_BYTES = 32
"""iRODS takes a key of exactly this length (schemas/configuration/v5/server_config.json.in)."""


@dataclass(frozen=True)
class Server:
    """What the packaged set-up asks for, without the passwords."""

    host: str
    """The name by which clients reach the server. Certificates are for it, and the machine calls itself so."""
    zone: str
    catalog_host: str = "localhost"
    catalog_port: int = 5432
    catalog_name: str = "ICAT"
    catalog_user: str = "irods"
    administrator: str = "rods"
    account: str = "irods"
    """The unix account that runs the server, and its group."""
    vault: Path = Path("/var/lib/irods/Vault")
    """Of the resource that every server begins with."""


@dataclass(frozen=True, repr=False)
class Secrets:
    """The passwords and keys that the packaged set-up asks for."""

    catalog_password: str
    admin_password: str
    zone_key: str
    negotiation_key: str

    @classmethod
    def inside(cls, folder: Path) -> Secrets:
        """Those in the files of these names; one that is not there is made up and kept there.

        SetupError, OSError, ValueError.
        """
        found = cls(*(_secret(folder / key) for key in cls.__dataclass_fields__))
        if len(found.negotiation_key.encode()) != NEGOTIATION_KEY_BYTES:
            raise SetupError(f"{folder / 'negotiation_key'}: must have {NEGOTIATION_KEY_BYTES} bytes")
        return found


def _secret(path: Path) -> str:
    if not path.exists():
        return files.secret(path)
    # Mounted into a container it is readable by all there; the folder outside guards it.
    if found := path.read_text(encoding="utf-8").strip():
        return found
    raise SetupError(f"{path}: is empty")


def own_names() -> list[str]:
    """The names of this machine, the one first that iRODS's set-up writes into the catalog (scripts/irods/lib.py)."""
    name = socket.gethostname()
    try:
        canonical = socket.getaddrinfo(name, 0, flags=socket.AI_CANONNAME)[0][3]
    except OSError:
        canonical = name
    return list(dict.fromkeys([canonical, name, socket.getfqdn()]))


def _check_host(host: str) -> None:
    names = own_names()
    if host not in names:
        raise SetupError(
            f"--host {host}: this machine calls itself {names[0]}, and iRODS's set-up would fail at its end. Give the"
            f" machine the name first (hostnamectl set-hostname {host}, and a line in /etc/hosts), or take its own name"
        )


def server_config(server: Server, secrets: Secrets, packaged: dict[str, Any]) -> dict[str, Any]:
    """server_config.json as the packaged set-up wants it, from the packaged template.

    SetupError for an odd name of the zone.
    """
    catalog = {
        "technology": "postgres",
        "host": server.catalog_host,
        "port": server.catalog_port,
        "name": server.catalog_name,
        "odbc_driver": "PostgreSQL Unicode",
        "username": server.catalog_user,
        "password": secrets.catalog_password,
    }
    ours = {
        "catalog_provider_hosts": [server.host],
        "catalog_service_role": "provider",
        "default_resource_name": RESOURCE,
        "host": server.host,
        "negotiation_key": secrets.negotiation_key,
        "server_port_range_start": 20000,
        "server_port_range_end": 20199,
        "zone_key": secrets.zone_key,
        "zone_name": name(server.zone),
        "zone_port": 1247,
        "zone_user": name(server.administrator),
    }
    plugins = {**packaged["plugin_configuration"], "database": catalog}
    return {**packaged, **ours, "plugin_configuration": plugins}


def service_account(config: dict[str, Any]) -> dict[str, Any]:
    """irods_environment.json of the account that runs the server."""
    home = f"/{config['zone_name']}/home/{config['zone_user']}"
    environment = {
        "cwd": home,
        "default_hash_scheme": config["default_hash_scheme"],
        "default_resource": RESOURCE,
        "home": home,
        "host": config["host"],
        "match_hash_policy": config["match_hash_policy"],
        "port": config["zone_port"],
        "user_name": config["zone_user"],
        "zone_name": config["zone_name"],
        "client_server_policy": config["client_server_policy"],
        "connection_pool_refresh_time_in_seconds": config["connection_pool_refresh_time_in_seconds"],
        **{f"encryption_{key}": value for key, value in config["encryption"].items()},
    }
    schema = {"schema_name": "service_account_environment", "schema_version": "v5"}
    return schema | {f"irods_{key}": value for key, value in environment.items()}


def answers(server: Server, secrets: Secrets, packaged: dict[str, Any]) -> dict[str, Any]:
    """All that the packaged set-up asks."""
    config = server_config(server, secrets, packaged)
    return {
        "admin_password": secrets.admin_password,
        "default_resource_directory": str(server.vault),
        "default_resource_name": RESOURCE,
        "host_system_information": {
            "service_account_user_name": server.account,
            "service_account_group_name": server.account,
        },
        "server_config": config,
        "service_account_environment": service_account(config),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the file; status 0 if it was written."""
    parser = argparse.ArgumentParser(
        prog="mrdata-answers", description="Writes the answers of iRODS's unattended set-up into a file."
    )
    parser.add_argument(
        "file", type=Path, help="the answers, with the passwords in them: readable by you alone; remove it afterwards"
    )
    parser.add_argument("--zone", required=True, help="iRODS's name of the zone; it cannot be changed later")
    parser.add_argument(
        "--host", default=own_names()[0], help="name by which clients reach this server, and the machine calls itself"
    )
    parser.add_argument(
        "--secrets", type=Path, required=True, metavar="FOLDER", help=f"of {', '.join(Secrets.__dataclass_fields__)}"
    )
    parser.add_argument("--catalog-host", default=Server.catalog_host)
    parser.add_argument("--catalog-port", type=int, default=Server.catalog_port)
    parser.add_argument("--catalog-name", default=Server.catalog_name)
    parser.add_argument("--catalog-user", default=Server.catalog_user)
    parser.add_argument("--administrator", default=Server.administrator, help="the zone's first administrator")
    parser.add_argument("--account", default=Server.account, help="the unix account that runs the server")
    parser.add_argument(
        "--vault", type=Path, default=Server.vault, help=f"of {RESOURCE}, which every server begins with"
    )
    parser.add_argument("--template", type=Path, default=PACKAGED, help="the packaged server_config.json")
    given = vars(parser.parse_args(arguments))
    file, folder, template = given.pop("file"), given.pop("secrets"), given.pop("template")
    try:
        _check_host(given["host"])
        packaged = json.loads(template.read_text(encoding="utf-8"))
        text = json.dumps(answers(Server(**given), Secrets.inside(folder), packaged), indent=2)
        files.write(file, text + "\n", 0o600)
    except (SetupError, OSError, ValueError, KeyError) as error:
        print(f"mrdata-answers: error: {error}", file=sys.stderr)
        return 1
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())

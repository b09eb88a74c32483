"""Writes the answers of iRODS's unattended set-up to standard output, from the packaged template and the container's environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

PACKAGED = Path("/var/lib/irods/packaging/server_config.json.template")
SECRETS = Path("/run/secrets")
ADMINISTRATOR, RESOURCE = "rods", "demoResc"


def secret(name: str) -> str:
    """A secret's text; OSError where it is not mounted."""
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def server_config(host: str, zone: str) -> dict[str, Any]:
    """server_config.json as the packaged set-up wants it; `mrdata-setup-zone` completes it afterwards."""
    config: dict[str, Any] = json.loads(PACKAGED.read_text(encoding="utf-8"))
    config.update(
        catalog_provider_hosts=[host],
        catalog_service_role="provider",
        default_resource_name=RESOURCE,
        host=host,
        negotiation_key=secret("negotiation_key"),
        server_port_range_end=20199,
        server_port_range_start=20000,
        zone_key=secret("zone_key"),
        zone_name=zone,
        zone_port=1247,
        zone_user=ADMINISTRATOR,
    )
    config["plugin_configuration"]["database"] = {
        "technology": "postgres",
        "host": os.environ["MRDATA_CATALOG"],
        "port": 5432,
        "name": "ICAT",
        "odbc_driver": "PostgreSQL Unicode",
        "username": "irods",
        "password": secret("catalog_password"),
    }
    return config


def service_account(config: dict[str, Any]) -> dict[str, Any]:
    """irods_environment.json of the account that runs the server."""
    home = f"/{config['zone_name']}/home/{ADMINISTRATOR}"
    environment = {
        "cwd": home,
        "default_hash_scheme": config["default_hash_scheme"],
        "default_resource": RESOURCE,
        "home": home,
        "host": config["host"],
        "match_hash_policy": config["match_hash_policy"],
        "port": config["zone_port"],
        "user_name": ADMINISTRATOR,
        "zone_name": config["zone_name"],
        "client_server_policy": config["client_server_policy"],
        "connection_pool_refresh_time_in_seconds": config["connection_pool_refresh_time_in_seconds"],
        **{f"encryption_{key}": value for key, value in config["encryption"].items()},
    }
    schema = {"schema_name": "service_account_environment", "schema_version": "v5"}
    return schema | {f"irods_{key}": value for key, value in environment.items()}


def main() -> None:
    """KeyError where the environment lacks a variable."""
    config = server_config(os.environ["MRDATA_HOST"], os.environ["MRDATA_ZONE_NAME"])
    account = {"service_account_user_name": "irods", "service_account_group_name": "irods"}
    answers = {
        "admin_password": secret("admin_password"),
        "default_resource_directory": "/srv/mrdata/vault/demo",
        "default_resource_name": RESOURCE,
        "host_system_information": account,
        "server_config": config,
        "service_account_environment": service_account(config),
    }
    print(json.dumps(answers, indent=2))


if __name__ == "__main__":
    main()

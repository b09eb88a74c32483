"""Writes irods_environment.json and the password file of iRODS clients, from the container's environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

from irods.client_init import write_native_irodsA_file

from irods_config.tls import client_entries


def main() -> None:
    """Writes both files. KeyError for a missing variable, OSError for a missing file."""
    folder = Path.home() / ".irods"
    folder.mkdir(mode=0o700, exist_ok=True)
    user, zone = os.environ["MRDATA_USER"], os.environ["MRDATA_ZONE_NAME"]
    environment = {
        "irods_host": os.environ["MRDATA_HOST"],
        "irods_port": 1247,
        "irods_user_name": user,
        "irods_zone_name": zone,
        "irods_client_server_negotiation": "request_server_negotiation",
        **client_entries(Path(os.environ["MRDATA_AUTHORITY"])),
    }
    (folder / "irods_environment.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    password = Path(os.environ["MRDATA_PASSWORD_FILE"]).read_text(encoding="utf-8").strip()
    write_native_irodsA_file(password, overwrite=True)


if __name__ == "__main__":
    main()

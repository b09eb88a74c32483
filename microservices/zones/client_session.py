"""Opens a connection to an iRODS server as iCommands do: from `irods_environment.json`, and the password that iinit
keeps.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from irods.exception import NetworkException, iRODSException
from irods.session import NonAnonymousLoginWithoutPassword, iRODSSession

from policy.zone import ZoneError

_DEFAULTS = {
    "irods_client_server_negotiation": "request_server_negotiation",
    "irods_client_server_policy": "CS_NEG_DONT_CARE",
    "irods_encryption_algorithm": "AES-256-CBC",
    "irods_encryption_key_size": 32,
    "irods_encryption_num_hash_rounds": 16,
    "irods_encryption_salt_size": 8,
}
"""What iCommands take where the environment file says nothing, and python-irodsclient does not
(irods_configuration_keywords.hpp).
"""


def environment_file() -> Path:
    """The file that iCommands would use: IRODS_ENVIRONMENT_FILE or `~/.irods/irods_environment.json`."""
    return Path(os.environ.get("IRODS_ENVIRONMENT_FILE") or Path.home() / ".irods/irods_environment.json")


def open_session(environment: Path | None = None, authentication: Path | None = None, **settings: Any) -> iRODSSession:  # noqa: ANN401
    """A session that has been tried once. `settings` (`irods_host`, `irods_user_name`, `password`...) go before the
    file's.

    ZoneError says what is missing or refused.
    """
    if settings.get("password") is not None:
        given: dict[str, Any] = {**_DEFAULTS, **settings}
    else:
        file = environment or environment_file()
        given = {**_DEFAULTS, **settings, "irods_env_file": str(file)}
        if authentication is not None:
            given["irods_authentication_file"] = str(authentication)
        _demand(file, {"irods_host", "irods_port", "irods_user_name", "irods_zone_name"})
    try:
        session = iRODSSession(**given)
        session.pool.get_connection().release()
    except NonAnonymousLoginWithoutPassword as error:
        raise ZoneError("this account has no iRODS password: run iinit") from error
    except iRODSException as error:
        raise ZoneError(f"the iRODS server refuses the connection: {type(error).__name__}", error.code) from error
    except (NetworkException, OSError) as error:
        raise ZoneError(f"no connection to the iRODS server: {error}") from error
    return session


def _demand(file: Path, keys: set[str]) -> None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZoneError(f"{file}: cannot be read: {error}") from error
    if missing := sorted(keys - set(found)):
        raise ZoneError(f"{file}: lacks {', '.join(missing)}")

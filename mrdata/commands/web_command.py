"""The web pages of the zone that the command line works on."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from mrdata.commands.zone_connection import settings, zone_folder
from policy.zone import ZoneError

if TYPE_CHECKING:
    from forms.gateway import Gateway


def gateway() -> Gateway:
    """To an embedded zone, or to the server as its service account."""
    try:
        import flask  # noqa: F401

        from forms.gateway import EmbeddedGateway, ServerGateway
    except ImportError as error:
        raise ZoneError(f"the web pages need more; in MrData's folder: pip install '.[web]' ({error})") from error
    folder = zone_folder()
    return EmbeddedGateway(folder) if folder else ServerGateway(settings())


def serve(host: str, port: int) -> None:
    """Until interrupted. An embedded zone knows no passwords, so its pages are for this machine alone."""
    found = gateway()
    if found.accounts and host not in ("127.0.0.1", "localhost", "::1"):
        raise ZoneError(f"an embedded zone knows no passwords: its pages are shown on 127.0.0.1 only, not on {host}")
    from forms.serve import serve as run

    try:
        run(found, host=host, port=port, secure=not found.accounts, say=print)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ZoneError(
            f"{host}:{port}: another program uses this port; give another one: --port {port + 1}"
        ) from error

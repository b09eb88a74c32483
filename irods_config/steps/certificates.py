"""Checks the server's certificate: the site's own, or one for tests."""

from __future__ import annotations

from irods_config import tls
from irods_config.icommands import SetupError
from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Lists what is wrong with the certificate for this host."""
    return site.tls.check(site.config()["host"])


def make(site: Site) -> None:
    """Makes a test certificate if the administrator asked for one. SetupError otherwise."""
    if not site.self_signed:
        raise SetupError(
            f"put the certificate into {site.tls_folder} (server.crt, server.key, dhparams.pem, ca.crt), or take"
            " --self-signed"
        )
    host = site.config()["host"]
    tls.self_signed(site.tls_folder, [host, *({"localhost"} - {host}), "127.0.0.1"])


STEP = Step("certificates", differences, make)

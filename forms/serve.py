"""Serves the pages: one process, several threads; behind a web server that speaks HTTPS, or on this machine alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from forms.app import create_app
from forms.gateway import Gateway
from policy.zone.log import Level, timed_line

THREADS = 96
"""Of eight people's requests at a time (`forms.login_sessions.REQUESTS`); most of them wait for iRODS."""
LONGEST_HEADER = 16 * 1024


def server(gateway: Gateway, *, host: str = "127.0.0.1", port: int = 8080, secure: bool = True) -> Any:  # noqa: ANN401 - of waitress
    """A server that listens already; `run()` serves until `close()`. OSError where the port is taken."""
    import waitress

    forms = gateway.settings.forms
    app = create_app(gateway, secure=secure)
    proxy = (
        {"trusted_proxy": forms.proxy, "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"}}
        if forms.proxy
        else {}
    )
    return waitress.create_server(
        app,
        host=host,
        port=port,
        threads=THREADS,
        url_prefix=forms.prefix,
        ident="",
        max_request_header_size=LONGEST_HEADER,
        clear_untrusted_proxy_headers=True,
        **proxy,
    )


def serve(gateway: Gateway, *, host: str, port: int, secure: bool, say: Callable[[str], None]) -> None:
    """Serves until it is interrupted."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LogLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    listening = server(gateway, host=host, port=port, secure=secure)
    say(f"The pages: http://{host}:{listening.effective_port}{gateway.settings.forms.prefix}/")
    try:
        listening.run()
    finally:
        listening.close()


class _LogLine(logging.Formatter):
    """The format of all parts' logs (`policy.zone.log`)."""

    def format(self, record: logging.LogRecord) -> str:
        level = Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING
        return timed_line("pages", record.getMessage(), Level.INFO if record.levelno < logging.WARNING else level)

"""The web application: `create_app` puts the pages together."""

from __future__ import annotations

import secrets
import time
import traceback
from datetime import UTC, datetime

from flask import Blueprint, Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException

from forms import access
from forms.gateway import Gateway
from forms.login_sessions import Login
from forms.page_site import Site, site
from forms.request_budget import TooSlow
from policy import __version__
from policy.zone import NotFound, NotPermitted, ZoneError
from policy.zone.context import Refused
from policy.zone.log import error_text

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Headers of every answer. Scripts and styles come only from files."""


def create_app(gateway: Gateway, *, secure: bool = True) -> Flask:
    """Makes the pages of a zone. `secure` cookies travel only over HTTPS, and over plain HTTP to this machine."""
    settings = gateway.settings
    app = Flask("forms", static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="mrdata",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH=settings.forms.prefix or "/",
        MAX_CONTENT_LENGTH=256 * 1024,
        MAX_FORM_MEMORY_SIZE=256 * 1024,
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["mrdata"] = Site(gateway)
    app.before_request(access.check)
    app.teardown_request(access.done)
    app.after_request(_headers)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(ZoneError, _zone_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    app.context_processor(_for_templates)
    app.add_template_filter(moment)
    app.add_template_filter(amount)
    app.add_template_filter(milli)
    for blueprint in _blueprints():
        app.register_blueprint(blueprint)
    return app


PAGES = (
    ("home.home", "Studies"),
    ("search.search", "Search"),
    ("registration.form", "Register"),
    ("board.wall", "Board"),
)
FOR_STEWARDS = (("desk.desk", "Quarantine"), ("reviews.reviews", "Reviews"), ("words.withdrawals", "Withdrawn"))
"""The navigation: endpoint and text."""


def _blueprints() -> list[Blueprint]:
    from forms import (
        board_pages,
        decision_pages,
        desk_pages,
        experiment_pages,
        home_pages,
        registration_pages,
        review_pages,
        search_pages,
    )

    found = (
        access,
        home_pages,
        search_pages,
        registration_pages,
        experiment_pages,
        desk_pages,
        review_pages,
        decision_pages,
        board_pages,
    )
    return [module.pages for module in found]


def _headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "public, max-age=3600"
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _for_templates() -> dict[str, object]:
    login: Login | None = g.get("login")
    steward = login is not None and access.is_steward(login)
    return {
        "pages": [*PAGES, *(FOR_STEWARDS if steward else ())],
        "login": login,
        "csrf_token": access.csrf_token,
        "is_steward": steward,
        "is_demonstration": site().is_demonstration,
        "settings": site().settings,
        "version": __version__,
    }


def _error(status: int, title: str, text: str) -> tuple[str, int]:
    return render_template("error.html", status=status, title=title, text=text), status


def _refused(error: Refused) -> tuple[str, int]:
    return _error(error.kind.http_status, "This cannot be done", str(error))


def _zone_error(error: ZoneError) -> tuple[str, int]:
    if isinstance(error, TooSlow):
        return _error(503, "This took too long", "The request was stopped. Ask for less, or try again in a moment.")
    if isinstance(error, NotFound):
        return _error(404, "Not found", "It does not exist, or you may not see it.")
    if isinstance(error, NotPermitted):
        return _error(403, "Not permitted", "You do not have the permission for this in iRODS.")
    _log(error)
    return _error(
        502,
        "The archive does not answer",
        "iRODS could not do this. Try again in a moment. If it fails again, tell an administrator.",
    )


def _http_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    if error.code is None or error.code < 400:
        return error
    return _error(error.code, error.name, error.description or "")


def _unexpected(error: Exception) -> tuple[str, int]:
    _log(error)
    return _error(
        500,
        "Something went wrong",
        "This is a fault of the web pages. Tell an administrator: their log has the details.",
    )


def _log(error: Exception) -> None:
    from flask import current_app

    where = "".join(traceback.format_tb(error.__traceback__))
    current_app.logger.error("%s %s: %s\n%s", request.method, request.url_rule, error_text(error), where)


def moment(value: str | float) -> str:
    """Formats a time (ISO 8601 UTC, or seconds since 1970) for people, in the server's time zone.

    >>> moment("")
    ''
    """
    if value == "":
        return ""
    if isinstance(value, str) and not value.isdigit():
        try:
            at = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return value
        seconds = at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    else:
        seconds = float(value)
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def milli(seconds: str) -> str:
    """Formats a time of the vocabulary (s) in ms, as at the scanner.

    >>> milli("0.00246"), milli("2"), milli("")
    ('2.46', '2000', '')
    """
    try:
        return f"{float(seconds) * 1000:.6g}"
    except ValueError:
        return seconds


def amount(size: float) -> str:
    """Formats bytes for people.

    >>> amount(999), amount(25_300), amount(40_000_000_000)
    ('999 B', '25.3 kB', '40.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


__all__ = ["Site", "create_app"]

"""Log-in, log-out and the checks of every request: a session, and a CSRF token for requests that change something."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from forms import request_budget
from forms.gateway import LoginRefused
from forms.login_sessions import Login, groups_of
from forms.page_site import site
from policy.zone import Zone

View = TypeVar("View", bound=Callable[..., Any])
POLL = "X-Refresh"
"""Header of requests that a page makes by itself: they do not keep a session alive."""

pages = Blueprint("access", __name__)


def public(view: View) -> View:
    """Marks a view that needs no log-in."""
    view.public = True  # type: ignore[attr-defined]
    return view


def person() -> Login:
    """Returns the session of the logged-in person; else 401."""
    login: Login | None = g.get("login")
    if login is None:
        abort(401)
    return login


def is_steward(login: Login) -> bool:
    """Whether this person was a data steward at log-in, and sees the desk; `demand_steward` asks the zone again."""
    return login.is_admin or site().settings.stewards in login.groups


def demand_steward(service: Zone) -> Login:
    """Returns the person's session if he is a data steward or an administrator at this moment; else 403."""
    login = person()
    if not login.is_admin and site().settings.stewards not in groups_of(service, login.name):
        abort(403, "Only data stewards may do this.")
    return login


def csrf_token() -> str:
    """Returns the session's token; makes it at the first form."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    return str(session["csrf"])


def check() -> ResponseReturnValue | None:
    """Before each request: finds the session, sends strangers to the log-in page, refuses forms of other sites."""
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        sent, own = request.form.get("csrf", ""), session.get("csrf", "")
        if not own or not hmac.compare_digest(sent.encode(), str(own).encode()):
            abort(400, "This form is out of date. Go back, reload the page and send it again.")
    request_budget.begin(site().settings.forms.request_seconds)
    polls = POLL in request.headers
    g.login = site().logins.find(session.get("number", ""), touch=not polls)
    if g.login is not None:
        if not g.login.requests.acquire(blocking=False):
            abort(429, "Too many of your requests run at once. Wait until one has ended, and try again.")
        g.counted = g.login.requests
    view = current_app.view_functions.get(request.endpoint or "")
    if g.login is not None or view is None or request.endpoint == "static" or getattr(view, "public", False):
        return None
    if polls:
        abort(401, "You are logged out.")
    if "number" in session:
        session.pop("number")
        flash("Your session has ended. Log in again.")
    back = request.full_path.rstrip("?") if request.method == "GET" and request.path != "/" else None
    return redirect(url_for("access.login", next=back))


def done(error: BaseException | None) -> None:
    """Releases the request's place after each request."""
    if (counted := g.pop("counted", None)) is not None:
        counted.release()


@pages.get("/login")
@public
def login() -> ResponseReturnValue:
    """Shows the log-in page."""
    if g.login is not None:
        return redirect(_next())
    return render_template(
        "login.html", accounts=site().gateway.accounts, next=request.args.get("next", ""), name="", error=""
    )


@pages.post("/login")
@public
def log_in() -> ResponseReturnValue:
    """Checks name and password by opening a connection to the zone."""
    name, address = request.form.get("name", "").strip(), request.remote_addr or ""
    wait = site().tries.wait(name, address)
    if wait:
        minutes = math.ceil(wait / 60)
        return _again(name, f"Too many failed log-ins. Try again in {minutes} minute{'s' * (minutes != 1)}.", 429)
    if not name:
        return _again(name, "Enter your iRODS user name.", 400)
    try:
        with site().tries.tried(name, address):
            number = site().logins.begin(name, request.form.get("password", ""))
    except LoginRefused:
        current_app.logger.warning("log-in refused from %s", address)
        return _again(name, "iRODS does not know this name with this password.", 401)
    session.clear()
    session["number"] = number
    csrf_token()
    return redirect(_next())


@pages.post("/logout")
def log_out() -> ResponseReturnValue:
    """Ends the session."""
    site().logins.end(session.get("number", ""))
    session.clear()
    flash("You are logged out.")
    return redirect(url_for("access.login"))


def _again(name: str, error: str, status: int) -> ResponseReturnValue:
    accounts, back = site().gateway.accounts, request.form.get("next", "")
    return render_template("login.html", accounts=accounts, next=back, name=name, error=error), status


def _next() -> str:
    """Returns where to go after log-in: always a page of this site."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    is_own = (
        wanted.startswith("/")
        and not wanted.startswith("//")
        and "\\" not in wanted
        and not parts.netloc
        and not parts.scheme
    )
    root = request.script_root
    return root + wanted if is_own else f"{root}/"

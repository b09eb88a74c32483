"""The operator's board, readable from across the room; the health address and the metrics, for monitors.

All three show the same look at the zone as the service account, at most a few seconds old for any number of viewers.
"""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

from flask import Blueprint, Response, abort, g, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from forms import chart
from forms.access import public
from forms.page_site import site
from policy import __version__
from policy.views.board import Board, Level
from policy.zone import ZoneError

pages = Blueprint("board", __name__)
pages.add_app_template_filter(chart.human, "bytes")


@pages.app_template_filter()
def clock(seconds: float) -> str:
    """Time of day of the server's clock."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _look() -> Board:
    return site().watch.look(site().service, site().settings)


@pages.get("/board")
@public
def wall() -> ResponseReturnValue:
    """Shows the board."""
    if not _may_see():
        return redirect(url_for("access.login", next=request.path))
    return render_template("board.html", every=5000, **_shown())


@pages.get("/board/live")
@public
def live() -> ResponseReturnValue:
    """Returns the part of the board that changes."""
    if not _may_see():
        abort(401, "You are logged out.")
    return render_template("board_live.html", **_shown())


@pages.get("/health")
@public
def health() -> ResponseReturnValue:
    """Answers 200, or 503 if something needs a person now, with the codes of the problems as JSON. Warnings keep 200.

    It sends only codes: texts about experiments and disks are for people who may see the board.
    """
    try:
        found = _look()
    except (ZoneError, OSError):
        return jsonify(status="alarm", version=__version__, alarms=["zone_unreachable"], warnings=[]), 503
    codes: dict[Level, list[str]] = {
        level: sorted({problem.code for problem in found.problems if problem.level is level}) for level in Level
    }
    status = "ok" if found.is_healthy else "alarm"
    return jsonify(
        status=status, version=__version__, alarms=codes[Level.ALARM], warnings=codes[Level.WARNING]
    ), 200 if found.is_healthy else 503


@pages.get("/metrics")
@public
def metrics() -> ResponseReturnValue:
    """Sends the metrics for Prometheus."""
    from prometheus_client.exposition import CONTENT_TYPE_LATEST

    from forms.metrics import text

    if not _is_near():
        abort(403, "Metrics are for the networks that board.networks names in mrdata.yaml.")
    try:
        content = text(_look())
    except (ZoneError, OSError):
        content = text(None)
    answer: Response = make_response(content)
    answer.headers["Content-Type"] = CONTENT_TYPE_LATEST
    return answer


def _shown() -> dict[str, object]:
    """Returns the values for the templates; `board` is None if the zone does not answer."""
    try:
        found = _look()
    except (ZoneError, OSError):
        return {"board": None, "now": time.time(), "ago": ago}
    plot = chart.volume(found.volume, [scanner.name for scanner in found.scanners])
    today = sum(found.volume[-1][1].values()) if found.volume else 0
    return {"board": found, "now": found.now, "ago": ago, "plot": plot, "today": today}


def ago(seconds: float) -> str:
    """Formats a duration in short.

    >>> ago(5), ago(200), ago(7200), ago(200_000)
    ('5 s', '3 min', '2 h', '2 days')
    """
    for limit, size, unit in ((120, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // size:.0f} {unit}"
    return f"{seconds // 86400:.0f} days"


def _is_near() -> bool:
    """Whether the request comes from a network that needs no log-in; a demonstration is open."""
    if site().is_demonstration:
        return True
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return any(address in ip_network(network) for network in site().settings.board.networks)


def _may_see() -> bool:
    """Whether the person is logged in, or the screen is on one of the site's networks."""
    return g.get("login") is not None or _is_near()

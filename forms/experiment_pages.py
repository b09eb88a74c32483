"""The page of an experiment, which shows what arrives while the scan runs."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import MutableMapping
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from forms import decision_pages
from forms.access import is_steward, person
from forms.page_site import context, site
from forms.thumbnails import NoPicture, render
from policy.lifecycle import finalization
from policy.records import audit
from policy.records.audit import Entry
from policy.views import experiment_page, experiment_search
from policy.zone import Zone, experiment_id, layout
from policy.zone.context import Context
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType
from policy.zone.object_files import open_object

pages = Blueprint("experiment", __name__)
_MISSING = "This experiment does not exist, or you may not see it."


def found(zone: Zone, given: str) -> Experiment:
    """Finds the experiment of an address, as the user sees it; else 404."""
    return _find(zone, given) or abort(404, _MISSING)


@pages.get("/experiments/<experiment_id>")
def experiment(experiment_id: str) -> ResponseReturnValue:
    """Shows the whole page. Sends data stewards who cannot see the experiment to the page for decisions."""
    login = person()
    with login.zone() as zone:
        if is_steward(login) and _find(zone, experiment_id) is None:
            return redirect(url_for("words.page", experiment_id=experiment_id))
        wanted = found(zone, experiment_id)
        may = decision_pages.possible(login, wanted)
        return render_template(
            "experiment.html", experiment=wanted, ways=ways(wanted.path), words=may, **_live(zone, wanted)
        )


@pages.get("/experiments/<experiment_id>/live")
def live(experiment_id: str) -> ResponseReturnValue:
    """Returns the part of the page that changes; 304 if nothing has changed."""
    with person().zone() as zone:
        wanted = found(zone, experiment_id)
        text = render_template("live.html", experiment=wanted, **_live(zone, wanted))
    response = Response(text, headers={"Cache-Control": "no-cache"})
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    return response.make_conditional(request)


@pages.get("/experiments/<experiment_id>/series/<name>/thumbnail.png")
def thumbnail(experiment_id: str, name: str) -> ResponseReturnValue:
    """Returns a thumbnail of a series' first image; 404 if the series has no image to show."""
    with person().zone() as zone:
        wanted = found(zone, experiment_id)
        path = experiment_page.image_of(context(zone), f"{wanted.path}/{DataType.DICOM}/{name}")
        if path is None:
            abort(404)
        return picture(zone, path)


def picture(zone: Zone, path: str) -> ResponseReturnValue:
    """Returns a thumbnail of an object that the user may read."""
    stat = zone.stat(path)
    if stat is None or stat.is_collection:
        abort(404)
    key = (path, stat.modified)
    made = site().thumbnails.find(key)
    if made is None:
        try:
            made = render(open_object(context(zone), path, stat.size))
        except NoPicture as error:
            return _no_picture(str(error))
        site().thumbnails.keep(key, made)
    else:
        zone.read(path, 0, 1)  # NotPermitted where the user may see but not read it
    response = Response(made, mimetype="image/png", headers={"Cache-Control": "private, max-age=3600"})
    response.set_etag(hashlib.sha256(f"{path} {stat.modified}".encode()).hexdigest()[:32])
    return response.make_conditional(request)


def _find(zone: Zone, given: str) -> Experiment | None:
    parsed = experiment_id.parse(given)
    return experiment_search.experiment(context(zone), parsed) if parsed else None


def _no_picture(why: str) -> Response:
    """Returns a placeholder for an image that cannot be shown."""
    current_app.logger.info("no thumbnail: %s", why)
    mark = '<path d="M20 44l9-12 7 8 4-5 6 9z" fill="#52646e"/><circle cx="41" cy="25" r="4" fill="#52646e"/>'
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64"'
        f' fill="#dfe6e9"/>{mark}</svg>'
    )
    return Response(svg, mimetype="image/svg+xml", headers={"Cache-Control": "private, max-age=60"})


def ways(path: str) -> dict[str, str]:
    """Lists the ways to a collection: its path, its address over WebDAV, and commands to copy, quoted for a shell."""
    below = path.removeprefix(layout.studies(site().settings) + "/")
    name, webdav = path.rpartition("/")[2], site().settings.forms.webdav.rstrip("/")
    return {
        "path": path,
        "webdav": f"{webdav}/{quote(below)}/" if webdav else "",
        "iget": f"iget -rK -N 0 {shlex.quote(path)}",
        "rclone": f"rclone copy --progress {shlex.quote('mrdata:' + below)} {shlex.quote('./' + name)}",
    }


def _live(zone: Zone, experiment: Experiment) -> dict[str, object]:
    seen = experiment_page.overview(context(zone), experiment)
    with site().service.zone() as service:
        ctx = context(service)
        return {
            "overview": seen,
            "suspects": experiment_page.suspects(ctx, experiment.id),
            "history": history(ctx, experiment.id),
            "finalization": finalization.asked(ctx, experiment),
            "may_refile": is_steward(person()),
        }


def history(service: Context, experiment_id: str) -> list[Entry]:
    """Returns what was done to an experiment.

    Entries of the audit log never change, so entries that were read before are remembered.
    """
    known: MutableMapping[str, Entry] = current_app.extensions.setdefault("mrdata-audit", {})
    if len(known) > 10_000:
        known.clear()
    return audit.history(service, experiment_id, known)

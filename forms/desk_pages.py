"""The quarantine desk: shows sessions in quarantine with their reasons; re-files them with a dry run and an undo."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from forms.access import demand_steward, person
from forms.experiment_pages import history, picture
from forms.page_site import context, rule, site
from policy.ingest import discard
from policy.views import experiment_search
from policy.views import quarantine_desk as policy_desk
from policy.zone import Zone, experiment_id, layout
from policy.zone.context import Context
from policy.zone.registry import UNLIKE
from policy.zone.vocabulary import UNITS

pages = Blueprint("desk", __name__)


@pages.get("/quarantine")
def desk() -> ResponseReturnValue:
    """Lists all sessions."""
    with site().service.zone() as service:
        demand_steward(service)
        return render_template("desk.html", sessions=policy_desk.sessions(context(service)))


@pages.get("/quarantine/<scanner>/<name>")
def session(scanner: str, name: str) -> ResponseReturnValue:
    """Shows one session: its objects, and possible experiments."""
    with site().service.zone() as service:
        demand_steward(service)
        ctx = context(service)
        path = _session(service, scanner, name)
        line = next((line for line in policy_desk.sessions(ctx) if line.path == path), None)
        if line is None:
            abort(404, "This session is not in quarantine any more.")
        return render_template(
            "session.html",
            session=line,
            objects=policy_desk.objects(ctx, path),
            candidates=policy_desk.nearest(ctx, line.typed, scanner),
            unlike=UNLIKE,
            discarded=discard.since(ctx, path),
            reasons=list(discard.Reason),
            days=ctx.settings.discard.days,
        )


@pages.get("/quarantine/<scanner>/<name>/<number>")
def one(scanner: str, name: str, number: str) -> ResponseReturnValue:
    """Shows one object without personal data."""
    with site().service.zone() as service:
        demand_steward(service)
        ctx = context(service)
        path = _object(ctx, scanner, name, number)
        preview = policy_desk.preview(ctx, path)
        return render_template("object.html", scanner=scanner, name=name, number=number, preview=preview, units=UNITS)


@pages.get("/quarantine/<scanner>/<name>/<number>/picture.png")
def thumbnail(scanner: str, name: str, number: str) -> ResponseReturnValue:
    """Shows the object's picture, if the image was measured."""
    with site().service.zone() as service:
        demand_steward(service)
        ctx = context(service)
        path = _object(ctx, scanner, name, number)
        if not policy_desk.preview(ctx, path).has_picture:
            abort(404)
        return picture(service, path)


@pages.post("/quarantine/<scanner>/<name>/refile")
def refile(scanner: str, name: str) -> ResponseReturnValue:
    """Shows what would happen; after the confirmation, re-files."""
    with site().acting(person()) as service:
        login = demand_steward(service)
        number, to = request.form.get("number", ""), request.form.get("to", "").strip()
        source = _object(context(service), scanner, name, number) if number else _session(service, scanner, name)
        parsed, is_dry = experiment_id.parse(to), request.form.get("confirmed") != "yes"
        accepts = request.form.get("accept") == "yes"
        asked = {"source": source, "to": to, "dry_run": is_dry, "accept_personal_data": accepts}
        moves = rule(service, "experiment_reassign", asked, login)["moves"]
    done = [move for move in moves if move["target"]]
    stays: dict[str, int] = {}
    for move in moves:
        if not move["target"]:
            stays[move["note"]] = stays.get(move["note"], 0) + 1
    if is_dry:
        return render_template(
            "refile.html",
            scanner=scanner,
            name=name,
            number=number,
            to=parsed,
            places=_places(done),
            count=len(done),
            stays=stays,
            accepts=accepts,
        )
    flash(f"{len(done)} of {len(moves)} file{'s' * (len(moves) != 1)} re-filed under {parsed}.")
    return redirect(url_for("desk.done", to=parsed, scanner=scanner, name=name, stays=sum(stays.values())), 303)


@pages.get("/quarantine/done")
def done() -> ResponseReturnValue:
    """Shows the result of a re-filing, and how to undo it."""
    with site().service.zone() as service:
        login = demand_steward(service)
        entries = {key: request.args.get(key, "") for key in ("to", "scanner", "name", "stays")}
        parsed = experiment_id.parse(entries["to"])
        if parsed is None:
            abort(404, "This is not an ExperimentID.")
        told = history(context(service), parsed)
    with login.zone() as zone:
        is_seen = experiment_search.experiment(context(zone), parsed) is not None
    return render_template("done.html", history=told, is_seen=is_seen, may_refile=False, **entries)


@pages.post("/quarantine/<scanner>/<name>/undo")
def undo(scanner: str, name: str) -> ResponseReturnValue:
    """Moves re-filed files back into quarantine."""
    with site().acting(person()) as service:
        login = demand_steward(service)
        asked = {"to": request.form.get("to", ""), "session": f"{scanner}/{name}"}
        moves = rule(service, "experiment_take_back", asked, login)["moves"]
    flash(f"{_files(len(moves))} in quarantine again.")
    return redirect(url_for("desk.session", scanner=scanner, name=name), 303)


@pages.post("/quarantine/<scanner>/<name>/discard")
def throw_away(scanner: str, name: str) -> ResponseReturnValue:
    """Discards the session for one of the listed reasons."""
    with site().acting(person()) as service:
        login = demand_steward(service)
        asked = {
            "session": _session(service, scanner, name),
            "reason": request.form.get("reason", ""),
            "dry_run": False,
        }
        done = rule(service, "quarantine_discard", asked, login)
    count, days = done["objects"], done["days"]
    they = "It is" if count == 1 else "They are"
    them = "it" if count == 1 else "them"
    when = f"in {days:g} day{'s' * (days != 1)}"
    flash(f"{_files(count)} discarded. {they} erased {when}, unless somebody keeps {them}.")
    return redirect(url_for("desk.session", scanner=scanner, name=name), 303)


@pages.post("/quarantine/<scanner>/<name>/keep")
def keep(scanner: str, name: str) -> ResponseReturnValue:
    """Keeps a discarded session."""
    with site().acting(person()) as service:
        login = demand_steward(service)
        rule(service, "quarantine_keep", {"session": _session(service, scanner, name)}, login)
    flash("The session is kept.")
    return redirect(url_for("desk.session", scanner=scanner, name=name), 303)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"


def _session(service: Zone, scanner: str, name: str) -> str:
    path = f"{layout.quarantine(site().settings)}/{scanner}/{name}"
    if ".." in (scanner, name) or service.stat(path) is None:
        abort(404, "This session is not in quarantine.")
    return path


def _object(ctx: Context, scanner: str, name: str, number: str) -> str:
    path = policy_desk.path_of(ctx, _session(ctx.zone, scanner, name), number)
    if path is None:
        abort(404, "This file is not in the session any more.")
    return path


def _places(moves: list[dict[str, str]]) -> list[tuple[str, int]]:
    """Returns collections below the studies, with the number of files that go there."""
    root, counts = layout.studies(site().settings) + "/", dict[str, int]()
    for move in moves:
        place = layout.parent(move["target"]).removeprefix(root)
        counts[place] = counts.get(place, 0) + 1
    return sorted(counts.items())

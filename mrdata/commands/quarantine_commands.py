"""`mrdata quarantine` and `mrdata refile`: what could not be placed, and where a data steward puts it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from mrdata.commands.terminal import BY, JSON, USER, Commands, acting, call, call_for, count, demand_steward, show
from mrdata.commands.zone_connection import settings
from policy.ingest.discard import Reason
from policy.zone import layout
from policy.zone.layout import parent
from policy.zone.registry import UNLIKE

REASONS = {reason.name.lower().replace("_", "-"): reason for reason in Reason}
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


@click.group(cls=Commands, invoke_without_command=True)
@click.option("--scanner", default="", help="Only sessions of this scanner.")
@click.option("--reason", default="", help="Only sessions with a file that is there for this reason, like `mistyped`.")
@click.option("--names", is_flag=True, help="Only the names of the sessions, one a line.")
@USER
@JSON
@click.pass_context
def quarantine(context: click.Context, scanner: str, reason: str, names: bool, user: str, as_json: bool) -> None:
    """Lists what could not be placed: sessions, why, and which experiments may be meant.

    `mrdata refile SESSION EXPERIMENTID` puts a session where it belongs.
    """
    if context.invoked_subcommand:
        return
    account, _ = acting(user, "", demand_steward)
    found = call(account, "mrdata_quarantine_list", {})["sessions"]
    shown = [s for s in found if scanner in ("", s["scanner"]) and (not reason or reason in s["reasons"])]
    if names:
        show([_name(one) for one in shown], as_json, "".join(f"{_name(one)}\n" for one in shown).rstrip())
        return
    which = " that fits" if scanner or reason else ""
    show(
        {"sessions": shown}, as_json, "\n".join(_listed(shown)) if shown else f"There is nothing in quarantine{which}."
    )


@quarantine.command()
@click.argument("session")
@click.option(
    "--reason",
    required=True,
    type=click.Choice(list(REASONS)),
    help=f"For the audit log: {'; '.join(REASONS.values())}.",
)
@_DRY_RUN
@BY
@USER
@JSON
def discard(session: str, reason: str, dry_run: bool, by: str, user: str, as_json: bool) -> None:
    """Discards SESSION, which belongs to no experiment: it is erased later, unless somebody keeps it."""
    request = {"session": _path(session), "reason": REASONS[reason], "dry_run": dry_run}
    reply = call_for(user, by, "mrdata_quarantine_discard", request, demand_steward)
    files = f"{session}: {count(reply['objects'], 'file')}, {reply['bytes']:,} bytes"
    end = "nothing was changed" if dry_run else f"erased in {reply['days']:g} days; `quarantine keep` stops that"
    show(reply, as_json, f"{files}: {'would be ' if dry_run else ''}discarded; {end}")


@quarantine.command()
@click.argument("session")
@BY
@USER
@JSON
def keep(session: str, by: str, user: str, as_json: bool) -> None:
    """Keeps SESSION, which was discarded and is not erased yet."""
    reply = call_for(user, by, "mrdata_quarantine_keep", {"session": _path(session)}, demand_steward)
    show(reply, as_json, f"{session} is kept")


@quarantine.command("take-back")
@click.argument("session")
@click.argument("experiment", metavar="EXPERIMENTID")
@BY
@USER
@JSON
def take_back(session: str, experiment: str, by: str, user: str, as_json: bool) -> None:
    """Undoes `mrdata refile SESSION EXPERIMENTID`: what was re-filed goes back into quarantine."""
    within = _path(session).removeprefix(layout.quarantine(settings()) + "/")
    request = {"to": experiment, "session": within}
    _show_moves(
        call_for(user, by, "mrdata_experiment_take_back", request, demand_steward), "back in quarantine", as_json
    )


@click.command()
@click.argument("source")
@click.argument("experiment", metavar="EXPERIMENTID")
@_DRY_RUN
@click.option("--accept-personal-data", is_flag=True, help="Also files whose headers tell who the person is.")
@BY
@USER
@JSON
def refile(
    source: str, experiment: str, dry_run: bool, accept_personal_data: bool, by: str, user: str, as_json: bool
) -> None:
    """Re-files SOURCE under EXPERIMENTID.

    SOURCE is a session as `mrdata quarantine` prints it, an ExperimentID that was typed by mistake, or a path in
    quarantine or in an experiment. Exit status 1 if a file stays where it is.
    """
    request = {
        "source": _path(source) if "/" in source else source,
        "to": experiment,
        "dry_run": dry_run,
        "accept_personal_data": accept_personal_data,
    }
    reply = call_for(user, by, "mrdata_experiment_reassign", request, demand_steward)
    _show_moves(reply, f"{'would be ' if dry_run else ''}re-filed under {experiment}", as_json)


def _path(session: str) -> str:
    """Of a session as the list prints it (`94T/20260312_ab12cd34`), or the path that it is."""
    return session if session.startswith("/") else f"{layout.quarantine(settings())}/{session.strip('/')}"


def _name(session: dict[str, Any]) -> str:
    return str(session["path"]).removeprefix(layout.quarantine(settings()) + "/")


def _listed(sessions: list[dict[str, Any]]) -> Iterator[str]:
    for session in sessions:
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(session["reasons"].items()))
        files = f"{count(session['objects'], 'file')} since {session['since']}"
        yield f"{_name(session)}  {files}: {reasons}"
        if session["header_says"]:
            yield f"    typed at the scanner: {session['header_says']}"
        near = [one for one in session["candidates"] if one["distance"] < UNLIKE]
        if near:
            yield "    may be meant: " + ", ".join(_candidate(one) for one in near)
        yield from (f"    {detail}" for detail in session["details"])
    yield f"\n{count(len(sessions), 'session')}. Next: mrdata refile SESSION EXPERIMENTID --dry-run"


def _candidate(candidate: dict[str, Any]) -> str:
    wrong = f"{count(candidate['distance'], 'wrong character')}" if candidate["distance"] else "as typed"
    experiment = candidate["experiment"]
    return f"{experiment['id']} ({wrong}; study {experiment['study']}, {experiment['owner']})"


def _show_moves(reply: dict[str, Any], what: str, as_json: bool) -> None:
    """How many files go to which collection, and why others stay; leaves with status 1 if one stays."""
    moves = reply["moves"]
    places = Counter(parent(move["target"]) for move in moves if move["target"])
    stays = Counter(move["note"] for move in moves if not move["target"])
    lines = [f"{count(sum(places.values()), 'file')} of {len(moves)} {what}"]
    lines += [f"  {number:>6} in {place}" for place, number in sorted(places.items())]
    lines += [f"  {number:>6} not moved: {why}" for why, number in sorted(stays.items())]
    if reply.get("dry_run"):
        lines.append("Nothing was changed: the same command without --dry-run does it.")
    show(reply, as_json, "\n".join(lines))
    sys.exit(1 if stays else 0)

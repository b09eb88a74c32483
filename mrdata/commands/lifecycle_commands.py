"""`mrdata finish`, `finalize`, `reopen`, `withdraw`, `restore` and `mrdata audit`.

An experiment after its last image.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from mrdata.commands.terminal import Commands
from policy.records.audit_check import check
from policy.withdrawal.withdrawal import Reason
from policy.zone import layout

USER = click.option(
    "--user", envvar="MRDATA_USER", default="mrdata", show_default=True, help="Whose connection (embedded zone)."
)
BY = click.option("--by", default="", help="For whom: the owner or a data steward (default: whose connection it is).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FINALIZE = "mrdata_experiment_finalize"
LOOK_SECONDS = 2.0
"""Between two looks of `mrdata finalize`."""
STILL_WAITS = 3
"""Exit status of `mrdata finalize` for an experiment that is not finalized yet."""
REASONS = {reason.name.lower(): reason for reason in Reason}


@click.command()
@click.argument("experiment")
@BY
@USER
@JSON
def finish(experiment: str, by: str, user: str, as_json: bool) -> None:
    """Says that nothing more is expected for EXPERIMENT."""
    _say(
        "mrdata_experiment_finish",
        {"experiment": experiment, "by": by},
        user,
        as_json,
        lambda reply: f"{experiment} is {reply['state']}",
    )


@click.command()
@click.argument("experiment")
@click.option(
    "--wait/--no-wait",
    default=None,
    help="Go on looking until it is finalized, or leave at once. Default: wait on a terminal.",
)
@BY
@USER
@JSON
def finalize(experiment: str, wait: bool | None, by: str, user: str, as_json: bool) -> None:
    """Makes EXPERIMENT read-only and writes its manifest, as soon as all of it is archived.

    Says what it waits for, and goes on looking until it is done. Ctrl-C ends the command alone: MrData finalizes the
    experiment when it can. Exit status: 0 finalized, 3 it still waits, 1 refused or failed.
    """
    from mrdata.commands import terminal

    request = {"experiment": experiment, "by": by}
    reply = terminal.call(user, _FINALIZE, request)
    if sys.stderr.isatty() if wait is None else wait:
        reply = _until_finalized(reply, request, user)
    text = f"{experiment} is {reply['state']}"
    if reply["waits_for"]:
        text += (
            f". Finalization waits for {reply['waits_for']}. MrData finalizes it by itself; the same command tells how"
            " it stands."
        )
    elif "manifest" in reply:
        text += f". Its manifest: {reply['manifest']}. To be kept until {reply['retention_end']}."
    terminal.show({"experiment": experiment, **reply}, as_json, text)
    sys.exit(STILL_WAITS if reply["waits_for"] else 0)


def _until_finalized(reply: dict[str, Any], request: dict[str, Any], user: str) -> dict[str, Any]:
    """The last answer: of the finalized experiment, or of the look before the user interrupted."""
    from mrdata.commands import progress_bar, terminal

    try:
        with progress_bar.line() as tell:
            while reply["waits_for"]:
                tell(f"{request['experiment']} is {reply['state']}. Finalization waits for {reply['waits_for']}")
                time.sleep(LOOK_SECONDS)
                reply = terminal.call(user, _FINALIZE, {**request, "look": True})
    except KeyboardInterrupt:
        pass
    return reply


@click.command()
@click.argument("experiment")
@click.option(
    "--session",
    default="",
    help="Path in quarantine of what came late: filed under EXPERIMENT, which is finalized again.",
)
@BY
@USER
@JSON
def reopen(experiment: str, session: str, by: str, user: str, as_json: bool) -> None:
    """Lets a finalized EXPERIMENT accept files again, by a data steward's word."""
    request = {"experiment": experiment, "by": by, **({"session": session} if session else {})}
    rule = "mrdata_experiment_accept_late" if session else "mrdata_experiment_reopen"
    _say(rule, request, user, as_json, lambda reply: f"{experiment} is {reply['state']}")


@click.command()
@click.argument("what", metavar="EXPERIMENT|STUDY/PSEUDONYM")
@click.option("--dry-run", is_flag=True, help="Only say what would be withdrawn.")
@click.option("--reason", type=click.Choice(list(REASONS)), help=f"For the audit log: {'; '.join(REASONS.values())}.")
@click.option("--yes", is_flag=True, help="Do not ask for the reason and a confirmation.")
@BY
@USER
@JSON
def withdraw(what: str, dry_run: bool, reason: str | None, yes: bool, by: str, user: str, as_json: bool) -> None:
    """Withdraws an experiment, or a subject with all its experiments: out of search and reach at once, erased later.

    On a terminal it says what would be withdrawn, and asks for the reason and a confirmation.
    """
    request: dict[str, Any] = {**_what(what), "dry_run": True, "by": by}
    if not (dry_run or yes):
        reason = _confirmed(what, reason, request, user)
    request |= {"dry_run": dry_run, **({"reason": REASONS[reason]} if reason else {})}

    def text(reply: dict[str, Any]) -> str:
        end = "nothing was changed" if dry_run else f"withdrawn; it can be restored for {reply['days']:g} days"
        return "\n".join([*_plans(reply), end])

    _say("mrdata_withdraw", request, user, as_json, text)


def _confirmed(what: str, reason: str | None, request: dict[str, Any], user: str) -> str:
    """The reason. Leaves the command unless somebody at a terminal agrees."""
    from mrdata.commands import terminal

    if not sys.stdin.isatty():
        raise click.UsageError(
            "this is not a terminal, where a confirmation could be asked for: add --yes to withdraw without one"
        )
    click.echo("\n".join(_plans(terminal.call(user, "mrdata_withdraw", request))), err=True)
    reason = reason or str(click.prompt("Reason", type=click.Choice(list(REASONS)), err=True))
    click.confirm(f"Withdraw {what}? Nobody will find it any more", abort=True, err=True)
    return reason


def _plans(reply: dict[str, Any]) -> Iterator[str]:
    for plan in reply["experiments"]:
        yield f"{plan['experiment']} ({plan['state']}): {plan['objects']} objects, {plan['size']} bytes"
        yield from (f"  derived:    {path}" for path in plan["derived"])
        yield from (f"  quarantine: {path}" for path in plan["quarantine"])
        yield from (f"  waits for a data steward's word before it is erased: {why}" for why in plan["conflicts"])


@click.command()
@click.argument("what", metavar="EXPERIMENT|STUDY/PSEUDONYM")
@BY
@USER
@JSON
def restore(what: str, by: str, user: str, as_json: bool) -> None:
    """Restores what was withdrawn and is not erased yet."""
    _say(
        "mrdata_restore",
        {**_what(what), "by": by},
        user,
        as_json,
        lambda reply: "\n".join([f"{what} is restored", *reply["elsewhere"]]),
    )


@click.group(cls=Commands)
def audit() -> None:
    """The audit log: what was done to an experiment; whether anybody changed the log."""


@audit.command()
@click.argument("experiment")
@USER
@JSON
def show(experiment: str, user: str, as_json: bool) -> None:
    """What was done to EXPERIMENT, in order."""

    def text(reply: dict[str, Any]) -> str:
        if not reply["entries"]:
            return f"The audit log has no entry about {experiment}."
        return "\n".join(
            f"{e['time']}  {e['who']:<12} {e['act']:<20} {' '.join(f'{k}={v}' for k, v in e['details'].items())}"
            for e in reply["entries"]
        )

    _say("mrdata_audit_history", {"experiment": experiment}, user, as_json, text)


@audit.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--anchor", "anchors", multiple=True, help="A hash, NUMBER:HASH, or a file that holds one (a manifest, a receipt)."
)
@USER
@JSON
def verify(folder: Path | None, anchors: tuple[str, ...], user: str, as_json: bool) -> None:
    """Finds entries that were edited, removed or exchanged; with anchors that were kept elsewhere, also a cut end.

    FOLDER is what `iget -r .../audit` brought; no zone is needed then. Exit status 1 where anything is found.
    """
    from mrdata.commands import terminal

    try:
        wanted = [_anchor(one) for one in anchors]
    except (ValueError, KeyError) as error:
        terminal.fail(f"--anchor: {error}")
    verdict = check(_of_folder(folder) if folder else _of_zone(user), wanted)
    reply = {"entries": verdict.entries, "last": verdict.last, "faults": verdict.faults, "sound": verdict.is_sound}
    text = "\n".join(
        [*verdict.faults, f"{verdict.entries} entries; {len(verdict.faults)} faults", f"last entry: {verdict.last}"]
    )
    terminal.show(reply, as_json, text)
    sys.exit(0 if verdict.is_sound else 1)


def _anchor(text: str) -> str:
    """The anchor itself, or that of a manifest or a receipt."""
    if Path(text).is_file():
        return str(json.loads(Path(text).read_text(encoding="utf-8"))["audit"])
    if len(text.rpartition(":")[2]) != 64:
        raise ValueError(f"{text!r} is neither a file nor a SHA-256")
    return text


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_bytes()


def _of_zone(user: str) -> Iterator[tuple[str, bytes]]:
    from mrdata.commands import terminal
    from mrdata.commands.listing import entries
    from mrdata.commands.zone_connection import settings

    base = layout.audit(settings())
    with terminal.opened(user) as zone:
        for entry in entries(zone, base, recursive=True):
            if not entry.is_collection:
                yield entry.path.removeprefix(base + "/"), zone.read(entry.path, 0, max(entry.size, 1))


def _what(text: str) -> dict[str, str]:
    study, slash, pseudonym = text.partition("/")
    return {"study": study, "pseudonym": pseudonym} if slash else {"experiment": text}


def _say(rule: str, request: dict[str, Any], user: str, as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    from mrdata.commands import terminal

    reply = terminal.call(user, rule, request)
    terminal.show(reply, as_json, text(reply))


COMMANDS = (finish, finalize, reopen, withdraw, restore, audit)

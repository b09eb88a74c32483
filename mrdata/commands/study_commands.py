"""`mrdata study` and `mrdata register`: studies, and the experiments of their members."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from microservices.headers.header_reader import read_header
from mrdata.commands.terminal import BY, JSON, USER, Commands, call, call_for, count, fail, fault, opened, show
from mrdata.commands.zone_connection import settings
from policy.views import experiment_search
from policy.zone import Client
from policy.zone.context import Context


@click.group(cls=Commands, invoke_without_command=True)
@USER
@JSON
@click.pass_context
def study(context: click.Context, user: str, as_json: bool) -> None:
    """Lists the studies that this user may see, with members and subjects; `mrdata study create` makes one."""
    if context.invoked_subcommand:
        return
    with opened(user) as zone:
        rows = _studies(Context(zone, settings(), read_header))
    text = "\n".join(_line(row) for row in rows) or "There is no study here that you may see."
    show(rows, as_json, text)


@study.command()
@click.argument("what", metavar="STUDY|FILE")
@click.option("--title", default="", help="One line.")
@click.option("--member", "members", multiple=True, help="An iRODS user who may read the study; may be given again.")
@click.option("--subject", "subjects", multiple=True, help="A pseudonym; may be given several times.")
@USER
@JSON
def create(
    what: str, title: str, members: tuple[str, ...], subjects: tuple[str, ...], user: str, as_json: bool
) -> None:
    """Makes a study, or brings it up to date: STUDY with the options, or all that the YAML file FILE says.

    The members are then those that are given here. Subjects are added, never removed.
    """
    options = {"title": title, "members": list(members), "subjects": list(subjects)}
    given = {key: value for key, value in options.items() if value}
    if what.endswith((".yaml", ".yml")):
        if given:
            raise click.UsageError(
                f"{what} is a file and says all of the study: --{next(iter(given))[:-1]} excludes it"
            )
        request = _file(Path(what))
    else:
        request = {"study": what, **given}
    reply = call(user, "mrdata_study", request)
    show(reply, as_json, f"{request.get('study')}: {reply['collection']}")


@click.command()
@click.option("--study", required=True, help="Its ID, as `mrdata study` prints it.")
@click.option("--pseudonym", required=True, help="The subject's pseudonym in this study.")
@click.option("--owner", default="", help="iRODS user, a member of the study (default: who registers).")
@click.option("--scanner", required=True)
@click.option("--type", "scan_type", required=True, help="Scan type, one of mrdata.yaml's scan_types.")
@click.option("--url", default="", help="Address of the experiment's page elsewhere.")
@click.option("--description", default="", help="Of the scan, never of the person.")
@BY
@USER
@JSON
def register(user: str, by: str, as_json: bool, **entries: str) -> None:
    """Registers an experiment and prints its ExperimentID, which the operator types as Patient Name.

    In an embedded zone a member of the study registers with --user NAME. On a server the service account registers,
    with --by NAME for a member; a member registers on the web pages.
    """
    site = settings()
    entries["owner"] = entries["owner"] or by or (user if user != site.account else "")

    if not entries["owner"]:
        raise click.UsageError("--owner is missing: a member of the study, for whom the experiment is")

    def demand(zone: Client, name: str) -> None:
        demand_member(Context(zone, site, read_header), name, entries["study"])

    if by and user == site.account:
        with opened(user) as zone:
            demand(zone, by)
    reply = call_for(user, by, "mrdata_register", entries, demand)
    show(reply, as_json, reply["experiment_id"])


def demand_member(context: Context, name: str, study: str) -> None:
    """Leaves the command unless this user is a member of the study, or asks as an administrator."""
    who = context.zone.whoami()
    if (who.name == name and who.is_admin) or name in experiment_search.members(context, study):
        return
    fail(f"study: {name} is not a member of study {study!r}; a member registers, or a data steward adds you")


def _studies(context: Context) -> list[dict[str, Any]]:
    return [
        {
            "study": line.id,
            "title": line.title,
            "active": line.is_active,
            "members": experiment_search.members(context, line.id),
            "subjects": [subject.pseudonym for subject in experiment_search.subjects(context, line.id)],
        }
        for line in experiment_search.studies(context)
    ]


def _line(row: dict[str, Any]) -> str:
    members = ", ".join(row["members"]) or "no members"
    subjects = count(len(row["subjects"]), "subject")
    state = "" if row["active"] else "  (inactive)"
    return f"{row['study']}  {row['title'] or '-'}  {members}  {subjects}{state}"


def _file(file: Path) -> dict[str, Any]:
    """What a study file holds; leaves the command where it holds no keys and values."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fail(f"{file}: is not YAML: {fault(error)}")
    if not isinstance(found, dict):
        fail(f"{file}: holds no keys and values; a study file begins with `study: NAME`")
    return found

"""The command `mrdata`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

import click
import yaml

from microservices.settings_file import load_settings
from mrdata.commands import listing
from mrdata.commands.export_commands import export
from mrdata.commands.lifecycle_commands import COMMANDS
from mrdata.commands.product_commands import member, products
from mrdata.commands.quarantine_commands import quarantine, refile
from mrdata.commands.study_commands import register, study
from mrdata.commands.terminal import (
    INTERRUPTED,
    JSON,
    USER,
    Commands,
    call,
    ends_when_interrupted,
    fail,
    fault,
    opened,
    say_error,
    show,
)
from mrdata.commands.user_commands import user
from mrdata.commands.zone_connection import NoZone, embedded, settings, zone_folder
from policy import __version__
from policy.zone import ZoneError
from policy.zone.context import Refused
from policy.zone.error_kinds import MrDataError, kind_of
from policy.zone.settings import SettingsError


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mrdata")
def cli() -> None:
    """MrData archives the images and raw data of an MRI site in iRODS.

    MRDATA_ZONE names the folder of an embedded zone.
    """


@cli.group()
def zone() -> None:
    """Embedded zones: a zone in a folder, for a first look, development and tests."""


@zone.command("create")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--scanner", "scanners", multiple=True, required=True, help="Name of a scanner; may be given several times."
)
@click.option("--name", default="tempZone", show_default=True, help="Name of the zone.")
def zone_create(folder: Path, scanners: tuple[str, ...], name: str) -> None:
    """Makes a zone in FOLDER, with its settings (mrdata.yaml) and an empty landing zone."""
    from mrdata.zones.new_zone import create
    from policy.zone.site_names import scanners_fault, zone_fault

    if fault := zone_fault(name) or scanners_fault(scanners):
        raise click.UsageError(fault)
    create(folder, name=name, scanners=list(scanners))
    click.echo(f"{folder}: made the zone {name}; its settings are in {folder / 'mrdata.yaml'}")
    there = shlex.quote(str(folder.resolve()))
    click.echo(f"Next: export MRDATA_ZONE={there}; mrdata zone run {there} &")


@zone.command("run")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def zone_run(folder: Path) -> None:
    """Runs the zone's delay rules until interrupted, as the delay server of iRODS does.

    Schedules those that are not.
    """
    from embedded.client.embedded_zone import EmbeddedZone
    from embedded.engine.delay_server import serve
    from mrdata.zones.new_zone import schedule

    site = load_settings(embedded(folder) / "mrdata.yaml")
    with EmbeddedZone(folder, site.account) as zone:
        schedule(zone, site)
    click.echo(f"{folder}: running delay rules; Ctrl-C ends it", err=True)
    with ends_when_interrupted():
        serve(folder, threading.Event())


@cli.command()
@click.argument("landing_zone", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--once", is_flag=True, help="Register what is complete, then leave.")
@USER
@JSON
def scan(landing_zone: Path | None, once: bool, user: str, as_json: bool) -> None:
    """Registers the complete files of the landing zone, and goes on watching it."""
    from mrdata.commands.scan_command import scan as run

    summary = run(landing_zone, once=once, user=user)
    show(summary.as_dict(), as_json, str(summary))
    sys.exit(0 if summary.ok or not once else 1)  # without --once, to be stopped is its normal end


@cli.command()
@click.option("--days", type=click.FloatRange(min=0), help="Instead of landing.keep_days.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@USER
@JSON
def tidy(days: float | None, dry_run: bool, user: str, as_json: bool) -> None:
    """Removes the files of the intake that the archive has had for long enough, read again, on all its resources."""
    from landing.intake_retention import retention

    site = settings()
    with opened(user) as zone:
        done = retention(zone, site, site.landing.keep_days if days is None else days, dry_run=dry_run)
    show(done.as_dict(), as_json, str(done))
    if not done.is_well:
        sys.exit(1)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.argument("collection")
@USER
@JSON
def put(files: tuple[Path, ...], collection: str, user: str, as_json: bool) -> None:
    """Uploads FILES (folders with all below them) into COLLECTION, as iput -r does."""
    with opened(user) as zone:
        paths = list(listing.upload(zone, files, collection))
    show(paths, as_json, "\n".join(paths))


@cli.command()
@click.argument("path", required=False)
@click.option("-r", "--recursive", is_flag=True, help="All below.")
@USER
@JSON
def ls(path: str | None, recursive: bool, user: str, as_json: bool) -> None:
    """Lists a collection or an object (default: the service account's home)."""
    with opened(user) as zone:
        entries = listing.entries(zone, path or settings().home, recursive=recursive)
    show([entry._asdict() for entry in entries], as_json, "\n".join(str(entry.line) for entry in entries))


@cli.command()
@click.argument("path")
@USER
@JSON
def meta(path: str, user: str, as_json: bool) -> None:
    """Shows the AVUs of a collection or an object."""
    with opened(user) as zone:
        avus = sorted(zone.metadata(path))
    show([{"attribute": a.attribute, "value": a.value, "unit": a.unit} for a in avus], as_json, listing.table(avus))


@cli.command()
@click.argument("conditions", nargs=-1, required=True, metavar="CONDITION...")
@USER
@JSON
def find(conditions: tuple[str, ...], user: str, as_json: bool) -> None:
    """Finds collections and objects by their AVUs: those for which each CONDITION holds.

    \b
      RepetitionTime=2         2, 2.0 and 2000ms are the same
      repetitiontime=1..3      from 1 to 3 s; `1..` and `..3` are open; capitals do not count in names
      'EchoTime<5ms'           also > <= >=; in quotes, because of the shell
      ProtocolName=ep2d%       `%` stands for any text
    """
    from mrdata.commands import attribute_search

    try:
        wanted = [attribute_search.parsed(condition) for condition in conditions]
        with opened(user) as zone:
            paths = attribute_search.find(zone, wanted)
            nothing = "" if paths else attribute_search.why_nothing(zone, wanted)
    except attribute_search.BadCondition as error:
        raise click.UsageError(str(error)) from error
    if nothing:
        click.echo(nothing, err=True)
    if paths or as_json:
        show(paths, as_json, "\n".join(paths))


@cli.command()
@click.argument("path")
@click.argument("target", default=".", type=click.Path(path_type=Path))
@USER
@JSON
def get(path: str, target: Path, user: str, as_json: bool) -> None:
    """Downloads an object, or a collection with all below it, into TARGET, and compares every file with its checksum.

    Nothing is overwritten. Called again, it goes on where it was interrupted, and leaves what is there and equal.
    """
    from mrdata.commands.download import download

    files, faults = [], 0
    with opened(user) as zone:
        for copy in download(zone, path, target):
            if copy.fault:
                faults += 1
                say_error(copy.fault)
                continue
            files.append(str(copy.file))
            note = "" if copy.is_compared else "  (the catalog has no checksum of it: only its size was compared)"
            if not as_json:
                click.echo(f"{copy.file}{'  (was there)' if copy.was_there else ''}{note}")
    if as_json:
        show(files, True)
    sys.exit(1 if faults else 0)


@cli.command()
@click.argument("name")
@click.argument("request", default="{}", metavar="[JSON|@FILE]")
@USER
def rule(name: str, request: str, user: str) -> None:
    """Calls a rule of the rulebase with a JSON request (or a YAML or JSON file) and prints its JSON answer."""
    try:
        # YAML holds all of JSON.
        parsed = yaml.safe_load(Path(request[1:]).read_text(encoding="utf-8") if request.startswith("@") else request)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fail(f"the request is neither JSON nor YAML: {fault(error)}")
    if not isinstance(parsed, dict):
        fail(f'the request must hold keys and values, like {{"path": "..."}}; found {parsed!r}')
    show(call(user, name if name.startswith("mrdata_") else f"mrdata_{name}", parsed, is_named=True), True)


@cli.command()
@click.option("--quick", is_flag=True, help="Do not read the bytes to compare checksums.")
@click.option("--experiment", default="", help="Only the objects of this experiment.")
@click.option("--study", default="", help="Only the objects of this study.")
@click.option("--resume", is_flag=True, help="Go on where the last run with the same options was interrupted.")
@USER
@JSON
def verify(quick: bool, experiment: str, study: str, resume: bool, user: str, as_json: bool) -> None:
    """Accounts for every landed byte: in mailbox, intake, landing, archive and quarantine; compares checksums and
    manifests.

    Exit status 0 when everything was looked at and all is well, 1 when something is wrong, 3 when not everything was
    looked at.
    """
    from mrdata.verification import verify_report as verification
    from mrdata.verification.verify_state import AtWork
    from policy.verification.verification import Scope

    if experiment and study:
        raise click.UsageError("--experiment and --study exclude each other")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was looked at is kept then too
    try:
        key = {"user": user, "zone": str(zone_folder() or os.environ.get("IRODS_ENVIRONMENT_FILE", ""))}
        with opened(user) as zone:
            scope = Scope(experiment, study)
            found = verification.resumable(zone, settings(), key, checksums=not quick, scope=scope, resume=resume)
    except (AtWork, Refused, NoZone, SettingsError, ZoneError, OSError) as error:
        fail(fault(error), verification.INCOMPLETE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    show(found, as_json, verification.text(found))
    sys.exit(verification.status(found))


@cli.command()
@click.option("--objects", default=20, show_default=True, type=click.IntRange(1), help="How many objects chance picks.")
@USER
@JSON
def drill(objects: int, user: str, as_json: bool) -> None:
    """A restore drill: reads random objects of the archive back whole, of any size, and compares them with their
    checksums.
    """
    from mrdata.commands.drill_command import run, text

    with opened(user) as zone:
        results = run(zone, settings(), objects)
    show(results, as_json, text(results))
    sys.exit(0 if results and not any(result["fault"] for result in results) else 1)


@cli.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; in front of others goes HTTPS."
)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
def serve(host: str, port: int) -> None:
    """Serves the web pages until interrupted."""
    from mrdata.commands.web_command import serve as run

    with ends_when_interrupted():
        run(host, port)


@cli.command()
@click.option("--once", is_flag=True, help="Run through, print the report, leave.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo-zone"),
    show_default=True,
    help="Where the zone is made.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Of the web pages, on 127.0.0.1. Default: 8080, or a free one where that is taken.",
)
@JSON
def demo(once: bool, folder: Path, port: int | None, as_json: bool) -> None:
    """Shows the whole way on a new embedded zone: a pretend scanner, the scanner process, the sweep, the archive, the
    web pages.
    """
    from mrdata.demonstration.demo import run

    sys.exit(run(folder, once=once, as_json=as_json, port=port))


cli.add_command(export)
cli.add_command(quarantine)
cli.add_command(refile)
cli.add_command(register)
cli.add_command(study)
cli.add_command(user)
cli.add_command(products)
cli.add_command(member)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point. An error that a user can mend is one line on stderr, `mrdata: error: ...`, never a traceback."""
    try:
        status = cli.main(arguments, prog_name="mrdata", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "mrdata"
        fail(f"{error.format_message().rstrip('.')}. `{path} --help` shows what it takes", 2)
    except click.ClickException as error:
        fail(error.format_message())
    except click.Abort as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            fail("interrupted", INTERRUPTED)
        fail("stopped; nothing was changed")
    except (MrDataError, OSError) as error:
        fail(fault(error), kind_of(error).exit_status)
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()

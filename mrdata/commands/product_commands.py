"""`mrdata products` and `mrdata member`: what the worker of products does, and what it has made."""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import click

from mrdata.commands.zone_connection import connect, settings
from policy.zone.context import Context
from policy.zone.log import timed_line


@click.command()
@click.option("--once", is_flag=True, help="Look at every series once, make what is due, leave.")
@click.option("--retry", is_flag=True, help="With --once: also what failed. SERIES names which; none means all.")
@click.option("--status", is_flag=True, help="Only show the state of the products of every series.")
@click.option("--below", default="", help="Only series below this collection: a study's or an experiment's.")
@click.argument("series", nargs=-1)
@click.option(
    "--user", envvar="MRDATA_USER", default="mrdata", show_default=True, help="Whose connection (embedded zone)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def products(
    once: bool, retry: bool, status: bool, below: str, series: tuple[str, ...], user: str, as_json: bool
) -> None:
    """Makes the products of complete series: a tar with an index, NIfTI with BIDS sidecars. Goes on until interrupted.

    Exit status 1 where the products of a series have failed, or it is incomplete.
    """
    from mrdata.commands.terminal import show
    from products import worker

    if series and not retry:
        raise click.UsageError("SERIES goes with --retry")
    if status:
        with_states = [row for row in _status(user) if row["series"].startswith(below)]
        show(with_states, as_json, _table(with_states))
        sys.exit(0 if all(row["state"] == "done" for row in with_states) else 1)
    from products.nifti import ConverterMissing

    try:
        work = worker.Worker(settings(), lambda: connect(user), _say, below=below)
        if once or retry:
            found = work.run_once(series if retry else None)
            show(
                dict(found),
                as_json,
                ", ".join(f"{count} {what}" for what, count in sorted(found.items())) or "no series",
            )
            sys.exit(0 if set(found) <= {"done", "waiting", "gone"} else 1)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        work.watch(stop)
    except (ConverterMissing, worker.Busy) as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.argument("tar")
@click.argument("name", required=False)
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option(
    "--user", envvar="MRDATA_USER", default="mrdata", show_default=True, help="Whose connection (embedded zone)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def member(tar: str, name: str | None, target: Path | None, user: str, as_json: bool) -> None:
    """Gets the member NAME of a product's TAR alone; without NAME, lists the members.

    TARGET is the file that is written (default: NAME in this folder).
    """
    from mrdata.commands.terminal import opened, show
    from products.tar import members, read_member

    with opened(user) as zone:
        if name is None:
            listed = members(zone, tar)
            rows = [{"name": m.name, "offset": m.offset, "size": m.size, "sha256": m.sha256} for m in listed]
            show(rows, as_json, "\n".join(f"{m.size:>12}  {m.name}" for m in listed))
            return
        file = target or Path(Path(name).name)
        try:
            with open(file, "xb") as out:
                for piece in read_member(zone, tar, name):
                    out.write(piece)
        except FileExistsError as error:
            raise click.ClickException(
                f"{file}: is there already, and nothing is overwritten; give another TARGET"
            ) from error
        except BaseException:
            file.unlink()
            raise
    show([str(file)], as_json, str(file))


def _status(user: str) -> list[dict[str, str]]:
    from microservices.headers.header_reader import read_header
    from mrdata.commands.terminal import opened
    from products.worker import status

    with opened(user) as zone:
        return status(Context(zone, settings(), read_header))


def _table(rows: list[dict[str, str]]) -> str:
    """The counts, and each series that is not done."""
    counts = Counter(row["state"] for row in rows)
    lines = [f"{state:<11} {count}" for state, count in sorted(counts.items())] or ["no series has products yet"]
    lines += [
        f"{row['state']:<11} {row['series']}: {row['detail'] or 'is due'}" for row in rows if row["state"] != "done"
    ]
    return "\n".join(lines)


def _say(line: str) -> None:
    click.echo(timed_line("products", line), err=True)

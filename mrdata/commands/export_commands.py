"""`mrdata export`: what leaves the archive in a form of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mrdata.commands.terminal import Commands
from mrdata.commands.zone_connection import settings
from policy.zone.context import Context

if TYPE_CHECKING:  # products are imported where they are used
    from products.bids import Report


@click.group(cls=Commands)
def export() -> None:
    """Exports of the archive."""


@export.command()
@click.argument("study")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--user", envvar="MRDATA_USER", default="mrdata", show_default=True, help="Whose connection (embedded zone)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bids(study: str, folder: Path, user: str, as_json: bool) -> None:
    """Writes STUDY into the new FOLDER as a BIDS dataset, made of the products of its series, and validates it.

    Exit status 1 where the validator finds an error. What has no place in BIDS is listed in sourcedata/left_out.tsv.
    """
    from microservices.headers.header_reader import read_header
    from mrdata.commands.progress_bar import bar
    from mrdata.commands.terminal import opened, show
    from products import bids as dataset
    from products.bids_names import BadRule

    try:
        with opened(user) as zone, bar("Exporting series") as progress:
            report = dataset.export(Context(zone, settings(), read_header), study, folder, progress)
    except (BadRule, FileExistsError) as error:
        raise click.ClickException(str(error)) from error
    if not report.images:
        raise click.ClickException(_none(study, report))
    fields = ("subject", "session", "series", "where", "reason")
    reply = {
        "images": report.images,
        "subjects": report.subjects,
        "sessions": report.sessions,
        "left_out": [dict(zip(fields, row, strict=True)) for row in report.left_out],
        "validated": report.errors is not None,
        "errors": report.errors or [],
        "warnings": report.warnings,
    }
    lines = [f"{folder}: {report.images} images of {report.sessions} sessions of {report.subjects} subjects"]
    lines += [f"left out: {' '.join(filter(None, row[1:4]))}: {row[4]}" for row in report.left_out]
    lines += [f"error: {error}" for error in report.errors or ()]
    valid = (
        f"BIDS validator: {len(report.errors)} errors, {report.warnings} warnings"
        if report.errors is not None
        else _NOT_VALIDATED
    )
    show(reply, as_json, "\n".join([*lines, valid]))
    sys.exit(1 if report.errors else 0)


def _none(study: str, report: Report) -> str:
    """Why there is no dataset."""
    if not report.left_out:
        return f"{study}: no image can be exported yet: its experiments hold no series of images. Nothing was written."
    listed = "".join(f"\n  {' '.join(row[1:3])}: {row[4]}" for row in report.left_out[:20])
    more = f"\n  and {len(report.left_out) - 20} more" if len(report.left_out) > 20 else ""
    return (
        f"{study}: no image can be exported yet. Nothing was written. These were left out (`mrdata products` makes"
        f" products):{listed}{more}"
    )


_NOT_VALIDATED = "not validated: the BIDS validator is not installed (in MrData's folder: pip install '.[products]')"

"""`mrdata export`: what leaves the archive in a form of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mrdata.commands.terminal import JSON, USER, Commands, count, fail, fault, opened, show
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
@click.option("--subject", "subjects", multiple=True, help="Only this pseudonym; may be given several times.")
@USER
@JSON
def bids(study: str, folder: Path, subjects: tuple[str, ...], user: str, as_json: bool) -> None:
    """Writes STUDY into FOLDER as a BIDS dataset, made of the products of its series, and validates it.

    Into the folder of an earlier export it writes what is new or different; what is there and equal stays, and so do
    files that you have changed or added. Exit status 1 where the validator finds an error. What has no place in BIDS is
    listed in sourcedata/left_out.tsv.
    """
    from microservices.headers.header_reader import read_header
    from mrdata.commands.progress_bar import bar
    from products import bids as dataset
    from products.bids_names import BadRule

    try:
        with opened(user) as zone, bar("Exporting series") as progress:
            context = Context(zone, settings(), read_header)
            report = dataset.export(context, study, folder, progress, subjects)
    except (BadRule, FileExistsError) as error:
        fail(fault(error))
    if not report.images:
        fail(_none(study, folder, report))
    show(_reply(report), as_json, "\n".join(_lines(folder, report)))
    sys.exit(1 if report.errors else 0)


def _reply(report: Report) -> dict[str, object]:
    fields = ("subject", "session", "series", "where", "reason")
    return {
        "images": report.images,
        "subjects": report.subjects,
        "sessions": report.sessions,
        "left_out": [dict(zip(fields, row, strict=True)) for row in report.left_out],
        "validated": report.errors is not None,
        "errors": report.errors or [],
        "warnings": report.warnings,
        **asdict(report.changes),
    }


def _lines(folder: Path, report: Report) -> Iterator[str]:
    """What was exported, left out and found, for people."""
    sessions, subjects = count(report.sessions, "session"), count(report.subjects, "subject")
    yield f"{folder}: {count(report.images, 'image')} of {sessions} of {subjects}"
    changes = report.changes
    if changes.kept or changes.removed or changes.own:
        yield f"files: {changes.written} written, {changes.kept} were there, {changes.removed} removed"
    yield from (f"not touched, because it was changed or added here: {name}" for name in changes.own)
    yield from (f"left out: {' '.join(filter(None, row[1:4]))}: {row[4]}" for row in report.left_out)
    yield from (f"error: {error}" for error in report.errors or ())
    yield from _warnings(report.warnings)
    if report.errors is None:
        yield _NOT_VALIDATED
        return
    yield f"BIDS validator: {count(len(report.errors), 'error')}, {count(len(report.warnings), 'warning')}"


def _warnings(warnings: list[str]) -> Iterator[str]:
    """Each kind once: how often, and the first place."""
    kinds: dict[str, list[str]] = {}
    for warning in warnings:
        kinds.setdefault(" ".join(warning.split(" /")[0].split()), []).append(warning)
    for kind, some in sorted(kinds.items()):
        place = some[0].partition(" /")[2].split(" ")[0]
        more = f" and {len(some) - 1} more" if len(some) > 1 else ""
        yield f"warning: {kind}: {f'/{place}' if place else 'the dataset'}{more}"


def _none(study: str, folder: Path, report: Report) -> str:
    """Why there is no dataset."""
    nothing = "no image can be exported yet"
    written = "Nothing was written."
    if folder.exists() and any(folder.iterdir()):
        written += f" {folder} stays as an earlier export left it."
    if not report.left_out:
        return f"{study}: {nothing}: its experiments hold no series of images. {written}"
    listed = "".join(f"\n  {' '.join(row[1:3])}: {row[4]}" for row in report.left_out[:20])
    more = f"\n  and {len(report.left_out) - 20} more" if len(report.left_out) > 20 else ""
    why = "These were left out (`mrdata products` makes products):"
    return f"{study}: {nothing}. {written} {why}{listed}{more}"


_NOT_VALIDATED = "not validated: the BIDS validator is not installed (in MrData's folder: pip install '.[products]')"

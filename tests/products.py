"""Every series of the corpus through the conversion and the BIDS export.

`python -m tests.products` prints tables of docs/reference/products.md.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from microservices.headers.header_reader import read_header
from policy.products import completeness
from policy.products.completeness import DETAIL, ProductState
from policy.zone.context import Context
from policy.zone.settings import Bids, Products
from products import bids, nifti, worker
from products.make import make
from tests import corpus

RULES = {
    "func/task-qa_dir-{dir}_bold": [r"EPI PE=(?P<dir>AP|PA|LR|RL)"],
    "func/task-{task}_sbref": [r"^(?P<task>(?:ax|cor|sag)_(?:asc|desc|int)_\d+sl)", r"^(?P<task>noPF.*)"],
    "func/sbref": [r"_bold_", r"^fMRI"],
}
"""What a site would write into `bids.rules` for these series: most are a single volume of what was a run."""


def of_corpus(site) -> tuple[Context, list[completeness.Series]]:
    """Lands the corpus; its series as the archive has them."""
    corpus.land_all(site, site.register())
    settings = replace(site.settings, products=Products(quiet_seconds=0.0, incomplete_seconds=0.0), bids=Bids(RULES))
    context = Context(site.connect(), settings, read_header)
    return context, [completeness.load(context, path) for path in completeness.paths(context)]


def convert_all(context: Context, found: list[completeness.Series]) -> dict[str, dict[str, str]]:
    """Makes the products of every series, also where instances are missing; AVUs of each series, by path."""
    for series in found:
        make(context, context.zone, series)
    return {series.path: completeness.load(context, series.path).avus for series in found}


def main() -> None:
    """Prints the tables."""
    from tests.zone.embedded_site import EmbeddedSite

    with tempfile.TemporaryDirectory() as folder:
        site = EmbeddedSite(Path(folder) / "zone", {"guard": {"retain_patient_characteristics": True}})
        context, found = of_corpus(site)
        states = worker.Worker(context.settings, site.new_connection, lambda line: None).run_once()
        print(
            "What the worker makes of the series (of some the collection has only a few images):\n\n| state | series"
            " |\n|--|--:|"
        )
        for state, count in sorted(states.items()):
            print(f"| {state} | {count} |")
        avus = convert_all(context, [completeness.load(context, series.path) for series in found])
        print(
            f"\nWhat {nifti.version()} makes of each of the {len(found)} series when the missing instances do not"
            " count:\n"
        )
        _print_conversions(avus)
        report = bids.export(context, "pain", Path(folder) / "bids")
        reasons = Counter(row[4] for row in report.left_out)
        print(
            f"\nBIDS export: {report.images} images, {len(report.errors or [])} errors, {report.warnings} warnings of"
            " the validator.\n"
        )
        print("| left out, because | images or series |\n|--|--:|")
        for reason, count in reasons.most_common():
            print(f"| {reason} | {count} |")
        for error in report.errors or ():
            print("ERROR", error)
        site.close()


def _print_conversions(avus: dict[str, dict[str, str]]) -> None:
    rows: dict[tuple[str, str], list[str]] = {}
    for path, known in avus.items():
        image = nifti.is_image(known.get("SOPClassUID", ""))
        what = known[completeness.STATE] if image or known[completeness.STATE] != ProductState.DONE else "tar alone"
        detail = known.get(DETAIL, "") if image else "no MR images"
        rows.setdefault((what, re.sub(r"^\S+\.(nii\.gz|json) ", r"the \1 ", detail)), []).append(
            path.rpartition("/")[2]
        )
    print("| what | why | series | for example |\n|--|--|--:|--|")
    for (what, detail), names in sorted(rows.items()):
        print(f"| {what} | {detail} | {len(names)} | {', '.join(f'`{name}`' for name in names[:3])} |")


if __name__ == "__main__":
    main()

"""The end of the demonstration in words: what each number that it shows counts, and what to try next."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from mrdata.commands.terminal import count
from mrdata.demonstration.console import Delivery, Fate
from mrdata.demonstration.demo_report import DemoReport
from policy.zone.layout import studies
from policy.zone.settings import Settings


def words(found: DemoReport, plan: Sequence[Delivery], products: list[dict[str, str]], settings: Settings) -> str:
    """What became of the files and of the series."""
    counts = found.counts()
    lines = [f"{count(found.delivered, 'file')} were delivered:"]
    lines += [f"  {counts['archived']:>4} in the archive, each under the experiment that it belongs to"]
    if again := counts["one_copy_kept"]:
        lines += [f"  {again:>4} exported a second time with the same bytes: the archive keeps one copy"]
    if quarantined := sum(counts["quarantined"].values()):
        lines += [f"  {quarantined:>4} in quarantine, until a data steward re-files them:"]
        lines += _reasons(counts["quarantined"], plan)
    lines += [f"  {counts['still_in_landing']:>4} in landing still"] * bool(counts["still_in_landing"])
    lines += _verdict(found)
    return "\n".join([*lines, *_products(products, settings)])


def _reasons(counts: dict[str, int], plan: Sequence[Delivery]) -> Iterator[str]:
    """Each reason, how often, and what the demonstration had done to those files."""
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for delivery in plan:
        if delivery.fate is Fate.QUARANTINED and delivery.reason and delivery.note not in notes[delivery.reason]:
            notes[delivery.reason].append(delivery.note)
    for reason, number in sorted(counts.items()):
        yield f"         {number:>3} {reason}: {'; '.join(notes[reason])}"


def _verdict(found: DemoReport) -> list[str]:
    if found.is_good:
        return ["Each file stands where it should, byte for byte: the wrong ones were made wrong on purpose."]
    faults = [f"  {line}" for line in found.misplaced]
    faults += [] if found.verified["sound"] else ["  `mrdata verify` finds faults, which stand above"]
    return ["Not each file stands where it should:", *faults]


def _products(rows: list[dict[str, str]], settings: Settings) -> Iterator[str]:
    """Of how many series there are products, and why there are none of the others."""
    if not rows:
        return
    states = Counter(row["state"] for row in rows)
    done = f"{states['done']} of {len(rows)} series"
    yield f"Products (a tar with an index; NIfTI with BIDS sidecars) are made of {done}."
    others = [row for row in rows if row["state"] != "done"]
    for row in others:
        name = row["series"].removeprefix(studies(settings) + "/").replace("/experiments/", "/").replace("/DICOM/", "/")
        yield f"  {row['state']}: {name}: {row['detail'] or 'its turn comes'}"
    if others:
        yield (
            "  These are real series, of which the demonstration delivers the first images only: NIfTI files of them"
            " would be wrong, and are not kept."
        )


def hints(folder: Path, settings: Settings, scanner: str, pages: int) -> str:
    """What can be tried next: every line that is indented can be pasted into a terminal."""
    quoted = shlex.quote
    lines = [] if not pages else [f"The web pages: http://127.0.0.1:{pages}/"]
    lines += ["The scanner and the sweep go on. In another terminal:" if pages else "To look around:"]
    if shutil.which("mrdata") is None:
        lines += [f"  source {quoted(str(Path(sys.prefix) / 'bin/activate'))}"]
    lines += [
        f"  export MRDATA_ZONE={quoted(str(folder))}",
        f"  mrdata ls -r {settings.home}/studies",
        "  mrdata find RepetitionTime=1..3 FlipAngle=70",
        "  mrdata quarantine",
    ]
    lines += [] if pages else ["  mrdata serve"]
    lines += [
        f"Files of your own go into {settings.landing.folder}/{scanner}/dicom/ (or twix/, or expdata/<ExperimentID>/)."
    ]
    return "\n".join(lines + (["Ctrl-C ends it."] if pages else []))

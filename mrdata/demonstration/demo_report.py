"""The end of the demonstration: each delivered file is looked up and compared, and what came of it all is shown."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from microservices.headers.header_reader import read_header
from mrdata.commands.listing import entries, table
from mrdata.commands.terminal import count as counted
from mrdata.demonstration.console import Delivery, Fate
from mrdata.verification import verify_report
from policy.ingest import landed_again, origin, quarantine
from policy.verification.findings import Kind
from policy.zone import Client, Condition, layout, subtree
from policy.zone.context import Context
from policy.zone.registry import UNLIKE, Candidate
from policy.zone.settings import Settings


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What became of the deliveries. `misplaced` are files that are not where they should be, each with a reason."""

    delivered: int
    misplaced: list[str]
    verified: dict[str, Any]
    again: int = 0
    """Files whose bytes the archive had already: they made no second object."""

    @property
    def is_good(self) -> bool:
        """Every file stands where it should, with the bytes that were delivered."""
        return (
            not self.misplaced
            and self.verified["sound"]
            and not self.verified["waiting"]
            and not self.verified["landing"]
        )

    def counts(self) -> dict[str, Any]:
        """For JSON."""
        v = self.verified
        return {
            "delivered": self.delivered,
            "landed": v["landed"] + v["set_aside"] + self.again,
            "archived": v["archived"],
            "one_copy_kept": v["set_aside"] + self.again,
            "quarantined": v["quarantined"],
            "still_in_landing": v["landing"],
            "not_registered": len(v["waiting"]),
            "lost": len(v["lost"]),
            "misplaced": self.misplaced,
        }


def report(zone: Client, settings: Settings, scanner: str, plan: Sequence[Delivery]) -> DemoReport:
    """Looks at every delivery, and verifies the zone."""
    context = Context(zone, settings, read_header)
    there = whereabouts(context)
    misplaced = [
        f"{d.path}: {fault}"
        for d in plan
        if (fault := _fault(zone, settings, d, there.get(f"{scanner}/{d.path}", set())))
    ]
    return DemoReport(
        len(plan), misplaced, verify_report.report(zone, settings), len(list(landed_again.everywhere(context)))
    )


def whereabouts(context: Context) -> dict[str, set[str]]:
    """Landing path -> the objects of the archive and the quarantine that hold what landed under it."""
    settings = context.settings
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, origins in origin.of_all(context, layout.studies(settings)).items():
        for one in origins:
            found[one.landing_path].add(path)
    for path, landing in landed_again.everywhere(context):
        found[landing.landing_path].add(path)
    for path in subtree.objects(context, layout.quarantine(settings)):
        if landed := layout.quarantined(settings, path):
            found[landed.landing_path].add(path)
    return found


def _fault(zone: Client, settings: Settings, delivery: Delivery, paths: set[str]) -> str:
    if len(paths) != 1:
        return f"stands {len(paths)} times in the archive and the quarantine"
    (path,) = paths
    if zone.checksum(path) != _checksum(delivery):
        return "its bytes differ from what was delivered"
    if delivery.fate is Fate.QUARANTINED:
        if not path.startswith(layout.quarantine(settings) + "/"):
            return f"should be in quarantine, is {path}"
        reasons = [avu.value for avu in zone.metadata(path) if avu.attribute == quarantine.REASON]
        return (
            ""
            if reasons == [delivery.reason]
            else f"should be in quarantine for {delivery.reason}, is for {', '.join(reasons)}"
        )
    wanted = f"/experiments/{delivery.experiment}/{delivery.data_type}/"
    return "" if path.startswith(layout.studies(settings)) and wanted in path else f"should be in {wanted}, is {path}"


def _checksum(delivery: Delivery) -> str:
    """Of what was delivered, as iRODS writes it."""
    with tempfile.TemporaryFile() as file:
        if isinstance(delivery.content, bytes):
            file.write(delivery.content)
        else:
            delivery.content(file)
        file.seek(0)
        return "sha2:" + base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()


def text(zone: Client, settings: Settings, found: DemoReport) -> str:
    """The tree, the AVUs of one series, the quarantine, and the account of every byte; `explanation` says the rest."""
    # The scanner still runs, and keeps its batches open: that its files are taken says nothing of them.
    verified = {**found.verified, Kind.TAKEN: []}
    parts = [
        "\nThe archive\n" + _tree(zone, layout.studies(settings)),
        "\nWhat all images of one series share stands on its collection\n" + _series(zone, settings),
        "\nThe quarantine\n" + _quarantine(zone, settings),
        "\nmrdata verify\n" + indented(verify_report.text(verified)),
    ]
    return "\n".join(parts)


def _tree(zone: Client, root: str) -> str:
    """Collections with the number of their objects."""
    found = entries(zone, root, recursive=True)
    objects = Counter(layout.parent(e.path) for e in found if not e.is_collection)
    lines = []
    for entry in found:
        if entry.is_collection:
            depth = entry.path.count("/") - root.count("/")
            count = objects[entry.path]
            lines.append(
                "  " * depth + entry.path.rpartition("/")[2] + (f"  ({counted(count, 'object')})" if count else "")
            )
    return "\n".join(lines)


def _series(zone: Client, settings: Settings) -> str:
    rows = zone.query(["COLL_NAME"], Condition("META_COLL_ATTR_NAME", "=", "SeriesInstanceUID"))
    paths = sorted(path for (path,) in rows if path.startswith(layout.studies(settings)))
    if not paths:
        return "  (no series)"
    path = next((p for p in paths if "ep2d" in p.rpartition("/")[2]), paths[0])
    return f"  {path}\n" + indented(table(sorted(zone.metadata(path))))


def _quarantine(zone: Client, settings: Settings) -> str:
    lines = []
    for session in quarantine.sessions(Context(zone, settings, read_header)):
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(session.reasons.items()))
        lines.append(
            f"  {session.path.removeprefix(settings.home + '/')}  {counted(session.objects, 'object')}: {reasons}"
        )
        lines += [f"    {detail}" for detail in session.details[:3]]
        if session.header_says:
            lines.append(
                f"    typed: {session.header_says}; may be {', '.join(_candidate(c) for c in session.candidates[:3])}"
            )
    return "\n".join(lines)


def _candidate(candidate: Candidate) -> str:
    wrong = candidate.distance
    like = "not alike" if wrong >= UNLIKE else "as typed" if not wrong else counted(wrong, "wrong character")
    return f"{candidate.experiment.id} ({like})"


def indented(block: str) -> str:
    """Each line two blanks further to the right."""
    return "\n".join("  " + line for line in block.splitlines())

"""Verifies what is written down of files that landed again: the archive has their bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from policy.archive import checksum_lookup
from policy.ingest import landed_again
from policy.ingest.landed_again import Landing
from policy.verification.findings import Finding, Kind, Look
from policy.zone import GOOD, Condition, NotFound, ZoneError, data_object, layout
from policy.zone.context import Context


def looks(context: Context, experiment_path: str, after: str) -> Iterator[Look]:
    """Verifies that an object has the bytes of each landing: the one that the entry names, or another one of the
    archive.
    """
    for record in landed_again.records(context, experiment_path):
        if record > after:
            try:
                findings = [
                    Finding(Kind.LANDED_AGAIN, record, text)
                    for text in _faults(context, experiment_path, landed_again.read(context, record))
                ]
            except NotFound:
                findings = []  # erased meanwhile
            except ValueError as error:
                findings = [Finding(Kind.LANDED_AGAIN, record, f"cannot be read: {error}")]
            except ZoneError as error:
                findings = [Finding(Kind.UNSEEN, record, str(error))]
            yield Look(record, Counter({"landed_again": 1}), findings)


def _faults(context: Context, experiment_path: str, landings: list[Landing]) -> Iterator[str]:
    elsewhere = [one for one in landings if not _has(context, f"{experiment_path}/{one.object}", one.checksum)]
    found = checksum_lookup.objects(context, (one.checksum for one in elsewhere))
    for one in elsewhere:
        if not any(path.startswith(layout.studies(context.settings) + "/") for path in found.get(one.checksum, [])):
            yield (
                f"{one.landing_path} of batch {one.batch} had the bytes of {one.object}; no object of the archive has"
                " them now"
            )


def _has(context: Context, path: str, checksum: str) -> bool:
    good = Condition("DATA_REPL_STATUS", "=", GOOD), Condition("DATA_CHECKSUM", "=", checksum)
    return bool(checksum) and bool(context.zone.query(["DATA_ID"], *data_object(path), *good))

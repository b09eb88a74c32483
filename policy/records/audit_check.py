"""Checks an audit log without a zone: from what `iget -r` brought, or read straight from a zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from policy.records.audit import FIRST, NAME, Entry, parsed, path_of, sealed


@dataclass(slots=True)
class Verdict:
    """What a log is worth. `last` is its last entry's anchor, to be kept elsewhere."""

    entries: int = 0
    last: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nobody changed anything that can be told."""
        return not self.faults


def check(files: Iterable[tuple[str, bytes]], anchors: Iterable[str] = ()) -> Verdict:
    """Finds entries that were edited, removed, put in or exchanged. With anchors, also finds a cut end and a log that
    was rewritten.

    `files` are (path below the log's collection, content), in any order; drafts that a process left are passed over. An
    anchor is `number:hash` or a hash alone.
    """
    verdict = Verdict()
    missed = {anchor.strip().lower() for anchor in anchors}
    held: dict[int, bytes] = {}
    for path, content in files:
        name = path.rpartition("/")[2]
        found = NAME.fullmatch(name)
        if found and path == path_of("", int(found[1]))[1:] and int(found[1]) not in held:
            held[int(found[1])] = content
        elif not name.startswith("draft-"):
            verdict.faults.append(f"{path}: is not an entry, or lies in the wrong collection")
    entries = dict(_entries(held, verdict.faults))
    for number, entry in entries.items():
        missed -= {entry.hash, entry.anchor}
        previous = entries[number - 1].hash if number - 1 in entries else None
        if previous is None and number == 0:
            previous = FIRST
        if previous is not None and entry.previous != previous:
            verdict.faults.append(
                f"{number}: does not follow entry {number - 1}; one of the two was edited or exchanged"
            )
        verdict.last = entry.anchor
    verdict.entries = len(entries)
    verdict.faults += _gaps(sorted(held))
    verdict.faults += [
        f"anchor {one}: no entry has it; the log's end was cut off, or the log was rewritten" for one in sorted(missed)
    ]
    return verdict


def _entries(held: dict[int, bytes], faults: list[str]) -> Iterator[tuple[int, Entry]]:
    """The entries that can be read, by the number in their name."""
    for number in sorted(held):
        try:
            entry = parsed(held[number])
        except (ValueError, TypeError) as error:
            faults.append(f"{number}: edited; {error}")
            continue
        if sealed(entry).hash != entry.hash:
            faults.append(f"{number}: edited; its content does not give its hash")
        if entry.number != number:
            faults.append(f"{number}: exchanged; this is entry {entry.number}")
        yield number, entry


def _gaps(numbers: list[int]) -> Iterator[str]:
    for before, number in zip([-1, *numbers], numbers, strict=False):
        if number > before + 1:
            missing = str(before + 1) if number == before + 2 else f"{before + 1} to {number - 1}"
            yield f"{missing}: removed"

"""What a verification finds: counts, what is not as it should be, what could not be looked at, and what may be said in
the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kind of a finding. `FAULTS` are wrong, `UNKNOWN` was not looked at, the others wait for their turn."""

    LOST = "lost"
    """An object without a good replica, or with other bytes than its checksum tells; an experiment that is gone without
    a receipt.
    """
    WITHOUT_ORIGIN = "without_origin"
    """An archived object of which nothing tells where it came from: it was put into the archive past MrData, or lost
    its AVU.
    """
    MANIFEST = "manifest"
    """An object of a finalized experiment that its manifest does not list, or lists otherwise; a manifest that is not
    the one that was written."""
    LANDED_AGAIN = "landed_again"
    """A file that landed a second time, of which no object has the bytes."""
    ONLY_IN_TRASH = "only_in_trash"
    """A copy that was set aside, and no other object has its bytes."""
    ORPHAN = "orphan"
    """A file of the vault that no object names."""
    INTAKE = "intake"
    """A file of a finished batch for which no object accounts, or which has other bytes than its object."""
    MAILBOX = "mailbox"
    """What lies in the landing zone and will never be taken."""
    BUSY = "busy"
    """An object that was being written or copied as long as we waited, or whose writer was killed: nothing is known of
    its bytes.
    """
    UNSEEN = "unseen"
    """What could not be looked at, and why."""
    WAITING = "waiting"
    """A file of the landing zone that is not taken yet."""
    TAKEN = "taken"
    """A batch of the intake whose files are not all registered yet."""


FAULTS = (
    Kind.LOST,
    Kind.WITHOUT_ORIGIN,
    Kind.MANIFEST,
    Kind.LANDED_AGAIN,
    Kind.ONLY_IN_TRASH,
    Kind.ORPHAN,
    Kind.INTAKE,
    Kind.MAILBOX,
)
UNKNOWN = (Kind.BUSY, Kind.UNSEEN)


class Area(StrEnum):
    """What a verification looks through."""

    CATALOG = "catalog"
    """Objects, manifests and records."""
    VAULT = "vault"
    INTAKE = "intake"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, by its path. `since`: when it was changed last, seconds since 1970; 0 where that does not matter."""

    kind: Kind
    path: str
    text: str = ""
    since: float = 0.0

    @property
    def line(self) -> str:
        """Path and text."""
        return f"{self.path}: {self.text}" if self.text else self.path


@dataclass(slots=True)
class Look:
    """What one step has looked at. `position` is where the part goes on after it.

    Counts: `objects` and `bytes` (read, all replicas), `files` (of vault, intake and mailbox), and what they were:
    `archived`, `withdrawn`, `landing`, `set_aside`, `products`, `records`, `manifests`, `young` (files of the vault),
    `quarantined <reason>`.
    """

    position: str
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """Something to look through, in steps: `looks(after)` gives those after a position, all for an empty one."""

    name: str
    looks: Callable[[str], Iterator[Look]]


QUARANTINED = "quarantined "
"""Counts of what is in quarantine begin with this; the reason follows."""


@dataclass(slots=True)
class Report:
    """The sum of all looks. `subject`: the experiment or study that was asked for; empty: everything."""

    subject: str = ""
    checksums: bool = True
    """Bytes were read and compared with their checksums."""
    areas: set[Area] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, look: Look) -> None:
        """Adds one look."""
        self.counts.update(look.counts)
        self.findings += look.findings

    def of(self, *kinds: Kind) -> list[Finding]:
        """The findings of these kinds, sorted by path."""
        return sorted((one for one in self.findings if one.kind in kinds), key=lambda one: (one.path, one.text))

    @property
    def quarantined(self) -> dict[str, int]:
        """Objects in quarantine by reason."""
        return {
            key.removeprefix(QUARANTINED): count
            for key, count in sorted(self.counts.items())
            if key.startswith(QUARANTINED)
        }

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for was looked at."""
        return not self.of(*UNKNOWN)

    @property
    def is_sound(self) -> bool:
        """Whether everything was looked at, and nothing is wrong."""
        return self.is_complete and not self.of(*FAULTS)

    @property
    def verdict(self) -> str:
        """The closing sentence, which says no more than what was looked at."""
        about = f"of {self.subject} " if self.subject else ""
        if self.of(*FAULTS):
            more = "" if self.is_complete else " Nor was everything looked at."
            return f"Not every landed byte {about}is accounted for: see above.{more}"
        if not self.is_complete:
            return f"Not everything {about}was looked at: see above. Nothing else is wrong."
        if not self.checksums:
            return f"No object {about}is missing in the catalog. Bytes were not read, so nothing is known of them."
        if self.subject:
            return f"Every object {about}is as it was archived. Vault and landing zone were not looked at."
        if self.areas == set(Area):
            return "Every landed byte is accounted for."
        unread = " and ".join(area for area in Area if area not in self.areas)
        return (
            f"Every object of the zone is as it was archived. Not looked at: {unread}; `mrdata verify` on the landing"
            " host does."
        )

    def as_dict(self) -> dict[str, Any]:
        """Counts, one list for each kind, and the verdict, as JSON holds them."""
        count = self.counts
        return {
            "landed": count["archived"] + count["landing"] + sum(self.quarantined.values()),
            **{key: count[key] for key in ("archived", "withdrawn")},
            "quarantined": self.quarantined,
            **{key: count[key] for key in ("landing", "set_aside", "products", "records", "manifests", "young")},
            **{str(kind): [one.line for one in self.of(kind)] for kind in (*FAULTS, Kind.UNSEEN, Kind.TAKEN)},
            **{str(kind): [one.path for one in self.of(kind)] for kind in (Kind.BUSY, Kind.WAITING)},
            "waiting_since": {one.path: one.since for one in self.of(Kind.WAITING)},
            **{key: count[key] for key in ("objects", "bytes", "files")},
            "subject": self.subject,
            "checksums": self.checksums,
            "areas": sorted(str(area) for area in self.areas),
            "complete": self.is_complete,
            "sound": self.is_sound,
            "verdict": self.verdict,
        }

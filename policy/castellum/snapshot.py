"""What a source of mixed-use metadata says: its studies, and of each active one its subjects with their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from policy.zone.error_kinds import MrDataError


class SourceError(MrDataError):
    """The source gave no answer, or none that can be trusted. Whatever was known before stays.

    `general`: asking for other studies is of no use either (a wrong token).
    """

    def __init__(self, message: str, *, general: bool = False) -> None:
        super().__init__(message)
        self.general = general


@dataclass(frozen=True, slots=True)
class SeenStudy:
    """A study as the source shows it. None stands for what the source does not tell; then what was known stays.

    `key` is the source's own name for it, `pseudonym_list` the list whose pseudonyms it uses.
    """

    id: str
    key: str
    title: str | None = None
    members: tuple[str, ...] | None = None
    active: bool = True
    pseudonym_list: str = ""


Attributes = Mapping[str, object]
"""Of a subject, as the source gives them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The studies that could be read. `faults`: StudyID or key of each other study -> why it could not be read."""

    studies: list[SeenStudy]
    faults: dict[str, str]


class Source(Protocol):
    """Castellum over HTTP, or exports in a folder."""

    @property
    def lists_all(self) -> bool:
        """Whether a study that is not listed is one that the source has no longer."""

    def studies(self) -> Listing:
        """Lists the studies. Raises SourceError if they cannot be known."""

    def subjects(self, study: SeenStudy) -> Mapping[str, Attributes]:
        """Pseudonym -> attributes, of an active study. Raises SourceError if they cannot be known."""

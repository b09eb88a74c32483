"""The history of mixed-use metadata as a policy sees it.

A tree of small files in git, one for each study and subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from policy.zone.error_kinds import MrDataError


class HistoryError(MrDataError):
    """The repository, or its remote, cannot be used; the message names it and the reason."""


class History(Protocol):
    """A git repository with one branch. Each verb raises HistoryError."""

    def head(self) -> str:
        """The newest commit; empty in a new repository."""

    def has(self, commit: str) -> bool:
        """Whether this is a commit of the history."""

    def files(self, commit: str) -> dict[str, str]:
        """Path -> identity of its content, of all files of a commit; none for the empty commit."""

    def identity(self, content: bytes) -> str:
        """The identity that git gives a content, without storing it."""

    def changed(self, old: str, new: str) -> list[str]:
        """The paths whose content differs between two commits; `old` may be empty."""

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit; None where it has none."""

    def commit(self, parent: str, changes: Mapping[str, bytes], message: str) -> str:
        """Writes files on top of `parent`, which must be the head. The commit is there as a whole, or not at all."""

    def as_of(self, path: str, moment: float) -> str:
        """The commit that gave a file what it held at a moment (seconds since 1970).

        The first that has the file, where that is later; empty where none has.
        """

    def when(self, commit: str) -> str:
        """When a commit was made; UTC, ISO 8601."""

    def push(self) -> bool:
        """Brings the remote up to date; False where there is nothing to do. HistoryError leaves it to the next time."""

"""An experiment: one visit of one subject at one scanner, known by its ExperimentID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.zone import AVU


class State(StrEnum):
    """What an experiment's AVU `State` says;

    `policy.studies.state` has the table of what may follow what. Files are accepted until finalized.
    """

    REGISTERED = "registered"
    """Registered. No file has come."""
    ACQUIRING = "acquiring"
    """Files come."""
    FINISHED = "finished"
    """No more files are expected. A file that comes all the same makes it `acquiring` again."""
    FINALIZED = "finalized"
    """Read-only, with a manifest."""
    WITHDRAWN = "withdrawn"
    """Hidden, then erased."""


OPEN = (State.REGISTERED, State.ACQUIRING, State.FINISHED)
"""A file that comes for a finished experiment is placed, and the experiment is acquiring again: raw data may come at
night.
"""

_ATTRIBUTES = {
    "StudyID": "study",
    "Pseudonym": "pseudonym",
    "Owner": "owner",
    "Scanner": "scanner",
    "ScanType": "scan_type",
    "ExperimentURL": "url",
    "Description": "description",
    "Registered": "registered",
    "State": "state",
    "ExperimentID": "id",
}
"""AVU of the experiment's collection -> field. ExperimentID is written last: who finds it finds the rest."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What was registered. `registered` is UTC, ISO 8601; `path` is the experiment's collection."""

    id: str
    path: str
    study: str
    pseudonym: str
    owner: str
    scanner: str
    scan_type: str
    registered: str
    state: str = State.REGISTERED
    url: str = ""
    description: str = ""

    @property
    def is_open(self) -> bool:
        """Whether files are still accepted."""
        return self.state in OPEN

    def record(self) -> dict[str, str]:
        """AVU attribute -> value, in the order in which they are written; also what `experiment.yaml` holds."""
        return {attribute: str(getattr(self, name)) for attribute, name in _ATTRIBUTES.items() if getattr(self, name)}

    def avus(self) -> list[AVU]:
        """The AVUs of the experiment's collection."""
        return [AVU(attribute, value) for attribute, value in self.record().items()]


def experiment_from(path: str, record: Mapping[str, str]) -> Experiment:
    """The experiment of a collection from its AVUs."""
    return Experiment(path=path, **{name: record.get(attribute, "") for attribute, name in _ATTRIBUTES.items()})

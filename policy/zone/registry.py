"""Finds experiments in the catalog.

By ExperimentID, by what their images share, and the ones nearest to a typed text.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from policy.zone import Condition, experiment_id, layout
from policy.zone.context import Context, Memory
from policy.zone.experiment import OPEN, Experiment, State, experiment_from

UNLIKE = 5
"""Wrong characters, of eight, from which on a typed text has nothing to do with the ExperimentID."""
LOOKS = 200
"""Experiments that are looked at for one list of candidates, at most."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registered experiment that a wrong ID may have meant. `distance` counts wrong characters, up to `UNLIKE`."""

    experiment: Experiment
    distance: int


class Registry:
    """Lookups whose cost does not grow with what is archived.

    Only collections below studies count: anybody may put AVUs on his own.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def experiment(self, experiment_id: str) -> Experiment | None:
        """The experiment of an ExperimentID in its written form.

        Remembered for at most a minute; an unknown one is not remembered.
        """
        remembered = self._context.memory.experiments.get(experiment_id)
        if remembered and remembered[0] > time.monotonic():
            return remembered[1]
        paths = self._collections("ExperimentID", experiment_id)
        if len(paths) != 1 or not paths[0].endswith(f"/experiments/{experiment_id}"):
            return None if paths else self._withdrawn(experiment_id)
        experiment = self._load(paths[0])
        self._context.memory.experiments[experiment_id] = (time.monotonic() + Memory.SECONDS, experiment)
        return experiment

    def is_taken(self, experiment_id: str) -> bool:
        """Whether the ID was ever given to an experiment, also to one that was erased."""
        return self.experiment(experiment_id) is not None

    def sharing_frame_of_reference(self, uid: str) -> list[Experiment]:
        """The experiments whose series lie in this frame of reference (DICOM PS3.3 C.7.4.1)."""
        ids = {
            layout.experiment_of(self._context.settings, path) for path in self._collections("FrameOfReferenceUID", uid)
        }
        found = [self.experiment(i) for i in sorted(i for i in ids if i)]
        return [e for e in found if e]

    def is_subject(self, study: str, pseudonym: str) -> bool:
        """Whether the study has a subject of this pseudonym."""
        path = f"{layout.study(self._context.settings, study)}/subjects/{pseudonym}"
        return layout.NAME.fullmatch(pseudonym) is not None and self._context.zone.stat(path) is not None

    def nearest(self, typed: str, scanner: str, *, limit: int = 5) -> list[Candidate]:
        """Open experiments that the typed text may have meant: fewest wrong characters first, then this scanner's, then
        the youngest.

        From `UNLIKE` wrong characters on, the text says nothing, and only scanner and age count.
        """
        ids = {
            layout.experiment_of(self._context.settings, path)
            for state in OPEN
            for path in self._collections("State", state)
        }
        distances = {i: min(experiment_id.distance(typed, i), UNLIKE) for i in ids if i}
        # Scanner and age need a look at each experiment: only at those near enough to get into the list.
        nearest = sorted(distances.values())[:limit]
        near = sorted((d, i) for i, d in distances.items() if d <= nearest[-1])[:LOOKS] if nearest else []
        found = [(d, self.experiment(i)) for d, i in near]
        candidates = [Candidate(e, d) for d, e in found if e]
        candidates.sort(key=lambda c: c.experiment.registered, reverse=True)
        candidates.sort(key=lambda c: (c.distance, c.experiment.scanner != scanner))
        return candidates[:limit]

    def _withdrawn(self, experiment_id: str) -> Experiment | None:
        """What is withdrawn or erased has no AVU by which it is found; the name of its record or its receipt tells."""
        settings = self._context.settings
        kept = [f"{layout.withdrawn(settings)}/{experiment_id}", f"{layout.receipts(settings)}/{experiment_id}.json"]
        if not any(self._context.zone.stat(path) for path in kept):
            return None
        return Experiment(experiment_id, "", "", "", "", "", "", "", state=State.WITHDRAWN)

    def _collections(self, attribute: str, value: str) -> list[str]:
        rows = self._context.zone.query(
            ["COLL_NAME"],
            Condition("META_COLL_ATTR_NAME", "=", attribute),
            Condition("META_COLL_ATTR_VALUE", "=", value),
        )
        prefix = layout.studies(self._context.settings) + "/"
        return [path for (path,) in rows if path.startswith(prefix)]

    def _load(self, path: str) -> Experiment:
        rows = self._context.zone.query(
            ["META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE"], Condition("COLL_NAME", "=", path)
        )
        return experiment_from(path, {row[0]: row[1] for row in rows})

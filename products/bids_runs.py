"""Runs of a BIDS dataset: a run belongs to an acquisition, not to a file name.

Single-band reference, magnitude, phase and echoes of one acquisition share its run, an aborted one counts as well.
References: BIDS 1.10, "Entities" (run), "Single-band reference images".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from products.bids_names import Name

_FIELD_MAP = frozenset(("magnitude1", "magnitude2", "phasediff"))
_REFERENCE = "sbref"
_REFERRING = frozenset(("bold", "dwi", _REFERENCE))
_WITHIN = frozenset(("echo", "part", "run"))
"""Entities that tell the images of one acquisition apart."""


@dataclass(slots=True)
class _Acquisition:
    texts: set[str] = field(default_factory=set)
    has_images: bool = False
    """It has more than its reference."""


def runs(images: Sequence[tuple[Hashable, Name]]) -> list[int]:
    """The run of each image of a session; 0 if its acquisition was made once. `images`: series and name, as scanned."""
    acquisitions: defaultdict[Hashable, list[_Acquisition]] = defaultdict(list)
    places: list[tuple[Hashable, int]] = []
    for position, (series, name) in enumerate(images):
        kind, text = _kind(name), name.text()
        made = acquisitions[kind]
        is_reference = name.suffix == _REFERENCE
        same_series = bool(position) and images[position - 1][0] == series and places[position - 1][0] == kind
        begins = not made or text in made[-1].texts or (is_reference and made[-1].has_images and not same_series)
        if begins:
            made.append(_Acquisition())
        made[-1].texts.add(text)
        made[-1].has_images |= not is_reference
        places.append((kind, len(made)))
    return [number if len(acquisitions[kind]) > 1 else 0 for kind, number in places]


def _kind(name: Name) -> Hashable:
    """What an acquisition is one of: its data type, its entities, and the suffixes that belong together."""
    suffix = "field map" if name.suffix in _FIELD_MAP else "series" if name.suffix in _REFERRING else name.suffix
    entities = tuple(sorted(pair for pair in name.entities.items() if pair[0] not in _WITHIN))
    return name.data_type, suffix, entities

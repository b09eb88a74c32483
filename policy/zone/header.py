"""What the head of a landed file says: the values that `microservices.headers.header_reader` reads and the policies
judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Told by the first bytes, never by the file's extension."""

    DICOM = "DICOM"
    TWIX = "TWIX"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Header:
    """One file's header. Texts are empty where the file does not say.

    `technique` maps names of `policy.zone.vocabulary` (BIDS sidecar names) to values as text in the vocabulary's units.
    `personal` maps each attribute that may tell who the person is (DICOM keyword, or the TWIX field's name) to its
    non-empty value, `texts` each description that somebody may have typed; both are kept out of repr so that no log
    shows them. `carried` maps other places that may tell (`policy.zone.carriers`) to where they are in the file, never
    to what stands there.
    """

    kind: Kind
    size: int
    problem: str = ""
    """Why the header cannot be trusted:

    `truncated in (0010,0010)`, `measurement 2 ends beyond the end of the file`...
    """
    incomplete: bool = False
    """The problem is missing bytes: the file may still be written."""
    over_budget: bool = False
    """The problem is that reading more of it would cost too much time or memory."""
    patient_name: str = field(default="", repr=False)
    """Patient Name exactly as the file holds it (for TWIX: the quoted text), where the operator types the ExperimentID.
    """
    masked: bool = False
    """The vendor replaced the name by a run of `x` (TWIX of VE)."""
    frame_of_reference_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    series_number: str = ""
    series_description: str = ""
    instance_number: str = ""
    date: str = ""
    """Day of the acquisition, YYYYMMDD."""
    technique: Mapping[str, str] = field(default_factory=dict)
    several: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of `technique` that have several values within the file -> all of them, the first one too."""
    personal: Mapping[str, str] = field(default_factory=dict, repr=False)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    carried: Mapping[str, str] = field(default_factory=dict)

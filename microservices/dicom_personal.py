"""The personal data of a DICOM data set: the attributes of `policy.personal_data`, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from microservices.dicom_text import text_of, vr_of
from policy.personal_data import PERSONAL, tells_nothing

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BY_TAG = {group << 16 | element: keyword for (group, element), keyword in PERSONAL.items()}
_PATIENT_NAME = 0x00100010
_FUNCTIONAL_GROUPS = frozenset((0x52009229, 0x52009230))
"""Technique of frames, thousands of items; no module of patient, study or visit stands in them (PS3.3 C.7.6.16)."""
_UNKNOWN = frozenset((("PregnancyStatus", "4"),))
"""PS3.3 C.7.2.2: 4 is unknown."""


def of(dataset: Dataset) -> dict[str, str]:
    r"""Keyword (`Outer.Inner` within sequences) -> value, for all that are present and tell something.

    Patient Name of the top level is left out: it has its own place in the header. Values of several items are joined by `\`.
    """
    personal: dict[str, list[str]] = {}
    for name, value in _walk(dataset, ""):
        if name != "PatientName":
            values = personal.setdefault(name, [])
            if value not in values:
                values.append(value)
    return {name: "\\".join(values) for name, values in personal.items()}


def _walk(dataset: Dataset, outer: str) -> Iterator[tuple[str, str]]:
    for tag in dataset.keys():
        keyword = _BY_TAG.get(tag)
        is_sequence = vr_of(dataset, tag) == "SQ" and tag not in _FUNCTIONAL_GROUPS
        if keyword is not None:
            values = list(_leaves(dataset, tag)) if is_sequence else [text_of(dataset, tag)]
            told = [value for value in values if not tells_nothing(value) and (keyword, value) not in _UNKNOWN]
            if told:
                yield outer + keyword, "\\".join(dict.fromkeys(told))
        elif is_sequence:
            for item in dataset[tag].value or ():
                yield from _walk(item, f"{outer}{_keyword(tag)}.")


def _leaves(dataset: Dataset, tag: int) -> Iterator[str]:
    """All texts of a sequence."""
    for item in dataset[tag].value or ():
        for inner in item.keys():
            if vr_of(item, inner) == "SQ":
                yield from _leaves(item, inner)
            else:
                yield text_of(item, inner)


def _keyword(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

"""The personal data of a DICOM file: the attributes of `policy.personal_data`, wherever they stand."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from microservices.dicom_elements import Elements, is_raw
from microservices.dicom_text import text_of, vr_of
from policy.personal_data import PERSONAL, tells_nothing

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BY_TAG = {group << 16 | element: keyword for (group, element), keyword in PERSONAL.items()}
_PATIENT_NAME = 0x00100010
_FUNCTIONAL_GROUPS = frozenset((0x52009229, 0x52009230))
"""The technique of frames, perhaps thousands; nothing of patient, visit or order stands there (PS3.3 C.7.6.16)."""
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_UNKNOWN = ("PregnancyStatus", "4")
"""PS3.3 C.7.2.2."""


def of(found: Elements) -> dict[str, str]:
    r"""Keyword (`Outer.Inner` within sequences) -> value, for all that are present and tell something.

    Patient Name of the top level is left out: it has its own place in the header. Different values of several items are
    joined by `\`.
    """
    personal: dict[str, list[str]] = {}
    for name, value in _of_top_level(found):
        values = personal.setdefault(name, [])
        if value not in values:
            values.append(value)
    return {name: "\\".join(values) for name, values in personal.items()}


def _of_top_level(found: Elements) -> Iterator[tuple[str, str]]:
    for tag, element in found.by_tag.items():
        keyword = _BY_TAG.get(tag)
        if keyword is None:
            if tag not in _FUNCTIONAL_GROUPS and _is_sequence(element) and _may_tell(found, element):
                for item in found.items(tag):
                    yield from _of_item(item, _keyword(tag) + ".")
        elif vr_of(tag, element.VR) == "SQ":
            yield from _told(keyword, keyword, (text for item in found.items(tag) for text in _leaves(item)))
        elif tag != _PATIENT_NAME:
            left_in_file = f"{element.length} bytes" if is_raw(element) and element.value is None and element.length else ""
            yield from _told(keyword, keyword, [found.text(tag) or left_in_file])


def _of_item(item: Dataset, outer: str) -> Iterator[tuple[str, str]]:
    for tag in item.keys():  # noqa: SIM118 iterating over a Dataset converts its elements
        keyword = _BY_TAG.get(tag)
        is_sequence = vr_of(tag, item.get_item(tag).VR) == "SQ"
        if keyword is not None:
            yield from _told(outer + keyword, keyword, _leaves(item, tag) if is_sequence else [text_of(item, tag)])
        elif is_sequence:
            for inner in item[tag].value or ():
                yield from _of_item(inner, f"{outer}{_keyword(tag)}.")


def _told(name: str, keyword: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    told = [value for value in values if not tells_nothing(value) and (keyword, value) != _UNKNOWN]
    if told:
        yield name, "\\".join(dict.fromkeys(told))


def _leaves(item: Dataset, *tags: int) -> Iterator[str]:
    """All texts of an item, or of some of its elements."""
    for tag in tags or item.keys():
        if vr_of(tag, item.get_item(tag).VR) == "SQ":
            for inner in item[tag].value or ():
                yield from _leaves(inner)
        else:
            yield text_of(item, tag)


def _is_sequence(element: object) -> bool:
    """By its VR; where the file does not say (implicit VR, UN), by its first item."""
    vr = element.VR  # type: ignore[attr-defined]
    if vr is None or vr == "UN":
        return isinstance(element.value, bytes) and element.value[:4] in _ITEMS  # type: ignore[attr-defined]
    return bool(vr == "SQ")


def _may_tell(found: Elements, element: object) -> bool:
    """Does the tag of a personal attribute stand anywhere in a sequence? Most only refer to images, and need not be parsed."""
    return not is_raw(element) or _tags(found.little).search(found.value(element)) is not None


@cache
def _tags(little: bool) -> re.Pattern[bytes]:
    tags = (struct.pack("<HH" if little else ">HH", tag >> 16, tag & 0xFFFF) for tag in _BY_TAG)
    return re.compile(b"|".join(map(re.escape, tags)))


def _keyword(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

"""The personal data of a DICOM file: attributes that tell, texts that may tell, and other places where something may
stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from microservices.dicom.dicom_elements import Elements
from microservices.dicom.dicom_pixels import is_text
from microservices.dicom.dicom_technique import FUNCTIONAL_GROUPS, PER_FRAME
from microservices.dicom.dicom_text import readable
from microservices.dicom.dicom_walk import Element, Leaf, begins_sequence, creator_key, is_known
from policy.privacy.descriptors import DESCRIPTORS
from policy.privacy.personal_data import PERSONAL, tells_nothing
from policy.privacy.private_attributes import PRIVATE
from policy.zone import carriers

_BY_TAG = {group << 16 | element: keyword for (group, element), keyword in PERSONAL.items()}
_DESCRIPTORS = {group << 16 | element: keyword for (group, element), keyword in DESCRIPTORS.items()}
_PATIENT_NAME, _SERIES_DESCRIPTION, _BURNED_IN, _TEXT_VALUE = 0x00100010, 0x0008103E, 0x00280301, 0x0040A160
_ANNOTATIONS = frozenset((0x00700001, 0x00700006, 0x00700008, 0x00700209))
"""Graphic Annotation Sequence, Unformatted Text Value, Text Object Sequence, Compound Graphic Sequence."""
_DOCUMENTS = frozenset((0x00420011, 0x04000520))
"""Encapsulated Document, Encrypted Content."""
_PREAMBLE_BYTES, _TIFF = 128, (b"II*\0", b"MM\0*")
_UNKNOWN = ("PregnancyStatus", "4")
"""PS3.3 C.7.2.2."""

WANTED = frozenset((*_BY_TAG, *_DESCRIPTORS, *_ANNOTATIONS, *_DOCUMENTS, _BURNED_IN, _TEXT_VALUE))
"""What the walk through sequences has to note."""


@dataclass(slots=True)
class Told:
    """What a file tells, or may tell, of a person. Names of attributes are `Outer.Inner` within sequences."""

    personal: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    carried: dict[str, list[str]] = field(default_factory=dict)
    """Carrier (`policy.zone.carriers`) -> where."""

    def note(self, kind: dict[str, list[str]], name: str, value: str) -> None:
        values = kind.setdefault(name, [])
        if value not in values[-1:]:
            values.append(value)


def of(found: Elements, head: bytes) -> Told:
    """What a file tells; `head` holds its first bytes.

    Patient Name of the top level has its own place in the header.
    """
    told = Told()
    for tag, element in found.by_tag.items():
        group = tag >> 16
        if tag in WANTED and tag != _PATIENT_NAME:
            _judge(told, found, Leaf((), element))
        elif group & 1:
            creator = found.creators.get(creator_key(tag), "")
            if element.vr == "PN" or (creator and is_known(creator, tag)):
                _judge(told, found, Leaf((), element, creator))
        elif 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
            _overlay(told, element)
    for leaf in found.leaves:
        if (
            leaf.element.tag in WANTED
            or not FUNCTIONAL_GROUPS.intersection(leaf.path[:1])
            or leaf.element.tag not in PER_FRAME
        ):
            _judge(told, found, leaf)
    if head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM":
        preamble = head[8:_PREAMBLE_BYTES] if head[:4] in _TIFF else head[:_PREAMBLE_BYTES]
        if is_text(preamble):
            told.note(told.carried, carriers.PREAMBLE, "")
    for carrier, names in (
        (carriers.REPEATED, [_keyword(tag) for tag in found.repeated]),
        (carriers.AFTER_PIXELS, found.after_pixels),
        (carriers.UNKNOWN_SEQUENCE, [_keyword(tag) for tag in found.unknown_sequences]),
    ):
        for name in names:
            told.note(told.carried, carrier, name)
    return told


def _judge(told: Told, found: Elements, leaf: Leaf) -> None:
    """One element that is wanted, or that lies within a sequence that is."""
    tag, path = leaf.element.tag, leaf.path
    holder = next((at for at, outer in enumerate(path) if outer in _BY_TAG), -1)
    is_sequence = leaf.element.vr == "SQ" or begins_sequence(leaf.element.value or b"")
    if is_sequence and holder < 0:
        return None  # what it holds has its own leaves
    if holder >= 0 or tag in _BY_TAG:
        names = path[: holder + 1] if holder >= 0 else (*path, tag)
        return _tell(told, ".".join(map(_keyword, names)), names[-1], _value(found, leaf.element))
    value = _value(found, leaf.element)
    if tells_nothing(value):
        return None
    where = _keyword(tag)
    if tag == _BURNED_IN:
        if value.strip().upper() == "YES":
            told.note(told.carried, carriers.BURNED_IN, where)
    elif tag in _DOCUMENTS:
        told.note(told.carried, carriers.DOCUMENT, where)
    elif tag in _ANNOTATIONS or _ANNOTATIONS.intersection(path):
        told.note(told.carried, carriers.ANNOTATION, where)
    elif tag == _TEXT_VALUE:
        told.note(told.texts, ".".join(map(_keyword, (*path[-1:], tag))), value)
        if not _is_protocol(found):
            told.note(told.carried, carriers.REPORT, where)
    elif tag in _DESCRIPTORS:
        told.note(told.texts, ".".join(map(_keyword, (*path, tag))), value)
    elif leaf.creator and is_known(leaf.creator, tag):
        told.note(
            told.personal,
            f"{'.'.join(map(_keyword, (*path, tag)))}.{PRIVATE[leaf.creator][tag >> 16, tag & 0xFF]}",
            value,
        )
    else:
        told.note(
            told.personal,
            ".".join(map(_keyword, (*path, tag))) + ("" if tag in found.repeated else ".PersonName"),
            value,
        )
    return None


def _tell(told: Told, name: str, tag: int, value: str) -> None:
    if not tells_nothing(value) and (_BY_TAG[tag], value) != _UNKNOWN:
        told.note(told.personal, name, value)


def _value(found: Elements, element: Element) -> str:
    """The value as text; of one that was left in the file, its length."""
    return f"{element.length} bytes" if element.value is None and element.length else readable(element, found.encoding)


def _overlay(told: Told, element: Element) -> None:
    """Overlay and curve data, and what is written about them (PS3.3 C.9.2). Zeros show nothing."""
    number = element.tag & 0xFFFF
    data = number in (0x3000, 0x200C) and (element.value is None or bool(element.value.strip(b"\0")))
    text = element.vr in ("LO", "SH", "LT", "ST") or (not element.vr and number in (0x0022, 0x1500, 0x4000, 0x2600))
    in_pixels = number == 0x0102 and bool((element.value or b"").strip(b"\0"))
    if data or in_pixels or (text and not tells_nothing((element.value or b"").decode("latin-1"))):
        told.note(told.carried, carriers.OVERLAY, f"({element.tag >> 16:04X},{number:04X})")


def _is_protocol(found: Elements) -> bool:
    """Whether a report is the one in which Siemens scanners keep the protocol of an exam: its texts are settings, which
    nobody typed.

    Some say `n.a.` for their manufacturer; all have private elements of Siemens.
    """
    is_siemens = any(creator.upper().startswith("SIEMENS") for creator in found.creators.values())
    return is_siemens and found.text(_SERIES_DESCRIPTION) == "PhoenixZIPReport"


@cache
def _keyword(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return _BY_TAG.get(tag) or keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def joined(values: dict[str, list[str]]) -> dict[str, str]:
    r"""Different values of one name joined by `\`."""
    return {name: "\\".join(dict.fromkeys(several)) for name, several in values.items()}

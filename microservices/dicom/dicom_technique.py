"""How a DICOM image was made, in the names and units of `policy.zone.vocabulary`."""

from __future__ import annotations

import math

from microservices.budget import Budget
from microservices.dicom.dicom_elements import DataSet, Elements, item_of
from microservices.dicom.dicom_text import readable
from policy.zone.vocabulary import number

_TEXTS = {
    "Manufacturer": 0x00080070,
    "ManufacturersModelName": 0x00081090,
    "SoftwareVersions": 0x00181020,
    "DeviceSerialNumber": 0x00181000,
    "ResonantNucleus": 0x00180085,
    "Modality": 0x00080060,
    "ProtocolName": 0x00181030,
    "SeriesDescription": 0x0008103E,
    "SeriesNumber": 0x00200011,
    "SequenceName": 0x00180024,
    "ScanningSequence": 0x00180020,
    "SequenceVariant": 0x00180021,
    "ScanOptions": 0x00180022,
    "MRAcquisitionType": 0x00180023,
    "ImageType": 0x00080008,
    "TransmitCoilName": 0x00181251,
    "ReceiveCoilName": 0x00181250,
    "InPlanePhaseEncodingDirectionDICOM": 0x00181312,
    "BodyPart": 0x00180015,
    "PatientPosition": 0x00185100,
}
_NUMBERS = {
    "MagneticFieldStrength": (0x00180087, 1.0),
    "ImagingFrequency": (0x00180084, 1.0),
    "RepetitionTime": (0x00180080, 1e-3),
    "EchoTime": (0x00180081, 1e-3),
    "InversionTime": (0x00180082, 1e-3),
    "FlipAngle": (0x00181314, 1.0),
    "PixelBandwidth": (0x00180095, 1.0),
    "SliceThickness": (0x00180050, 1.0),
    "SpacingBetweenSlices": (0x00180088, 1.0),
    "PixelSpacing": (0x00280030, 1.0),
    "Rows": (0x00280010, 1.0),
    "Columns": (0x00280011, 1.0),
    "NumberOfFrames": (0x00280008, 1.0),
    "EchoTrainLength": (0x00180091, 1.0),
    "NumberOfAverages": (0x00180083, 1.0),
    "ParallelReductionFactorInPlane": (0x00189069, 1.0),
    "SAR": (0x00181316, 1.0),
    "AcquisitionDuration": (0x00189073, 1.0),
    "DiffusionBValue": (0x00189087, 1.0),
}
"""Vocabulary -> (tag, what the value is multiplied by: DICOM gives times in ms)."""

_ENHANCED_TEXTS = {"ResonantNucleus": 0x00189100, "SequenceName": 0x00189005}
"""Of the top level, where enhanced images hold them (PS3.3 C.8.13.4, C.8.13.1)."""
_GROUP_TEXTS = {
    "TransmitCoilName": (0x00189049, 0x00181251),
    "ReceiveCoilName": (0x00189042, 0x00181250),
    "InPlanePhaseEncodingDirectionDICOM": (0x00189125, 0x00181312),
}
_GROUP_NUMBERS = {
    "RepetitionTime": (0x00189112, 0x00180080, 1e-3),
    "FlipAngle": (0x00189112, 0x00181314, 1.0),
    "EchoTrainLength": (0x00189112, 0x00180091, 1.0),
    "EchoTime": (0x00189114, 0x00189082, 1e-3),
    "InversionTime": (0x00189115, 0x00189079, 1e-3),
    "ParallelReductionFactorInPlane": (0x00189115, 0x00189069, 1.0),
    "ImagingFrequency": (0x00189006, 0x00189098, 1.0),
    "PixelBandwidth": (0x00189006, 0x00180095, 1.0),
    "SliceThickness": (0x00289110, 0x00180050, 1.0),
    "SpacingBetweenSlices": (0x00289110, 0x00180088, 1.0),
    "PixelSpacing": (0x00289110, 0x00280030, 1.0),
    "NumberOfAverages": (0x00189119, 0x00180083, 1.0),
    "SAR": (0x00189239, 0x00189181, 1.0),
    "DiffusionBValue": (0x00189117, 0x00189087, 1.0),
}
"""Vocabulary -> (sequence of a functional group, its attribute, factor), PS3.3 C.7.6.16.2 and C.8.13.5."""
_GROUP_SEQUENCES = frozenset(
    (*(tags[0] for tags in _GROUP_TEXTS.values()), *(tags[0] for tags in _GROUP_NUMBERS.values()))
)

_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_SIEMENS_CREATOR, _SIEMENS_GROUP, _SIEMENS_B_VALUE = "SIEMENS MR HEADER", 0x0019, 0x0C
_SEVERAL = {
    0x00180081: ("EchoTime", 1e-3),
    0x00189082: ("EchoTime", 1e-3),
    0x00189079: ("InversionTime", 1e-3),
    0x00189087: ("DiffusionBValue", 1.0),
}
"""Attributes that may differ from frame to frame (PS3.3 C.8.13.5): tag -> (vocabulary, factor)."""
PER_FRAME = frozenset(_SEVERAL)
"""What the walk through sequences has to note for `several`."""
FUNCTIONAL_GROUPS = frozenset((_SHARED, _PER_FRAME))
_MOST_VALUES = 100
"""Distinct values of one attribute that are told."""


def of(found: Elements) -> dict[str, str]:
    """What the data set says of the protocol; nothing personal.

    Numbers as `policy.zone.vocabulary.number` writes them.
    """
    technique = {name: text for name, tag in _TEXTS.items() if (text := found.text(tag).strip())}
    technique |= {name: text for name, (tag, factor) in _NUMBERS.items() if (text := _numbers(found.text(tag), factor))}
    if text := _numbers(found.text(_siemens(found, _SIEMENS_B_VALUE)), 1.0):
        technique.setdefault("DiffusionBValue", text)
    if _SHARED in found.by_tag or _PER_FRAME in found.by_tag:
        enhanced = {name: text for name, tag in _ENHANCED_TEXTS.items() if (text := found.text(tag).strip())}
        for group in _groups(found):
            enhanced = _of_group(group, found.budget) | enhanced
        technique = enhanced | technique
    return technique


def several(found: Elements) -> dict[str, list[str]]:
    """The distinct values of what differs between frames, in the order in which they come."""
    values: dict[str, dict[str, None]] = {}
    for leaf in found.leaves:
        if leaf.element.tag in _SEVERAL and leaf.path[:1] and leaf.path[0] in FUNCTIONAL_GROUPS:
            name, factor = _SEVERAL[leaf.element.tag]
            if text := _numbers(readable(leaf.element, found.encoding), factor):
                values.setdefault(name, {})[text] = None
    return {name: list(texts)[:_MOST_VALUES] for name, texts in values.items() if len(texts) > 1}


def _siemens(found: Elements, number_: int) -> int:
    """The tag of an element in the block that Siemens has reserved in its group (PS3.5 7.8.1); 0 where it has none."""
    for block, creator in found.creators.items():
        if creator == _SIEMENS_CREATOR and block >> 8 == _SIEMENS_GROUP:
            return _SIEMENS_GROUP << 16 | (block & 0xFF) << 8 | number_
    return 0


def _groups(found: Elements) -> list[DataSet]:
    """The functional groups that all frames share, and those of the first frame."""
    return [item for tag in (_SHARED, _PER_FRAME) if (item := found.first_item(tag)) is not None]


def _of_group(group: DataSet, budget: Budget) -> dict[str, str]:
    technique = {}
    items = {}
    for sequence in _GROUP_SEQUENCES & group.by_tag.keys():
        value = group.by_tag[sequence].value or b""
        items[sequence] = item_of(value, group.implicit, group.little, budget) if len(value) >= 16 else None
    for name, (sequence, tag) in _GROUP_TEXTS.items():
        if (item := items.get(sequence)) is not None and (text := item.text(tag).strip()):
            technique[name] = text
    for name, (sequence, tag, factor) in _GROUP_NUMBERS.items():
        if (item := items.get(sequence)) is not None and (text := _numbers(item.text(tag), factor)):
            technique[name] = text
    return technique


def _numbers(text: str, factor: float) -> str:
    """Multiplies each number of a text; empty if one of them is not a finite number.

    A comma is not a character of Decimal String (PS3.5 6.2): a program with a wrong locale wrote the point so.
    """
    if not text:
        return ""
    try:
        values = [float(part.replace(",", ".")) * factor for part in text.split("\\")]
    except ValueError:
        return ""
    return "\\".join(map(number, values)) if all(map(math.isfinite, values)) else ""

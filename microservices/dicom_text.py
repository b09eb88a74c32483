"""Values of DICOM elements as text, as the file writes them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_BYTES_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


def vr_of(tag: int, stored: str | None) -> str:
    """The VR of an element: the file's own, or the dictionary's (PS3.6) where the file does not say."""
    if stored is not None and stored != "UN":
        return stored
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


def plain_text(vr: str, value: bytes, little: bool) -> str | None:
    r"""The text of a value that needs no character set and no pydicom; None for others.

    Multiple values stay joined by `\\` as DICOM writes them; the padding (PS3.5 6.2) is taken off.
    """
    if not value:
        return ""
    if vr in _TEXT_VRS and value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").rstrip(" \0")
    if vr == "US" and len(value) == 2:
        return str(struct.unpack("<H" if little else ">H", value)[0])
    return value.decode("latin-1").rstrip(" \0") if vr in _BYTES_VRS else None


def text_of(dataset: Dataset, tag: int) -> str:
    r"""The value as text, multiple values joined by `\`; empty where there is none."""
    if tag not in dataset:
        return ""
    element = dataset.get_item(tag, keep_deferred=True)
    if isinstance(element.value, bytes):
        text = plain_text(vr_of(tag, element.VR), element.value, getattr(element, "is_little_endian", True))
        if text is not None:
            return text
    value = dataset[tag].value if element.value is not None else None
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, (list, tuple)) or hasattr(value, "append") else str(value)

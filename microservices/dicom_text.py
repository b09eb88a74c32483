"""Values of DICOM elements as text, as the file writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_BYTES_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


def vr_of(dataset: Dataset, tag: int) -> str:
    """The VR of an element that is there: the file's own, or the dictionary's (PS3.6) where the file does not say."""
    from pydicom.datadict import dictionary_VR

    vr = dataset.get_item(tag, keep_deferred=True).VR  # type: ignore[call-overload]
    if vr is None or vr == "UN":
        try:
            return str(dictionary_VR(tag))
        except KeyError:
            return "UN"
    return str(vr)


def text_of(dataset: Dataset, tag: int) -> str:
    r"""The value as text, multiple values joined by `\` as DICOM writes them; empty where there is none.

    Plain ASCII is taken from the bytes, without the padding (PS3.5 6.2); everything else is pydicom's to decode.
    """
    if tag not in dataset:
        return ""
    raw = dataset.get_item(tag, keep_deferred=True)
    value = raw.value  # type: ignore[union-attr]
    if value is None or (isinstance(value, bytes) and not value):
        return ""
    vr = vr_of(dataset, tag)
    if isinstance(value, bytes):
        if vr in _TEXT_VRS and value.isascii() and b"\x1b" not in value:
            return value.decode("ascii").rstrip(" \0")
        if vr in _BYTES_VRS:
            return value.decode("latin-1").rstrip(" \0")
    value = dataset[tag].value
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, (list, tuple)) or hasattr(value, "append") else str(value)

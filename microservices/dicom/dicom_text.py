"""Values of DICOM elements as text, as the file writes them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from microservices.dicom.dicom_walk import Element

_TEXT_VRS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
_BYTES_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


UNDECLARED = ("utf-8", "latin-1")
"""Instead of names: the file names no character set, or one that does not exist. What is UTF-8 is read as that."""
_DEFAULT = frozenset(("", "ISO_IR 6"))


class Encoding(NamedTuple):
    """How the values of a data set are written: byte order, and Python's names of its character sets (PS3.3
    C.12.1.1.2).
    """

    implicit: bool
    little: bool
    charsets: tuple[str, ...]


def charsets_of(value: bytes | None) -> tuple[str, ...]:
    """Python's names of the character sets that Specific Character Set names."""
    from pydicom.charset import convert_encodings, python_encoding

    names = [name.strip(" \0") for name in (value or b"").decode("latin-1").split("\\")]
    if not set(names) <= python_encoding.keys() or set(names) <= _DEFAULT:
        return UNDECLARED
    return tuple(convert_encodings(names))


def vr_of(tag: int, stored: str | None) -> str:
    """The VR of an element: the file's own, or the dictionary's (PS3.6) where the file does not say."""
    if stored and stored != "UN":
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


def text_of(element: Element, encoding: Encoding) -> str:
    r"""The value as text, multiple values joined by `\`; empty where there is none. pydicom's exceptions pass."""
    if not element.value:
        return ""
    text = plain_text(vr_of(element.tag, element.vr), element.value, encoding.little)
    if text is not None:
        return text
    if encoding.charsets == UNDECLARED and vr_of(element.tag, element.vr) in _TEXT_VRS:
        return _guessed(element.value).rstrip(" \0")
    from pydicom.dataelem import RawDataElement, convert_raw_data_element
    from pydicom.tag import BaseTag

    raw = RawDataElement(
        BaseTag(element.tag),
        element.vr or None,
        element.length,
        element.value,
        0,
        encoding.implicit,
        encoding.little,
        True,
    )
    value = convert_raw_data_element(raw, encoding=list(encoding.charsets)).value
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, (list, tuple)) or hasattr(value, "append") else str(value)


def _guessed(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def readable(element: Element, encoding: Encoding) -> str:
    """As `text_of`, and Latin-1 where the value is none that its VR allows."""
    try:
        return text_of(element, encoding)
    except Exception:  # noqa: BLE001 pydicom raises whatever comes for a value that its VR does not allow
        return (element.value or b"").decode("latin-1").strip(" \0")

"""The pixel data of a DICOM file: whether they are whole, and what stands after them.

The file is read again after its pixels: an element there is read by few programs, and by those that look for names in
headers.

References: DICOM PS3.5 A.4 (encapsulated pixel data), 7.2 (Data Set Trailing Padding).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from microservices.dicom import dicom_sniff
from microservices.dicom.dicom_elements import PIXELS, Elements, name_of
from microservices.dicom.dicom_walk import ITEM, SEQUENCE_END, UNDEFINED

_PADDING, _NATIVE = 0xFFFCFFFC, 0x7FE00010
Scan = Callable[[int, Callable[[int], bool]], int]
"""Reads elements from a place on until one at which it stops; where that is (`dicom_scan`)."""
_MOST_BYTES = 1 << 20
"""What follows the last element is looked at so far."""
_TEXT = re.compile(rb"[A-Za-z\x80-\xff]{2}|[0-9]{4}|(?:[A-Za-z]\0){2}|(?:\0[A-Za-z]){2}")
"""Two letters in a row, in an alphabet of one byte or of two, or a year."""


def is_text(data: bytes) -> bool:
    """Whether bytes that should hold nothing hold what may be a word or a date.

    >>> is_text(bytes(20)), is_text(b"II*\\0" + bytes(16)), is_text(b"\\0\\0Wu 1970")
    (False, True, True)
    """
    return _TEXT.search(data) is not None


def check(found: Elements, scan: Scan) -> None:
    """Notes what is wrong with the pixel data, and what stands after them.

    The stream stands at the first element of them.
    """
    at = found.stream.tell()
    while True:
        found.stream.seek(at)
        head = found.stream.read(12)
        tag, start, length = _head(found, head)
        if tag not in PIXELS:
            break
        found.budget.count()
        end = at + start + length if length != UNDEFINED else _end_of_fragments(found, at + start)
        if end is None:
            return found.flaw(f"cut off in {name_of(tag)}: its fragments have no end", incomplete=True, is_read=True)
        if end > found.size:
            return found.flaw(
                f"cut off in {name_of(tag)}: {end - found.size} bytes are missing", incomplete=True, is_read=True
            )
        if tag == _NATIVE and length != UNDEFINED and (needed := _needed(found)) > length:
            told = f"{name_of(tag)} has {length} bytes, its rows, columns, frames and bits need {needed}"
            return found.flaw(told, incomplete=True, is_read=True)
        at = end
    return _check_rest(found, at, scan)


def _needed(found: Elements) -> int:
    """Bytes of native pixel data (PS3.3 C.7.6.3, PS3.5 8.1.1); 0 where an attribute is missing or is not a number."""
    try:
        rows, columns, bits = (int(found.text(tag)) for tag in (0x00280010, 0x00280011, 0x00280100))
        samples, frames = (int(found.text(tag) or 1) for tag in (0x00280002, 0x00280008))
    except ValueError:
        return 0
    subsampled = found.text(0x00280004).startswith("YBR_FULL_4") or found.text(0x00280004).startswith("YBR_PARTIAL")
    return 0 if subsampled else (rows * columns * samples * frames * bits + 7) // 8


def _check_rest(found: Elements, at: int, scan: Scan) -> None:
    """Reads the elements after the pixel data, and looks at what cannot be read as one."""
    before, repeated, reached = set(found.by_tag), len(found.repeated), found.reached
    while True:
        found.stream.seek(at)
        head = found.stream.read(12)
        tag, start, length = _head(found, head)
        end = at + start + length
        if not tag or length == UNDEFINED or (end > found.size and tag <= max(PIXELS)):
            break
        if end > found.size:
            return found.flaw(
                f"cut off in {name_of(tag)}: {end - found.size} bytes are missing", incomplete=True, is_read=True
            )
        if tag == _PADDING:
            found.budget.count()
            _look(found, at + start, length)
            at = end
        else:
            at = scan(at, lambda other: other != tag)  # noqa: B023 used at once
            if at < end or found.problem:
                break
    found.after_pixels += [name_of(tag) for tag in found.by_tag if tag not in before]
    found.after_pixels += [name_of(tag) for tag in found.repeated[repeated:]]
    found.reached = reached
    _look(found, at, found.size - at)


def _look(found: Elements, at: int, length: int) -> None:
    """Looks for text in what should be padding."""
    found.stream.seek(at)
    data = found.stream.read(min(length, _MOST_BYTES))
    if is_text(data) or (length > _MOST_BYTES and data.strip(b"\0")):
        found.after_pixels.append("text")


def _head(found: Elements, head: bytes) -> tuple[int, int, int]:
    """(tag, bytes before the value, its length) of an element (PS3.5 7.1); tag 0 where none stands there."""
    endian = "<" if found.little else ">"
    if len(head) < 8:
        return 0, 0, 0
    group, element = struct.unpack_from(endian + "HH", head)
    tag = group << 16 | element
    if found.implicit:
        return tag, 8, struct.unpack_from(endian + "I", head, 4)[0]
    if head[4:6] in dicom_sniff.LONG_VRS:
        return tag, 12, struct.unpack_from(endian + "I", head, 8)[0] if len(head) >= 12 else UNDEFINED - 1
    if head[4:6] not in dicom_sniff.VRS:
        return 0, 0, 0
    return tag, 8, struct.unpack_from(endian + "H", head, 6)[0]


def _end_of_fragments(found: Elements, at: int) -> int | None:
    """Encapsulated pixel data are items that a Sequence Delimitation Item ends; None where it is missing."""
    while at + 8 <= found.size:
        found.budget.count()
        found.stream.seek(at)
        group, element, length = struct.unpack("<HHI", found.stream.read(8))
        if (tag := group << 16 | element) == SEQUENCE_END:
            return at + 8
        if tag != ITEM:
            found.flaw("its pixel data are damaged", incomplete=False)
            return None
        at += 8 + length
    return None

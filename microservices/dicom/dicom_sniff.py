"""Tells DICOM by the first bytes of a file, with its preamble or without (PS3.10 7.1, PS3.5 7.1)."""

from __future__ import annotations

import struct

VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Their length is a u32 after two reserved bytes (PS3.5 7.1.2)."""
_MAX_FIRST_BYTES = 256
"""The first elements of a data set are short."""


def is_dicom(head: bytes) -> bool:
    """A preamble and `DICM`, or else two elements that can begin a data set."""
    return has_preamble(head) or any(
        _begins_dataset(head, *syntax) for syntax in ((False, "<"), (False, ">"), (True, "<"))
    )


def has_preamble(head: bytes) -> bool:
    """128 bytes of anything, then `DICM`."""
    return head[128:132] == b"DICM"


def begins_with_meta(head: bytes) -> bool:
    """A file whose preamble is missing, but not its meta information."""
    return head[:2] == b"\x02\0" and head[4:6] in VRS


def encoding_of(head: bytes) -> tuple[bool, bool]:
    """(implicit VR, little endian) of a data set, by its first element, which is of a group below 0x0100."""
    return head[4:6] not in VRS, head[1:2] == b"\0"


def _begins_dataset(head: bytes, implicit: bool, endian: str) -> bool:
    """Do two elements stand at the beginning, in ascending order, of the groups a data set begins with?"""
    first = _element(head, 0, implicit, endian)
    if first is None or first[0] >> 16 not in (0x0002, 0x0008):
        return False
    second = _element(head, first[1], implicit, endian)
    # the file meta information is explicit, the data set after it need not be
    return second is not None and first[0] < second[0] and second[0] >> 16 in (0x0002, 0x0008, 0x0010)


def _element(head: bytes, position: int, implicit: bool, endian: str) -> tuple[int, int] | None:
    """(tag, where the next element begins), or None where no short element stands at `position`."""
    if position + 8 > len(head):
        return None
    group, element = struct.unpack_from(endian + "HH", head, position)
    start = position + 8
    if implicit:
        (length,) = struct.unpack_from(endian + "I", head, position + 4)
    elif (vr := head[position + 4 : position + 6]) not in VRS:
        return None
    elif vr in LONG_VRS:
        if position + 12 > len(head):
            return None
        start = position + 12
        (length,) = struct.unpack_from(endian + "I", head, position + 8)
    else:
        (length,) = struct.unpack_from(endian + "H", head, position + 6)
    return (group << 16 | element, start + length) if length <= _MAX_FIRST_BYTES else None

"""The elements of a DICOM file before its pixel data, and whether the file holds all that its lengths announce.

pydicom reads a file that is cut off without a word (the last value is just shorter), and gives up all elements where a
sequence is damaged. So its generator of elements is driven here: what was read before the damage is kept, and every
length is compared with the file's.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from microservices import dicom_sniff
from microservices.dicom_deflate import KEPT_BYTES, inflate
from microservices.dicom_text import plain_text, text_of, vr_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UNDEFINED = 0xFFFFFFFF
_DEFERRED_BYTES = 1 << 20
"""Longer values are left in the file."""
_TAIL_BYTES = 1 << 16
_HOLE_BYTES = 2 << 20
"""Smaller files are read at once, whatever they hold."""
_MAX_EMPTY_ITEMS = 1000
_MAX_TRAILING_ELEMENTS = 64
_MEDIA_SOP_CLASS, _TRANSFER_SYNTAX, _CHARACTER_SET = 0x00020002, 0x00020010, 0x00080005
_DEFLATED, _BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_DELIMITER = {True: b"\xfe\xff\xdd\xe0\0\0\0\0", False: b"\xff\xfe\xe0\xdd\0\0\0\0"}
"""Sequence Delimitation Item (PS3.5 7.5.2), little and big endian."""


@dataclass(slots=True)
class Elements:
    """What was read of a file: its data set up to the pixel data, and the first thing that is wrong."""

    stream: BinaryIO
    size: int
    """Bytes of `stream`; of the inflated data set where the file is deflated."""
    transfer_syntax: str = ""
    media_sop_class: str = ""
    implicit: bool = False
    little: bool = True
    by_tag: dict[int, Any] = field(default_factory=dict)
    """Tag -> pydicom's RawDataElement, or DataElement for sequences of undefined length."""
    reached: int = 0
    """The tag at which the reading stopped."""
    has_pixels: bool = False
    problem: str = ""
    incomplete: bool = False
    _dataset: Dataset | None = None

    def flaw(self, problem: str, *, incomplete: bool) -> None:
        """The first flaw is the one to tell."""
        if not self.problem:
            self.problem, self.incomplete = problem, incomplete

    def text(self, tag: int) -> str:
        r"""The value of an element as text, multiple values joined by `\`; empty where there is none."""
        element = self.by_tag.get(tag)
        if element is None or element.value is None:
            return ""
        if isinstance(element.value, bytes):
            text = plain_text(vr_of(tag, element.VR), element.value, self.little)
            if text is not None:
                return text
        try:
            return text_of(self.dataset, tag)
        except Exception:  # noqa: BLE001 pydicom raises whatever comes for a value that its VR does not allow
            self.flaw(f"damaged in {name_of(tag)}", incomplete=False)
            return ""

    def value(self, element: Any, most: int = KEPT_BYTES) -> bytes:  # noqa: ANN401 pydicom's RawDataElement
        """The bytes of a raw element; at most `most` of those that were left in the file."""
        if element.value is None and element.length:
            self.stream.seek(element.value_tell)
            return self.stream.read(min(element.length, most))
        return element.value or b""

    def items(self, tag: int) -> Iterator[Dataset]:
        """The items of a sequence, one by one where their lengths are given."""
        from pydicom.filereader import read_sequence_item

        element = self.by_tag.get(tag)
        if element is None:
            return
        if not is_raw(element):
            yield from element.value or ()
            return
        value = self.value(element)
        stream = io.BytesIO(value)
        while stream.tell() < len(value):
            item = read_sequence_item(stream, element.is_implicit_VR, element.is_little_endian, self.encodings)
            if item is None:
                return
            yield item

    @property
    def encodings(self) -> list[str]:
        """Python's names of the character sets of the texts (PS3.3 C.12.1.1.2)."""
        from pydicom.charset import convert_encodings

        element = self.by_tag.get(_CHARACTER_SET)
        names = (element.value or b"").decode("latin-1").split("\\") if element is not None else [""]
        return convert_encodings([name.strip(" \0") for name in names])

    @property
    def dataset(self) -> Dataset:
        """As pydicom's Dataset, for what is not plain text."""
        from pydicom.dataset import Dataset

        if self._dataset is None:
            self._dataset = Dataset({element.tag: element for element in self.by_tag.values()})
            self._dataset.set_original_encoding(self.implicit, self.little, self.encodings)
        return self._dataset


def is_raw(element: object) -> bool:
    """Are these bytes (pydicom's RawDataElement), or a sequence that is parsed already?"""
    return hasattr(element, "value_tell")


def name_of(tag: int) -> str:
    """A tag as the standard writes it, and its keyword.

    >>> name_of(0x00100010)
    '(0010,0010) PatientName'
    """
    from pydicom.datadict import keyword_for_tag

    return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {keyword_for_tag(tag)}".rstrip()


def read_elements(file: BinaryIO, size: int) -> Elements:
    """Reads a file of `size` bytes up to its pixel data. Raises nothing for what the file holds."""
    file.seek(0)
    head = file.read(min(size, 140))
    start = 132 if dicom_sniff.has_preamble(head) else 0
    found = Elements(file, size)
    if start or dicom_sniff.begins_with_meta(head):
        start = _read_meta(found, start)
    if not found.problem:
        if found.transfer_syntax == _DEFLATED:
            found.stream.seek(start)
            found.stream, found.size, problem, incomplete = inflate(found.stream)
            found.flaw(problem, incomplete=incomplete)
            start = 0
        found.stream.seek(start)
        found.implicit, little = dicom_sniff.encoding_of(found.stream.read(8))
        found.little = found.transfer_syntax != _BIG_ENDIAN if found.transfer_syntax else little
        _scan(found, start, lambda tag, _, __: tag in _PIXELS)
        found.has_pixels = found.reached in _PIXELS
        if found.has_pixels and not found.problem:
            _check_pixels(found)
    return found


def _read_meta(found: Elements, start: int) -> int:
    """Reads the File Meta Information (PS3.10 7.1), which is always explicit little endian; where the data set begins."""
    meta = Elements(found.stream, found.size)
    _scan(meta, start, lambda tag, _, __: tag >> 16 != 2)
    found.problem, found.incomplete = meta.problem, meta.incomplete
    if not meta.by_tag:
        at_end = start + 8 > found.size
        found.flaw("the file ends before its meta information" if at_end else "no meta information after DICM", incomplete=at_end)
    elif meta.reached >> 16 == 2:
        found.flaw("the file ends within its meta information", incomplete=True)
    found.media_sop_class = _uid(meta, _MEDIA_SOP_CLASS)
    found.transfer_syntax = _uid(meta, _TRANSFER_SYNTAX)
    return found.stream.tell()


def _uid(found: Elements, tag: int) -> str:
    element = found.by_tag.get(tag)
    return (element.value or b"").decode("latin-1").strip(" \0") if element is not None else ""


def _scan(found: Elements, start: int, stops: Callable[[int, str | None, int], bool]) -> None:
    """Reads elements from `start` on until one at which `stops`, before which the stream then stands."""
    from pydicom.filereader import data_element_generator

    stream = found.stream
    stopped = False

    def stop(tag: int, vr: str | None, length: int) -> bool:
        nonlocal stopped
        stopped = tag == 0 or stops(tag, vr, length)  # zeros: padding, or a part that is not written yet
        found.reached = tag or found.reached
        return stopped

    stream.seek(start)
    last = None
    parsed = cast("BinaryIO", _HoleGuard(stream)) if found.size > _HOLE_BYTES else stream
    try:
        for last in data_element_generator(parsed, found.implicit, found.little, stop, _DEFERRED_BYTES):
            found.by_tag[int(last.tag)] = last
    except Exception as error:  # noqa: BLE001 pydicom raises whatever comes for damaged content; a failing file is told apart by `headers`
        at_end = isinstance(error, (EOFError, _Hole)) or not stream.read(_MAX_EMPTY_ITEMS).strip(b"\0")
        found.flaw(f"{'cut off' if at_end else 'damaged'} in {name_of(found.reached)}", incomplete=at_end)
        return
    end = start if last is None else _end_of(last)
    if end is not None and end > found.size:
        found.flaw(f"cut off in {name_of(last.tag)}", incomplete=True)  # type: ignore[union-attr]
    elif not stopped:
        _check_rest(found, end)


class _Hole(Exception):
    """Zeros where items of a sequence should stand."""


class _HoleGuard:
    """A stream for pydicom, which takes each 8 zeros within a sequence for an empty item, as long as there are some."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read, self.seek, self.tell = stream.read, stream.seek, stream.tell
        self._zeros = 0

    def read(self, size: int = -1) -> bytes:
        data = self._read(size)
        if size == 8:
            self._zeros = 0 if data != b"\0\0\0\0\0\0\0\0" else self._zeros + 1
            if self._zeros > _MAX_EMPTY_ITEMS:
                raise _Hole
        return data


def _end_of(element: Any) -> int | None:  # noqa: ANN401 pydicom's two kinds of element
    """Where an element ends by its length; None where a delimiter ends it."""
    if not is_raw(element) or element.length == UNDEFINED:
        return None
    return int(element.value_tell + element.length)


def _check_rest(found: Elements, end: int | None) -> None:
    """A data set without pixel data ends with the file: after its last length, or with the delimiter of its last sequence."""
    found.stream.seek(max(0, found.size - 8) if end is None else end)
    rest = found.stream.read(8)
    whole = rest == _DELIMITER[found.little] if end is None else not rest.strip(b"\0")
    if not whole:
        found.flaw(f"cut off after {name_of(found.reached)}", incomplete=True)


def _check_pixels(found: Elements) -> None:
    """Is the pixel data whole, and what follows it? Reads the heads of elements only."""
    position = found.stream.tell()
    for _ in range(_MAX_TRAILING_ELEMENTS):
        found.stream.seek(position)
        head = found.stream.read(12)
        if len(head) < 8 or not head.strip(b"\0"):
            return
        tag, start, length = _head(found, head, position)
        if tag < min(_PIXELS):
            return
        end = start + length if length != UNDEFINED else _end_of_fragments(found, start)
        if end is None:
            return found.flaw(f"cut off in {name_of(tag)}: its fragments have no end", incomplete=True)
        if end > found.size:
            return found.flaw(f"cut off in {name_of(tag)}: {end - found.size} bytes are missing", incomplete=True)
        position = end


def _head(found: Elements, head: bytes, position: int) -> tuple[int, int, int]:
    """(tag, where its value starts, its length) of the element whose head stands at `position` (PS3.5 7.1)."""
    endian = "<" if found.little else ">"
    group, element = struct.unpack_from(endian + "HH", head)
    if found.implicit:
        return group << 16 | element, position + 8, struct.unpack_from(endian + "I", head, 4)[0]
    if head[4:6] in dicom_sniff.LONG_VRS:
        length = struct.unpack_from(endian + "I", head, 8)[0] if len(head) >= 12 else UNDEFINED - 1
        return group << 16 | element, position + 12, length
    return group << 16 | element, position + 8, struct.unpack_from(endian + "H", head, 6)[0]


def _end_of_fragments(found: Elements, start: int) -> int | None:
    """Encapsulated pixel data end with a Sequence Delimitation Item (PS3.5 A.4), with little or nothing after it."""
    tail = max(start, found.size - _TAIL_BYTES)
    found.stream.seek(tail)
    at = found.stream.read(found.size - tail).rfind(_DELIMITER[True])
    return tail + at + len(_DELIMITER[True]) if at >= 0 else None

"""Reads the elements of a DICOM file, before its pixel data and after them, and compares every length with the file's.

pydicom reads a file that is cut off without a word (the last value is just shorter), gives up all elements where a
sequence is damaged, and makes objects of everything. So the elements are read here: what stands before the damage is
kept, and sequences are walked without being built (`dicom_walk`). pydicom converts single values.

References: DICOM PS3.5 7 (the data set), PS3.10 7.1 (file meta information).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from microservices.budget import MAX_BYTES, Budget, OverBudget
from microservices.dicom import dicom_pixels, dicom_sniff
from microservices.dicom.dicom_deflate import inflate
from microservices.dicom.dicom_elements import PIXELS, Elements, name_of
from microservices.dicom.dicom_walk import (
    UNDEFINED,
    Damaged,
    Element,
    Leaf,
    Short,
    Walker,
    begins_sequence,
    creator_key,
    is_known,
)

_DEFERRED_BYTES = 1 << 20
"""Longer values are left in the file."""
_FIRST_WINDOW = 1 << 16
"""Bytes in which the end of a sequence without a length is looked for first; then four times as many, and so on."""
_ZEROS = 1000
"""Zero bytes in place of an element that mean that the file is not completely written yet."""
_PADDING_BYTES = 1 << 20
"""Longest padding with zeros after the last element."""
_MEDIA_SOP_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
_DEFLATED, _BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_FUNCTIONAL_GROUPS = frozenset((0x52009229, 0x52009230))


def read_elements(file: BinaryIO, size: int, budget: Budget, wanted: frozenset[int] = frozenset()) -> Elements:
    """Reads the elements of a file of `size` bytes. Raises nothing for what the file holds."""
    file.seek(0)
    head = file.read(min(size, 140))
    start = 132 if dicom_sniff.has_preamble(head) else 0
    found = Elements(stream=file, size=size, budget=budget, wanted=wanted)
    try:
        if start or dicom_sniff.begins_with_meta(head):
            start = _read_meta(found, start)
        if found.problem:
            return found
        if found.transfer_syntax == _DEFLATED:
            found.stream.seek(start)
            found.stream, found.size, problem, incomplete = inflate(found.stream, budget)
            found.flaw(problem, incomplete=incomplete)
            start = 0
        found.stream.seek(start)
        found.implicit, little = dicom_sniff.encoding_of(found.stream.read(8))
        found.little = found.transfer_syntax != _BIG_ENDIAN if found.transfer_syntax else little
        Scan(found).run(start, lambda tag: tag in PIXELS)
        found.has_pixels = found.reached in PIXELS
        if found.has_pixels:
            dicom_pixels.check(found, Scan(found).run)
    except OverBudget as over:
        found.stop(over)
    return found


def _read_meta(found: Elements, start: int) -> int:
    """Reads the File Meta Information (PS3.10 7.1), which is always explicit little endian.

    Where the data set begins.
    """
    meta = Elements(stream=found.stream, size=found.size, budget=found.budget, wanted=found.wanted)
    end = Scan(meta).run(start, lambda tag: tag >> 16 != 2)
    found.problem, found.incomplete, found.is_read = meta.problem, meta.incomplete, meta.is_read
    found.leaves, found.repeated = meta.leaves, meta.repeated
    if not meta.by_tag:
        at_end = start + 8 > found.size
        found.flaw(
            "the file ends before its meta information" if at_end else "no meta information after DICM",
            incomplete=at_end,
        )
    elif meta.reached >> 16 == 2:
        found.flaw("the file ends within its meta information", incomplete=True)
    found.media_sop_class = _uid(meta, _MEDIA_SOP_CLASS)
    found.transfer_syntax = _uid(meta, _TRANSFER_SYNTAX)
    return end


def _uid(found: Elements, tag: int) -> str:
    element = found.by_tag.get(tag)
    return (element.value or b"").decode("latin-1").strip(" \0") if element is not None else ""


class Scan:
    """Reads the elements of the top level of a file into what was found."""

    def __init__(self, found: Elements) -> None:
        self._found, self._stream = found, found.stream
        self._head = struct.Struct("<HH2sH" if found.little else ">HH2sH").unpack
        self._long = struct.Struct("<I" if found.little else ">I").unpack

    def run(self, start: int, stops: Callable[[int], bool]) -> int:
        """Reads from `start` on, until an element at which `stops`, or the end; where it stopped."""
        found, stream, at = self._found, self._stream, start
        stream.seek(at)
        while True:
            head = stream.read(8)
            if len(head) < 8:
                if head.strip(b"\0"):
                    found.flaw(f"cut off after {name_of(found.reached)}", incomplete=True)
                return at
            found.budget.count()
            group, number, vr, length = self._head(head)
            tag = group << 16 | number
            if tag == 0:  # padding, or a part that is not written yet
                self._zeros(at)
                return at
            found.reached = tag
            if stops(tag):
                stream.seek(at)
                return at
            start, vr, length = self._length(at, head, vr, length)
            if start < 0:
                self._damaged(at, tag, cut=at + 12 > found.size)
                return at
            at = self._element(tag, vr.decode(), start, length)
            if found.problem:
                return at

    def _length(self, at: int, head: bytes, vr: bytes, length: int) -> tuple[int, bytes, int]:
        """Returns where the value of an element starts, its representation and its length.

        The start is -1 if this cannot be an element.
        """
        if self._found.implicit:
            return at + 8, b"", self._long(head[4:])[0]
        if vr in dicom_sniff.LONG_VRS:
            rest = self._stream.read(4)
            return (at + 12, vr, self._long(rest)[0]) if len(rest) == 4 else (-1, vr, 0)
        return (at + 8, vr, length) if vr in dicom_sniff.VRS else (-1, vr, 0)

    def _element(self, tag: int, vr: str, start: int, length: int) -> int:
        """Reads one element whose value starts where the stream stands; where it ends."""
        found, stream = self._found, self._stream
        if length == UNDEFINED:
            return self._open_sequence(tag, vr, start)
        end = start + length
        value: bytes | None = None
        if (
            length <= _DEFERRED_BYTES
            or vr == "SQ"
            or (vr in ("", "UN", "OB", "OW") and begins_sequence(self._peek(start)))
        ):
            if length > _DEFERRED_BYTES:
                found.budget.hold(length)
            value = stream.read(min(length, max(0, found.size - start)))
            if len(value) < length:
                self._keep(Element(tag, vr, length, value, start))
                found.flaw(f"cut off in {name_of(tag)}", incomplete=True)
                return end
            if vr == "SQ" or (vr in ("", "UN", "OB", "OW") and begins_sequence(value)):
                self._walk(tag, vr, value, start)
        elif end > found.size:
            found.flaw(f"cut off in {name_of(tag)}", incomplete=True)
        else:
            stream.seek(end)
        self._keep(Element(tag, vr, length, value, start))
        return end

    def _peek(self, start: int) -> bytes:
        self._stream.seek(start)
        value = self._stream.read(4)
        self._stream.seek(start)
        return value

    def _keep(self, element: Element) -> None:
        found, tag = self._found, element.tag
        if element.value is not None and len(element.value) > _DEFERRED_BYTES and tag not in _FUNCTIONAL_GROUPS:
            found.budget.release(len(element.value))
            element = element._replace(value=None)
        if tag in found.by_tag:
            found.repeated.append(tag)
            found.leaves.append(Leaf((), element, found.creators.get(creator_key(tag), "")))
        else:
            found.by_tag[tag] = element
        if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            found.creators[tag >> 16 << 8 | tag & 0xFF] = (element.value or b"").decode("latin-1").strip(" \0")

    def _walk(self, tag: int, vr: str, value: bytes, start: int) -> None:
        """Walks a sequence of known length."""
        found = self._found
        walker = Walker(value, found.little, found.budget, found.wanted)
        try:
            if vr == "SQ" or (not vr and not tag >> 16 & 1):
                walker.sequence(0, len(value), found.implicit, (tag,), self._is_wanted(tag))
            else:
                walker.unknown_sequence(tag)
        except (Short, Damaged) as error:
            self._damaged(start + (error.at if isinstance(error, Damaged) else 0), tag)
        self._note(walker, tag)

    def _open_sequence(self, tag: int, vr: str, start: int) -> int:
        """Walks a sequence that a delimiter ends, in as much of the file as it takes; where it ends."""
        found, window = self._found, _FIRST_WINDOW
        while True:
            found.budget.hold(window)
            self._stream.seek(start)
            data = self._stream.read(min(window, found.size - start))
            walker = Walker(data, found.little, found.budget, found.wanted)
            try:
                implicit = found.implicit or vr == "UN"
                end = walker.sequence(0, -1, implicit, (tag,), self._is_wanted(tag))
            except Short:
                if start + len(data) < found.size:
                    found.budget.release(window)
                    window = min(4 * window, MAX_BYTES)
                    found.budget.look()
                    if len(data) == MAX_BYTES:
                        raise OverBudget(f"{name_of(tag)} is longer than {MAX_BYTES >> 20} MiB") from None
                    continue
                self._note(walker, tag)
                found.flaw(f"cut off in {name_of(tag)}", incomplete=True)
                return found.size
            except Damaged as error:
                self._note(walker, tag)
                self._damaged(start + error.at, tag)
                return found.size
            found.budget.release(window)
            self._note(walker, tag)
            self._keep(Element(tag, vr or "SQ", end - 8, data[: end - 8], start))
            self._stream.seek(start + end)
            return start + end

    def _is_wanted(self, tag: int) -> bool:
        return tag in self._found.wanted or is_known(self._found.creators.get(creator_key(tag), ""), tag)

    def _note(self, walker: Walker, tag: int) -> None:
        self._found.leaves += walker.leaves
        if walker.unknown:
            self._found.unknown_sequences.append(tag)

    def _damaged(self, at: int, tag: int, *, cut: bool = False) -> None:
        """Zeros where something should stand: not written yet. Everything else is damage."""
        self._stream.seek(at)
        cut = cut or not self._stream.read(_ZEROS).strip(b"\0")
        self._found.flaw(f"{'cut off' if cut else 'damaged'} in {name_of(tag)}", incomplete=cut)

    def _zeros(self, at: int) -> None:
        """Zeros from `at` on: padding, if there are few and nothing follows them."""
        self._stream.seek(at)
        rest = self._stream.read(_PADDING_BYTES + 1)
        if rest.strip(b"\0"):
            self._found.flaw(f"damaged after {name_of(self._found.reached)}", incomplete=False)
        elif len(rest) > _PADDING_BYTES:
            self._found.flaw(f"cut off after {name_of(self._found.reached)}", incomplete=True)

"""Walks the sequences of a DICOM data set, whatever their depth, and notes the elements that the guard has to judge.

No object is made of what nobody asks for, so that a header of a thousand frames costs little; every item and element
counts against the budget. An item may have another encoding than the file (PS3.5 6.2.2: UN is implicit little endian;
odd files do it elsewhere too).

References: DICOM PS3.5 7.5 (nesting), 7.8.1 (private creators).
"""

from __future__ import annotations

import struct
from collections.abc import Set
from typing import NamedTuple

from microservices.budget import MAX_DEPTH, Budget, OverBudget
from microservices.dicom import dicom_sniff
from policy.privacy.private_attributes import PRIVATE

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_BYTES = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_OTHER_VRS = frozenset((b"UN", b"OB", b"OW"))


class Element(NamedTuple):
    """An element as the file has it.

    `vr` is empty where the file does not say, `value` is None where it was left in the file.
    """

    tag: int
    vr: str
    length: int
    value: bytes | None
    position: int = 0
    """Where the value begins in the file."""


class Leaf(NamedTuple):
    """An element within sequences.

    `path` holds the tags of the sequences, the outermost first; `creator` is that of a private element.
    """

    path: tuple[int, ...]
    element: Element
    creator: str = ""


class Short(Exception):
    """The bytes at hand end before the sequence does."""


class Damaged(Exception):
    """What stands at `at` cannot be there."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


def creator_key(tag: int) -> int:
    """Group and block of a private element, by which its creator is found (PS3.5 7.8.1)."""
    return tag >> 16 << 8 | tag >> 8 & 0xFF


def is_known(creator: str, tag: int) -> bool:
    """Whether a private element is known to tell who a person is."""
    return (tag >> 16, tag & 0xFF) in PRIVATE.get(creator, ())


def begins_sequence(value: bytes) -> bool:
    """Whether a value of unknown representation begins like the items of a sequence."""
    return value[:4] in _ITEM_BYTES


class Scope(NamedTuple):
    """The item that is walked."""

    path: tuple[int, ...]
    whole: bool
    """All its elements are noted."""
    creators: dict[int, str]
    """Group and block -> private creator."""
    into: dict[int, Element] | None
    """Gets all elements of the item itself."""


class Walker:
    """Walks what lies in `data`, and notes in `leaves` the elements of these tags, of these sequences, and all person
    names.
    """

    def __init__(self, data: bytes, little: bool, budget: Budget, wanted: Set[int] = frozenset()) -> None:
        self.leaves: list[Leaf] = []
        self.unknown: list[tuple[int, ...]] = []
        """Paths of what begins like a sequence and cannot be read as one."""
        self._data, self._budget, self._wanted = data, budget, wanted
        self._order(little)

    def _order(self, little: bool) -> None:
        self._little = little
        self._tag_and_length = struct.Struct("<HHI" if little else ">HHI").unpack_from
        self._explicit = struct.Struct("<HH2sH" if little else ">HH2sH").unpack_from
        self._long = struct.Struct("<I" if little else ">I").unpack_from

    def sequence(self, at: int, end: int, implicit: bool, path: tuple[int, ...], whole: bool) -> int:
        """Walks items from `at` to `end`, or to the delimiter where `end` is -1; where the sequence ends.

        `whole`: all elements are noted.
        """
        if len(path) > MAX_DEPTH:
            raise OverBudget(f"sequences lie in sequences more than {MAX_DEPTH} deep")
        data, limit = self._data, len(self._data) if end < 0 else end
        while at != end:
            if at + 8 > limit:
                raise Short if end < 0 else Damaged(at)
            group, number, length = self._tag_and_length(data, at)
            tag = group << 16 | number
            self._budget.count()
            if tag == SEQUENCE_END and end < 0:
                return at + 8
            if tag != ITEM:
                raise Damaged(at)
            at += 8
            stop = -1 if length == UNDEFINED else at + length
            if stop > limit:
                raise Short if end < 0 else Damaged(at)
            at = self.dataset(at, stop, implicit or self._looks_implicit(at), path, whole)
        return at

    def dataset(
        self,
        at: int,
        end: int,
        implicit: bool,
        path: tuple[int, ...],
        whole: bool,
        into: dict[int, Element] | None = None,
    ) -> int:
        """Walks the elements of an item from `at` to `end`, or to the delimiter where `end` is -1; where the item ends.

        `into`: gets all elements of this level.
        """
        data, limit = self._data, len(self._data) if end < 0 else end
        scope = Scope(path, whole, {}, into)
        while at != end:
            if at + 8 > limit:
                raise Short if end < 0 else Damaged(at)
            self._budget.count()
            if implicit:
                group, number, length = self._tag_and_length(data, at)
                vr, start = b"", at + 8
            else:
                group, number, vr, length = self._explicit(data, at)
                start = at + 8
            tag = group << 16 | number
            if tag == ITEM_END and end < 0:
                return at + 8
            if group in (0, 0xFFFE):
                raise Damaged(at)
            if not implicit:
                if vr in dicom_sniff.LONG_VRS:
                    if at + 12 > limit:
                        raise Short if end < 0 else Damaged(at)
                    (length,) = self._long(data, at + 8)
                    start = at + 12
                elif vr not in dicom_sniff.VRS:
                    raise Damaged(at)
            stop = -1 if length == UNDEFINED else start + length
            if stop > limit:
                raise Short if end < 0 else Damaged(at)
            at = self._element(tag, vr, start, stop, implicit, scope)
        return at

    def _element(self, tag: int, vr: bytes, start: int, stop: int, implicit: bool, scope: Scope) -> int:
        """One element: notes it, or walks into it; where it ends."""
        data, end = self._data, stop
        private = tag >> 16 & 1
        creator = scope.creators.get(creator_key(tag), "") if private else ""
        whole = scope.whole or tag in self._wanted or vr == b"PN" or bool(creator and is_known(creator, tag))
        if (
            nested := stop < 0
            or vr == b"SQ"
            or ((not vr or vr in _OTHER_VRS) and data[start : start + 4] in _ITEM_BYTES)
        ):
            if vr == b"OB" and stop < 0:
                stop = self._fragments(start)
            else:
                stop = self._nested(vr, start, stop, implicit, (*scope.path, tag), whole)
            end = stop if end >= 0 else stop - 8
        elif private and 0x10 <= tag & 0xFFFF <= 0xFF:
            scope.creators[tag >> 16 << 8 | tag & 0xFF] = data[start:stop].decode("latin-1").strip(" \0")
        if scope.into is not None:
            scope.into[tag] = Element(tag, vr.decode(), end - start, data[start:end])
        if whole and not nested:
            self.leaves.append(Leaf(scope.path, Element(tag, vr.decode(), end - start, data[start:end]), creator))
        return stop

    def _nested(self, vr: bytes, start: int, stop: int, implicit: bool, path: tuple[int, ...], whole: bool) -> int:
        """A sequence within an item. What is not declared as one may have either encoding, and may be none."""
        if vr == b"SQ" or (implicit and stop < 0):
            return self.sequence(start, stop, implicit, path, whole)
        noted, order = len(self.leaves), self._little
        for attempt in (self._looks_implicit(start + 8), not self._looks_implicit(start + 8)):
            try:
                self._order(self._data[start : start + 4] == _ITEM_BYTES[0])
                return self.sequence(start, stop, attempt, path, whole)
            except (Short, Damaged):
                del self.leaves[noted:]
            finally:
                self._order(order)
        if stop < 0:
            raise Short
        self.unknown.append(path)
        return stop

    def unknown_sequence(self, tag: int) -> bool:
        """Walks all of `data`, which was not declared as a sequence, as the one of the element `tag`;

        False where it is none.
        """
        self._nested(b"UN", 0, len(self._data), False, (tag,), tag in self._wanted)
        return not self.unknown

    def _looks_implicit(self, at: int) -> bool:
        """Whether the element at `at` has no representation that the standard knows."""
        vr = self._data[at + 4 : at + 6]
        return (
            len(vr) == 2
            and vr not in dicom_sniff.VRS
            and self._data[at : at + 4] not in (b"\xfe\xff\x0d\xe0", b"\xff\xfe\xe0\x0d")
        )

    def _fragments(self, at: int) -> int:
        """Where encapsulated pixel data within an item end (an icon's)."""
        while at + 8 <= len(self._data):
            group, number, length = self._tag_and_length(self._data, at)
            self._budget.count()
            if (tag := group << 16 | number) == SEQUENCE_END:
                return at + 8
            if tag != ITEM:
                raise Damaged(at)
            at += 8 + length
        raise Short

"""What was read of a DICOM file: its elements, those that the guard has to judge within sequences, and the first thing
that is wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO

from microservices.budget import Budget, OverBudget
from microservices.dicom import dicom_sniff
from microservices.dicom.dicom_text import Encoding, charsets_of, text_of
from microservices.dicom.dicom_walk import UNDEFINED, Damaged, Element, Leaf, Short, Walker

_CHARACTER_SET = 0x00080005
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))


@dataclass
class DataSet:
    """Elements by their tags, and how they are written."""

    by_tag: dict[int, Element] = field(default_factory=dict)
    implicit: bool = False
    little: bool = True

    @cached_property
    def encoding(self) -> Encoding:
        """How its values are written; to be asked for when all of it is read."""
        element = self.by_tag.get(_CHARACTER_SET)
        return Encoding(self.implicit, self.little, charsets_of(element.value if element else b""))

    def text(self, tag: int) -> str:
        r"""The value of an element as text, multiple values joined by `\`; empty where there is none."""
        element = self.by_tag.get(tag)
        return text_of(element, self.encoding) if element and element.value else ""


@dataclass
class Elements(DataSet):
    """What was read of a file: its data set, and the first thing that is wrong."""

    stream: BinaryIO = field(kw_only=True)
    size: int = field(kw_only=True)
    """Bytes of `stream`; of the inflated data set where the file is deflated."""
    budget: Budget = field(kw_only=True)
    wanted: frozenset[int] = field(kw_only=True, default=frozenset())
    """Tags of the elements and sequences that are noted in `leaves` wherever they stand."""
    transfer_syntax: str = ""
    media_sop_class: str = ""
    leaves: list[Leaf] = field(default_factory=list)
    """The wanted elements within sequences."""
    creators: dict[int, str] = field(default_factory=dict)
    """Group and block -> private creator, of the top level."""
    repeated: list[int] = field(default_factory=list)
    """Tags that stand twice; the first element is in `by_tag`, the others in `leaves`."""
    unknown_sequences: list[int] = field(default_factory=list)
    """Elements that begin like a sequence, and cannot be read as one."""
    reached: int = 0
    """The tag at which the reading stopped."""
    has_pixels: bool = False
    after_pixels: list[str] = field(default_factory=list)
    """What stands after the pixel data: tags, or `text`."""
    problem: str = ""
    incomplete: bool = False
    is_read: bool = True
    """Every element up to the end was read: what is wrong hides none."""
    over_budget: bool = False

    def flaw(self, problem: str, *, incomplete: bool, is_read: bool = False) -> None:
        """The first flaw is the one to tell."""
        self.is_read = self.is_read and (is_read or not problem)
        if not self.problem:
            self.problem, self.incomplete = problem, incomplete

    def stop(self, over: OverBudget) -> None:
        """Nothing more is read: it would cost too much."""
        self.problem, self.incomplete, self.is_read, self.over_budget = str(over), False, False, True

    def text(self, tag: int) -> str:
        try:
            return super().text(tag)
        except Exception:  # noqa: BLE001 pydicom raises whatever comes for a value that its VR does not allow
            self.flaw(f"damaged in {name_of(tag)}", incomplete=False)
            return ""

    def first_item(self, tag: int) -> DataSet | None:
        """The first item of a sequence, with its elements; None where there is none."""
        element = self.by_tag.get(tag)
        if element is None or not element.value or len(element.value) < 16:
            return None
        return item_of(element.value, self.implicit, self.little, self.budget)


def item_of(items: bytes, implicit: bool, little: bool, budget: Budget) -> DataSet | None:
    """The first of the items of a sequence. None where it is damaged."""
    (length,) = struct.unpack_from("<I" if little else ">I", items, 4)
    found = DataSet(implicit=implicit or items[12:14] not in dicom_sniff.VRS, little=little)
    try:
        Walker(items, little, budget).dataset(
            8, -1 if length == UNDEFINED else 8 + length, found.implicit, (), False, found.by_tag
        )
    except (Short, Damaged):
        return None
    return found


def name_of(tag: int) -> str:
    """A tag as the standard writes it, and its keyword.

    >>> name_of(0x00100010)
    '(0010,0010) PatientName'
    """
    from pydicom.datadict import keyword_for_tag

    return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {keyword_for_tag(tag)}".rstrip()

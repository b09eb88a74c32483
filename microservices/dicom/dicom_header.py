"""Headers of DICOM files: classic and enhanced images, of every transfer syntax, with or without the preamble.

Reads up to the pixel data. UIDs are those of the top level; the technique of enhanced images is that of the shared
functional groups and of the first frame (PS3.3 C.7.6.16, C.8.13).
"""

from __future__ import annotations

import re
import warnings
from datetime import date
from typing import BinaryIO

from microservices.budget import Budget, OverBudget
from microservices.dicom import dicom_personal, dicom_technique
from microservices.dicom.dicom_elements import Elements, name_of
from microservices.dicom.dicom_personal import WANTED, joined
from microservices.dicom.dicom_scan import read_elements
from policy.zone import carriers
from policy.zone.header import Header, Kind

_PATIENT_NAME = 0x00100010
_NEEDED = (0x00080016, 0x00080018, _PATIENT_NAME)
_DICOMDIR = "1.2.840.10008.1.3.10"
_DATES = (0x00080022, 0x0008002A, 0x00080023, 0x00080021, 0x00080020)
"""Acquisition Date, Acquisition DateTime, Content Date, Series Date, Study Date."""
_ROWS, _CONTENT_SEQUENCE, _SPECTROSCOPY_DATA = 0x00280010, 0x0040A730, 0x56000020
_PIXELS_ELSEWHERE = frozenset(
    ("1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.4.205")
)
"""JPIP transfer syntaxes: the file names a server that has the pixels."""
_UIDS = (0x00080018, 0x0020000D, 0x0020000E, 0x00200052)
_LONGEST_UID = 64
"""PS3.5 9.1."""
_NUMBERS, _LONGEST_NUMBER = (0x00200011, 0x00200013), 12
"""Series Number, Instance Number: Integer Strings (PS3.5 6.2)."""
_DAY = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")


def read(file: BinaryIO, size: int, budget: Budget | None = None) -> Header:
    """The header of a DICOM file.

    Whatever is wrong is in `problem`; what could be read all the same is in the other fields.
    """
    from pydicom.config import disable_value_validation

    # warnings would write values, and so names, to the server's log
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        file.seek(0)
        head = file.read(min(size, 132))
        found = read_elements(file, size, budget or Budget(), WANTED | dicom_technique.PER_FRAME)
        return _header(found, size, head)


def _header(found: Elements, size: int, head: bytes) -> Header:
    day = _date(found)
    technique: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    told = dicom_personal.Told()
    if not found.over_budget:
        try:
            technique = dicom_technique.of(found)
            several = dicom_technique.several(found)
            told = dicom_personal.of(found, head)
        except OverBudget as over:
            found.stop(over)
    if found.media_sop_class == _DICOMDIR:
        told.note(told.carried, carriers.DIRECTORY, "")
        found.problem, found.incomplete = "a DICOMDIR: the directory of a medium, no image", False
    else:
        _check_needed(found, found.text(0x00080016))
    if not found.is_read:
        told.note(told.carried, carriers.UNREADABLE, found.problem)
    if day:
        technique["AcquisitionDate"] = day
    return Header(
        kind=Kind.DICOM,
        size=size,
        problem=found.problem,
        incomplete=found.incomplete,
        patient_name=found.text(_PATIENT_NAME),
        series_number=_integer(found.text(0x00200011)),
        series_description=found.text(0x0008103E),
        instance_number=_integer(found.text(0x00200013)),
        date=day,
        technique=technique,
        several=several,
        personal=joined(told.personal),
        texts=joined(told.texts),
        carried={carrier: ", ".join(filter(None, dict.fromkeys(where))) for carrier, where in told.carried.items()},
        over_budget=found.over_budget,
        sop_class_uid=found.text(0x00080016),
        sop_instance_uid=found.text(0x00080018),
        study_instance_uid=found.text(0x0020000D),
        series_instance_uid=found.text(0x0020000E),
        frame_of_reference_uid=found.text(0x00200052),
    )


def _check_needed(found: Elements, sop_class: str) -> None:
    """What an image without damage has: who, what, and its pixels. A file may be cut off between two elements.

    Where the pixels are missing, a wrong length may have swallowed them, and other elements with them.
    """
    if needed := _data_of(found, sop_class):
        found.flaw(f"ends after {name_of(found.reached)}, before its {name_of(needed)}", incomplete=True)
    _check_lengths(found)
    if missing := [tag for tag in _NEEDED if tag not in found.by_tag]:
        ended = found.reached < max(missing)
        found.flaw(
            ("ends before " if ended else "without ") + ", ".join(map(name_of, missing)), incomplete=ended, is_read=True
        )


def _check_lengths(found: Elements) -> None:
    """What is longer than the standard allows becomes neither a name nor an AVU."""
    for tags, longest in ((_UIDS, _LONGEST_UID), (_NUMBERS, _LONGEST_NUMBER)):
        for tag in tags:
            if (length := len(found.text(tag).strip())) > longest:
                found.flaw(
                    f"damaged in {name_of(tag)}: {length} characters, where {longest} are allowed", incomplete=False
                )


def _data_of(found: Elements, sop_class: str) -> int:
    """The element that a file of its SOP class should have but has not; 0 where nothing is missing."""
    from pydicom.uid import UID

    name = UID(sop_class).name
    is_image = name.endswith("Image Storage") or (name == sop_class and _ROWS in found.by_tag)
    if is_image and found.transfer_syntax not in _PIXELS_ELSEWHERE:
        return 0 if found.has_pixels else 0x7FE00010
    if name.endswith((" SR Storage", " SR")):
        return 0 if _CONTENT_SEQUENCE in found.by_tag else _CONTENT_SEQUENCE
    if name == "MR Spectroscopy Storage":
        return 0 if _SPECTROSCOPY_DATA in found.by_tag else _SPECTROSCOPY_DATA
    return 0


def _date(found: Elements) -> str:
    for tag in _DATES:
        if (match := _DAY.match(found.text(tag))) and _is_day(*map(int, match.groups())):
            return "".join(match.groups())
    return ""


def _is_day(year: int, month: int, day: int) -> bool:
    """Whether the calendar has it: consoles write zeros where they know no date."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _integer(text: str) -> str:
    """An Integer String (PS3.5 6.2) as plain decimal text, or as the file writes it where it is none.

    >>> _integer(" +007 "), _integer("1a")
    ('7', '1a')
    """
    try:
        return str(int(text))
    except ValueError:
        return text.strip()

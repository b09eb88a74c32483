"""Puts an ExperimentID into copies of real scanner files, as if the operator had typed it. Nothing else changes.

The demonstration and the tests need real files whose Patient Name is an ExperimentID of the zone at hand. Each function
checks its own result: what it cannot change faithfully it refuses with CannotStamp.
"""

from __future__ import annotations

import re
import struct
from io import BytesIO

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filewriter import dcmwrite
from pydicom.tag import BaseTag, Tag
from pydicom.uid import MediaStorageDirectoryStorage

from policy.privacy import personal_data


class CannotStamp(ValueError):
    """The file cannot carry another name without more of it changing; the message says why."""


_TYPED = frozenset(("PatientName", "PatientID"))
"""What the operator types. All other direct identifiers are what a site's console leaves empty."""
_CLEARED = frozenset(personal_data.DIRECT.values()) - _TYPED

_TWIX_NAMES = frozenset(personal_data.TWIX_NAMES)
_TWIX_CLEARED = frozenset(field for field, keyword in personal_data.TWIX.items() if keyword in _CLEARED)
_RAID_TABLE = 10240
_UNDEFINED = 0xFFFFFFFF


def stamp_dicom(source: bytes, patient_name: str, *, clear_personal: bool = False) -> bytes:
    """The file with another Patient Name and Patient ID; transfer syntax, preamble and all other elements as they were.

    `clear_personal` also empties the direct identifiers. CannotStamp for what is no DICOM object of a patient, and for
    what pydicom does not write back element by element. Group lengths (retired, PS3.5 7.2) are left out.
    """
    original, image, probe = _read(source), _read(source), _read(source)
    buffer = BytesIO()
    try:
        touched = _change(image, probe, patient_name, clear_personal)
        dcmwrite(buffer, image, enforce_file_format=False)
        written = _read(buffer.getvalue())
    except CannotStamp:
        raise
    except Exception as error:  # pydicom raises many kinds for what it cannot encode
        raise CannotStamp(f"pydicom cannot write it back: {error}") from error
    _compare(original, written, touched)
    if (str(written.PatientName), str(written.PatientID)) != (patient_name, patient_name):
        raise CannotStamp("the name does not read back")
    return buffer.getvalue()


def _read(source: bytes) -> FileDataset:
    if not source:
        raise CannotStamp("it is empty")
    # PS3.10 7.1; without preamble real files begin with group 0002 or 0008, in little or big endian
    if source[128:132] != b"DICM" and source[:2] not in (b"\x02\0", b"\x08\0", b"\0\x08"):
        raise CannotStamp("it is no DICOM file")
    try:
        image = dcmread(BytesIO(source), force=True)
        has_directory = "DirectoryRecordSequence" in image
    except (
        Exception
    ) as error:  # a damaged sequence raises a bare OSError, a damaged deflated file zlib.error, others others
        raise CannotStamp(f"it is damaged: {error}") from error
    if has_directory or image.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise CannotStamp("it is a DICOMDIR, which belongs to no one patient")
    if "SOPClassUID" not in image or "SOPInstanceUID" not in image:
        raise CannotStamp("it is no DICOM object: SOP class or instance is missing")
    for raw in _raw(image).values():
        # pydicom cuts the value silently
        if isinstance(raw, RawDataElement) and raw.length not in (_UNDEFINED, len(raw.value or b"")):
            raise CannotStamp(f"it is truncated in {raw.tag}")
    return image


def _raw(image: Dataset) -> dict[BaseTag, RawDataElement | DataElement]:
    """The elements as they were read; group lengths aside."""
    return {tag: image.get_item(tag) for tag in image.keys() if tag.element != 0}  # noqa: SIM118  iterating a Dataset decodes it


def _change(image: Dataset, probe: Dataset, patient_name: str, clear_personal: bool) -> set[BaseTag]:
    """Sets the name and clears; the top-level tags whose elements changed."""
    touched = {Tag("PatientName"), Tag("PatientID")}
    # decoding a sequence makes pydicom write it anew: `probe`, a second reading, tells where there is something to
    # change
    for element in probe if clear_personal else ():
        if _clear(element, patient_name):
            _clear(image[element.tag], patient_name)
            touched.add(element.tag)
    image.PatientName = image.PatientID = patient_name
    return touched


def _clear(element: DataElement, patient_name: str) -> bool:
    """Empties direct identifiers, and sets the name inside sequences; whether anything had to change."""
    if element.tag.is_private or element.is_empty:
        return False
    if element.keyword in _TYPED:
        element.value = patient_name
        return True
    if element.keyword in _CLEARED or element.VR == "PN":
        element.value = [] if element.VR == "SQ" else ""
        return True
    if element.VR != "SQ":
        return False
    edited = [_clear(inner, patient_name) for item in element.value for inner in item]
    return any(edited)


def _compare(original: FileDataset, written: FileDataset, touched: set[BaseTag]) -> None:
    if original.preamble != written.preamble or original.file_meta != written.file_meta:
        raise CannotStamp("pydicom would change the preamble or the file meta information")
    before, after = _raw(original), _raw(written)
    for tag in (before.keys() | after.keys()) - touched:
        old, new = before.get(tag), after.get(tag)
        if isinstance(old, RawDataElement) and isinstance(new, RawDataElement):
            same = (old.VR, old.value) == (new.VR, new.value)
        else:
            same = old == new
        if not same:
            raise CannotStamp(f"pydicom would change {tag}")


def stamp_twix(source: bytes, patient_name: str, *, clear_personal: bool = False) -> bytes:
    """The raw file with another patient name and ID wherever they are plain; masked ones (runs of `x`) stay.

    The length stays where the new name is no longer than the old; else the lengths and offsets in the file grow with
    it. `clear_personal` also blanks birthday, physician, description and comment. CannotStamp where there is no name.
    """
    if re.search(r'[^\x20-\x7e]|["{}]', patient_name):
        raise CannotStamp(f"{patient_name!r} cannot stand in a raw file's header")
    first, count = struct.unpack_from("<II", source) if len(source) >= 8 else (0, 0)
    is_ve = first < 10_000 and 1 <= count <= 64 and len(source) >= _RAID_TABLE
    entries = [struct.unpack_from("<QQ", source, 16 + 152 * i) for i in range(count)] if is_ve else [(0, len(source))]
    out = source
    table = bytearray(source[:_RAID_TABLE])
    for index, (offset, length) in reversed(list(enumerate(entries))):
        size, header = _stamped_header(source, offset, patient_name.encode(), clear_personal, unit=512 if is_ve else 32)
        out = out[:offset] + header + out[offset + size :]
        if not is_ve:
            return out
        grown = len(header) - size
        struct.pack_into("<Q", table, 32 + 152 * index - 8, length + grown if length else 0)
        for later, (start, _) in enumerate(entries):
            if start > offset:
                struct.pack_into(
                    "<Q", table, 16 + 152 * later, struct.unpack_from("<Q", table, 16 + 152 * later)[0] + grown
                )
        name = 32 + 152 * index
        if table[name : name + 64].strip(b"x\0"):
            table[name : name + 64] = patient_name.encode()[:64].ljust(64, b"\0")
    return bytes(table) + out[_RAID_TABLE:]


def _stamped_header(source: bytes, offset: int, name: bytes, clear_personal: bool, *, unit: int) -> tuple[int, bytes]:
    """The old header's length, and the new header: as long, or longer by a multiple of `unit`."""
    size, buffers = _buffers(source, offset)
    found = 0

    def replaced(match: re.Match[bytes]) -> bytes:
        nonlocal found
        field, old = match["field"].decode(), match["value"]
        found += field in _TWIX_NAMES
        if not old.strip(b"x"):
            return match[0]
        if field in _TWIX_NAMES or field in _TYPED:
            return match["before"] + b'"' + name + b'"' + b" " * (len(old) - len(name)) + match["gap"]
        return match["before"] + b" " * (len(old) + 2) + match["gap"] if clear_personal else match[0]

    # a value's own attributes (<Visible> "true") stand before it; it is the last text in the braces
    fields = "|".join(sorted(_TWIX_NAMES | _TYPED | _TWIX_CLEARED)).encode()
    pattern = re.compile(
        rb'(?P<before><ParamString\."(?P<field>' + fields + rb')">\s*\{(?:[^"{}]|"[^"]*"(?=[^{}]*"))*)'
        rb'"(?P<value>[^"]*)"(?P<gap>[^"{}]*)(?=\})'
    )
    body = b""
    end = offset + 8
    for label, start, length in buffers:
        text = pattern.sub(replaced, source[start : start + length])
        body += label + b"\0" + struct.pack("<I", len(text)) + text
        end = start + length
    if not found:
        raise CannotStamp("its header has no patient name")
    filler = source[end : offset + size]
    grown = len(body) - (end - offset - 8)
    padding = -grown % unit if grown > 0 else 0
    return size, struct.pack("<II", size + max(grown, 0) + padding, len(buffers)) + body + filler + bytes(padding)


def _buffers(source: bytes, offset: int) -> tuple[int, list[tuple[bytes, int, int]]]:
    """The header's length, and each buffer's (name, start, length)."""
    if offset + 8 > len(source):
        raise CannotStamp("it is truncated before a measurement")
    size, count = struct.unpack_from("<II", source, offset)
    if not 1 <= count <= 32 or size > len(source) - offset:
        raise CannotStamp("it is no raw file, or it is truncated in the header")
    buffers, position = [], offset + 8
    for _ in range(count):
        match = re.compile(rb"(\w{4,})\0").match(source, position, position + 64)
        if not match or match.end() + 4 > offset + size:
            raise CannotStamp("its header is damaged")
        (length,) = struct.unpack_from("<I", source, match.end())
        buffers.append((match[1], match.end() + 4, length))
        position = match.end() + 4 + length
        if position > offset + size:
            raise CannotStamp("its header is damaged")
    return size, buffers

"""Where the measurements of a TWIX file lie, and whether the last one has its end.

Since VD a file begins with a table of its measurements (10240 bytes: u32 id, u32 count, then 152 bytes for each: u32
MeasID, u32 FileID, u64 offset, u64 length, 64 bytes patient name, 64 bytes protocol name); a VB file is one measurement
from its first byte. A measurement is a header (u32 length, u32 number of text buffers, the buffers) and the readouts,
each led by a measurement data header (MDH: u32 flags and DMA length, i32 MeasUID, u32 scan counter...). The last
readout carries the bit ACQEND, the lowest of its u64 evaluation mask. All integers are little endian.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

TABLE_BYTES = 10240
MAX_MEASUREMENTS = 64
MAX_HEADER_BYTES = 16 << 20
"""Of all measurements together. Real headers are 0.5 to 1.2 MB long."""
MAX_BUFFERS = 32
_ENTRY = struct.Struct("<IIQQ64s64s")
_TAILS = (1 << 16, 1 << 20, 1 << 24)
"""Bytes before the end in which the last readout is looked for, one after the other: its payload and blocks that the
scanner writes behind it may be large.
"""
_ODD = b"".join(re.escape(bytes([byte])) for byte in range(1, 256, 2))
"""The lowest byte of an evaluation mask with ACQEND."""
_VB_START = re.compile(rb"(?:Config|Dicom|Meas|MeasYaps|Phoenix|Spice|Protocol)\x00")
_TEXT = re.compile(rb"[\x20-\x7e\x80-\xff]*")


class Flaw(Exception):
    """Something is wrong with the file.

    `incomplete`: bytes are missing at its end, so that they may still come. `is_read`: the text of all headers could be
    read all the same.
    """

    def __init__(self, message: str, *, incomplete: bool = False, is_read: bool = False) -> None:
        super().__init__(message)
        self.incomplete, self.is_read = incomplete, is_read


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: `end` is the first byte after it, `patient` the name in the file's table (empty in VB)."""

    number: int
    offset: int
    end: int
    patient: bytes = b""
    is_vb: bool = False


def is_twix(head: bytes) -> bool:
    """Tells by the first 160 bytes; text, DICOM and other files do not pass."""
    return _is_vd(head) or _is_vb(head)


def measurements(head: bytes, size: int) -> list[Measurement]:
    """The measurements in the order of the table.

    Flaw where the table or a measurement is cut off or cannot be true.
    """
    if _is_vb(head):
        return [Measurement(1, 0, size, is_vb=True)]
    if size < TABLE_BYTES:
        raise Flaw(f"the table of measurements is cut off: {size} of {TABLE_BYTES} bytes", incomplete=True)
    entries = entries_of(head)
    found = []
    for number, (_, _, offset, length, patient, _) in enumerate(entries, 1):
        of = f"measurement {number} of {len(entries)}"
        if offset < TABLE_BYTES:
            raise Flaw(f"{of} is not written yet: it has no place in the file", incomplete=True)
        following = [entry[2] for entry in entries if entry[2] > offset]
        # the length is 0 in files that are saved while the scanner measures
        end = offset + length if length else min(following, default=size)
        if offset + 8 > size:
            raise Flaw(
                f"{of} begins at byte {offset}, beyond the end of the file ({size} bytes)",
                incomplete=True,
                is_read=True,
            )
        if end > size:
            raise Flaw(
                f"{of} ends at byte {end}, beyond the end of the file ({size} bytes)", incomplete=True, is_read=True
            )
        found.append(Measurement(number, offset, end, patient.partition(b"\0")[0]))
    return found


def entries_of(head: bytes) -> list[tuple[int, int, int, int, bytes, bytes]]:
    """The entries of the table as far as `head` reaches:

    MeasID, FileID, offset, length, patient name, protocol name.
    """
    count = min(struct.unpack_from("<I", head, 4)[0], (len(head) - 8) // _ENTRY.size)
    return [_ENTRY.unpack_from(head, 8 + _ENTRY.size * index) for index in range(count)]


def header_length(file: BinaryIO, measurement: Measurement) -> int:
    """Bytes of the measurement's header. Flaw where it is cut off or cannot be true."""
    file.seek(measurement.offset)
    of = f"the header of measurement {measurement.number}"
    start = file.read(8)
    if len(start) < 8:
        raise Flaw(f"{of} is cut off", incomplete=True)
    length, count = struct.unpack("<II", start)
    if not 8 <= length <= MAX_HEADER_BYTES:
        raise Flaw(f"{of} would be {length} bytes long")
    if not 1 <= count <= MAX_BUFFERS:
        raise Flaw(f"{of} would have {count} text buffers")
    if measurement.offset + length > measurement.end:
        raise Flaw(
            f"{of} is cut off: it ends at byte {measurement.offset + length} of {measurement.end}", incomplete=True
        )
    return int(length)


def check_end(file: BinaryIO, last: Measurement, header_bytes: int) -> None:
    """Flaw unless the measurement has its last readout. Reads 16 MiB at most, whatever the size of the file.

    The last readout is recognised by ACQEND, by the MeasUID of the first readout, and by lying whole in the file.
    """
    first_readout = last.offset + header_bytes
    file.seek(first_readout + 4)
    uid = file.read(4)
    for length in _TAILS:
        start = max(first_readout, last.end - length)
        file.seek(start)
        if _has_last_readout(file.read(last.end - start), uid, is_vb=last.is_vb):
            return
        if start == first_readout:
            break
    raise Flaw(
        f"measurement {last.number} has no end: its last readout (ACQEND) is missing", incomplete=True, is_read=True
    )


def _has_last_readout(tail: bytes, uid: bytes, *, is_vb: bool) -> bool:
    """A MeasUID of zero is found in every run of zeros, so the flag is looked for in the same search."""
    if len(uid) < 4:
        return False
    whole, between = (_whole_vb, 12) if is_vb else (_whole_vd, 32)
    pattern = re.escape(uid) + b".{%d}[%s]" % (between, _ODD)
    found = re.finditer(pattern if any(uid) else b"(?=" + pattern + b")", tail, re.DOTALL)
    return any(match.start() >= 4 and whole(tail, match.start() - 4) for match in found)


def _whole_vd(tail: bytes, start: int) -> bool:
    """Is this a whole last readout of VD and later: an MDH of 192 bytes and, by its DMA length, its payload?

    Files that XA saves while it measures end with the MDH: one without samples has nothing behind it that is missed.
    """
    if start + 192 > len(tail) or not tail[start + 40] & 1:
        return False
    length, _, counter = struct.unpack_from("<III", tail, start)
    samples, channels = struct.unpack_from("<HH", tail, start + 48)
    length &= 0x1FFFFFF
    if not counter:
        return False
    if samples * channels:
        return bool(length == 192 + channels * (32 + 8 * samples) and start + length <= len(tail))
    # a multiple of 32, which the header of a channel, that has the MeasUID at the same place, never is
    is_plausible = length >= 192 and not length % 32
    return bool(is_plausible and (start + length <= len(tail) or start + 192 == len(tail)))


def _whole_vb(tail: bytes, start: int) -> bool:
    """The same for VB: an MDH of 128 bytes and its samples (8 bytes each); there the DMA length is that of all
    channels.
    """
    if start + 128 > len(tail):
        return False
    samples, channels = struct.unpack_from("<HH", tail, start + 28)
    counter = struct.unpack_from("<I", tail, start + 8)[0]
    plausible = counter > 0 and 1 <= channels <= 1024
    return plausible and bool(tail[start + 20] & 1) and start + 128 + 8 * samples <= len(tail)


def _is_vd(head: bytes) -> bool:
    if len(head) < 8 + _ENTRY.size:
        return False
    version, count = struct.unpack_from("<II", head)
    if version >= 10000 or not 1 <= count <= MAX_MEASUREMENTS:
        return False
    names = [name.partition(b"\0")[0] for name in entries_of(head)[0][4:]]
    return any(names) and all(_TEXT.fullmatch(name) for name in names)


def _is_vb(head: bytes) -> bool:
    return len(head) > 24 and struct.unpack_from("<I", head)[0] >= 10000 and _VB_START.match(head, 8) is not None

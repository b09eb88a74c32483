"""TWIX raw data files of the phantom: VB (one measurement) and VE (a multi-RAID file of one or more).

A measurement is a header of text buffers (Config, Dicom, Meas, MeasYaps, Phoenix, Spice), readouts that each begin with
a measurement data header (MDH), and a readout flagged ACQEND. In a VE file a table of 64 entries stands in front (10240
bytes), and measurements begin at multiples of 512. The patient's name is plain in VB and masked in VE, as on the
scanners.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import BinaryIO

from mrdata.phantom.phantom_twix_text import Measurement, Version, text_buffers
from mrdata.phantom.water_phantom import Contrast, Plane, Session, kspace

ONLINE, ACQEND = 1 << 3, 1
_LAST = 1 << 8 | 1 << 11 | 1 << 29
_FIRST_IN_SLICE = 1 << 28
_RAID_TABLE = 10240
_ALIGN = 512


def gradient_echo(
    session: Session, meas_uid: int, *, size: int = 128, channels: int = 8, z: float = 0.0
) -> Measurement:
    """An axial gradient echo of `size` lines and two echoes: the protocol of the DICOM series of that name."""
    plane = Plane((0.0, 0.0, z), rows=size, columns=size, spacing=224 / size)
    contrasts = (Contrast(300.0, 4.1, 25.0), Contrast(300.0, 12.3, 25.0))
    return _measured("gre_2echo_axial", session, meas_uid, plane, contrasts, channels)


def coil_sensitivities(session: Session, meas_uid: int, *, channels: int = 8) -> Measurement:
    """The adjustment that VE writes into the same file before the image."""
    plane = Plane((0.0, 0.0, 0.0), rows=32, columns=32, spacing=7.0)
    return _measured("AdjCoilSens", session, meas_uid, plane, (Contrast(30.0, 2.0, 5.0),), channels)


def _measured(
    protocol: str, session: Session, meas_uid: int, plane: Plane, contrasts: tuple[Contrast, ...], channels: int
) -> Measurement:
    seeds = range(1000 * (session.seed + meas_uid), 1000 * (session.seed + meas_uid) + len(contrasts))
    echoes = tuple(
        kspace(plane, contrast, channels=channels, seed=seed) for contrast, seed in zip(contrasts, seeds, strict=True)
    )
    return Measurement(protocol, meas_uid, echoes, contrasts, plane, starts=300.0 + meas_uid)


def vb(session: Session, measurement: Measurement) -> bytes:
    """A VB file."""
    return header(session, measurement, Version.VB) + b"".join(_readouts(session, measurement, Version.VB))


def ve(session: Session, measurements: Sequence[Measurement], *, masked: bool = True) -> bytes:
    """A VE file; `masked` as on the scanner: name, birthday and ID of the patient are runs of `x`."""
    parts, entries, offset = [], [], _RAID_TABLE
    for measurement in measurements:
        content = header(session, measurement, Version.VE, masked=masked) + b"".join(
            _readouts(session, measurement, Version.VE)
        )
        entries.append((measurement, offset, len(content)))
        parts.append(content + bytes(-len(content) % _ALIGN))
        offset += len(parts[-1])
    return _raid_table(session, entries) + b"".join(parts)


def write_large(file: BinaryIO, session: Session, size: int, version: Version = Version.VE) -> int:
    """A whole raw file of at least `size` bytes in a moment: readouts of 32 MB, of which only the MDHs are written. Its
    true size.

    `file` must be new, seekable and on a file system with sparse files; the samples read as zeros.
    """
    few = gradient_echo(session, 99, size=16, channels=2)
    start = 0 if version is Version.VB else _RAID_TABLE
    text = header(session, few, version)
    channels, samples = 62, 65_504
    per_channel = 8 * samples + (128 if version is Version.VB else 32)
    length = channels * per_channel + (0 if version is Version.VB else 192)
    stated = per_channel if version is Version.VB else length
    count = max(1, -(-(size - start - len(text)) // length))
    file.seek(start)
    file.write(text)
    position = start + len(text)
    for number in range(count):
        file.seek(position)
        file.write(_mdh(session, few, version, number + 1, ONLINE, (channels, samples), stated, line=number % 0x10000))
        position += length
    file.seek(position)
    tail = _end(session, few, version, count + 1)
    if version is Version.VE:
        end = position + len(tail)
        tail += bytes(-end % _ALIGN)
        file.write(tail)
        file.seek(0)
        file.write(_raid_table(session, [(few, start, end - start)]))
    else:
        file.write(tail)
    return position + len(tail)


def header(session: Session, measurement: Measurement, version: Version, *, masked: bool = True) -> bytes:
    """The length, the number of buffers, and the buffers with their names and lengths.

    Filled up to a multiple of 32.
    """
    texts = text_buffers(session, measurement, version, masked=masked and version is Version.VE)
    body = b"".join(
        name.encode() + b"\0" + struct.pack("<I", len(text)) + text
        for name, text in ((n, t.encode("latin-1") + (b"" if n == "Config" else b"\0")) for n, t in texts.items())
    )
    # the console leaves in the gap what was in its memory
    body += body[-4000:][: -(len(body) + 8) % 32]
    return struct.pack("<II", len(body) + 8, len(texts)) + body


def _raid_table(session: Session, entries: Sequence[tuple[Measurement, int, int]]) -> bytes:
    # masked even where the text is not, with nine characters more than the name
    name = b"x" * min(64, len(session.patient_name) + 9)
    table = struct.pack("<II", 0, len(entries))
    for m, offset, length in entries:
        table += struct.pack("<IIQQ64s64s", m.meas_uid, m.file_id, offset, length, name, m.protocol.encode())
    return table.ljust(_RAID_TABLE, b"\0")


def _mdh(
    session: Session, m: Measurement, version: Version, counter: int, flags: int, shape: tuple[int, int], length: int,
    *, line: int = 0, echo: int = 0, channel: int = 0,
) -> bytes:  # fmt: skip
    """VB: 128 bytes before each channel's samples;

    VE: 192 bytes before all channels. `shape` is (channels, samples).
    """
    moment = session.started + timedelta(
        seconds=m.starts, milliseconds=-(-counter // len(m.echoes)) * m.contrast.repetition_time
    )
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    time = int((moment - midnight).total_seconds() / 0.0025)
    channels, samples = shape
    loop = (line, 0, 0, 0, echo, *[0] * 9)
    centre = (samples // 2, 0, 0.0, 0, m.lines.shape[0] // 2, 0) if samples else (0, 0, 0.0, 0, 0, 0)
    place = (*m.plane.centre, 1.0, 0.0, 0.0, 0.0)
    if version is Version.VB:
        begin = struct.pack("<IiIIIQHH", length | 1 << 31, m.meas_uid, counter, time, 0, flags, samples, channels)
        return begin + struct.pack("<14H2HHHfIHH8H7fHH", *loop, 0, 0, *centre, *(0,) * 8, *place, channel, 0)
    begin = struct.pack(
        "<IiIIIHHiiiiQHH", length, m.meas_uid, counter, time, 0, 0, 0, 0, 0, 0, 0, flags, samples, channels
    )
    return begin + struct.pack("<14H2HHHfIHH7f24H4HHHI", *loop, 0, 0, *centre, *place, *(0,) * 28, 0, 0, 0)


def _channel_header(m: Measurement, counter: int, channel: int, samples: int) -> bytes:
    return struct.pack("<IiIiIIHHI", (8 * samples + 32) << 8 | 2, m.meas_uid, counter, 0, 0, 0, channel, 0, 0)


def _readouts(session: Session, m: Measurement, version: Version) -> Iterator[bytes]:
    count, channels, samples = m.lines.shape
    last = count * len(m.echoes)
    for counter in range(1, last + 1):
        line, echo = divmod(counter - 1, len(m.echoes))
        readout = m.echoes[echo][line]
        flags = ONLINE | (_FIRST_IN_SLICE if counter == 1 else 0) | (_LAST if counter == last else 0)
        shape = (channels, samples)
        if version is Version.VE:
            length = 192 + channels * (32 + 8 * samples)
            yield _mdh(session, m, version, counter, flags, shape, length, line=line, echo=echo)
            for channel in range(channels):
                yield _channel_header(m, counter, channel, samples) + readout[channel].tobytes()
        else:
            for channel in range(channels):
                yield _mdh(
                    session, m, version, counter, flags, shape, 128 + 8 * samples, line=line, echo=echo, channel=channel
                )
                yield readout[channel].tobytes()
    yield _end(session, m, version, last + 1)


def _end(session: Session, m: Measurement, version: Version, counter: int) -> bytes:
    """The readout that says that the measurement is complete."""
    if version is Version.VE:
        return _mdh(session, m, version, counter, ACQEND, (0, 0), 352) + _channel_header(m, counter, 0, 16) + bytes(128)
    # a VB file ends after 16 samples, whatever length its last MDH states
    return _mdh(session, m, version, 1, ACQEND, (1, 16), 1 << 30 | 8192) + bytes(128)

"""Reading headers, beside the plain tools that people use: pydicom for images, twixtools for raw data."""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pydicom
import twixtools

from microservices.headers.header_reader import Source, read_header
from mrdata.phantom import phantom_dicom, phantom_enhanced
from mrdata.phantom.phantom_twix import Version, write_large
from mrdata.phantom.water_phantom import Session

RUNS = 15
SIZES = {"1 MB": 1 << 20, "4 GB": 4 << 30}
CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "dicom"
SERIES = {
    "Siemens mosaic": ("dcm_qa/In/Orientation/**/MR.*",),
    "GE single-frame": ("dcm_qa_nih/In/20180918GE/**/*",),
    "Siemens XA enhanced": ("dcm_qa_xa60/In/XA60/DICOM/**/*",),
}


def rows() -> list[tuple[str, str, str]]:
    """Median of whole passes, ours and the plain tool's in turns, in CPU time of this process."""
    return [*_dicom_rows(), *_twix_rows()]


def _dicom_rows() -> list[tuple[str, str, str]]:
    session = Session("0123-4567", datetime(2026, 1, 2, 9, 0))
    sets = {
        "phantom, classic": [content for _, content in phantom_dicom.gradient_echo(session)],
        "phantom, mosaic": [content for _, content in phantom_dicom.epi(session)],
        "phantom, enhanced": [content for _, content in phantom_enhanced.enhanced(session)],
    }
    for label, patterns in SERIES.items() if CORPUS.is_dir() else ():
        files = [file for pattern in patterns for file in sorted(CORPUS.glob(pattern)) if file.is_file()]
        sets[label] = [content for content in map(Path.read_bytes, files) if content[128:132] == b"DICM"]
    table = []
    for label, files in sets.items():
        ours, plain = _beside(
            lambda files=files: [read_header(io.BytesIO(content), len(content)) for content in files],
            lambda files=files: [pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True) for content in files],
        )
        speed = f"{len(files) / ours:.0f} files/s ({ours / len(files) * 1000:.2f} ms each)"
        table.append(
            (f"read DICOM headers: {label}, {len(files)} files", speed, f"{ours / plain:.2f} x pydicom's dcmread")
        )
    return table


def _twix_rows() -> list[tuple[str, str, str]]:
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for version in Version:
            for label, size in SIZES.items():
                file = Path(folder) / "meas.dat"
                with open(file, "wb") as out:
                    true_size = write_large(out, Session("0123-4567", datetime(2026, 1, 2, 9, 0)), size, version)
                ours, plain = _beside(
                    lambda file=file: _read(file),
                    lambda file=file: twixtools.read_twix(str(file), parse_data=False, verbose=False),
                )
                with open(file, "rb") as stream:
                    source = Source(stream, true_size)
                    read_header(source, true_size)
                measured = f"{ours * 1000:.1f} ms, {source.bytes_read / 1024:.0f} KiB in {source.reads} reads"
                table.append(
                    (
                        f"read a TWIX header: {version.name}, {label}",
                        measured,
                        f"{ours / plain:.2f} x twixtools without data",
                    )
                )
    return table


def _read(file: Path) -> None:
    with open(file, "rb") as stream:
        read_header(stream, os.path.getsize(file))


def _beside(ours: Callable[[], object], plain: Callable[[], object]) -> tuple[float, float]:
    times: dict[Callable[[], object], list[float]] = {ours: [], plain: []}
    for run in range(RUNS + 1):
        for what, taken in times.items():
            start = time.process_time()
            what()
            if run:
                taken.append(time.process_time() - start)
    return statistics.median(times[ours]), statistics.median(times[plain])

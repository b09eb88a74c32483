"""Makes NIfTI with BIDS sidecars by dcm2niix, from the package of that name.

Every file that dcm2niix makes is checked before it is used.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import struct
import subprocess
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import cast

STATUS = {
    1: "failed",
    2: "found no image that it can read",
    4: "found a damaged file",
    8: "converted only some of the images",
    10: "found volumes that are not complete",
    11: "converted nothing",
}
"""What dcm2niix means by an exit status (console/nii_dicom.h)."""
_IMAGES = frozenset(f"1.2.840.10008.5.1.4.1.1.4{tail}" for tail in ("", ".1", ".3", ".4"))
"""MR images, DICOM PS3.4 B.5: MR, Enhanced MR, Enhanced MR Color, Legacy Converted Enhanced MR Image Storage."""
_INCOMPLETE = re.compile(r"^(?:Error\b.*|.*\bmissing\b.*)$", re.IGNORECASE | re.MULTILINE)
_DROPPED = {"ImageComments", "PatientComments"}
"""Sidecar keys that hold free text; what the images hold stays in the images."""
_PERSONAL_KEY = re.compile(
    r"^Patient(?!Position$)|Referring|Requesting|Physician|Operator|Accession|Birth|^StudyID$|(?:Acquisition|Study|Series)Date"
)
_OVERLAY = re.compile(r"_ROI\d+\.nii\.gz$")
_HEADER = 348
"""Bytes of a NIfTI-1 header."""
_TEXTS = ((4, 14), (14, 32), (148, 228), (228, 252), (328, 344))
"""The text fields of a NIfTI-1 header: data_type, db_name, descrip, aux_file, intent_name (nifti1.h)."""
_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 32: 8, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8}
"""Bytes of a voxel, by data type code (nifti1.h)."""


Personal = Set[tuple[str, str]]
"""Attributes of the images with values that may tell who the person is."""


class ConverterMissing(Exception):
    """dcm2niix is not installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a series. `files` are the NIfTI files and what belongs to them; `problem` is empty where all went
    well.

    `problem` is in words of ours, and may be shown to everybody; `log` is what dcm2niix printed.
    """

    files: list[Path] = field(default_factory=list)
    problem: str = ""
    log: str = ""


def is_image(sop_class_uid: str) -> bool:
    """Whether objects of this class are MR images, of which NIfTI can be made."""
    return sop_class_uid in _IMAGES


def is_overlay(name: str) -> bool:
    """Whether a NIfTI file holds what was drawn into the images at the console (DICOM PS3.3 C.9.2), which has no
    sidecar.
    """
    return _OVERLAY.search(name) is not None


def version() -> str:
    """Name and version of the converter. ConverterMissing."""
    return f"dcm2niix {_package().__version__}"


def convert(folder: Path, target: Path, name: str, personal: Personal, timeout: float) -> Conversion:
    """Converts the images in `folder` into `target` as `<name>...nii.gz`.

    `personal` are the personal data in the images, none of which may be in the result; `timeout` in seconds. If the
    result is wrong in any way, it has a `problem` and no files.
    """
    command = [
        str(_package().bin),
        "-b",
        "y",
        "-ba",
        "y",
        "-z",
        "i",
        "-g",
        "i",
        "-c",
        "",
        "-f",
        name.replace("%", "%%"),
    ]
    # Its own home: a file of defaults in somebody's home would change what it does.
    environment = {"HOME": str(target), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            [*command, "-o", str(target), str(folder)],
            capture_output=True,
            timeout=timeout,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        return Conversion(problem=f"dcm2niix was ended after {timeout:g} s", log=_text(error.stdout))
    log = _text(done.stdout) + _text(done.stderr)
    files = sorted(path for path in target.iterdir() if path.is_file())
    return (
        Conversion(files, "", log)
        if not (problem := _problem(done.returncode, log, files, personal))
        else Conversion([], problem, log)
    )


def volumes(file: Path) -> int:
    """The number of volumes of a NIfTI file: the size of its fourth dimension."""
    with gzip.open(file, "rb") as opened:
        dimensions = struct.unpack_from("<8h", opened.read(_HEADER), 40)
    return int(dimensions[4]) if dimensions[0] > 3 else 1


def _package() -> ModuleType:
    try:
        import dcm2niix
    except ImportError as error:
        raise ConverterMissing("dcm2niix is not installed; in MrData's folder: pip install '.[products]'") from error
    if not os.access(dcm2niix.bin, os.X_OK):
        raise ConverterMissing(f"{dcm2niix.bin} cannot be run: pip install --force-reinstall dcm2niix")
    return cast(ModuleType, dcm2niix)


def _text(output: bytes | str | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _problem(status: int, log: str, files: list[Path], personal: Personal) -> str:
    if status:
        return f"dcm2niix {STATUS.get(status, 'failed' if status > 0 else 'crashed')} (exit status {status})"
    if _INCOMPLETE.search(log):
        return "dcm2niix ends without an error, but says that images are missing or in disorder"
    images = [file for file in files if file.name.endswith(".nii.gz")]
    if not images:
        return "dcm2niix made no NIfTI file"
    for image in images:
        sidecar = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
        if not sidecar.is_file() and not is_overlay(image.name):
            return f"{image.name} has no sidecar"
        if problem := _image_problem(image, personal) or (
            _sidecar_problem(sidecar, personal) if sidecar.is_file() else ""
        ):
            return problem
    return ""


def _image_problem(file: Path, personal: Personal) -> str:
    """Says why the file is not complete, or which personal data its header holds; empty if neither."""
    try:
        with gzip.open(file, "rb") as opened:
            header = opened.read(_HEADER)
            rest = sum(map(len, iter(lambda: opened.read(1 << 20), b"")))
    except (OSError, EOFError) as error:
        return f"{file.name} is damaged: {type(error).__name__}"
    if len(header) < _HEADER or struct.unpack_from("<i", header)[0] != _HEADER:
        return f"{file.name} has no NIfTI-1 header"
    dimensions = struct.unpack_from("<8h", header, 40)
    (kind,) = struct.unpack_from("<h", header, 70)
    (offset,) = struct.unpack_from("<f", header, 108)
    wanted = math.prod(dimensions[1 : dimensions[0] + 1]) * _BYTES.get(kind, 0) + int(offset)
    if _HEADER + rest != wanted:
        return f"{file.name} has {_HEADER + rest} bytes, its header says {wanted}"
    texts = [header[start:end].split(b"\0")[0].decode("latin-1") for start, end in _TEXTS]
    return _told(file.name, texts, personal)


def _sidecar_problem(file: Path, personal: Personal) -> str:
    """Drops the free text of a sidecar; says which personal data the rest holds, empty if none."""
    try:
        sidecar = json.loads(file.read_bytes().decode("utf-8", "replace"))
    except ValueError as error:
        return f"{file.name} is not JSON: {error}"
    kept = {key: value for key, value in sidecar.items() if key not in _DROPPED}
    if keys := sorted(key for key in kept if _PERSONAL_KEY.search(key)):
        return f"{file.name} tells who the person is: {', '.join(keys)}"
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return _told(file.name, list(_strings(kept)), personal)


def _told(name: str, texts: list[str], personal: Personal) -> str:
    """Which personal values of the images stand in the texts, by the names of their attributes."""
    found = set()
    for attribute, value in personal:
        parts = [
            part
            for part in re.split(r"[\s^=\\]+", value)
            if len(part) >= 3 and (len(part) >= 5 or not part.isdecimal())
        ]
        expressions = [re.compile(rf"(?<!\w){re.escape(part)}(?!\w)", re.IGNORECASE) for part in parts]
        if any(expression.search(text) for expression in expressions for text in texts):
            found.add(attribute)
    return f"{name} tells who the person is: it holds the value of {', '.join(sorted(found))}" if found else ""


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _strings(item)]

"""Finds personal data in files that are neither DICOM nor TWIX: JSON sidecars, RDA and other text headers, and images
packed in such a file.

Only Expanded Data hold such files. The reader looks at the first MiB, and at all of a JSON file of up to 4 MiB. It
finds names of attributes with values, as `PatientName: ...` or `"PatientName": ...`, whatever program wrote them. It
cannot recognize a person's name in prose or in an unknown binary format.

References: DICOM PS3.18 F (the DICOM JSON Model); RFC 1952 (gzip).
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from microservices.budget import Budget, OverBudget
from microservices.twix import twix_text
from policy.privacy import personal_data
from policy.zone import carriers
from policy.zone.header import Header, Kind

_HEAD_BYTES, _JSON_BYTES = 1 << 20, 4 << 20
_GZIP, _ZIP, _TAR = b"\x1f\x8b", b"PK\x03\x04", b"ustar"
_MOST_MEMBERS, _MEMBER_BYTES = 100, 1024
_WITHIN = re.compile(rb"DICM\x02\0|\x10\0\x10\0PN|\0\x10\0\x10PN|\x10\0\x10\0[\x02-\x40]\0\0\0[A-Za-z]")
"""The beginning of a DICOM file, or its Patient Name, in any of its encodings."""
_PAIR = re.compile(r"""\b([A-Za-z][A-Za-z_' -]{2,50}?)["']?[ \t]*[:=][ \t]*["'\[]{0,2}([^"'\r\n;}\]]*)""")
_STEMS = ("patient", "physician", "operator", "birth", "dob", "person", "accession", "observer")
"""In the name of each attribute that is looked for."""
_BY_TAG = {f"{group:04X}{element:04X}": keyword for (group, element), keyword in personal_data.PERSONAL.items()}
_BY_NAME = {
    keyword.lower(): keyword
    for keyword in personal_data.PERSONAL.values()
    if any(stem in keyword.lower() for stem in _STEMS)
} | {
    "patientsname": "PatientName",
    "patientbirthday": "PatientBirthDate",
    "dateofbirth": "PatientBirthDate",
    "birthdate": "PatientBirthDate",
    "dob": "PatientBirthDate",
    "patientssex": "PatientSex",
    "patientsweight": "PatientWeight",
    "patientssize": "PatientSize",
    "patientheight": "PatientSize",
    "operatorname": "OperatorsName",
}
_ALL_NAMES = {keyword.lower(): keyword for keyword in personal_data.PERSONAL.values()} | _BY_NAME
_TWIX_NAMES = (*personal_data.TWIX_NAMES, *personal_data.TWIX)

KindOf = Callable[[bytes], Kind]


def read(file: BinaryIO, size: int, budget: Budget, kind_of: KindOf) -> Header:
    """What the file tells. `kind_of` tells a file by its first bytes."""
    file.seek(0)
    head = file.read(min(size, _HEAD_BYTES))
    try:
        if head.startswith(_GZIP):
            file.seek(0)
            return _inflated(file, size, budget, kind_of)
        if head.startswith(_ZIP):
            return (
                _packed(size, "zip")
                if _holds_images(file, size, budget, kind_of)
                else Header(Kind.OTHER, size, problem=_unpack("zip"))
            )
        if _is_json(head) and size > len(head):
            head += file.read(_JSON_BYTES - len(head))
        return _header(head, size, budget)
    except OverBudget as over:
        return Header(Kind.OTHER, size, problem=str(over), over_budget=True, carried={carriers.UNREADABLE: str(over)})


def _inflated(file: BinaryIO, size: int, budget: Budget, kind_of: KindOf) -> Header:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    head = b""
    try:
        while (
            len(head) < _HEAD_BYTES and not inflater.eof and (piece := inflater.unconsumed_tail or file.read(1 << 16))
        ):
            budget.look()
            head += inflater.decompress(piece, _HEAD_BYTES)
    except zlib.error:
        pass  # what came before the damage is looked at
    if kind_of(head[:1024]) is not Kind.OTHER or _WITHIN.search(head):
        return _packed(size, "gzip")
    found = _header(head, size, budget)
    return Header(
        Kind.OTHER,
        size,
        problem=_unpack("gzip"),
        patient_name=found.patient_name,
        personal=found.personal,
        carried=found.carried,
    )


def _holds_images(file: BinaryIO, size: int, budget: Budget, kind_of: KindOf) -> bool:
    """Whether one of the first members of a zip file is an image or raw data."""
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist()[:_MOST_MEMBERS]:
                budget.look()
                with archive.open(member) as stream:
                    if kind_of(stream.read(_MEMBER_BYTES)) is not Kind.OTHER:
                        return True
    except OverBudget:
        raise
    except Exception:  # noqa: BLE001 zipfile raises whatever comes for a damaged or encrypted file
        return False
    return False


def _packed(size: int, how: str) -> Header:
    return Header(Kind.OTHER, size, problem=_unpack(how), carried={carriers.PACKED: how})


def _unpack(how: str) -> str:
    return f"a packed file ({how}); unpack it, and let its files land"


def _header(head: bytes, size: int, budget: Budget) -> Header:
    carried = {}
    if _WITHIN.search(head):
        carried[carriers.PACKED] = "tar" if head[257:262] == _TAR else "DICOM"
    names: list[str] = []
    personal: dict[str, list[str]] = {}
    for keyword, value in (*_pairs(head, budget), *_twix_fields(head, budget)):
        value = value.strip(" \0\"',")
        if personal_data.tells_nothing(value):
            continue
        found = names if keyword == "PatientName" else personal.setdefault(keyword, [])
        if value not in found[-1:]:
            found.append(value)
    if others := [name for name in dict.fromkeys(names) if name != names[0]]:
        personal.setdefault("OtherPatientNames", []).extend(others)
    return Header(
        Kind.OTHER,
        size,
        problem=_unpack("tar") if head[257:262] == _TAR else "",
        patient_name=names[0] if names else "",
        personal={keyword: "\\".join(dict.fromkeys(values)) for keyword, values in personal.items()},
        carried=carried,
    )


def _is_json(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _pairs(head: bytes, budget: Budget) -> Iterator[tuple[str, str]]:
    """(keyword, value) of all attributes that the text names."""
    if _is_json(head) and len(head) < _JSON_BYTES:
        try:
            yield from _of_json(json.loads(head.decode("utf-8-sig")), budget)
            return
        except (ValueError, RecursionError):
            pass  # then as any other text
    text = _text(head)
    if not any(stem in text.lower() for stem in _STEMS):
        return
    for match in _PAIR.finditer(text):
        budget.count()
        if keyword := _BY_NAME.get(re.sub(r"[^a-z]", "", match[1].lower())):
            yield keyword, match[2]


def _of_json(held: object, budget: Budget) -> Iterator[tuple[str, str]]:
    """Of JSON, at every depth: names of attributes, and tags of the DICOM JSON Model."""
    left: list[object] = [held]
    while left:
        budget.count()
        one = left.pop()
        if isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            for name, value in one.items():
                keyword = _ALL_NAMES.get(re.sub(r"[^a-z]", "", name.lower())) or _BY_TAG.get(name.upper())
                if keyword:
                    yield from ((keyword, text) for text in _texts(value, budget))
                else:
                    left.append(value)


def _texts(value: object, budget: Budget) -> Iterator[str]:
    """All texts and numbers within a value of JSON.

    Of an element of the DICOM JSON Model, without its representation.
    """
    left = [value]
    while left:
        budget.count()
        one = left.pop()
        if isinstance(one, dict):
            left += [inner for name, inner in one.items() if name != "vr"]
        elif isinstance(one, list):
            left += one
        elif one is not None and not isinstance(one, bool):
            yield str(one)


def _twix_fields(head: bytes, budget: Budget) -> Iterator[tuple[str, str]]:
    """Of the text of raw data, as protocols and damaged files hold it."""
    if b"<Param" in head:
        for name, value in twix_text.xprotocol(head, _TWIX_NAMES, budget):
            yield personal_data.TWIX.get(name, "PatientName"), value


def _text(head: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return head.decode(encoding, errors="replace")
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError:
        return head.decode("latin-1")

"""Headers in which a name or a birth date stands in one of the places that the guard claims to know, damaged somewhere
else.
"""

from __future__ import annotations

import gzip
import io
import random
import struct

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from policy.privacy.descriptors import DESCRIPTORS
from policy.privacy.personal_data import DIRECT
from policy.privacy.private_attributes import PRIVATE
from tests import hostile
from tests.files import dicom

ID = "Z4KQ-STAS"
NAME, BORN, PROSE = "Zwingenberger^Wilhelmina", "19560512", "Frau Zwingenberger, geb. 12.05.1956"
MARKS = tuple(
    mark.encode(code) for mark in ("wingenberger", BORN, "1956") for code in ("ascii", "utf-16-le", "utf-16-be")
)
"""What must not be damaged: else nothing would be left to find."""
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
SEQUENCES = (
    "RequestAttributesSequence", "ReferencedStudySequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "OriginalAttributesSequence", "ModifiedAttributesSequence", "SourceImageSequence", "ProcedureCodeSequence",
)  # fmt: skip
_TEXT = ("PN", "LO", "SH", "LT", "ST", "UT", "DA", "UC")


def _vr(tag: tuple[int, int]) -> str:
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return ""


_ATTRIBUTES = [tag for tag in DIRECT if _vr(tag) in _TEXT]
_DESCRIPTORS = [tag for tag in DESCRIPTORS if _vr(tag) in _TEXT]
_PRIVATE = [
    (creator, *tag)
    for creator, tags in PRIVATE.items()
    for tag, name in tags.items()
    if not name.endswith(("Sequence", "IMGEF"))
]


def _value(vr: str) -> str:
    return BORN if vr == "DA" else NAME[:16] if vr == "SH" else NAME


def _within(rng: random.Random, ds: Dataset) -> Dataset:
    """An item at some depth, in which the name will stand."""
    for _ in range(rng.randint(0, 4)):
        inner = Dataset()
        if rng.random() < 0.3:
            inner.ReferencedSOPInstanceUID = "1.2.3"
        if rng.random() < 0.25:
            block = ds.private_block(0x0011, "SOMEBODY", create=True)
            block.add_new(0x10, "SQ", Sequence([inner]))
        else:
            setattr(ds, rng.choice(SEQUENCES), Sequence([Dataset(), inner] if rng.random() < 0.3 else [inner]))
        ds = inner
    return ds


def _attribute(rng: random.Random, ds: Dataset) -> None:
    tag = rng.choice(_ATTRIBUTES)
    into = _within(rng, ds)
    if tag == (0x0010, 0x0010) and into is ds:
        tag = (0x0010, 0x1001)
    into.add_new(tag, _vr(tag), _value(_vr(tag)))


def _person_name(rng: random.Random, ds: Dataset) -> None:
    _within(rng, ds).private_block(0x0031, "SOMEBODY ELSE", create=True).add_new(rng.randint(0, 255), "PN", NAME)


def _known_private(rng: random.Random, ds: Dataset) -> None:
    creator, group, number = rng.choice(_PRIVATE)
    _within(rng, ds).private_block(group, creator, create=True).add_new(number, "LO", NAME)


def _description(rng: random.Random, ds: Dataset) -> None:
    tag = rng.choice(_DESCRIPTORS)
    _within(rng, ds).add_new(tag, _vr(tag), PROSE[:16] if _vr(tag) == "SH" else PROSE)


def _note(rng: random.Random, ds: Dataset) -> None:
    text = hostile.items(UnformattedTextValue=PROSE)
    if rng.random() < 0.5:
        ds.TextObjectSequence = text
    else:
        ds.GraphicAnnotationSequence = hostile.items(TextObjectSequence=text)


def _overlay(rng: random.Random, ds: Dataset) -> None:
    ds.add_new((0x6000 + 2 * rng.randint(0, 15)) << 16 | rng.choice((0x0022, 0x1500)), "LO", NAME)


def _document(rng: random.Random, ds: Dataset) -> None:
    ds.EncapsulatedDocument = PROSE.encode()


def _report(rng: random.Random, ds: Dataset) -> None:
    ds.ContentSequence = hostile.items(ValueType="TEXT", TextValue=PROSE)


def _burned(rng: random.Random, ds: Dataset) -> None:
    ds.BurnedInAnnotation = "YES"
    ds.ImageComments = "wingenberger"


IN_DATASET = (
    _attribute,
    _attribute,
    _attribute,
    _person_name,
    _known_private,
    _description,
    _note,
    _overlay,
    _document,
    _report,
    _burned,
)


def _written(rng: random.Random, ds: Dataset, syntax: str) -> bytes:
    for one in ds.iterall():
        if one.VR == "SQ" and rng.random() < 0.5:
            one.is_undefined_length = True
            for inner in one.value:
                inner.is_undefined_length_sequence_item = rng.random() < 0.5
    ds.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_little_endian:
        ds["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian, enforce_file_format=True
    )
    return buffer.getvalue()


def _raw(rng: random.Random, content: bytes) -> tuple[str, bytes]:
    """A name in an explicit little endian image, where pydicom does not write one."""
    name, born = hostile.element(0x00101001, b"PN", NAME.encode()), hostile.element(0x00100030, b"DA", BORN.encode())
    un = hostile.item(rng.choice((name, struct.pack("<HHI", 0x10, 0x1001, len(NAME)) + NAME.encode())))
    made = {
        "after the pixels": lambda: content + rng.choice((name, born)),
        "padding": lambda: (
            content + hostile.element(0xFFFCFFFC, b"OB", PROSE.encode(rng.choice(("latin-1", "utf-16-le"))))
        ),
        "after the end": lambda: (
            content + bytes(rng.randint(0, 900)) + PROSE.encode(rng.choice(("utf-8", "utf-16-be")))
        ),
        "preamble": lambda: (bytes(rng.randint(0, 90)) + PROSE.encode())[:128].ljust(128, b"\0") + content[128:],
        "twice": lambda: hostile.before(content, 0x00100020, born + hostile.element(0x00100030, b"DA", b"")),
        "unknown representation": lambda: hostile.before(
            content, 0x00180080, hostile.element(0x00110010, b"LO", b"X") + hostile.element(0x00111001, b"UN", un)
        ),
        "gzip": lambda: gzip.compress(hostile.before(content, 0x00100020, name)),
        "json": lambda: (
            b'{"A": [1, 2], "B": {"%s": "%s"}}' % (rng.choice((b"PatientName", b"00100030")), PROSE.encode())
        ),
        "rda": lambda: hostile.rda(ID).replace(hostile.NAME.encode(), NAME.encode()),
    }
    place = rng.choice(list(made))
    return place, made[place]()


def clean(rng: random.Random) -> bytes:
    """An image of the experiment in which nothing tells who the person is."""
    return _written(rng, pydicom.dcmread(io.BytesIO(dicom(ID, sop="1.2.3.4"))), rng.choice(SYNTAXES))


def seeded(number: int | random.Random) -> tuple[str, bytes]:
    """(place, file): the place where it tells who the person is. The same for the same number."""
    rng = number if isinstance(number, random.Random) else random.Random(number)
    if rng.random() < 0.35:
        place, content = _raw(rng, dicom(ID, sop="1.2.3.4"))
        return place, content if place == "gzip" else damaged(rng, content)
    ds = pydicom.dcmread(io.BytesIO(dicom(ID, sop="1.2.3.4")))
    put, syntax = rng.choice(IN_DATASET), rng.choice(SYNTAXES)
    if put is _person_name and syntax.is_implicit_VR:
        syntax = ExplicitVRLittleEndian  # without a representation, nobody can know a private name
    put(rng, ds)
    place = f"{put.__name__.strip('_')}, {syntax.name}"
    content = _written(rng, ds, syntax)
    return place, content if syntax == DeflatedExplicitVRLittleEndian else damaged(rng, content)


def damaged(rng: random.Random, content: bytes) -> bytes:
    """The file with up to three other bytes, none of them in or just before what is to be found."""
    marks = [at for mark in MARKS if (at := content.find(mark)) >= 0]
    kept = range(min(marks, default=0) - 60, max(marks, default=-1) + 60)
    changed = bytearray(content)
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(changed))
        if at not in kept:
            changed[at] = rng.randrange(256)
    return bytes(changed)

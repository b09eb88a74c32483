"""Files that try to carry a name past the guard, each in another place.

And small files that would cost much to read.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.files import dicom, twix

NAME, BORN = "SIMPSON^HOMER", "19560512"
PROSE = "Homer Simpson 1956-05-12"
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HHI", 0xFFFE, element, 0) for element in (0xE000, 0xE00D, 0xE0DD))
OPEN_SEQUENCE = struct.pack("<HH", 0x0008, 0x1115) + b"SQ\0\0" + b"\xff" * 4
PATIENT_NAME, PATIENT_ID, REPETITION_TIME = 0x00100010, 0x00100020, 0x00180080
_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")

Case = Callable[[str], bytes]
DICOM: dict[str, tuple[Case, str]] = {}
"""Name -> (makes the file for an ExperimentID, a part of what the quarantine says; empty: it is archived)."""
EXPANDED: dict[str, tuple[Case, str]] = {}


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """An element, explicit VR little endian."""
    value += b" " * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return head + (b"\0\0" + struct.pack("<I", len(value)) if vr in _LONG else struct.pack("<H", len(value))) + value


def item(content: bytes) -> bytes:
    """An item of a sequence."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def before(content: bytes, tag: int, what: bytes) -> bytes:
    """The file with something before its element `tag`."""
    at = content.index(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
    return content[:at] + what + content[at:]


def changed(content: bytes, change: Callable[[Dataset], None]) -> bytes:
    """The file as pydicom writes it after a change."""
    ds = pydicom.dcmread(io.BytesIO(content))
    change(ds)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def items(**elements: object) -> Sequence:
    """A sequence of one item."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def without_pixels(content: bytes, sop_class: str, **elements: object) -> bytes:
    """The object of another SOP class."""

    def change(ds: Dataset) -> None:
        for keyword in ("PixelData", "Rows", "Columns"):
            del ds[keyword]
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
        for keyword, value in elements.items():
            setattr(ds, keyword, value)

    return changed(content, change)


def _case(table: dict[str, tuple[Case, str]], says: str) -> Callable[[Case], Case]:
    def note(case: Case) -> Case:
        table[case.__name__] = (case, says)
        return case

    return note


# --- images ---------------------------------------------------------------------------------------------------------


@_case(DICOM, "tells who the person is: PatientBirthDate")
def plain_birth_date(new: str) -> bytes:
    return dicom(new, PatientBirthDate=BORN)


@_case(DICOM, "after its pixel data: (0010,0030) PatientBirthDate, (0010,1040) PatientAddress")
def after_pixel_data(new: str) -> bytes:
    return dicom(new) + element(0x00100030, b"DA", BORN.encode()) + element(0x00101040, b"LO", b"742 Evergreen Terrace")


@_case(DICOM, "after its pixel data: text")
def padding_after_pixel_data(new: str) -> bytes:
    return dicom(new) + element(0xFFFCFFFC, b"OB", b"Simpson, Homer *1956-05-12")


@_case(DICOM, "after its pixel data: text")
def bytes_after_padding(new: str) -> bytes:
    return dicom(new) + bytes(700) + PROSE.encode("utf-16-le")


@_case(DICOM, "an element stands twice in it: PatientName")
def name_before_the_name(new: str) -> bytes:
    return before(dicom(new), PATIENT_ID, element(PATIENT_NAME, b"PN", NAME.encode()))


@_case(DICOM, "Patient Name is not an ExperimentID")
def name_after_a_name(new: str) -> bytes:
    return before(dicom(new), PATIENT_NAME, element(PATIENT_NAME, b"PN", NAME.encode()))


@_case(DICOM, "an element stands twice in it: PatientBirthDate")
def birth_date_then_a_blank_one(new: str) -> bytes:
    return before(dicom(new), PATIENT_ID, element(0x00100030, b"DA", BORN.encode()) + element(0x00100030, b"DA", b""))


@_case(DICOM, "in private attributes: (0011,1001).PersonName")
def private_person_name(new: str) -> bytes:
    private = element(0x00110010, b"LO", b"SITE 1.0") + element(0x00111001, b"PN", NAME.encode())
    return before(dicom(new), REPETITION_TIME, private)


@_case(DICOM, "in private attributes: (0033,1002).Patient's Name")
def private_attribute_that_is_known(new: str) -> bytes:
    private = element(0x00330010, b"LO", b"MITRA OBJECT UTF8 ATTRIBUTES 1.0") + element(
        0x00331002, b"UN", NAME.encode()
    )
    return before(dicom(new), 0x00280002, private)


@_case(DICOM, "in the 128 bytes before its beginning")
def preamble(new: str) -> bytes:
    text = PROSE.encode()
    return text + dicom(new)[len(text) :]


@_case(DICOM, "SharedFunctionalGroupsSequence.PatientBirthDate, SharedFunctionalGroupsSequence.PatientName")
def functional_groups(new: str) -> bytes:
    return dicom(new, SharedFunctionalGroupsSequence=items(PatientName=NAME, PatientBirthDate=BORN))


@_case(DICOM, "RequestAttributesSequence.RequestAttributesSequence.PatientName")
def nested_sequence(new: str) -> bytes:
    return dicom(new, RequestAttributesSequence=items(RequestAttributesSequence=items(PatientName=NAME)))


@_case(DICOM, "(0011,1001).(0029,1010).PatientName")
def unknown_representation(new: str) -> bytes:
    hidden = element(0x00291010, b"UN", item(element(PATIENT_NAME, b"PN", NAME.encode())))
    return before(
        dicom(new), REPETITION_TIME, element(0x00110010, b"LO", b"X") + element(0x00111001, b"SQ", item(hidden))
    )


@_case(DICOM, "a private sequence of unknown representation lies in it: (0011,1001)")
def unknown_representation_that_cannot_be_read(new: str) -> bytes:
    hidden = item(b"\x01\x02\x03\x04ZZ" + NAME.encode())
    return before(dicom(new), REPETITION_TIME, element(0x00110010, b"LO", b"X") + element(0x00111001, b"UN", hidden))


@_case(DICOM, "text is burned into its pixels")
def burned_in(new: str) -> bytes:
    return dicom(new, BurnedInAnnotation="YES", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ConversionType="WSD")


@_case(DICOM, "a document, a sound or something encrypted lies in it")
def encapsulated_pdf(new: str) -> bytes:
    document = b"%PDF-1.4 Homer Simpson 1956-05-12 "
    return without_pixels(dicom(new), "1.2.840.10008.5.1.4.1.1.104.1", EncapsulatedDocument=document)


@_case(DICOM, "it is a report with text")
def structured_report(new: str) -> bytes:
    text = items(ValueType="TEXT", TextValue="The patient, Homer Simpson")
    return without_pixels(dicom(new), "1.2.840.10008.5.1.4.1.1.88.22", ContentSequence=text)


@_case(DICOM, "looks like personal data: SeriesDescription (a full date)")
def series_description(new: str) -> bytes:
    return dicom(new, series=77, SeriesDescription=f"gre {PROSE}")


@_case(DICOM, "looks like personal data: ImageComments (a full date)")
def image_comments(new: str) -> bytes:
    return dicom(new, StudyDescription="Homer Simpson", ImageComments=PROSE, ProtocolName="simpson_homer")


@_case(DICOM, "an overlay or a curve is drawn over its pixels: (6000,0022)")
def overlay_description(new: str) -> bytes:
    return changed(
        dicom(new), lambda ds: (ds.add_new(0x60000022, "LO", "Homer Simpson"), ds.add_new(0x60003000, "OW", b"\0\0"))
    )


@_case(DICOM, "an overlay or a curve is drawn over its pixels: (6002,3000)")
def overlay_data(new: str) -> bytes:
    return changed(dicom(new), lambda ds: ds.add_new(0x60023000, "OW", b"\1\0"))


@_case(DICOM, "notes are written on it: UnformattedTextValue")
def graphic_annotation(new: str) -> bytes:
    return dicom(new, TextObjectSequence=items(UnformattedTextValue=PROSE))


@_case(DICOM, "")
def empty_ideographic_name(new: str) -> bytes:
    return dicom(new + "=")


# --- Expanded Data --------------------------------------------------------------------------------------------------


def _person(**more: object) -> bytes:
    return dicom(NAME, PatientBirthDate=BORN, **more)


@_case(EXPANDED, "tells who the person is: PatientName")
def name_like_an_id(new: str) -> bytes:
    return dicom("Smith01")


@_case(EXPANDED, "its header cannot be read to its end")
def damaged_before_the_patient(new: str) -> bytes:
    damage = (
        struct.pack("<HH", 0x0008, 0x1110)
        + b"SQ\0\0"
        + b"\xff" * 4
        + ITEM[:4]
        + b"\xff" * 4
        + b"\x01\x02\x03\x04ZZ\xff\xff"
    )
    return before(_person(), PATIENT_NAME, damage)


@_case(EXPANDED, "tells who the person is: PatientBirthDate, PatientName")
def intact(new: str) -> bytes:
    return _person()


@_case(EXPANDED, "images or raw data are packed in it; unpack it: DICOM")
def zeros_before_the_beginning(new: str) -> bytes:
    return bytes(512) + _person()


@_case(EXPANDED, "images or raw data are packed in it; unpack it: gzip")
def gzipped(new: str) -> bytes:
    return gzip.compress(_person())


@_case(EXPANDED, "tells who the person is: PatientBirthDate, PatientName")
def gzipped_sidecar(new: str) -> bytes:
    return gzip.compress(sidecar(new))


@_case(EXPANDED, "tells who the person is: PatientBirthDate, PatientName")
def deflated(new: str) -> bytes:
    def change(ds: Dataset) -> None:
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"

    return changed(_person(), change)


@_case(EXPANDED, "its header cannot be read to its end")
def deflated_and_cut(new: str) -> bytes:
    content = deflated(new)
    return content[: len(content) // 2]


@_case(EXPANDED, "it is the directory of a medium (DICOMDIR)")
def dicomdir(new: str) -> bytes:
    def change(ds: Dataset) -> None:
        ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"

    return changed(dicom(new), change)


@_case(EXPANDED, "tells who the person is: PatientID, PatientName")
def raw_data(new: str) -> bytes:
    return twix(NAME)


@_case(EXPANDED, "its header cannot be read to its end")
def raw_data_with_too_many_buffers(new: str) -> bytes:
    content = twix(NAME)
    return content[:4] + struct.pack("<I", 99) + content[8:]


@_case(EXPANDED, "its header cannot be read to its end")
def raw_data_without_a_header(new: str) -> bytes:
    content = bytearray(twix(new, masked=True))
    (offset,) = struct.unpack_from("<Q", content, 16)
    content[offset : offset + 4] = struct.pack("<I", 0)
    return bytes(content) + b"Simpson Homer"


@_case(EXPANDED, "tells who the person is: PatientBirthDate, PatientName")
def sidecar(new: str) -> bytes:
    return json.dumps({"EchoTime": 0.03, "Nested": [{"PatientName": NAME}], "PatientBirthDate": BORN}).encode()


@_case(EXPANDED, "tells who the person is: PatientBirthDate, PatientName")
def dicom_json_model(new: str) -> bytes:
    model = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": NAME}]}, "00100030": {"vr": "DA", "Value": [BORN]}}
    return json.dumps([model]).encode()


@_case(EXPANDED, "tells who the person is: PatientBirthDate, PatientName")
def rda(new: str) -> bytes:
    lines = [
        ">>> Begin of header <<<",
        f"PatientName: {NAME}",
        "PatientID: ",
        f"PatientBirthDate: {BORN}",
        "TR: 2000.0",
    ]
    head = "\r\n".join([*lines, ">>> End of header <<<", ""])
    return head.encode() + bytes(range(256)) * 8


@_case(EXPANDED, "")
def rda_of_the_experiment(new: str) -> bytes:
    return rda(new).replace(NAME.encode(), new.encode()).replace(BORN.encode(), b"")


# --- what costs much ------------------------------------------------------------------------------------------------


def bomb_of_items(count: int = 2_000_000) -> bytes:
    """A sequence of empty items."""
    return before(dicom("422Y-G5QX"), PATIENT_NAME, OPEN_SEQUENCE + ITEM * count + SEQUENCE_END)


def bomb_of_elements(count: int = 1_000_000) -> bytes:
    """Empty private elements."""
    many = b"".join(struct.pack("<HH", 0x0011, number & 0xFFFF) + b"LO\0\0" for number in range(count))
    return before(dicom("422Y-G5QX"), REPETITION_TIME, many)


def bomb_of_names(count: int = 700_000) -> bytes:
    """A sequence of other names of the patient."""
    many = item(element(PATIENT_ID, b"LO", b"AB")) * count
    return before(dicom("422Y-G5QX"), 0x00180080, element(0x00101002, b"SQ", many))


def bomb_of_depth(count: int = 100_000) -> bytes:
    """Sequences within sequences."""
    begin, end = OPEN_SEQUENCE + ITEM[:4] + b"\xff" * 4, ITEM_END + SEQUENCE_END
    return before(dicom("422Y-G5QX"), PATIENT_NAME, begin * count + end * count)


def bomb_of_guesses(depth: int = 40) -> bytes:
    """Values of unknown representation within each other, of which each may have two encodings."""
    inner = b"\x01\x02\x03\x04ZZ"
    for _ in range(depth):
        inner = element(0x00111001, b"UN", item(inner))
    return before(dicom("422Y-G5QX"), REPETITION_TIME, inner)


def bomb_of_fragments(count: int = 1_000_000) -> bytes:
    """Encapsulated pixel data of empty fragments."""
    content = dicom("422Y-G5QX")
    return (
        content[: content.index(b"\xe0\x7f\x10\0")]
        + b"\xe0\x7f\x10\0OB\0\0"
        + b"\xff" * 4
        + ITEM * count
        + SEQUENCE_END
    )


def bomb_of_zeros(gibibytes: float = 0.6) -> bytes:
    """A deflated image whose pixels are zeros."""
    plain = dicom("422Y-G5QX")
    (meta,) = struct.unpack_from("<I", plain, 140)
    whole = deflated_image("422Y-G5QX")
    (deflated_meta,) = struct.unpack_from("<I", whole, 140)
    pixels = plain.index(b"\xe0\x7f\x10\0")
    size = int(gibibytes * (1 << 30)) & ~1
    deflater, zeros = zlib.compressobj(1, zlib.DEFLATED, -15), bytes(1 << 20)
    out = deflater.compress(plain[144 + meta : pixels] + b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<I", size))
    out += b"".join(deflater.compress(zeros) for _ in range(size >> 20)) + deflater.flush()
    return whole[: 144 + deflated_meta] + out


def deflated_image(name: str) -> bytes:
    """A deflated image."""

    def change(ds: Dataset) -> None:
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"

    return changed(dicom(name), change)


def raw_header(body: bytes) -> bytes:
    """A raw file of VB whose only text buffer holds this."""
    buffer = b"Config\0" + struct.pack("<I", len(body)) + body
    head = struct.pack("<II", max(10000, 8 + len(buffer)), 1) + buffer
    return head + bytes(max(0, 10000 - len(head)))


def bomb_of_arrays(size: int = 1_000_000) -> bytes:
    """Arrays that open and never close."""
    unit = b'<ParamArray."PatientName"> { '
    return raw_header(unit * (size // len(unit)))


def bomb_of_values(size: int = 8_000_000) -> bytes:
    """A raw header with another name in each line."""
    return raw_header(b"".join(b'<ParamString."PatientName"> { "%07x" }\n' % number for number in range(size // 41)))


def bomb_of_measurements(size: int = 8 << 20) -> bytes:
    """64 measurements that share one large header."""
    body = raw_header(b'<ParamString."PatientName"> { "A" }' + b"\n" * size)
    table = b"".join(struct.pack("<IIQQ64s64s", 1, 1, 10240, len(body), b"x" * 9, b"gre") for _ in range(64))
    return (struct.pack("<II", 0, 64) + table).ljust(10240, b"\0") + body


def bomb_of_gzip(gibibytes: float = 0.3) -> bytes:
    """Zeros, as a gzipped file."""
    deflater, zeros = zlib.compressobj(1, zlib.DEFLATED, 31), bytes(1 << 20)
    return b"".join(deflater.compress(zeros) for _ in range(int(gibibytes * 1024))) + deflater.flush()


def bomb_of_json(size: int = 4_000_000) -> bytes:
    """Lists within lists."""
    return b"[" * (size // 2) + b"]" * (size // 2)


def bomb_of_pairs(size: int = 1 << 20) -> bytes:
    """A text of nothing but words, among which the name of an attribute."""
    return (b"patient " * (size // 8))[:size]


BOMBS: dict[str, Callable[[], bytes]] = {
    name.removeprefix("bomb_of_"): value for name, value in sorted(globals().items()) if name.startswith("bomb_of_")
}
OVER_BUDGET = ("items", "elements", "names", "depth", "fragments", "zeros", "arrays", "measurements")
"""Those that cost more than a header may; the others cost little."""

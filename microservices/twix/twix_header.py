"""Headers of Siemens raw data (TWIX, `meas_MID...dat`) of VB, VD, VE and XA: the text at the head and the end, nothing
between.

A file of 40 GB costs what one of 1 MB costs. Numbers are parsed, identifiers are taken as the quoted text.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from microservices.budget import Budget, OverBudget
from microservices.dicom.dicom_personal import Told, joined
from microservices.twix import twix_layout as layout
from microservices.twix import twix_registration as registration
from microservices.twix.twix_layout import Flaw, Measurement
from microservices.twix.twix_text import ascconv, buffers, decoded, real, xprotocol
from policy.privacy import descriptors, personal_data
from policy.zone import carriers
from policy.zone.header import Header, Kind
from policy.zone.vocabulary import number

_XPROTOCOL_BUFFERS = ("Dicom", "Config", "Meas", "Spice", "Protocol")
"""The one to believe first; Phoenix repeats MeasYaps."""

_TEXTS = {
    "Manufacturer": ("Manufacturer",),
    "ManufacturersModelName": ("ManufacturersModelName",),
    "SoftwareVersions": ("SoftwareVersions",),
    "DeviceSerialNumber": ("DeviceSerialNumber",),
    "Modality": ("Modality",),
    "ProtocolName": ("tProtocolName", "ProtocolName"),
    "PulseSequenceDetails": ("tSequenceFileName", "SequenceFileName"),
    "ScanningSequence": ("tScanningSequence",),
    "SequenceVariant": ("tSequenceVariant",),
    "ScanOptions": ("tScanOptions",),
    "MRAcquisitionType": ("tMRAcquisitionType",),
    "BodyPart": ("tBodyPartExamined",),
    "PatientPosition": ("tPatientPosition", "PatientPosition"),
    "TransmitCoilName": ("TransmittingCoil",),
    "MeasUID": ("MeasUID",),
    "EchoTrainLength": ("EchoTrainLength",),
    "ResonantNucleus": ("sTXSPEC.asNucleusInfo[0].tNucleus",),
}
"""Vocabulary -> the fields that hold it, in XProtocol or ASCCONV."""

_NUMBERS = {
    "RepetitionTime": ("alTR[0]", 1e-6),
    "EchoTime": ("alTE[0]", 1e-6),
    "FlipAngle": ("adFlipAngleDegree[0]", 1.0),
    "ImagingFrequency": ("sTXSPEC.asNucleusInfo[0].lFrequency", 1e-6),
    "TxRefAmp": ("sTXSPEC.asNucleusInfo[0].flReferenceAmplitude", 1.0),
    "AcquisitionDuration": ("lTotalScanTimeSec", 1.0),
    "NumberOfAverages": ("lAverages", 1.0),
    "SliceThickness": ("sSliceArray.asSlice[0].dThickness", 1.0),
    "ParallelReductionFactorInPlane": ("sPat.lAccelFactPE", 1.0),
    "MultibandAccelerationFactor": ("sSliceAcceleration.lMultiBandFactor", 1.0),
}
"""Vocabulary -> ASCCONV setting, and what it is multiplied by: times are in us, the frequency is in Hz."""

_SEVERAL = {
    "EchoTime": ("lContrasts", "alTE", 1e-6),
    "DiffusionBValue": ("sDiffusion.lDiffWeightings", "sDiffusion.alBValue", 1.0),
}
"""Vocabulary -> how many of the array are used (the scanner keeps others), the array, factor."""
_MOST_VALUES = 16
_INVERSION_TIME, _INVERSION, _NO_INVERSION = "alTI[0]", "sPrepPulses.ucInversion", 4
_FIELD = ("flMagneticFieldStrength", "sProtConsistencyInfo.flNominalB0")
_NOMINAL_FIELDS = (0.35, 0.55, 1.0, 1.5, 3.0, 4.0, 7.0, 9.4, 10.5, 11.7)
_SELECTED_COIL_ELEMENT = re.compile(
    rb"^[ \t]*a?sCoilSelectMeas(?:\.aRxCoilSelectData)?\[0\]\.asList\[\d+\]\.lElementSelected[ \t]*=[ \t]*(?:0x)?0*1\s",
    re.MULTILINE,
)
_FRAME_OF_REFERENCE = ("FrameOfReference", "tFrameOfReference")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID")
_UID = re.compile(r"[0-9.]{5,64}")
_DAY = re.compile(r"((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])")
_PREPARED = "PrepareTimestamp"
_MASK = re.compile(r"[xX]+")
_SEX = {"1": "F", "2": "M", "3": "O"}
_MILLIMETRES = "flPatientHeight"

_PARAMETERS = tuple(
    dict.fromkeys(
        [
            *personal_data.TWIX_NAMES,
            *personal_data.TWIX,
            *descriptors.TWIX,
            *(name for names in _TEXTS.values() for name in names if "." not in name),
            *_FRAME_OF_REFERENCE,
            *_UIDS,
            _FIELD[0],
            _PREPARED,
            registration.FIELD,
        ]
    )
)
_SETTINGS = (
    *(name for names in _TEXTS.values() for name in names),
    *(name for name, _ in _NUMBERS.values()),
    _INVERSION_TIME,
    _INVERSION,
    _FIELD[1],
    *(
        name
        for count, array, _ in _SEVERAL.values()
        for name in (count, *(f"{array}[{i}]" for i in range(_MOST_VALUES)))
    ),
)

Fields = Mapping[str, Sequence[str]]
"""Field -> its values that are not empty, the one to believe first."""


def is_twix(head: bytes) -> bool:
    """Tells by the first 160 bytes whether a file is TWIX."""
    return layout.is_twix(head)


def has_end(file: BinaryIO, size: int) -> bool:
    """Is this a TWIX file to whose last measurement nothing is to come? Costs the same for every size;

    OSError of the file.
    """
    file.seek(0)
    head = file.read(min(size, layout.TABLE_BYTES))
    if not is_twix(head):
        return False
    try:
        last = max(layout.measurements(head, size), key=lambda m: m.offset)
        layout.check_end(file, last, layout.header_length(file, last))
    except Flaw:
        return False
    return True


def read(file: BinaryIO, size: int, budget: Budget | None = None) -> Header:
    """The header of a TWIX file. Whatever is wrong is in `problem`; what could be read all the same is in the other
    fields.

    Of several measurements the last one is described (those before it are adjustments, such as noise); all are searched
    for personal data, and for names that differ.
    """
    file.seek(0)
    head = file.read(min(size, layout.TABLE_BYTES))
    budget = budget or Budget(bytes=layout.MAX_HEADER_BYTES)
    flaws: list[Flaw] = []
    try:
        return _read(file, size, head, flaws, budget)
    except OverBudget as over:
        carried = {carriers.UNREADABLE: str(over)}
        return Header(Kind.TWIX, size, problem=str(over), over_budget=True, carried=carried)


def _read(file: BinaryIO, size: int, head: bytes, flaws: list[Flaw], budget: Budget) -> Header:
    try:
        found = layout.measurements(head, size)
    except Flaw as flaw:
        flaws.append(flaw)
        found = list(_readable(head, size))
    texts = []
    for measurement in sorted(found, key=lambda m: m.offset):
        text, header_bytes = _text_of(file, measurement, size, flaws, budget)
        texts.append(text)
    if found and header_bytes and not any(flaw.incomplete for flaw in flaws):
        try:
            layout.check_end(file, measurement, header_bytes)
        except Flaw as flaw:
            flaws.append(flaw)
    # what looks damaged in a file whose end is missing may not be written yet
    flaws.sort(key=lambda flaw: not flaw.incomplete)
    return _header(size, found, texts, flaws, budget)


def _readable(head: bytes, size: int) -> Iterator[Measurement]:
    """Of a file that is cut off: the measurements of whose header something is there."""
    for number_, entry in enumerate(layout.entries_of(head), 1):
        if layout.TABLE_BYTES <= entry[2] < size:
            yield Measurement(number_, entry[2], size, entry[4].partition(b"\0")[0])


def _text_of(
    file: BinaryIO, measurement: Measurement, size: int, flaws: list[Flaw], budget: Budget
) -> tuple[dict[str, bytes], int]:
    """The text buffers of a measurement, as far as they are there, and the length of its header."""
    try:
        length = layout.header_length(file, measurement)
    except Flaw as flaw:
        flaws.append(flaw)
        if not flaw.incomplete:
            return {}, 0
        length = min(size - measurement.offset, layout.MAX_HEADER_BYTES)
    budget.hold(length)
    file.seek(measurement.offset)
    header = file.read(length)
    if len(header) < 8 or struct.unpack_from("<I", header, 4)[0] > layout.MAX_BUFFERS:
        return {}, length
    found, wrong = buffers(header)
    if wrong:
        flaws.append(Flaw(f"measurement {measurement.number}: {wrong}"))
    return found, length


def _header(
    size: int, found: list[Measurement], texts: list[dict[str, bytes]], flaws: list[Flaw], budget: Budget
) -> Header:
    every = [_fields(text, budget) for text in texts]
    fields: Fields = every[-1] if every else {}
    text = texts[-1] if texts else {}
    protocol = text.get("MeasYaps") or text.get("Phoenix", b"")
    settings = ascconv(protocol, _SETTINGS)
    registered, told = registration.read((one for f in every for one in f.get(registration.FIELD, ())), budget)
    names = [value for name in personal_data.TWIX_NAMES for value in fields.get(name, ())]
    plain = [name for name in names if not _MASK.fullmatch(name.strip())]
    name = next(iter(plain or names), "")
    frame = _first(fields, _FRAME_OF_REFERENCE)
    date = _date(_first(fields, (_PREPARED,)), frame)
    technique = _technique(fields, settings, protocol)
    several = _several(settings)
    if found:
        technique["NumberOfMeasurements"] = str(len(found))
    if date:
        technique["AcquisitionDate"] = date
    unread = next((flaw for flaw in flaws if not flaw.is_read), None)
    return Header(
        kind=Kind.TWIX,
        size=size,
        problem=str(flaws[0]) if flaws else "",
        incomplete=bool(flaws) and flaws[0].incomplete,
        patient_name=name,
        masked=bool(names) and not plain,
        frame_of_reference_uid=frame if _UID.fullmatch(frame) else "",
        series_description=technique.get("ProtocolName", ""),
        date=date,
        technique=technique,
        several=several,
        personal=_personal(
            every, name, registered, [measurement.patient for measurement in found], joined(told.personal)
        ),
        texts=_descriptions(every, technique, joined(told.texts)),
        carried=_carried(told, unread),
        study_instance_uid=_uid(fields, "StudyInstanceUID"),
        series_instance_uid=_uid(fields, "SeriesInstanceUID"),
    )


def _fields(text: Mapping[str, bytes], budget: Budget) -> Fields:
    """The values of all text buffers, those of the buffers that are believed first."""
    fields: dict[str, dict[str, None]] = {}
    for buffer in (*_XPROTOCOL_BUFFERS, *(name for name in text if name not in _XPROTOCOL_BUFFERS)):
        for name, value in xprotocol(text.get(buffer, b""), _PARAMETERS, budget):
            fields.setdefault(name, {})[value] = None
    return {name: list(values) for name, values in fields.items()}


def _uid(fields: Fields, name: str) -> str:
    uid = _first(fields, (name,))
    return uid if _UID.fullmatch(uid) else ""


def _first(fields: Fields, names: Sequence[str]) -> str:
    return next((value for name in names for value in fields.get(name, ())), "")


def _technique(fields: Fields, settings: Mapping[str, str], protocol: bytes) -> dict[str, str]:
    technique = {}
    for name, sources in _TEXTS.items():
        if value := _first(fields, sources) or next((settings[s] for s in sources if settings.get(s)), ""):
            technique[name] = value
    for name, (setting, factor) in _NUMBERS.items():
        if (value_ := real(settings.get(setting, ""))) is not None:
            technique[name] = number(value_ * factor)
    # the scanner keeps an inversion time in protocols that do not invert
    inversion_time = real(settings.get(_INVERSION_TIME, ""))
    if inversion_time is not None and real(settings.get(_INVERSION, "")) != _NO_INVERSION:
        technique["InversionTime"] = number(inversion_time * 1e-6)
    field = real(_first(fields, _FIELD[:1]) or settings.get(_FIELD[1], ""))
    if field:
        technique["MagneticFieldStrength"] = number(_nominal(field))
    if elements := len(_SELECTED_COIL_ELEMENT.findall(protocol)):
        technique["NumberOfReceiveChannels"] = str(elements)
    return technique


def _several(settings: Mapping[str, str]) -> dict[str, list[str]]:
    """The distinct values of what has several in one measurement: echo times, b-values."""
    found = {}
    for name, (count, array, factor) in _SEVERAL.items():
        used = min(int(real(settings.get(count, "")) or 0), _MOST_VALUES)
        values = [real(settings.get(f"{array}[{number_}]", "")) for number_ in range(used)]
        texts = list(dict.fromkeys(number(value * factor) for value in values if value is not None))
        if len(texts) > 1:
            found[name] = texts
    return found


def _nominal(field: float) -> float:
    """The nominal field strength in T, as DICOM (0018,0087) gives it: raw data say 2.89362 where the images say 3."""
    nearest = min(_NOMINAL_FIELDS, key=lambda nominal: abs(nominal - field))
    return nearest if abs(nearest - field) <= 0.05 * nearest else field


def _date(prepared: str, frame_of_reference: str) -> str:
    """The day as YYYYMMDD: when the scan was prepared (XA), else when the frame of reference was made (the time in its
    UID).
    """
    if match := _DAY.match(prepared):
        return "".join(match.groups())
    for component in reversed(frame_of_reference.split(".")):
        if len(component) >= 14 and (match := _DAY.match(component)):
            return "".join(match.groups())
    return ""


def _carried(told: Told, unread: Flaw | None) -> dict[str, str]:
    if unread is not None:
        told.note(told.carried, carriers.UNREADABLE, str(unread))
    return {carrier: ", ".join(where) for carrier, where in told.carried.items()}


def _personal(
    every: Sequence[Fields], name: str, registered: Sequence[str], table: Sequence[bytes], told: Mapping[str, str]
) -> dict[str, str]:
    """Personal data of all measurements by DICOM keyword; a name other than the file's own one is an Other Patient
    Name.
    """
    personal = dict(told)
    for fields in reversed(every):
        for field, keyword in personal_data.TWIX.items():
            for value in fields.get(field, ()):
                if text := _told(field, value):
                    personal.setdefault(keyword, text)
    others = [value for fields in every for field in personal_data.TWIX_NAMES for value in fields.get(field, ())]
    others += registered
    # the table's name has nine characters more than the name, so they are not compared but searched
    others += [text for text in map(decoded, table) if not name or _letters(name) not in _letters(text)]
    strange = [other for other in others if other != name and not _MASK.fullmatch(other.strip()) and _letters(other)]
    if strange:
        personal["OtherPatientNames"] = "\\".join(dict.fromkeys(strange))
    return personal


def _descriptions(every: Sequence[Fields], technique: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """What somebody may have typed, by DICOM keyword."""
    texts = {**told, **{name: technique[name] for name in descriptors.OF_VOCABULARY & technique.keys()}}
    for fields in every:
        for field, keyword in descriptors.TWIX.items():
            if values := fields.get(field):
                texts[keyword] = "\\".join(dict.fromkeys((*texts.get(keyword, "").split("\\"), *values))).strip("\\")
    return texts


def _told(field: str, value: str) -> str:
    """Returns the personal data in a value, as DICOM writes them; empty for placeholders and masked values."""
    if personal_data.tells_nothing(value):
        return ""
    if personal_data.TWIX[field] == "PatientSex":
        return _SEX.get(value.strip(), "")
    if personal_data.TWIX[field] in personal_data.CHARACTERISTICS.values():
        amount = real(value)
        return number(amount / 1000 if field == _MILLIMETRES else amount) if amount else ""
    return value


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()

"""The AVUs of archived collections and objects.

What all objects of a series share stands once, on the series' collection; an object has what differs from its series,
mostly nothing. Its name tells its SOP instance, and where it came from is told by its file (`policy.ingest.origin`).
Raw data have no series: a TWIX file carries its own description.
"""

from __future__ import annotations

import re

from policy.privacy import free_text
from policy.privacy.descriptors import OF_VOCABULARY
from policy.zone import AVU
from policy.zone.header import Header, Kind
from policy.zone.layout import DataType, safe
from policy.zone.vocabulary import UNITS

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+ *")
MAX_VALUE = 500
"""Characters of a value: the catalog takes 2700 bytes (R_META_MAIN), and no setting of a protocol is longer."""


def technique(header: Header) -> list[AVU]:
    """How it was acquired, in the names and units of `policy.zone.vocabulary`.

    iRODS shows the values of AVUs to every user: what looks like personal data is left out, also where a data steward
    accepted it.
    """
    values = {**{name: (value,) for name, value in header.technique.items()}, **header.several}
    told = ((name, value) for name, several in values.items() for value in several)
    return [
        AVU(name, plain(value)[:MAX_VALUE], UNITS[name])
        for name, value in told
        if value and (name not in OF_VOCABULARY or is_harmless(value))
    ]


def plain(text: str) -> str:
    """The text with blanks for control characters, which neither lists nor the XML of iRODS can hold.

    >>> plain("gre\r\n\x01 2d")
    'gre 2d'
    """
    return _CONTROL.sub(" ", text).strip()


def is_harmless(text: str) -> bool:
    """Whether a description may be told to every user of the zone, as an AVU or as the name of a collection."""
    return not free_text.personal_data(text)


def series(header: Header) -> list[AVU]:
    """The AVUs of a series' collection; SeriesInstanceUID comes last, so that who finds the series finds the rest."""
    uids = {
        "StudyInstanceUID": header.study_instance_uid,
        "FrameOfReferenceUID": header.frame_of_reference_uid,
        "SOPClassUID": header.sop_class_uid,
        "SeriesInstanceUID": header.series_instance_uid,
    }
    return [*technique(header), *(AVU(name, value) for name, value in uids.items() if value)]


def data_object(header: Header, data_type: DataType, of_series: set[AVU]) -> list[AVU]:
    """The AVUs of one object whose series has `of_series`."""
    avus: list[AVU] = []
    if data_type is DataType.DICOM:
        avus = [avu for avu in technique(header) if avu not in of_series]
        if not named_by_uid(header):
            avus.append(AVU("SOPInstanceUID", header.sop_instance_uid))
    elif data_type is DataType.TWIX and header.kind is Kind.TWIX:
        avus = technique(header)
        if header.frame_of_reference_uid:
            avus.append(AVU("FrameOfReferenceUID", header.frame_of_reference_uid))
    return avus


def named_by_uid(header: Header) -> bool:
    """Whether the object's name holds its SOP instance UID as it is."""
    return safe(header.sop_instance_uid) == header.sop_instance_uid

"""The patient registration in raw data of XA software: a DICOM data set in base64, judged element by element.

References: DICOM PS3.5 7 (explicit VR little endian, without file meta information).
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable

from microservices.budget import Budget
from microservices.dicom import dicom_personal
from microservices.dicom.dicom_personal import WANTED, Told
from microservices.dicom.dicom_scan import read_elements
from policy.zone import carriers

FIELD = "PatientRegistrationData"
_PATIENT_NAME = 0x00100010


def read(values: Iterable[str], budget: Budget) -> tuple[list[str], Told]:
    """The names of patients, and what the data sets tell of a person. What cannot be read is carried as unreadable."""
    names: list[str] = []
    told = Told()
    for value in values:
        try:
            data = base64.b64decode("".join(value.split()), validate=True)
        except binascii.Error:
            told.note(told.carried, carriers.UNREADABLE, f"{FIELD} is not base64")
            continue
        budget.hold(len(data))
        found = read_elements(io.BytesIO(data), len(data), budget, WANTED)
        if found.problem or not found.by_tag:
            told.note(told.carried, carriers.UNREADABLE, f"{FIELD}: {found.problem or 'it holds no elements'}")
        _merge(told, dicom_personal.of(found, b""))
        if name := found.text(_PATIENT_NAME):
            names.append(name)
    return names, told


def _merge(into: Told, told: Told) -> None:
    for kind, more in ((into.personal, told.personal), (into.texts, told.texts), (into.carried, told.carried)):
        for name, values in more.items():
            for value in values:
                into.note(kind, name, value)

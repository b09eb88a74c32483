"""Keeps files out of the archive that tell who the person is (GDPR; DICOM PS3.15 Annex E).

Castellum holds the personal data; in the archive a subject is known by the pseudonym of the study only. What a file
carries beside the ExperimentID is judged here; what is accepted is the site's choice (`guard` in mrdata.yaml).
"""

from __future__ import annotations

import re

from policy import experiment_id
from policy.experiment import Experiment
from policy.header import Header
from policy.personal_data import CHARACTERISTICS
from policy.settings import Guard


def refused(header: Header, experiment: Experiment, guard: Guard) -> list[str]:
    """The names (never the values) of the attributes for which the file is refused."""
    names = [name for name in header.personal if not _accepted(name, header, experiment, guard)]
    if not header.masked and header.patient_name and not _is_id(header.patient_name):
        names.append("PatientName")
    return sorted(names)


def _accepted(name: str, header: Header, experiment: Experiment, guard: Guard) -> bool:
    keyword, value = name.rpartition(".")[2], header.personal[name]
    if keyword in CHARACTERISTICS.values() and guard.retain_patient_characteristics:
        return True
    if keyword == "PatientID" and (experiment_id.parse(value) == experiment.id or value == experiment.pseudonym):
        return True
    if keyword == "PatientID" and _is_id(value) and experiment_id.distance(value, header.patient_name) == 0:
        return True
    return any(re.fullmatch(pattern, value) for pattern in guard.allow.get(keyword, ()))


def _is_id(text: str) -> bool:
    """An ExperimentID, also a mistyped one, tells nothing about the person."""
    return experiment_id.parse(text) is not None or experiment_id.looks_meant(text)

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
    names = [name for name, value in header.personal.items() if not _accepted(name.rpartition(".")[2], value, experiment, guard)]
    if header.patient_name and not header.masked and experiment_id.parse(header.patient_name) != experiment.id:
        names.append("PatientName")
    return sorted(names)


def _accepted(keyword: str, value: str, experiment: Experiment, guard: Guard) -> bool:
    if keyword in CHARACTERISTICS.values() and guard.retain_patient_characteristics:
        return True
    if keyword == "PatientID" and (experiment_id.parse(value) == experiment.id or value == experiment.pseudonym):
        return True
    return any(re.fullmatch(pattern, value) for pattern in guard.allow.get(keyword, ()))

"""Keeps files out of the archive that tell who the person is (GDPR; DICOM PS3.15 Annex E).

Castellum holds the personal data; in the archive a subject is known by the pseudonym of the study only. This module
judges everything that a file carries other than the ExperimentID. The site chooses what is accepted (`guard` in
mrdata.yaml).
"""

from __future__ import annotations

import re

from policy.privacy import free_text, personal_data
from policy.privacy.personal_data import CHARACTERISTICS
from policy.zone import experiment_id
from policy.zone.carriers import CARRIERS
from policy.zone.experiment import Experiment
from policy.zone.header import Header
from policy.zone.settings import Guard

_PRIVATE = re.compile(r"\([0-9A-F]{4},[0-9A-F]{4}\)\.[^.]+")


def refused(header: Header, experiment: Experiment, guard: Guard) -> list[str]:
    """The reasons why the file is refused, in words: names of attributes and places, never values.

    Empty where it is accepted.
    """
    names = [name for name in header.personal if not _accepted(name, header.personal[name], header, experiment, guard)]
    if not header.masked and header.patient_name and not _is_code(header.patient_name, experiment):
        names.append("PatientName")
    private = [name for name in names if _PRIVATE.fullmatch(name)]
    reasons = []
    if standard := sorted(set(names) - set(private)):
        reasons.append("tells who the person is: " + ", ".join(standard))
    if private:
        reasons.append("tells who the person is in private attributes: " + ", ".join(sorted(private)))
    for name, text in header.texts.items():
        if (signs := free_text.personal_data(text)) and not _allowed(name, text, guard):
            reasons.append(f"has a description that looks like personal data: {name} ({' and '.join(signs)})")
    for carrier, where in header.carried.items():
        if carrier not in guard.accept:
            reasons.append(CARRIERS[carrier] + (f": {where}" if where else ""))
    return reasons


def _accepted(name: str, text: str, header: Header, experiment: Experiment, guard: Guard) -> bool:
    keyword = name.rpartition(".")[2]
    if keyword in CHARACTERISTICS.values() and guard.retain_patient_characteristics:
        return True
    if all(experiment_id.parse(value) == experiment.id for value in text.split("\\")):
        return True
    if keyword == "PatientID" and (text == experiment.pseudonym or personal_data.is_made_by_console(text)):
        return True
    if keyword == "PatientID" and _is_code(text, experiment) and experiment_id.distance(text, header.patient_name) == 0:
        return True
    return _allowed(name, text, guard)


def _allowed(name: str, text: str, guard: Guard) -> bool:
    return any(re.fullmatch(pattern, text) for pattern in guard.allow.get(name.rpartition(".")[2], ()))


def _is_code(text: str, experiment: Experiment) -> bool:
    """An ExperimentID, which has two digits at least, tells nothing about the person, nor does this experiment's with a
    typing mistake.
    """
    other = experiment_id.parse(text)
    is_other = other is not None and sum(character.isdigit() for character in other) >= experiment_id.DIGITS
    return is_other or experiment_id.distance(text, experiment.id) <= experiment_id.MISTYPED_BY

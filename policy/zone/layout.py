"""Where things are: the collections of an MrData zone, and the names below them.

    <home>/landing/<scanner>/{dicom,twix,expdata}/<path>                     what arrives
    <home>/studies/<StudyID>/experiments/<ExperimentID>/<DataType>/<path>    what is archived
    <home>/studies/<StudyID>/experiments/<ExperimentID>/PRODUCTS/<series>/     what was made of a series; can be made
                                                                               again
    <home>/studies/<StudyID>/subjects/<pseudonym>
    <home>/quarantine/<scanner>/<session>/<path>                             what nobody could place
    <home>/reviews/<name>                                                    questions that wait for a data steward

`<home>` is the home collection of the service account (`Settings.home`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from policy.zone.settings import Settings

RECORD = "experiment.yaml"
_OWN_FILES = re.compile(r"(experiment\.yaml|(manifest\.\d+|landed_again\.[\w.-]+)\.json)(\.draft|\.new)?")
DRAFTS = (".draft", ".new")
"""Endings of what MrData writes before it gets its name."""
INTAKE = ".intake"
"""The folder of the landing folder into which complete files are taken:

`.intake/<batch>/<scanner>/<branch>/<path>`. MrData's alone.
"""
LANDED = "landed"
"""The folder of the archive resource's vault for files that were archived when they were registered:

`landed/<batch>/<landing path>`.
"""
_BESIDE = ".beside"
PRODUCTS = "PRODUCTS"
"""The collection of an experiment's products. No data type: nothing lands in it, and nothing in it is re-filed."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}")
"""A StudyID or pseudonym: it becomes the name of a collection, a file and a group."""


class Branch(StrEnum):
    """The three folders of a scanner in the landing zone."""

    DICOM = "dicom"
    TWIX = "twix"
    EXPDATA = "expdata"


class DataType(StrEnum):
    """The collections of an experiment."""

    DICOM = "DICOM"
    TWIX = "TWIX"
    EXP_DATA = "EXP_DATA"


@dataclass(frozen=True, slots=True)
class Landed:
    """Where in the landing zone something arrived."""

    scanner: str
    branch: Branch
    relative: str

    @property
    def landing_path(self) -> str:
        """The value of the AVU `LandingPath`: the file below the landing folder and the landing collection alike."""
        return f"{self.scanner}/{self.branch}/{self.relative}"

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.relative.rpartition("/")[2]

    @property
    def folders(self) -> list[str]:
        """The folders between the branch and the file."""
        return self.relative.split("/")[:-1]


def landing(settings: Settings) -> str:
    """The collection below which files arrive."""
    return f"{settings.home}/landing"


def studies(settings: Settings) -> str:
    """The collection of all studies: the archive."""
    return f"{settings.home}/studies"


def quarantine(settings: Settings) -> str:
    """The collection that only data stewards can read."""
    return f"{settings.home}/quarantine"


def audit(settings: Settings) -> str:
    """The collection of the audit log, which data stewards may read."""
    return f"{settings.home}/audit"


def withdrawn(settings: Settings) -> str:
    """The collection of what was withdrawn: the records by which it can be restored, and withdrawn copies.

    Nobody else may read it.
    """
    return f"{settings.home}/withdrawn"


def receipts(settings: Settings) -> str:
    """The collection of the receipts of what was erased, which data stewards may read."""
    return f"{settings.home}/receipts"


def erased(settings: Settings) -> str:
    """The collection that tells which subjects were erased, by hashes of their pseudonyms.

    Only the service account may read it.
    """
    return f"{settings.home}/erased"


def fixity(settings: Settings) -> str:
    """The collection of what is known of the checksums: state, damage found, yearly reports.

    Data stewards may read it.
    """
    return f"{settings.home}/fixity"


def locks(settings: Settings) -> str:
    """The collection of the locks of experiments (`policy.zone.lock`). The service account's alone."""
    return f"{settings.home}/locks"


def reviews(settings: Settings) -> str:
    """The collection of the questions that wait for a data steward. Only data stewards can read it."""
    return f"{settings.home}/reviews"


def study(settings: Settings, study_id: str) -> str:
    """The collection of a study."""
    return f"{studies(settings)}/{study_id}"


def study_group(study_id: str) -> str:
    """The group that may read a study."""
    return f"study_{study_id}"


def uploads(settings: Settings, scanner: str, experiment_id: str) -> str:
    """The landing collection of an experiment's Expanded Data, into which its study may write."""
    return f"{landing(settings)}/{scanner}/{Branch.EXPDATA}/{experiment_id}"


def landed(settings: Settings, path: str) -> Landed | None:
    """The parts of a path below landing; None for any other path, and for one outside the three branches."""
    prefix = landing(settings) + "/"
    parts = path[len(prefix) :].split("/", 2)
    if not path.startswith(prefix) or len(parts) < 3 or not parts[2] or parts[1] not in set(Branch):
        return None
    below = parts[2].split("/", 2)
    return Landed(parts[0], Branch(parts[1]), below[2] if below[0] == _BESIDE and len(below) == 3 else parts[2])


def beside(settings: Settings, path: str, batch: str) -> str:
    """Another path in landing for a file of a batch whose own path is taken. `landed` reads the same from both."""
    scanner, branch, relative = path.removeprefix(landing(settings) + "/").split("/", 2)
    return f"{landing(settings)}/{scanner}/{branch}/{_BESIDE}/{batch}/{relative}"


def quarantined(settings: Settings, path: str) -> Landed | None:
    """Where an object in quarantine landed:

    `<scanner>/<session>/<branch>/<path>`, with `again<N>` before the branch for a taken name.
    """
    prefix = quarantine(settings) + "/"
    parts = path[len(prefix) :].split("/")
    below = 2 if len(parts) > 2 and parts[2] in set(Branch) else 3
    if not path.startswith(prefix) or len(parts) < below + 2 or parts[below] not in set(Branch):
        return None
    return Landed(parts[0], Branch(parts[below]), "/".join(parts[below + 1 :]))


def experiment_of(settings: Settings, path: str) -> str | None:
    """The ExperimentID of a path in the archive."""
    parts = path.removeprefix(studies(settings) + "/").split("/")
    return (
        parts[2] if path.startswith(studies(settings) + "/") and len(parts) > 2 and parts[1] == "experiments" else None
    )


def experiment_path(settings: Settings, path: str) -> str:
    """The collection of the experiment to which a path in the archive belongs; empty for any other path."""
    found = experiment_of(settings, path)
    return f"{path.split('/experiments/')[0]}/experiments/{found}" if found else ""


def is_record(settings: Settings, path: str) -> bool:
    """Whether the path is what MrData itself writes into an experiment's collection: the YAML record of its
    registration, a manifest.
    """
    below = path.removeprefix(studies(settings) + "/").split("/")
    return experiment_of(settings, path) is not None and len(below) == 4 and bool(_OWN_FILES.fullmatch(below[3]))


def is_product(settings: Settings, path: str) -> bool:
    """Whether the path is an experiment's collection of products, or below it."""
    below = path.removeprefix(studies(settings) + "/").split("/")
    return experiment_of(settings, path) is not None and len(below) > 3 and below[3] == PRODUCTS


def parent(path: str) -> str:
    """The collection that holds a path."""
    return path.rpartition("/")[0]


def safe(text: str, limit: int = 64) -> str:
    """Text from a header as a name that every client and file system takes: accents go, other characters become `_`.

    >>> safe("t1 mpr/sag <1mm>"), safe("Übersicht")
    ('t1_mpr_sag_1mm', 'Ubersicht')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"_+", "_", re.sub(r"[^\w.+=-]", "_", plain)).strip("_.")[:limit]

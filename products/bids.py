"""Exports a study as a BIDS dataset, made from the products of its series.

Files that have no place in BIDS go below sourcedata and are listed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from policy import __version__
from policy.products import completeness
from policy.products.completeness import ProductState
from policy.zone import GOOD, Condition, NotFound, layout
from policy.zone.context import Context
from policy.zone.experiment import State
from policy.zone.registry import Registry
from products import bids_folder, nifti
from products.bids_folder import Changes, Earlier
from products.bids_names import Image, LeftOut, Name, label, names
from products.bids_runs import runs
from products.transfer import fetch

BIDS_VERSION = "1.10.0"
NIFTI = ".nii.gz"
LEFT_OUT = "sourcedata/left_out.tsv"


@dataclass(slots=True)
class Report:
    """What was exported.

    `left_out` are rows of subject, session, series, place, reason. `errors` is None if no validator ran.
    """

    images: int = 0
    subjects: int = 0
    sessions: int = 0
    left_out: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    errors: list[str] | None = None
    warnings: list[str] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True, slots=True)
class _Session:
    experiment: str
    path: str
    pseudonym: str
    subject: str
    label: str


@dataclass(frozen=True, slots=True)
class _Found:
    """An image that has a place in BIDS: the folder where it is, the stem of its files, and its name."""

    source: Path
    stem: str
    name: Name


def export(
    context: Context,
    study: str,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
    subjects: Collection[str] = (),
) -> Report:
    """Writes the dataset of a study into a folder, and validates it if the validator is installed.

    The dataset holds what the user may see, of experiments that are not withdrawn. If `subjects` (pseudonyms) are
    given, it holds these, and those that an earlier export into this folder has. What is there and equal stays. Until
    it is complete, the name of a new folder ends in `.unfinished`. If no image has a place in BIDS, nothing is written,
    and the report says what was left out. FileExistsError if the folder holds anything but an export of this study;
    NotFound if the user sees no such study or subject.
    """
    folder = folder.resolve()  # `.` has no name
    before = bids_folder.earlier(folder, study)
    home = layout.study(context.settings, study)
    if "/" in study or context.zone.stat(home) is None:
        raise NotFound(f"study {study!r} does not exist, or you may not see it")
    sessions = _chosen(_sessions(context, home), study, subjects, before)
    making = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    report = Report()
    series = {session: _series(context, session) for session in sessions}
    count, of = 0, sum(map(len, series.values()))
    for session, paths in series.items():
        found: list[_Found] = []
        for path in paths:
            found += _export_series(context, session, path, making, before, report)
            count += 1
            progress(count, of)
        for one, run in zip(found, runs([(one.source, one.name) for one in found]), strict=True):
            _place(making, session, one, run)
            report.images += 1
        for source in {one.source for one in found}:
            if not any(source.iterdir()):
                source.rmdir()
    if not report.images:
        shutil.rmtree(making)
        return report
    report.subjects, report.sessions = len(list(making.glob("sub-*"))), len(list(making.glob("sub-*/ses-*")))
    _describe(context, home, study, sessions, making, report)
    report.changes = bids_folder.bring_up_to_date(making, before, study)
    _validate(folder, report)
    return report


def _chosen(sessions: list[_Session], study: str, subjects: Collection[str], before: Earlier) -> list[_Session]:
    """Those of the subjects that were asked for, and of those that are in the folder already."""
    known = {session.pseudonym for session in sessions}
    if unknown := sorted(set(subjects) - known):
        raise NotFound(
            f"study {study!r} has no experiment of subject {unknown[0]!r} that can be exported; it has those of"
            f" {', '.join(sorted(known)) or 'nobody'}"
        )
    return [s for s in sessions if not subjects or s.pseudonym in subjects or s.subject in before.subjects]


def _sessions(context: Context, home: str) -> list[_Session]:
    rows = context.zone.query(
        ["COLL_NAME", "META_COLL_ATTR_VALUE"],
        Condition("COLL_NAME", "like", f"{home}/experiments/%"),
        Condition("META_COLL_ATTR_NAME", "=", "ExperimentID"),
    )
    registry = Registry(context)
    found = [
        e
        for path, new in sorted(rows)
        if path.startswith(home + "/") and (e := registry.experiment(new)) and e.state != State.WITHDRAWN
    ]
    labels = _labels({experiment.pseudonym for experiment in found})
    return [_Session(e.id, e.path, e.pseudonym, labels[e.pseudonym], label(e.id)) for e in found]


def _labels(pseudonyms: set[str]) -> dict[str, str]:
    """Maps pseudonyms to labels: different ones even if they differ only in characters not allowed in a label."""
    plain = {pseudonym: label(pseudonym) for pseudonym in pseudonyms}
    shared = Counter(plain.values())
    return {
        p: text if shared[text] == 1 else f"{text}x{sha256(p.encode()).hexdigest()[:6]}" for p, text in plain.items()
    }


def _series(context: Context, session: _Session) -> list[str]:
    rows = context.zone.query(
        ["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", f"{session.path}/{layout.DataType.DICOM}")
    )
    paths = [path for (path,) in rows if completeness.is_series(context, path)]
    return sorted(paths, key=lambda path: (_number(path), path))


def _number(path: str) -> int:
    found = re.match(r"\d+", path.rpartition("/")[2])
    return int(found[0]) if found else 0


def _export_series(
    context: Context,
    session: _Session,
    path: str,
    folder: Path,
    before: Earlier,
    report: Report,
) -> list[_Found]:
    """Fetches the images of a series into `sourcedata`; those that have a place in BIDS."""
    series = completeness.load(context, path)
    where = f"sourcedata/sub-{session.subject}/ses-{session.label}/{series.name}"
    if not series.images:
        return []
    if series.state != ProductState.DONE or series.avus.get(completeness.INPUTS_CHECKSUM) != series.inputs_checksum:
        reason = series.avus.get(completeness.DETAIL) or "its products are not made yet"
        report.left_out.append(
            (session.subject, session.label, series.name, "", f"{series.state or 'waiting'}: {reason}")
        )
        return []
    good = Condition("DATA_REPL_STATUS", "=", GOOD)
    rows = context.zone.query(["DATA_NAME", "DATA_CHECKSUM"], Condition("COLL_NAME", "=", series.products), good)
    checksums = {name: text for name, text in rows if not name.endswith((".tar", ".tar.index.json", ".log"))}
    mine = sorted(checksums)
    if not any(name.endswith(NIFTI) for name in mine):
        report.left_out.append((session.subject, session.label, series.name, "", "holds no MR images"))
        return []
    target = folder / where
    target.mkdir(parents=True)
    for name in mine:
        # A sidecar is small, and may be changed by `_place`.
        if name.endswith(".json") or not before.reuse(checksums[name], target / name):
            fetch(context.zone, f"{series.products}/{name}", target / name)
    images = [_image(target, name.removesuffix(NIFTI), mine) for name in mine if name.endswith(NIFTI)]
    description = series.avus.get("SeriesDescription") or series.name
    found = []
    for stem, named in names(description, images, context.settings.bids.rules).items():
        if isinstance(named, LeftOut):
            report.left_out.append((session.subject, session.label, series.name, f"{where}/{stem}", named.reason))
        else:
            found.append(_Found(target, stem, named))
    return found


def _image(folder: Path, stem: str, names: Iterable[str]) -> Image:
    endings = {name.removeprefix(stem) for name in names if name.startswith(stem + ".")}
    file = folder / f"{stem}.json"
    sidecar: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return Image(stem, sidecar, nifti.volumes(folder / (stem + NIFTI)), frozenset(endings))


def _place(folder: Path, session: _Session, found: _Found, run: int) -> None:
    """Moves an image and its other files to their place."""
    name = found.name
    target = folder / f"sub-{session.subject}/ses-{session.label}/{name.data_type}"
    target.mkdir(parents=True, exist_ok=True)
    entities = {**name.entities, **({"run": str(run)} if run else {})}
    final = f"sub-{session.subject}_ses-{session.label}_{replace(name, entities=entities).text()}"
    for file in [file for file in found.source.iterdir() if file.name.startswith(found.stem + ".")]:
        file.rename(target / (final + file.name.removeprefix(found.stem)))
    if name.extra:
        sidecar = target / f"{final}.json"
        _write(sidecar, {**json.loads(sidecar.read_text(encoding="utf-8")), **name.extra})


def _describe(context: Context, home: str, study: str, sessions: list[_Session], folder: Path, report: Report) -> None:
    title = next((avu.value for avu in context.zone.metadata(home) if avu.attribute == "Title"), study)
    tools = [{"Name": "MrData", "Version": __version__}, {"Name": "dcm2niix"}]
    _write(
        folder / "dataset_description.json",
        {"Name": title, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw", "GeneratedBy": tools},
    )
    _participants(context, home, sessions, folder)
    rows = [("participant", "session", "series", "where", "reason"), *sorted(report.left_out)]
    if report.left_out:
        (folder / "sourcedata").mkdir(exist_ok=True)
        (folder / LEFT_OUT).write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "README").write_text(
        f"{title}\n\nStudy {study} of the archive, exported as a BIDS dataset by MrData: {report.images} images of"
        f" {report.sessions} sessions of {report.subjects} subjects.\nSubjects are known by the study's pseudonyms,"
        f" sessions by their ExperimentIDs without the hyphen.\n{len(report.left_out)} images or series have no place"
        f" in it; {LEFT_OUT} says which, and why.\nRaw data and Expanded Data are in the archive alone.\n",
        encoding="utf-8",
    )


def _participants(context: Context, home: str, sessions: list[_Session], folder: Path) -> None:
    """Lists the subjects with an image here, as BIDS demands, with the mixed-use metadata that the site archives."""
    attributes = sorted(context.settings.castellum.attributes)
    pseudonyms = {session.subject: session.pseudonym for session in sessions}
    rows = [["participant_id", "pseudonym", *attributes]]
    for subject, pseudonym in sorted(pseudonyms.items()):
        if not (folder / f"sub-{subject}").is_dir():
            continue
        avus = context.zone.metadata(f"{home}/subjects/{pseudonym}")
        values = [", ".join(sorted(avu.value for avu in avus if avu.attribute == name)) or "n/a" for name in attributes]
        rows.append([f"sub-{subject}", pseudonym, *(" ".join(value.split()) for value in values)])
    (folder / "participants.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    told = {"pseudonym": {"Description": "The subject's pseudonym in this study"}}
    told |= {name: {"Description": f"Mixed-use metadata: {name}"} for name in attributes}
    _write(folder / "participants.json", told)


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _validate(folder: Path, report: Report) -> None:
    """Validates with bids-validator-deno, if it is installed."""
    if find_spec("bids_validator_deno") is None:
        return
    command = [sys.executable, "-c", "import bids_validator_deno as b; b.cli()", "--format", "json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        issues = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError) as error:
        report.errors = [f"bids-validator-deno gave no report (exit status {done.returncode}): {error}"]
        return
    told = [
        f"{i['code']} {i.get('subCode', '')} {i.get('location', '')} {i.get('issueMessage', '')}".strip()
        for i in issues
    ]
    severe = [issue.get("severity") == "error" for issue in issues]
    report.errors = sorted(text for text, is_error in zip(told, severe, strict=True) if is_error)
    report.warnings = sorted(text for text, is_error in zip(told, severe, strict=True) if not is_error)

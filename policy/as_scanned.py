"""What was known of a subject when it was scanned, on the experiment: AVUs `AtScan.<attribute>`, and `AtScanCommit` for the place in git.

They are copied at registration, follow the subject's until the first image is there, and are frozen from then on. Only what is still
authorised can be searched: an attribute that is no longer exported goes from the experiment too, and comes back from git if it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from policy import layout, mixed_use
from policy.context import Context, Refused
from policy.experiment import Experiment, State
from policy.history import History
from policy.layout import DataType
from policy.mixed_use import SubjectFile
from policy.registry import Registry
from policy.zone import AVU, Condition

UNIT = "mixed-use"
"""Unit of every AVU that comes from Castellum: by it MrData tells its own."""
COMMIT = "MixedUseCommit"
"""Of a subject: the commit that changed it last. Of the studies' collection: the commit that the zone follows."""
AT_COMMIT = f"{mixed_use.AT_SCAN}Commit"
_NOT_ATTRIBUTES = (COMMIT, "PseudonymList", "VanishedSince")


@dataclass(frozen=True, slots=True)
class Changes:
    """What was known at the scan and what is known now. Values of what is no longer exported are not shown, only its names."""

    experiment: str
    known: str
    """When what was known at the scan became known; UTC, ISO 8601."""
    changed: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    """Attribute -> then, now."""
    added: dict[str, list[str]] = field(default_factory=dict)
    no_longer_exported: list[str] = field(default_factory=list)


def remember(context: Context, experiment: Experiment) -> None:
    """At registration: copies what is known of the subject."""
    path = f"{layout.study(context.settings, experiment.study)}/subjects/{experiment.pseudonym}"
    known = [avu for avu in context.zone.metadata(path) if avu.unit == UNIT]
    wanted = [AVU(f"{mixed_use.AT_SCAN}.{a.attribute}", a.value, UNIT) for a in known if a.attribute not in _NOT_ATTRIBUTES]
    wanted += [AVU(AT_COMMIT, a.value, UNIT) for a in known if a.attribute == COMMIT]
    context.zone.annotate(experiment.path, add=sorted(wanted))


def follow(context: Context, history: History, study: str, files: Mapping[str, SubjectFile]) -> int:
    """After subjects of a study have changed: brings their experiments up to date; how many AVUs were written or removed."""
    return sum(_bring_up_to_date(context, history, path, files[pseudonym]) for path, pseudonym in _experiments(context, study, files))


def _experiments(context: Context, study: str, files: Mapping[str, SubjectFile]) -> list[tuple[str, str]]:
    """(collection, pseudonym) of the subjects' experiments."""
    where = [
        Condition("COLL_PARENT_NAME", "=", f"{layout.study(context.settings, study)}/experiments"),
        Condition("META_COLL_ATTR_NAME", "=", "Pseudonym"),
    ]
    if len(files) == 1:
        where.append(Condition("META_COLL_ATTR_VALUE", "=", next(iter(files))))
    rows = context.zone.query(["COLL_NAME", "META_COLL_ATTR_VALUE"], *where)
    return sorted((path, pseudonym) for path, pseudonym in rows if pseudonym in files)


def _bring_up_to_date(context: Context, history: History, path: str, file: SubjectFile) -> int:
    held = set(context.zone.metadata(path))
    ours = {avu for avu in held if avu.unit == UNIT}
    states = {avu.value for avu in held if avu.attribute == "State"}
    if State.WITHDRAWN in states:
        return 0
    if states <= {State.REGISTERED} and not _has_images(context, path):
        commit = next((avu.value for avu in _subject_avus(context, file) if avu.attribute == COMMIT), "")
        wanted = {*_at_scan(file.attributes), *([AVU(AT_COMMIT, commit, UNIT)] if commit else [])}
    else:
        wanted = _still_authorised(history, ours, file)
    add, remove = sorted(wanted - ours), sorted(ours - wanted)
    context.zone.annotate(path, add=add, remove=remove)
    return len(add) + len(remove)


def _subject_avus(context: Context, file: SubjectFile) -> list[AVU]:
    return context.zone.metadata(f"{layout.study(context.settings, file.study)}/subjects/{file.pseudonym}")


def _at_scan(attributes: Mapping[str, Iterable[str]]) -> set[AVU]:
    return {AVU(f"{mixed_use.AT_SCAN}.{name}", value, UNIT) for name, values in attributes.items() for value in values}


def _still_authorised(history: History, ours: set[AVU], file: SubjectFile) -> set[AVU]:
    """What was known at the scan, less what is no longer exported."""
    commits = [avu for avu in ours if avu.attribute == AT_COMMIT]
    if not commits:  # nothing was known
        return ours
    shown = {avu.attribute.removeprefix(f"{mixed_use.AT_SCAN}.") for avu in ours} - {AT_COMMIT}
    wanted = {avu for avu in ours if avu.attribute.removeprefix(f"{mixed_use.AT_SCAN}.") in file.attributes} | set(commits)
    if missing := set(file.attributes) - shown:
        then = _then(history, commits[0].value, file.study, file.pseudonym)
        wanted |= _at_scan({name: then.attributes[name] for name in missing & set(then.attributes)})
    return wanted


def _then(history: History, commit: str, study: str, pseudonym: str) -> SubjectFile:
    content = history.read(commit, mixed_use.subject_path(study, pseudonym)) if history.has(commit) else None
    return mixed_use.subject_from(content) if content else SubjectFile(study, pseudonym)


def _has_images(context: Context, path: str) -> bool:
    """DICOM or raw data; Expanded Data may come before the scan."""
    for data_type in (DataType.DICOM, DataType.TWIX):
        for condition in (
            Condition("COLL_NAME", "=", f"{path}/{data_type}"),
            Condition("COLL_NAME", "like", f"{path}/{data_type}/%"),
        ):
            if context.zone.query(["COLL_NAME", "DATA_TYPE_NAME"], condition):  # one row a series, however many images it has
                return True
    return False


def changes(context: Context, history: History, experiment_id: str) -> Changes:
    """What has changed since an experiment's scan. Refused where there is no such experiment, or nothing was known."""
    experiment = Registry(context).experiment(experiment_id)
    if experiment is None:
        raise Refused(f"experiment: there is no experiment {experiment_id!r}")
    commit = next((avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == AT_COMMIT), "")
    if not commit or not history.has(commit):
        raise Refused(f"experiment: nothing from Castellum was known of the subject of {experiment_id}")
    then = _then(history, commit, experiment.study, experiment.pseudonym).attributes
    now = _then(history, history.head(), experiment.study, experiment.pseudonym).attributes
    return Changes(
        experiment=experiment.id,
        known=history.when(commit),
        changed={name: (list(then[name]), list(now[name])) for name in sorted(set(then) & set(now)) if then[name] != now[name]},
        added={name: list(now[name]) for name in sorted(set(now) - set(then))},
        no_longer_exported=sorted(set(then) - set(now)),
    )

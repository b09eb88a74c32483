"""What was known of a subject when it was scanned, on the experiment: AVUs `AtScan.<attribute>`, and `AtScanCommit` for
the place in git.

They are copied at registration (`policy.studies.registration`), follow the subject's until the first image is there,
and are frozen from then on. Where that image is of an earlier day (`policy.studies.scan_day`), the next poll puts what
was known on that day. Only what is still authorised can be searched: an attribute that is exported for nobody of the
study any more goes from the experiment too, and comes back from git if it returns. A value that the subject has no
longer, or that was refused since, changes nothing of what was known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from policy.castellum import mixed_use
from policy.castellum.metadata_history import History
from policy.castellum.mixed_use import StudyFile, SubjectFile
from policy.studies import scan_day
from policy.zone import AVU, Condition, ZoneError, layout
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import State
from policy.zone.log import tell
from policy.zone.registry import Registry
from policy.zone.vocabulary import AT_SCAN, MIXED_USE, MIXED_USE_COMMIT

AT_COMMIT = f"{AT_SCAN}Commit"


@dataclass(frozen=True, slots=True)
class Changes:
    """What was known at the scan and what is known now.

    Values of what is no longer exported are not shown, only its names.
    """

    experiment: str
    known: str
    """When what was known at the scan became known; UTC, ISO 8601."""
    changed: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    """Attribute -> then, now; nothing where it has no value now."""
    added: dict[str, list[str]] = field(default_factory=dict)
    no_longer_exported: list[str] = field(default_factory=list)


def follow(
    context: Context,
    history: History,
    study: StudyFile,
    files: Mapping[str, SubjectFile],
    further: Callable[[str], SubjectFile | None] | None = None,
) -> int:
    """After subjects of a study have changed: brings their experiments up to date; how many AVUs were written or
    removed.

    `further` gives the file of each other subject, where what is exported of the study has changed.
    """
    written = 0
    for path, pseudonym in _experiments(context, study.study, files, everybody=further is not None):
        if pseudonym in files:
            written += _bring_up_to_date(context, history, path, files[pseudonym], study.exported)
        elif further and (file := further(pseudonym)):
            written += _bring_up_to_date(context, history, path, file, study.exported)
    return written


def look_up(context: Context, history: History) -> int:
    """Puts what was known on the day of the scan where the first image came later; how many AVUs were written or
    removed.

    The note of the day goes last, and stays where no image has come after all, or something fails: the next poll does
    the rest.
    """
    written = 0
    for path, day in scan_day.noted(context).items():
        try:
            held = context.zone.metadata(path)
            if AVU("State", State.WITHDRAWN) not in held and scan_day.has_images(context, path):
                written += _put_as_of(context, history, path, held, day)
                scan_day.done(context, path)
        except ZoneError as error:
            tell(
                context.zone,
                "castellum",
                "the values at a late scan could not be set, and will be tried again",
                error=error,
            )
    return written


def _put_as_of(context: Context, history: History, path: str, held: list[AVU], day: str) -> int:
    named = {avu.attribute: avu.value for avu in held}
    study, pseudonym = named["StudyID"], named["Pseudonym"]
    commit = history.as_of(mixed_use.subject_path(study, pseudonym), scan_day.end(day))
    if not commit:  # nothing was ever known
        return 0
    then, exported = _then(history, commit, study, pseudonym).attributes, _exported(history, study)
    wanted = {
        *_at_scan({n: v for n, v in then.items() if exported is None or n in exported}),
        AVU(AT_COMMIT, commit, MIXED_USE),
    }
    ours = {avu for avu in held if avu.unit == MIXED_USE}
    add, remove = sorted(wanted - ours), sorted(ours - wanted)
    context.zone.annotate(path, add=add, remove=remove)
    return len(add) + len(remove)


def _experiments(
    context: Context, study: str, files: Mapping[str, SubjectFile], *, everybody: bool
) -> list[tuple[str, str]]:
    """(collection, pseudonym) of the subjects' experiments."""
    where = [
        Condition("COLL_PARENT_NAME", "=", f"{layout.study(context.settings, study)}/experiments"),
        Condition("META_COLL_ATTR_NAME", "=", "Pseudonym"),
    ]
    if len(files) == 1 and not everybody:
        where.append(Condition("META_COLL_ATTR_VALUE", "=", next(iter(files))))
    rows = context.zone.query(["COLL_NAME", "META_COLL_ATTR_VALUE"], *where)
    return sorted((path, pseudonym) for path, pseudonym in rows if everybody or pseudonym in files)


def _bring_up_to_date(
    context: Context, history: History, path: str, file: SubjectFile, exported: tuple[str, ...] | None
) -> int:
    held = set(context.zone.metadata(path))
    ours = {avu for avu in held if avu.unit == MIXED_USE}
    if AVU("State", State.WITHDRAWN) in held:
        return 0
    if scan_day.has_images(context, path):
        wanted = _still_authorised(history, ours, file, exported)
    else:
        commit = next((avu.value for avu in _subject_avus(context, file) if avu.attribute == MIXED_USE_COMMIT), "")
        wanted = {*_at_scan(file.attributes), *([AVU(AT_COMMIT, commit, MIXED_USE)] if commit else [])}
    add, remove = sorted(wanted - ours), sorted(ours - wanted)
    context.zone.annotate(path, add=add, remove=remove)
    return len(add) + len(remove)


def _subject_avus(context: Context, file: SubjectFile) -> list[AVU]:
    return context.zone.metadata(f"{layout.study(context.settings, file.study)}/subjects/{file.pseudonym}")


def _at_scan(attributes: Mapping[str, Iterable[str]]) -> set[AVU]:
    return {AVU(f"{AT_SCAN}.{name}", value, MIXED_USE) for name, values in attributes.items() for value in values}


def _still_authorised(
    history: History, ours: set[AVU], file: SubjectFile, exported: tuple[str, ...] | None
) -> set[AVU]:
    """What was known at the scan, less what is no longer exported."""
    commits = [avu for avu in ours if avu.attribute == AT_COMMIT]
    if not commits:  # nothing was known
        return ours
    shown = {avu.attribute.removeprefix(f"{AT_SCAN}.") for avu in ours} - {AT_COMMIT}
    names = shown | set(file.attributes) if exported is None else set(exported)
    wanted = {avu for avu in ours if avu.attribute.removeprefix(f"{AT_SCAN}.") in names} | set(commits)
    if missing := names - shown:
        then = _then(history, commits[0].value, file.study, file.pseudonym)
        wanted |= _at_scan({name: then.attributes[name] for name in missing & set(then.attributes)})
    return wanted


def _then(history: History, commit: str, study: str, pseudonym: str) -> SubjectFile:
    content = history.read(commit, mixed_use.subject_path(study, pseudonym)) if history.has(commit) else None
    return mixed_use.subject_from(content) if content else SubjectFile(study, pseudonym)


def _exported(history: History, study: str) -> tuple[str, ...] | None:
    """Of the study now; None where that was never told."""
    content = history.read(history.head(), mixed_use.study_path(study))
    return mixed_use.study_from(content).exported if content else None


def changes(context: Context, history: History, experiment_id: str) -> Changes:
    """Lists what has changed since an experiment's scan.

    Raises `Refused` if the experiment does not exist, or if nothing was known at its scan.
    """
    experiment = Registry(context).experiment(experiment_id)
    if experiment is None:
        raise Refused(f"experiment: {experiment_id!r} does not exist", ErrorKind.NOT_FOUND)
    commit = next((avu.value for avu in context.zone.metadata(experiment.path) if avu.attribute == AT_COMMIT), "")
    if not commit or not history.has(commit):
        raise Refused(
            f"experiment: nothing from Castellum was known of the subject of {experiment_id}", ErrorKind.NOT_FOUND
        )
    then = _then(history, commit, experiment.study, experiment.pseudonym).attributes
    now = _then(history, history.head(), experiment.study, experiment.pseudonym).attributes
    told = _exported(history, experiment.study)
    exported = set(now if told is None else told)
    return Changes(
        experiment=experiment.id,
        known=history.when(commit),
        changed={
            n: (list(then[n]), list(now.get(n, ()))) for n in sorted(set(then) & exported) if then[n] != now.get(n, ())
        },
        added={name: list(now[name]) for name in sorted(set(now) & exported - set(then))},
        no_longer_exported=sorted(set(then) - exported),
    )

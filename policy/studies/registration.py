"""Registers an experiment: who is scanned for which study, where, and for whom; gives the ExperimentID."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from policy.privacy import free_text
from policy.records import audit, event
from policy.studies import missing_pseudonyms
from policy.studies.study import is_withdrawn
from policy.zone import AVU, Access, Condition, account, experiment_id, layout, small_object
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType
from policy.zone.registry import Registry
from policy.zone.vocabulary import AT_SCAN, MIXED_USE, MIXED_USE_COMMIT, NOT_MIXED_USE

KEYS = ("study", "pseudonym", "owner", "scanner", "scan_type", "url", "description")
REQUIRED = KEYS[:5]


def register(context: Context, request: Mapping[str, object], by: str = "") -> Experiment:
    """Creates the experiment's collections, record and AVUs, and the collection where its study puts Expanded Data.

    `by` is the user who wants it. Raises `Refused`, which says which entry is wrong and what to do.
    """
    entries = _entries(request)
    _check(context, entries)
    registry = Registry(context)
    new = experiment_id.draw()
    while registry.is_taken(new):
        new = experiment_id.draw()
    experiment = Experiment(
        id=new,
        path=f"{layout.study(context.settings, entries['study'])}/experiments/{new}",
        registered=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now())),
        **entries,
    )
    audit.record(
        context,
        "registered",
        experiment=experiment.id,
        study=experiment.study,
        by=by,
        owner=experiment.owner,
        scanner=experiment.scanner,
        scan_type=experiment.scan_type,
    )
    for data_type in DataType:
        context.zone.make_collection(f"{experiment.path}/{data_type}")
    small_object.write(context.zone, f"{experiment.path}/{layout.RECORD}", _yaml(experiment))
    uploads = layout.uploads(context.settings, experiment.scanner, new)
    context.zone.make_collection(uploads)
    context.zone.permit(uploads, layout.study_group(experiment.study), Access.WRITE)
    _remember_subject(context, experiment)
    context.zone.annotate(experiment.path, add=experiment.avus())
    event.emit(context, event.Kind.REGISTERED, experiment)
    return experiment


def _remember_subject(context: Context, experiment: Experiment) -> None:
    """Copies what is known of the subject now;

    `policy.castellum.values_at_scan` keeps it up to date until the first image comes.
    """
    path = f"{layout.study(context.settings, experiment.study)}/subjects/{experiment.pseudonym}"
    known = [avu for avu in context.zone.metadata(path) if avu.unit == MIXED_USE]
    wanted = [AVU(f"{AT_SCAN}.{a.attribute}", a.value, MIXED_USE) for a in known if a.attribute not in NOT_MIXED_USE]
    wanted += [AVU(f"{AT_SCAN}Commit", a.value, MIXED_USE) for a in known if a.attribute == MIXED_USE_COMMIT]
    context.zone.annotate(experiment.path, add=sorted(wanted))


def _entries(request: Mapping[str, object]) -> dict[str, str]:
    if unknown := sorted(set(request) - set(KEYS)):
        raise Refused(f"unknown entry {unknown[0]!r}; known are {', '.join(KEYS)}")
    entries = {key: str(request.get(key) or "").strip() for key in KEYS}
    if missing := [key for key in REQUIRED if not entries[key]]:
        raise Refused(f"{', '.join(missing)}: missing")
    for key, text in entries.items():
        if len(text) > 1000 or any(ord(c) < 32 and c not in "\n\t" for c in text):
            raise Refused(f"{key}: must be at most 1000 characters, without control characters")
    return entries


def _check(context: Context, entries: dict[str, str]) -> None:
    zone, settings = context.zone, context.settings
    study, pseudonym, owner = entries["study"], entries["pseudonym"], entries["owner"]
    if "/" in study or "/" in pseudonym:
        raise Refused("study and pseudonym must not contain `/`")
    path = layout.study(settings, study)
    state = {avu.value for avu in zone.metadata(path) if avu.attribute == "StudyState"} if zone.stat(path) else set()
    if not state:
        raise Refused(
            f"study: {study!r} does not exist; studies come from Castellum, or from `mrdata study create FILE`",
            ErrorKind.NOT_FOUND,
        )
    if state != {"active"}:
        raise Refused(f"study: {study!r} is inactive and accepts no new experiments", ErrorKind.CONFLICT)
    if zone.stat(f"{path}/subjects/{pseudonym}") is None:
        raise Refused(f"pseudonym: {pseudonym!r} is not a subject of study {study!r}", ErrorKind.NOT_FOUND)
    if is_withdrawn(context, study, pseudonym):
        raise Refused(
            f"pseudonym: {pseudonym!r} was withdrawn from study {study!r}; a data steward can restore it",
            ErrorKind.CONFLICT,
        )
    if since := missing_pseudonyms.bars(context, study, pseudonym):
        raise Refused(
            f"pseudonym: Castellum has not named {pseudonym!r} of study {study!r} since {since}; put it back in"
            f" Castellum, or ask a data steward to close the review `{missing_pseudonyms.KIND}` with a verdict that"
            " begins with `keep`",
            ErrorKind.CONFLICT,
        )
    group = Condition("USER_GROUP_NAME", "=", layout.study_group(study))
    if not zone.query(["USER_NAME"], group, *account.named(owner, settings.zone)):
        raise Refused(f"owner: {owner!r} is not a member of study {study!r}")
    for key, known in (("scanner", settings.scanners), ("scan_type", settings.scan_types)):
        if entries[key] not in known:
            raise Refused(f"{key}: {entries[key]!r} is not one of {', '.join(known) or 'none (see mrdata.yaml)'}")
    url = urlsplit(entries["url"])
    if entries["url"] and (url.scheme not in ("http", "https") or not url.netloc):
        raise Refused("url: must be a whole address, beginning with https:// or http://")
    if signs := free_text.personal_data(entries["description"]):
        raise Refused(
            f"description: looks like personal data ({', '.join(signs)}); describe the scan, never the person"
        )


def _yaml(experiment: Experiment) -> bytes:
    import yaml

    return yaml.safe_dump(experiment.record(), allow_unicode=True, sort_keys=False).encode()

"""Studies and their subjects, created from a mapping (a YAML file) that names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from policy.records import audit
from policy.studies import erased_subjects
from policy.zone import AVU, Access, Condition, account, layout
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import State
from policy.zone.log import tell

YEARS = "RetentionYears"
"""AVU of a study whose experiments are kept for a time of its own."""

KEYS = ("active", "members", "retention_years", "study", "subjects", "title")


@dataclass(frozen=True, slots=True)
class Study:
    """`members` are iRODS users who may read the study;

    `subjects` are pseudonyms. `retention_years` 0: as the site's settings say.
    """

    id: str
    title: str = ""
    members: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    active: bool = True
    retention_years: int = 0


def study_from(mapping: Mapping[str, object]) -> Study:
    """A study from what YAML holds: `study`, `title`, `members`, ... Raises `Refused`, which names the wrong key."""
    if unknown := sorted(set(mapping) - set(KEYS)):
        raise Refused(f"study file: unknown key {unknown[0]!r}; known are {', '.join(KEYS)}")
    lists = {}
    for key in ("members", "subjects"):
        value = mapping.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Refused(f"study file: {key} must be a list of texts (put pseudonyms of digits in quotes)")
        lists[key] = value
    years = mapping.get("retention_years", 0)
    if not isinstance(years, int) or isinstance(years, bool) or not 0 <= years <= 1000:
        raise Refused("study file: retention_years must be a whole number of years")
    title, active = str(mapping.get("title", "")), mapping.get("active", True) is True
    study = Study(str(mapping.get("study", "")), title, active=active, retention_years=years, **lists)
    for what, names in (("study", [study.id]), ("subjects", study.subjects)):
        for name in names:
            if not layout.NAME.fullmatch(name):
                raise Refused(
                    f"study file: {what}: {name!r} must be 1 to 50 letters, digits, `_`, `.` or `-`, beginning with a"
                    " letter or digit"
                )
    return study


def put(context: Context, study: Study) -> str:
    """Creates the study or brings it up to date; its collection.

    Subjects are added, never removed; one that was erased stays away.
    """
    zone = context.zone
    for name in study.members:
        if not zone.query(["USER_NAME"], *account.named(name, context.settings.zone)):
            raise Refused(
                f"{name!r} is not an iRODS user of this zone; make the account first (`iadmin mkuser`; in an embedded"
                " zone `mrdata user add`)",
                ErrorKind.NOT_FOUND,
            )
    if gone := erased_subjects.find(context, study.id, study.subjects) if study.subjects else {}:
        study = replace(study, subjects=[pseudonym for pseudonym in study.subjects if pseudonym not in gone])
        tell(zone, "study", f"study {study.id}: {len(gone)} of the named subjects were erased, and are not made again")
    path, group = layout.study(context.settings, study.id), layout.study_group(study.id)
    there = zone.stat(path) is not None
    changes = _changes(context, study, there)
    if changes:
        audit.record(context, "study changed" if there else "study made", study=study.id, **changes)
    zone.group(group, study.members)
    zone.make_collection(path)
    # Not again with all below: what was withdrawn stays out of reach.
    zone.permit(path, group, Access.READ, recursive=not there)
    zone.inherit(path)
    for name in ("experiments", "subjects", *(f"subjects/{pseudonym}" for pseudonym in study.subjects)):
        zone.make_collection(f"{path}/{name}")
    for pseudonym in study.subjects:
        if not is_withdrawn(context, study.id, pseudonym):
            zone.annotate(f"{path}/subjects/{pseudonym}", add=[AVU("Pseudonym", pseudonym)])
    new = [AVU("Title", study.title)] if study.title else []
    if study.retention_years:
        new.append(AVU(YEARS, str(study.retention_years)))
    new += [AVU("StudyState", "active" if study.active else "inactive"), AVU("StudyID", study.id)]
    old = [
        avu
        for avu in zone.metadata(path)
        if avu.attribute in {"Title", "StudyState", "StudyID", *(n.attribute for n in new)}
    ]
    zone.annotate(path, add=[avu for avu in new if avu not in old], remove=[avu for avu in old if avu not in new])
    return path


def is_withdrawn(context: Context, study: str, pseudonym: str) -> bool:
    """Whether a subject of a study was withdrawn: it is out of sight, and no experiment can be registered."""
    path = f"{layout.study(context.settings, study)}/subjects/{pseudonym}"
    return any(avu == AVU("State", State.WITHDRAWN) for avu in context.zone.metadata(path))


def _changes(context: Context, study: Study, there: bool) -> dict[str, str]:
    """What the audit log says about the changes: subjects are counted, never named."""
    zone, path = context.zone, layout.study(context.settings, study.id)
    has, wanted = account.members(zone, layout.study_group(study.id)), set(study.members)
    held = {avu.attribute: avu.value for avu in zone.metadata(path)} if there else {}
    known = {name for (name,) in zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", f"{path}/subjects"))}
    changes = {
        "members_added": ", ".join(sorted(wanted - has)),
        "members_removed": ", ".join(sorted(has - wanted)),
        "subjects_added": str(len({f"{path}/subjects/{pseudonym}" for pseudonym in study.subjects} - known) or ""),
        "retention_years": (
            str(study.retention_years) if str(study.retention_years) not in ("0", held.get(YEARS)) else ""
        ),
        "title": study.title if study.title and study.title != held.get("Title") else "",
        "state": (
            ""
            if (held.get("StudyState") == "active") is study.active and there
            else "active"
            if study.active
            else "inactive"
        ),
    }
    return {name: text for name, text in changes.items() if text}

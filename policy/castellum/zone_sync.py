"""Brings iRODS to the state of git: collections of studies and subjects, their AVUs and groups, only where git has
changed.

An AVU of the studies' collection holds the commit that the zone has followed. It is written last: if a poll is killed
on the way, the next poll does the rest. Each step finds out what is done already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from policy.castellum import mixed_use, values_at_scan
from policy.castellum.metadata_history import History
from policy.castellum.mixed_use import StudyFile, SubjectFile
from policy.castellum.snapshot import SeenStudy
from policy.records import review
from policy.studies import erased_subjects, missing_pseudonyms, study
from policy.zone import AVU, Condition, ZoneError, account, layout
from policy.zone.context import Context
from policy.zone.experiment import State
from policy.zone.log import tell
from policy.zone.vocabulary import MIXED_USE, MIXED_USE_COMMIT

ERASED_KIND = "erased subject"
"""Of reviews."""
_BULK_FROM = 4
"""Changed subjects of one study from which on all its subjects are read with one query."""


@dataclass(slots=True)
class Done:
    """What came of it.

    AVUs written or removed, studies that failed, and erased subjects that the source still names.
    """

    avus: int = 0
    failed: int = 0
    still_exported: list[str] = field(default_factory=list)
    """`<StudyID>/<pseudonym>`; for the poll's report, never for the zone."""


def followed(context: Context) -> str:
    """The commit that the zone shows; empty before the first."""
    path = layout.studies(context.settings)
    return next((avu.value for avu in context.zone.metadata(path) if avu.attribute == MIXED_USE_COMMIT), "")


def catch_up(context: Context, history: History, *, everything: bool = False) -> Done:
    """Brings the zone to git's newest commit. With `everything`, compares all that git has.

    A study that fails is logged, and the zone stays behind git until it does not.
    """
    done = Done()
    head, shown = history.head(), followed(context)
    if not head or (head == shown and not everything):
        return done
    start = shown if history.has(shown) and not everything else ""
    for study_id, pseudonyms in _by_study(history.changed(start, head)).items():
        try:
            follower = _Follower(context, history, start, head, study_id)
            done.avus += follower.follow(pseudonyms, keep_commit=not start)
            done.still_exported += follower.still_exported
        except ZoneError as error:
            done.failed += 1
            tell(
                context.zone,
                "castellum",
                f"study {study_id} could not be brought up to date, and will be tried again",
                error=error,
            )
    if head != shown and not done.failed:
        path = layout.studies(context.settings)
        context.zone.annotate(
            path, add=[AVU(MIXED_USE_COMMIT, head)], remove=[AVU(MIXED_USE_COMMIT, shown)] if shown else []
        )
        done.avus += 1
    return done


def look_again(context: Context) -> None:
    """The next poll compares all that git has: after something else has changed what subjects or experiments show."""
    path = layout.studies(context.settings)
    context.zone.annotate(
        path, remove=[avu for avu in context.zone.metadata(path) if avu.attribute == MIXED_USE_COMMIT]
    )


def members(context: Context, history: History, seen: Iterable[SeenStudy]) -> dict[str, list[str]]:
    """Brings groups up to date for accounts that were made, or groups that were changed, since;

    StudyID -> members without an account.
    """
    zone = context.zone
    users = {
        name
        for name, kind in zone.query(["USER_NAME", "USER_TYPE"], account.of(context.settings.zone))
        if kind != "rodsgroup"
    }
    groups: dict[str, set[str]] = {}
    of_study = Condition("USER_GROUP_NAME", "like", layout.study_group("%"))
    for group, name, where in zone.query(["USER_GROUP_NAME", "USER_NAME", "USER_ZONE"], of_study):
        groups.setdefault(group, set()).add(account.shown(name, where, context.settings.zone))
    unknown = {}
    for one in seen:
        group, wanted = layout.study_group(one.id), set(one.members or ())
        if missing := sorted(wanted - users):
            unknown[one.id] = sorted(mixed_use.shown(name, mixed_use.ACCOUNT) for name in missing)
        if wanted and group in groups and wanted & users != groups[group] - {group}:
            content = history.read(history.head(), mixed_use.study_path(one.id))
            if content:
                put_study(context, replace(mixed_use.study_from(content), members=tuple(wanted)))
    return unknown


def put_study(context: Context, file: StudyFile) -> None:
    """The study's collection, group and AVUs. Members without an account wait; what the source does not tell stays."""
    zone, path = context.zone, layout.study(context.settings, file.study)
    has = account.members(zone, layout.study_group(file.study))
    is_user = Condition("USER_TYPE", "!=", "rodsgroup")
    accounts = [m for m in file.members if zone.query(["USER_NAME"], *account.named(m, context.settings.zone), is_user)]
    title = file.title
    if not title and zone.stat(path) is not None:
        title = next((avu.value for avu in zone.metadata(path) if avu.attribute == "Title"), "")
    study.put(context, study.Study(file.study, title, sorted(accounts if file.members else has), [], file.active))


def _by_study(paths: Iterable[str]) -> dict[str, list[str]]:
    """StudyID -> the pseudonyms whose files changed, an empty one for the study's own file."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if (parts := mixed_use.parts(path)) is not None:
            found.setdefault(parts[0], []).append(parts[1])
    return found


class _Follower:
    """Brings one study up to date."""

    def __init__(self, context: Context, history: History, start: str, head: str, study_id: str) -> None:
        self._context, self._history, self._start, self._head, self._study = context, history, start, head, study_id
        self._path = layout.study(context.settings, study_id)
        self._subjects = f"{self._path}/subjects"
        self.still_exported: list[str] = []

    def follow(self, pseudonyms: list[str], *, keep_commit: bool) -> int:
        """The number of AVUs that were written or removed."""
        zone = self._context.zone
        there = zone.stat(self._path) is not None
        study_file = self._study_file(self._head)
        if "" in pseudonyms or not there:
            put_study(self._context, study_file)
        # What is exported no more may have had no value: then no subject's file tells it
        of_all = "" in pseudonyms and there and study_file.exported != self._study_file(self._start).exported
        names = [name for name in pseudonyms if name]
        if not names and not of_all:
            return 0
        held = self._held(names) if there and names else {}
        gone = erased_subjects.find(self._context, self._study, names)  # after what is held: it is noted before it goes
        away = {name for name, avus in held.items() if AVU("State", State.WITHDRAWN) in avus} | set(gone)
        files = {name: self._file(name) for name in names}
        self._tell(gone, [name for name in gone if not files[name].vanished])
        files = {name: file for name, file in files.items() if name not in away}
        written = 0
        for name, file in files.items():
            written += self._subject(file, held.get(name), keep_commit=keep_commit)
            if file.vanished:
                missing_pseudonyms.ask(self._context, self._study, file.pseudonym, file.vanished)
        if files or of_all:
            further = self._further(away) if of_all else None
            written += values_at_scan.follow(self._context, self._history, study_file, files, further)
        return written

    def _further(self, away: set[str]) -> Callable[[str], SubjectFile | None]:
        """The files of subjects that have not changed; none of who is away, or was never in Castellum."""

        def file(name: str) -> SubjectFile | None:
            content = (
                None if name in away else self._history.read(self._head, mixed_use.subject_path(self._study, name))
            )
            return mixed_use.subject_from(content) if content else None

        return file

    def _study_file(self, commit: str) -> StudyFile:
        content = self._history.read(commit, mixed_use.study_path(self._study))
        return mixed_use.study_from(content) if content else StudyFile(self._study, active=True)

    def _file(self, pseudonym: str) -> SubjectFile:
        content = self._history.read(self._head, mixed_use.subject_path(self._study, pseudonym))
        return mixed_use.subject_from(content or b"{}")

    def _held(self, names: list[str]) -> dict[str, set[AVU]]:
        """Pseudonym -> the AVUs of its collection, for those that have one."""
        zone = self._context.zone
        below = Condition("COLL_PARENT_NAME", "=", self._subjects)
        each = (
            [Condition("COLL_NAME", "=", f"{self._subjects}/{name}") for name in names]
            if len(names) < _BULK_FROM
            else [below]
        )
        held: dict[str, set[AVU]] = {}
        for where in each:
            for (path,) in zone.query(["COLL_NAME"], where):
                held[path.rpartition("/")[2]] = set()
            columns = ["COLL_NAME", "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE", "META_COLL_ATTR_UNITS"]
            for path, *avu in zone.query(columns, where):
                held[path.rpartition("/")[2]].add(AVU(*avu))
        return held

    def _subject(self, file: SubjectFile, held: set[AVU] | None, *, keep_commit: bool) -> int:
        path = f"{self._subjects}/{file.pseudonym}"
        if held is None:
            self._context.zone.make_collection(path)
            held = set()
        wanted = {
            AVU("Pseudonym", file.pseudonym),
            *(AVU(n, v, MIXED_USE) for n, values in file.attributes.items() for v in values),
        }
        wanted |= {
            AVU(n, v, MIXED_USE)
            for n, v in (("PseudonymList", file.pseudonym_list), (missing_pseudonyms.SINCE, file.vanished))
            if v
        }
        managed = {avu for avu in held if avu.unit == MIXED_USE and avu.attribute != MIXED_USE_COMMIT}
        add, remove = sorted(wanted - held), sorted(managed - wanted)
        commits = {avu for avu in held if avu.attribute == MIXED_USE_COMMIT}
        newest = AVU(MIXED_USE_COMMIT, self._head, MIXED_USE)
        if commits != {newest} and (add or remove or not commits or not keep_commit):
            add, remove = [*add, newest], [*remove, *sorted(commits - {newest})]
        self._context.zone.annotate(path, add=add, remove=remove)
        return len(add) + len(remove)

    def _tell(self, receipts: dict[str, str], exported: list[str]) -> None:
        """One review for each erased subject that an active study still exports. It stays, and tells no pseudonym."""
        content = self._history.read(self._head, mixed_use.study_path(self._study)) if exported else None
        if content is None or not mixed_use.study_from(content).active:
            return
        for name in exported:
            self.still_exported.append(f"{self._study}/{name}")
            text = (
                f"Castellum still exports a subject of the study {self._study} that was erased here (receipt"
                f" {receipts[name]}). It was not taken again. Take it out of the export in Castellum; castellum_poll.r"
                " \"*check='yes'\" names its pseudonym."
            )
            review.open_review(self._context, ERASED_KIND, f"{self._study} {receipts[name]}", text)

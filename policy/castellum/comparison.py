"""Compares what the source says with what git holds. An error is never a removal: an answer that cannot be trusted
changes nothing.

Makes the file that should be there for each study and subject; only a file that differs is a change. No file is ever
deleted: a study that the source has no longer becomes inactive, a pseudonym that it has no longer is marked as
vanished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from policy.castellum import mixed_use
from policy.castellum.metadata_history import History
from policy.castellum.mixed_use import Refusal, StudyFile, SubjectFile
from policy.castellum.snapshot import Attributes, Listing, SeenStudy, Source, SourceError
from policy.zone import layout
from policy.zone.castellum_settings import Castellum

ALWAYS_VANISH = 2
"""Pseudonyms (or studies) that may vanish at one poll, whatever part of all they are."""
GIVE_UP_AFTER = 3
"""Studies in a row without an answer after which the poll does not ask for the others."""
EVERYTHING = "*"
"""In `accept`: the list of studies itself."""


@dataclass(slots=True)
class Comparison:
    """What differs. `faults` has the reason for each study that could not be taken.

    `shrunk` has those that a person may accept.
    """

    changes: dict[str, bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    shrunk: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    seen: list[SeenStudy] = field(default_factory=list)


def compare(
    source: Source, history: History, old: str, settings: Castellum, *, accept: Collection[str], now: str
) -> Comparison:
    """The changes on top of commit `old`. `accept` names studies whose answer may be smaller.

    Raises SourceError if nothing can be known.
    """
    return _Comparing(source, history, old, settings, frozenset(accept), now).run()


class _Comparing:
    def __init__(
        self, source: Source, history: History, old: str, settings: Castellum, accept: frozenset[str], now: str
    ) -> None:
        self.source, self.history, self.old, self.settings, self.accept, self.now = (
            source,
            history,
            old,
            settings,
            accept,
            now,
        )
        self.tree = history.files(old)
        self.known: dict[str, set[str]] = {}
        for path in self.tree:
            if (found := mixed_use.parts(path)) is not None:
                pseudonyms = self.known.setdefault(found[0], set())
                pseudonyms |= {found[1]} - {""}
        self.result = Comparison()

    def run(self) -> Comparison:
        listing = self.source.studies()
        self._check_listing(listing)
        self.result.faults |= listing.faults
        self.result.seen = listing.studies
        keys: dict[str, str] | None = None
        in_a_row, why = 0, ""
        for seen in listing.studies:
            if seen.active and in_a_row >= GIVE_UP_AFTER:
                self.result.faults[seen.id] = f"not asked for: {why}"
                continue
            try:
                given = self.source.subjects(seen) if seen.active else {}
                study = self._study(seen, given)
                if self.history.identity(study.content()) != self.tree.get(mixed_use.study_path(seen.id)):
                    keys = keys if keys is not None else self._keys()
                    if fault := self._not_the_same(seen, keys):
                        self.result.faults[seen.id] = fault
                        continue
                if seen.active:
                    self._subjects(seen, given)
                    in_a_row = 0
            except SourceError as error:
                self.result.faults[seen.id] = why = str(error)
                in_a_row = GIVE_UP_AFTER if error.general else in_a_row + 1
                continue
            self._put_study(study)
        return self.result

    def _check_listing(self, listing: Listing) -> None:
        """Makes studies inactive that are not listed any more, unless some studies could not be read.

        Raises SourceError if so much has gone that the list cannot be believed.
        """
        if not self.source.lists_all or listing.faults:
            return
        absent = sorted(set(self.known) - {seen.id for seen in listing.studies})
        files = [self._old_study(study) for study in absent]
        keys = {seen.key for seen in listing.studies}  # a study that was given another name has not ended
        gone = [f for f in files if f.active and (not f.key or f.key not in keys)]
        if gone and EVERYTHING not in self.accept:
            active = len(gone) + sum(seen.active for seen in listing.studies)
            if not listing.studies or len(gone) > self._limit(active):
                message = f"{len(gone)} of {active} active studies are not listed any more"
                self.result.shrunk[EVERYTHING] = message
                raise SourceError(f"{message}; nothing was changed")
        for file in gone:
            self._put_study(replace(file, active=False))

    def _study(self, seen: SeenStudy, given: Mapping[str, Attributes]) -> StudyFile:
        """The file as it should be; what the source does not tell stays as it was."""
        old = None
        if seen.title is None or not seen.members or (seen.active and not seen.pseudonym_list) or not given:
            old = self._old_study(seen.id)
        old = old or StudyFile(seen.id)
        return StudyFile(
            study=seen.id,
            key=seen.key,
            title=old.title if seen.title is None else seen.title,
            members=seen.members or old.members,  # a study without members is not believed either
            active=seen.active,
            pseudonym_list=seen.pseudonym_list or old.pseudonym_list,
            exported=mixed_use.exported(given.values(), self.settings.attributes) if given else old.exported,
        )

    def _old_study(self, study: str) -> StudyFile:
        content = self.history.read(self.old, mixed_use.study_path(study))
        return mixed_use.study_from(content) if content else StudyFile(study)

    def _keys(self) -> dict[str, str]:
        """The source's name of a study -> its StudyID, as git has it."""
        return {file.key: study for study in self.known if (file := self._old_study(study)).key}

    def _not_the_same(self, seen: SeenStudy, keys: Mapping[str, str]) -> str:
        shown = mixed_use.shown
        if keys.get(seen.key, seen.id) != seen.id:
            return (
                f"is named {seen.id} now and was {keys[seen.key]}: a StudyID cannot change, since archived data are"
                " filed under it"
            )
        old = self._old_study(seen.id)
        if old.key and old.key != seen.key and seen.id not in self.accept:
            return f"stands for {shown(seen.key)} now and stood for {shown(old.key)}: another study of the same name?"
        if (
            old.pseudonym_list
            and seen.pseudonym_list
            and old.pseudonym_list != seen.pseudonym_list
            and seen.id not in self.accept
        ):
            return (
                f"uses the pseudonym list {shown(seen.pseudonym_list)} now and used {shown(old.pseudonym_list)}: "
                "the same pseudonym may be another person"
            )
        return ""

    def _put_study(self, study: StudyFile) -> None:
        path, content = mixed_use.study_path(study.study), study.content()
        before = self.tree.get(path)
        if self.history.identity(content) != before:
            self.result.changes[path] = content
            was_active = before is not None and self._old_study(study.study).active
            kind = "new" if before is None else "ended" if was_active and not study.active else "changed"
            self.result.counts[f"studies {kind}"] += 1

    def _subjects(self, seen: SeenStudy, given: Mapping[str, Attributes]) -> None:
        files = []
        for number, (pseudonym, attributes) in enumerate(given.items(), 1):
            if not layout.NAME.fullmatch(pseudonym):
                raise SourceError(
                    f"the pseudonym of subject {number} of its answer is {mixed_use.shown(pseudonym)} and cannot be"
                    " one: 1 to 50 letters, digits, `_`, `.` or `-` are expected"
                )
            values, refusals = mixed_use.taken(seen.id, pseudonym, attributes, self.settings.attributes)
            files.append(SubjectFile(seen.id, pseudonym, values, seen.pseudonym_list))
            self.result.refusals += refusals
        vanished = self._vanished(seen, set(given))
        self._check_size(seen, files, vanished)
        for file in files:
            path, content = mixed_use.subject_path(seen.id, file.pseudonym), file.content()
            if self.history.identity(content) != self.tree.get(path):
                self.result.changes[path] = content
                self.result.counts["subjects changed" if path in self.tree else "subjects new"] += 1
        for file in vanished:
            self.result.changes[mixed_use.subject_path(seen.id, file.pseudonym)] = replace(
                file, vanished=self.now
            ).content()
            self.result.counts["subjects vanished"] += 1

    def _vanished(self, seen: SeenStudy, given: set[str]) -> list[SubjectFile]:
        """Those that have vanished since the last poll."""
        missing = sorted(self.known.get(seen.id, set()) - given)
        return [file for pseudonym in missing if not (file := self._old_subject(seen.id, pseudonym)).vanished]

    def _old_subject(self, study: str, pseudonym: str) -> SubjectFile:
        content = self.history.read(self.old, mixed_use.subject_path(study, pseudonym))
        return mixed_use.subject_from(content) if content else SubjectFile(study, pseudonym)

    def _check_size(self, seen: SeenStudy, files: list[SubjectFile], vanished: list[SubjectFile]) -> None:
        """Raises SourceError if the answer is too small to be believed."""
        if seen.id in self.accept:
            return
        message = ""
        had = len(vanished)
        if (
            len(vanished) > ALWAYS_VANISH
        ):  # of those that were still named: pseudonyms that vanished long ago do not count
            had = sum(not self._old_subject(seen.id, pseudonym).vanished for pseudonym in self.known[seen.id])
        if vanished and not files:
            message = f"names no pseudonym any more, and named {len(vanished)}"
        elif len(vanished) > self._limit(had):
            message = f"{len(vanished)} of {had} pseudonyms are not named any more"
        elif files and not any(file.attributes for file in files):
            attributes = (self._old_subject(seen.id, file.pseudonym).attributes for file in files)
            if any(attributes):
                message = "tells no attribute of anybody any more"
        if message:
            self.result.shrunk[seen.id] = message
            raise SourceError(f"{message}; nothing of the study was changed")

    def _limit(self, of: int) -> int:
        return max(ALWAYS_VANISH, of * self.settings.vanish_percent // 100)

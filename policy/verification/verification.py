"""Proves that nothing is lost: every landed byte is in landing, in the archive, in quarantine or set aside, and is what
it was.

This module verifies what is in the catalog: objects, manifests, and records of what landed again. Other modules verify
the files of vault, intake and mailbox where they are (`microservices.zones.vault_files`,
`mrdata.verification.verify_intake`, `mrdata.verification.verify_mailbox`).

The zone goes on meanwhile: objects that are being written, copied or moved just then are looked at again. Collections
are looked through in the order in which objects move (landing, quarantine, studies, trash), with one query or few for
each, so that nothing grows with the archive.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from policy.archive import checksum_lookup
from policy.archive.replicas import BUSY
from policy.ingest import origin, quarantine
from policy.records import event
from policy.verification import landed_again_check, manifest_check, refilings
from policy.verification.findings import QUARANTINED, Area, Finding, Kind, Look, Part, Report
from policy.withdrawal import erasure
from policy.zone import AVU, GOOD, Condition, NotFound, NotPermitted, ZoneError, data_object, layout, subtree
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import State

PATIENCE_SECONDS = 60.0
"""Seconds, in all, that a run waits for what others are busy with."""
_PAUSE_SECONDS = 0.5
_COLUMNS = ("DATA_NAME", "DATA_ID", "DATA_REPL_NUM", "DATA_REPL_STATUS", "DATA_SIZE", "DATA_CHECKSUM", "DATA_PATH")


@dataclass(frozen=True, slots=True)
class Scope:
    """An experiment, a study, or (neither) everything."""

    experiment: str = ""
    study: str = ""

    @property
    def subject(self) -> str:
        """As a sentence names it; empty for everything."""
        return f"experiment {self.experiment}" if self.experiment else f"study {self.study}" if self.study else ""


@dataclass(slots=True)
class _Object:
    """A data object: sizes of its good replicas by number;

    `is_busy`: one of its replicas is being written, or is locked for that.
    """

    path: str
    sizes: dict[str, int] = field(default_factory=dict)
    checksums: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    """What the catalog says about the objects of a collection, other than their replicas."""

    is_withdrawn: bool
    origins: set[str]
    """Objects with an AVU that tells where they came from."""
    reasons: dict[str, str]
    """Object in quarantine -> why."""
    elsewhere: set[str]
    """Checksums of objects in the trash that other objects have too."""


@dataclass(slots=True)
class Patience:
    """What is left of a run's waiting."""

    seconds: float

    def wait(self) -> bool:
        """A moment; False when there is nothing left."""
        if self.seconds <= 0:
            return False
        time.sleep(_PAUSE_SECONDS)
        self.seconds -= _PAUSE_SECONDS
        return True


def begin(context: Context, scope: Scope, *, checksums: bool) -> Report:
    """An empty report, with what keeps this connection from seeing everything.

    Raises `Refused` if the experiment or study does not exist.
    """
    report, zone, settings = Report(scope.subject, checksums, {Area.CATALOG}), context.zone, context.settings
    if zone.name != settings.zone:
        text = f"mrdata.yaml names the zone {settings.zone}, the connection is to {zone.name}: nothing was looked at"
        report.findings.append(Finding(Kind.UNSEEN, settings.home, text))
        return report
    user = zone.whoami()
    if user.name != settings.account or not user.is_admin:
        report.findings.append(
            Finding(Kind.UNSEEN, settings.home, f"{user.name} does not see everything; verify as {settings.account}")
        )
    for path in (layout.landing(settings), layout.studies(settings)):
        if zone.stat(path) is None:
            report.findings.append(Finding(Kind.UNSEEN, path, "the collection does not exist"))
    if scope.subject and not _roots(context, scope):
        raise Refused(f"there is no {scope.subject} in {layout.studies(settings)}", ErrorKind.NOT_FOUND)
    return report


def parts(context: Context, scope: Scope, report: Report) -> Iterator[Part]:
    """Lists the parts of the catalog that are in the scope, one collection after the other."""
    checksums = report.checksums
    objects = _Objects(context, checksums, Patience(PATIENCE_SECONDS))
    if not scope.subject:
        yield Part("audit log", partial(refilings.begin, context))
    for collection, deep in _collections(context, scope):
        yield Part(f"objects {collection}", partial(objects.looks, collection, deep))
        if layout.experiment_path(context.settings, collection):
            yield Part(f"manifest {collection}", partial(manifest_check.looks, context, collection, checksums))
            yield Part(f"landed again {collection}", partial(landed_again_check.looks, context, collection))
    if not scope.subject:
        yield Part("registered experiments", partial(_registered, context))
        yield Part("re-filings", partial(refilings.looks, context, report))


def expected(context: Context, scope: Scope) -> tuple[int, int]:
    """Objects, and bytes of all their replicas, that are to be looked at: for a forecast of the time it takes."""
    objects = size = 0
    roots = (
        _roots(context, scope)
        if scope.subject
        else [*_homes(context), *(_trashed(context, path) for path in _homes(context))]
    )
    for root in roots:
        where = Condition("COLL_NAME", "like", f"{root}%")
        ((count, total),) = context.zone.select(["count(DATA_ID)", "sum(DATA_SIZE)"], where) or [("0", "0")]
        objects, size = objects + int(count or 0), size + int(total or 0)
    return objects, size


def _homes(context: Context) -> list[str]:
    return [layout.landing(context.settings), layout.quarantine(context.settings), layout.studies(context.settings)]


def _trash(context: Context) -> str:
    return f"/{context.settings.zone}/trash/home/{context.settings.account}"


def _trashed(context: Context, path: str) -> str:
    """Where in the trash something is that was removed from a path."""
    return _trash(context) + path.removeprefix(context.settings.home)


def _roots(context: Context, scope: Scope) -> list[str]:
    """The collections of an experiment or a study."""
    studies = layout.studies(context.settings)
    depth = studies.count("/") + 3
    if scope.study and "/" not in scope.study:
        return [path for path in [f"{studies}/{scope.study}"] if context.zone.stat(path) is not None]
    named = Condition("COLL_NAME", "like", f"{studies}/%/experiments/{scope.experiment}")
    found = (path for (path,) in context.zone.query(["COLL_NAME"], named))
    return [
        path
        for path in found
        if layout.experiment_of(context.settings, path) == scope.experiment and path.count("/") == depth
    ]


def _children(context: Context, path: str) -> list[str]:
    return sorted(name for (name,) in context.zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", path)))


def _collections(context: Context, scope: Scope) -> Iterator[tuple[str, bool]]:
    """Collections that hold everything in the scope together; and whether what is below one counts, or its own objects
    alone.
    """
    if scope.experiment:
        yield from ((path, True) for path in _roots(context, scope))
        return
    if scope.study:
        yield from (one for path in _roots(context, scope) for one in _study(context, path))
        return
    homes = _homes(context)
    for root, levels in zip(homes[:2], (1, 2), strict=True):
        yield from _levels(context, root, levels)
    yield homes[2], False
    for study in _children(context, homes[2]):
        yield from _study(context, study)
    for root in homes:
        yield from _levels(context, _trashed(context, root), 1)


def _study(context: Context, study: str) -> Iterator[tuple[str, bool]]:
    yield study, False
    for path in _children(context, study):
        if path == f"{study}/experiments":
            yield from _levels(context, path, 1)
        else:
            yield path, True


def _levels(context: Context, path: str, levels: int) -> Iterator[tuple[str, bool]]:
    yield path, levels == 0
    for child in _children(context, path) if levels else ():
        yield from _levels(context, child, levels - 1)


class _Objects:
    """Looks at data objects: what the catalog says of them, and (`read`) their bytes."""

    def __init__(self, context: Context, read: bool, patience: Patience) -> None:
        self._context, self._read, self._patience = context, read, patience

    def looks(self, collection: str, deep: bool, after: str) -> Iterator[Look]:
        """One look for each object, in the order of their paths."""
        own = Condition("COLL_NAME", "=", collection)
        held = self._objects(*subtree.rows(self._context, collection, _COLUMNS)) if deep else self._asked(own)
        due = {number: found for number, found in held.items() if found.path > after}
        told = self._told(collection, deep, due) if due else None
        for number, found in sorted(due.items(), key=lambda item: item[1].path):
            if told:
                yield self._look(number, found, told)

    def _asked(self, *conditions: Condition) -> dict[str, _Object]:
        return self._objects(*self._context.zone.query(["COLL_NAME", *_COLUMNS], *conditions))

    def _objects(self, *rows: tuple[str, ...]) -> dict[str, _Object]:
        """DATA_ID, which stays when an object is moved -> the object."""
        found: dict[str, _Object] = {}
        for collection, name, identity, number, status, size, checksum, file in rows:
            one = found.setdefault(identity, _Object(f"{collection}/{name}"))
            one.files.add(file)
            one.is_busy |= status in BUSY
            if status == GOOD:
                one.sizes[number] = int(size)
                one.checksums.add(checksum)
        return found

    def _told(self, collection: str, deep: bool, held: dict[str, _Object]) -> _Told:
        context = self._context
        experiment = layout.experiment_path(context.settings, collection)
        states = {avu.value for avu in self._metadata(experiment) if avu.attribute == "State"} if experiment else set()
        attribute = {
            layout.studies(context.settings): origin.LANDING_PATH,
            layout.quarantine(context.settings): quarantine.REASON,
        }
        values: dict[str, str] = {}
        for root, name in attribute.items():
            if f"{collection}/".startswith(root + "/"):
                columns, named = ["DATA_NAME", "META_DATA_ATTR_VALUE"], Condition("META_DATA_ATTR_NAME", "=", name)
                own = Condition("COLL_NAME", "=", collection), named
                rows = (
                    subtree.rows(context, collection, columns, named)
                    if deep
                    else context.zone.query(["COLL_NAME", *columns], *own)
                )
                values = {f"{where}/{what}": value for where, what, value in rows}
        aside = collection.startswith(_trash(context) + "/")
        found = (
            checksum_lookup.objects(context, {one for each in held.values() for one in each.checksums}) if aside else {}
        )
        return _Told(State.WITHDRAWN in states, set(values), values, set(found))

    def _metadata(self, path: str) -> list[AVU]:
        try:
            return self._context.zone.metadata(path)
        except NotFound:
            return []

    def _look(self, number: str, found: _Object, told: _Told) -> Look:
        path = found.path
        look = Look(path, Counter({"objects": 1}))
        is_record = layout.is_record(self._context.settings, path)
        is_draft = is_record and path.endswith(layout.DRAFTS)
        if is_draft and not (found.sizes or found.is_busy):
            return look  # a killed writer left it: the record before it counts, or the next one is written over it
        finding = self._examine(number, found, look, may_vanish=is_record)
        if finding and not (
            is_draft and finding.kind is Kind.LOST
        ):  # one that counts is on the disk: it was not forced when the power failed
            look.findings.append(finding)
        if finding := self._count(found, told, look):
            look.findings.append(finding)
        return look

    def _count(self, found: _Object, told: _Told, look: Look) -> Finding | None:
        """Counts what the object is; what is wrong with its being there."""
        context, path = self._context, found.path
        trash, settings = _trash(context), context.settings
        if layout.is_record(settings, path):
            look.counts["records"] += 1
        elif layout.is_product(settings, path.replace(trash, settings.home, 1)):
            look.counts["products"] += 1
        elif path.startswith(layout.landing(settings) + "/"):
            look.counts["landing"] += 1
        elif path.startswith(trash + "/"):
            look.counts["set_aside"] += 1
            if found.checksums and not self._is_elsewhere(found, told):
                return Finding(Kind.ONLY_IN_TRASH, path, "was set aside, and no other object has its bytes")
        elif path.startswith(layout.quarantine(settings) + "/"):
            look.counts[QUARANTINED + told.reasons.get(path, "unknown")] += 1
        else:
            look.counts["archived"] += 1
            look.counts["withdrawn"] += told.is_withdrawn
            if not told.is_withdrawn and not self._has_origin(found, told):
                return Finding(Kind.WITHOUT_ORIGIN, path, "nothing tells where it came from")
        return None

    def _is_elsewhere(self, found: _Object, told: _Told) -> bool:
        kept = found.checksums - {""}
        if not kept and self._read:  # registered in place, and read just now
            kept = {
                checksum for one in self._asked(*data_object(found.path)).values() for checksum in one.checksums
            } - {""}
        return bool(kept & told.elsewhere or checksum_lookup.objects(self._context, kept)) or not (kept or self._read)

    def _has_origin(self, found: _Object, told: _Told) -> bool:
        """Asked again before it is said not to: an object is described a moment after it was registered."""
        if found.path in told.origins or any(origin.of_file(self._context.settings, file) for file in found.files):
            return True
        try:
            return bool(
                origin.of_object(self._context, found.path)
                or (self._patience.wait() and self._is_described(found.path))
            )
        except NotFound:
            return True

    def _is_described(self, path: str) -> bool:
        return bool(origin.of_object(self._context, path))

    def _examine(self, number: str, found: _Object, look: Look, *, may_vanish: bool) -> Finding | None:
        """Looks at an object's replicas, again while others are busy with it; what is wrong with them."""
        before = None
        while fault := self._fault(found, look):
            if isinstance(fault, Finding):
                return fault
            if found.is_busy:
                if not self._patience.wait():
                    return Finding(Kind.BUSY, found.path)
            elif found == before:
                return Finding(Kind.LOST, found.path, fault)
            before, now = found, self._asked(Condition("DATA_ID", "=", number))
            if number not in now:
                gone = "went away while everything was verified, as what is erased does"
                return None if may_vanish else Finding(Kind.LOST, found.path, gone)
            found = now[number]
        return None

    def _fault(self, found: _Object, look: Look) -> str | Finding:
        if not found.sizes:
            return "has no good replica"
        if len(set(found.sizes.values())) > 1 or len(found.checksums - {""}) > 1:
            return "its good replicas differ in the catalog"
        if not self._read:
            return ""
        try:
            self._context.zone.checksum(found.path, verify=True)
        except NotPermitted as error:
            return Finding(Kind.UNSEEN, found.path, str(error))
        except ZoneError as error:
            return str(error)
        look.counts["bytes"] += sum(found.sizes.values())
        return ""


def _registered(context: Context, after: str) -> Iterator[Look]:
    """Finds experiments that were registered, as events say, and are neither there nor erased."""
    for outbox in _children(context, event.outbox(context.settings)):
        if outbox > after:
            study = outbox.rpartition("/")[2]
            there = {
                path.rpartition("/")[2]
                for path in _children(context, f"{layout.study(context.settings, study)}/experiments")
            }
            gone = [one for path in _children(context, outbox) if (one := path.rpartition("/")[2]) not in there]
            lost = [one for one in gone if not erasure.has_receipt(context, one)]
            base = f"{layout.study(context.settings, study)}/experiments"
            text = "was registered; it is gone, and has no receipt of its erasure"
            yield Look(outbox, Counter(), [Finding(Kind.LOST, f"{base}/{one}", text) for one in lost])

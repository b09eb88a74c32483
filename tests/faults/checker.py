"""The checker: compares the books with catalog, disks and `mrdata verify`, when the normal work has come to rest."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mrdata.verification import verify_report
from policy.records import audit_check
from policy.records.audit import Entry, parsed
from policy.records.event import outbox as layout_outbox
from policy.studies.state import ACT, FOLLOWS
from policy.zone import layout
from policy.zone.experiment import State
from policy.zone.file_removal import REMOVING
from tests.faults import catalog
from tests.faults.books import Act, Books, Content
from tests.faults.catalog import GOOD, Held, Replica
from tests.faults.site import Site


class Wrong(StrEnum):
    """What may be wrong with a zone."""

    LOST = "lost"
    """Bytes that landed are nowhere, or an object has not the bytes that the catalog tells."""
    MISFILED = "misfiled"
    """Under another experiment or kind, in quarantine without need, twice, or bytes that never landed like this."""
    UNNOTICED = "unnoticed"
    """One of these, and `mrdata verify` says that all is well."""
    DISORDER = "disorder"
    """The audit chain, a state, a replica, a permission, something that waits for ever, or a false alarm."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    wrong: Wrong
    what: str


def check(site: Site, *, tidied: bool, waits: str = "", held: Held | None = None) -> list[Finding]:
    """What is wrong. `tidied`: the intake's retention has run;

    `waits`: why the normal work has not come to rest; `held`: read already.
    """
    books, held = Books(site.case / "books"), held or catalog.read(site.folder, site.settings)
    told = [] if tidied else _verified(site, held)
    places = _Places(site, held)
    found = [*_contents(books, places), *_strangers(books, places), *_replicas(site, held)]
    found += [*_audit(site, held, books), *_hidden(site, held), *(_orphans(held, places) if tidied else ())]
    if waits:
        found.append(Finding(Wrong.DISORDER, f"does not come to rest: {waits}"))
    if tidied and found:
        told = _verified(site, held)
    if told and not found:
        found.append(Finding(Wrong.DISORDER, f"verify says: {'; '.join(told)}"))
    silent = [one for one in found if not told and one.wrong is not Wrong.DISORDER]
    return found + [Finding(Wrong.UNNOTICED, one.what) for one in silent]


def counted(findings: list[Finding]) -> Counter[Wrong]:
    """How many of each."""
    return Counter(one.wrong for one in findings)


def _verified(site: Site, held: Held) -> list[str]:
    """What `mrdata verify` finds that has to be explained.

    An upload that was broken off is no loss: who sent it was told.
    """
    found = site.verify()
    if found["sound"] and not found["waiting"] and not found["taken"]:
        return []
    told = [f"{kind}: {one}" for kind in verify_report.TITLES for one in found[kind]] or [str(found["verdict"])]
    explained = [
        *broken_off(site, held),
        f"/{layout.INTAKE}/{REMOVING}: ",
    ]  # what a killed retention set aside, its next run puts back
    return [line for line in told if not any(path in line for path in explained)]


def broken_off(site: Site, held: Held) -> list[str]:
    """Objects in landing that nobody has written to their end."""
    landing = layout.landing(site.settings) + "/"
    return [
        path
        for path, replicas in held.objects.items()
        if path.startswith(landing) and all(one.status != GOOD for one in replicas)
    ]


class _Places:
    """Where which content is. Paths of objects by what they are."""

    def __init__(self, site: Site, held: Held) -> None:
        self.settings = site.settings
        self.held = held
        self.archive: dict[str, list[str]] = defaultdict(list)
        """Content -> objects; so are the others."""
        self.quarantine: dict[str, list[str]] = defaultdict(list)
        self.landing: dict[str, list[str]] = defaultdict(list)
        self.trash: dict[str, list[str]] = defaultdict(list)
        self.again: Counter[str] = Counter()
        """Content -> how often it is told to have landed again."""
        self.receipts: set[str] = set()
        self.broken_off = set(broken_off(site, held))
        for path in held.objects:
            self._sort(path)

    def _sort(self, path: str) -> None:
        if path in self.broken_off:
            return
        settings, digest = self.settings, self.held.at(path)
        receipts = layout.receipts(settings) + "/"
        if path.startswith(receipts):
            self.receipts.add(path.removeprefix(receipts).removesuffix(".json"))
        elif layout.is_record(settings, path):
            if "/landed_again." in path and path.endswith(".json"):
                self._note_again(path)
        elif layout.experiment_of(settings, path):
            self.archive[digest].append(path)
        elif path.startswith(layout.quarantine(settings) + "/"):
            self.quarantine[digest].append(path)
        elif path.startswith(layout.landing(settings) + "/"):
            self.landing[digest].append(path)
        elif path.startswith(f"/{settings.zone}/trash/"):
            self.trash[digest].append(path)

    def _note_again(self, path: str) -> None:
        content = _content(self.held, path)
        for one in json.loads(content)["landings"] if content else []:
            self.again[base64.b64decode(one["checksum"].removeprefix("sha2:")).hex()] += 1

    def objects(self, digest: str) -> list[str]:
        """Its objects, those in the trash left out."""
        return [*self.archive[digest], *self.quarantine[digest], *self.landing[digest]]

    def files(self, digest: str) -> list[str]:
        """Files of mailbox and intake with it."""
        return [path for files in (self.held.mailbox, self.held.intake) for path, one in files.items() if one == digest]

    def experiment(self, path: str) -> str:
        """That of an archived object."""
        return layout.experiment_of(self.settings, path) or ""

    def kind(self, path: str) -> str:
        """The data type of an archived object."""
        return path.removeprefix(layout.studies(self.settings) + "/").split("/")[3]


def _content(held: Held, path: str) -> bytes:
    return next((Path(one.file).read_bytes() for one in held.objects[path] if one.is_sound), b"")


def _contents(books: Books, places: _Places) -> Iterator[Finding]:
    """Each content of the books is where it should be, as often as it landed."""
    for digest, content in books.contents.items():
        erased = content.experiments & places.receipts
        if erased:
            yield from _erased(books, places, digest, content, erased)
            continue
        objects = places.objects(digest)
        if not objects and not places.files(digest):
            if not content.may_be_gone:
                trash = f" (in the trash: {places.trash[digest]})" if places.trash[digest] else ""
                yield Finding(Wrong.LOST, f"{content.name} is nowhere{trash}")
            continue
        if not objects and not content.may_be_gone:
            yield Finding(Wrong.DISORDER, f"{content.name} waits for ever: {places.files(digest)}")
        yield from _misplaced(books, places, digest, content)
        if len(objects) > content.landings:
            yield Finding(Wrong.MISFILED, f"{content.name} landed {content.landings} times, and is {objects}")
        elif objects and len(objects) + places.again[digest] < content.landings and not content.may_be_gone:
            yield Finding(
                Wrong.LOST,
                f"{content.name} landed {content.landings} times, of which {len(objects)} are told: {objects}",
            )


def _misplaced(books: Books, places: _Places, digest: str, content: Content) -> Iterator[Finding]:
    for path in places.archive[digest]:
        if places.experiment(path) not in content.experiments:
            yield Finding(Wrong.MISFILED, f"{content.name} of {sorted(content.experiments)} is {path}")
        elif places.kind(path) != content.kind:
            yield Finding(Wrong.MISFILED, f"{content.name}, a {content.kind}, is {path}")
    if content.must_be_placed and not content.experiments & books.touched and not content.may_be_gone:
        for path in places.quarantine[digest]:
            yield Finding(Wrong.MISFILED, f"{content.name} of {sorted(content.experiments)} is {path}")
    for path in places.landing[digest]:
        yield Finding(Wrong.DISORDER, f"{content.name} rests in landing for ever: {path}")


def _erased(books: Books, places: _Places, digest: str, content: Content, erased: set[str]) -> Iterator[Finding]:
    """What landed late is in quarantine; everything else is gone."""
    if not erased <= books.withdrawn:
        yield Finding(Wrong.LOST, f"{content.name}: {sorted(erased)} was erased, and nobody had asked for it")
    named = {one.file for path in places.objects(digest) for one in places.held.objects[path]}
    left = [
        *places.archive[digest],
        *places.trash[digest],
        *(file for file, one in places.held.vaults.items() if one == digest),
    ]
    left = [path for path in left if path not in named]
    if content.experiments == erased and left:
        yield Finding(Wrong.DISORDER, f"{content.name} is still there after the erasure of {sorted(erased)}: {left}")


def _strangers(books: Books, places: _Places) -> Iterator[Finding]:
    """Objects with bytes that never landed, or with none."""
    for objects in (places.archive, places.quarantine, places.landing):
        for digest, paths in objects.items():
            if digest not in books.contents:
                for path in paths:
                    wrong = Wrong.MISFILED if digest else Wrong.LOST
                    if not layout.is_product(places.settings, path):
                        yield Finding(
                            wrong, f"{path} has bytes that never landed" if digest else f"{path} has no sound replica"
                        )


def _replicas(site: Site, held: Held) -> Iterator[Finding]:
    """Every replica is good and what the catalog says; those of the archive are where they should be.

    Nothing is under way.
    """
    drafts, aside = (".new", ".draft"), broken_off(site, held)
    wanted = {site.settings.archive.resource, *site.settings.archive.copies}
    for path, replicas in held.objects.items():
        name = path.rpartition("/")[2]
        if name.startswith("draft-") or name.endswith(drafts) or path in aside or _is_no_event(site, path, replicas):
            continue
        if not all(one.is_sound for one in replicas):
            what = [
                (one.number, one.status, one.resource, one.size, one.length) for one in replicas if not one.is_sound
            ]
            yield Finding(
                Wrong.DISORDER if held.at(path) else Wrong.LOST, f"{path} has replicas that are not sound: {what}"
            )
        if layout.experiment_of(site.settings, path) and {one.resource for one in replicas} != wanted:
            yield Finding(Wrong.DISORDER, f"{path} is on {[one.resource for one in replicas]}")
    for one in held.unfinished:
        yield Finding(Wrong.DISORDER, f"is never finished: {one}")


def _is_no_event(site: Site, path: str, replicas: list[Replica]) -> bool:
    """Whether it is an event whose writer was killed: what is not written completely does not count
    (`policy.records.event`).
    """
    return path.startswith(layout_outbox(site.settings) + "/") and all(one.status == 0 for one in replicas)


def _orphans(held: Held, places: _Places) -> Iterator[Finding]:
    """Files of the vaults that no object names, and of the intake that the retention keeps."""
    named = {one.file for replicas in held.objects.values() for one in replicas}
    for file in held.vaults.keys() - named:
        yield Finding(Wrong.DISORDER, f"no object names {file}")
    for file in held.intake:
        if not any(f"/{layout.INTAKE}/{file}" in one for one in named):
            yield Finding(Wrong.DISORDER, f"the intake keeps {file} (done: {file.split('/')[0] in held.done})")


def _audit(site: Site, held: Held, books: Books) -> Iterator[Finding]:
    """The chain is whole, and states followed each other as the table says."""
    root = layout.audit(site.settings) + "/"
    files = [(path.removeprefix(root), _content(held, path)) for path in held.below(root[:-1])]
    verdict = audit_check.check(files)
    yield from (Finding(Wrong.DISORDER, f"audit: {fault}") for fault in verdict.faults)
    changes: dict[str, list[Entry]] = defaultdict(list)
    for path, content in sorted(files):
        if path.rpartition("/")[2].startswith("draft-"):
            continue
        try:
            entry = parsed(content)
        except ValueError:
            continue
        if entry.act == ACT:
            changes[entry.experiment].append(entry)
    known = {one for content in books.contents.values() for one in content.experiments}
    for experiment, states in held.states.items():
        if not states and experiment not in known:
            continue  # whoever registered it was killed, and nobody was told the ID
        yield from _states(experiment, states, changes[experiment], books.done.get(experiment))


def _states(experiment: str, states: list[str], changes: list[Entry], done: Act | None) -> Iterator[Finding]:
    """A change that was written down, and not done before its process was killed, is done again or left."""
    before, after = State.REGISTERED, State.REGISTERED
    for change in changes:
        now, then = State(change.details["before"]), State(change.details["after"])
        if now not in (before, after) or then not in FOLLOWS[now]:
            yield Finding(Wrong.DISORDER, f"{experiment} went from {now} to {then}, after {before} to {after}")
        before, after = now, then
    if len(states) != 1 or State(states[0]) not in (before, after):
        yield Finding(Wrong.DISORDER, f"{experiment} is {states}; the audit log tells {before} to {after}")
        return
    wanted = {Act.FINALIZE: State.FINALIZED, Act.WITHDRAW: State.WITHDRAWN}.get(done) if done else None
    if (wanted and State(states[0]) is not wanted) or (done is Act.RESTORE and State(states[0]) is State.WITHDRAWN):
        yield Finding(Wrong.DISORDER, f"{done} of {experiment} was acknowledged; it is {states[0]}")


def _hidden(site: Site, held: Held) -> Iterator[Finding]:
    """Nobody but the service account finds what is withdrawn, or what is in quarantine."""
    allowed = {site.settings.account}
    for path in held.objects:
        state = held.states.get(layout.experiment_of(site.settings, path) or "", [])
        others = held.readers[path] - allowed
        if state == [State.WITHDRAWN] and others:
            yield Finding(Wrong.DISORDER, f"{path} is withdrawn, and {sorted(others)} may see it")
        if path.startswith(layout.quarantine(site.settings) + "/") and others - {site.settings.stewards}:
            yield Finding(Wrong.DISORDER, f"{path} is in quarantine, and {sorted(others)} may see it")

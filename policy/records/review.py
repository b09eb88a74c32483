"""Reviews: questions that wait for a data steward. Small objects in `<home>/reviews/` that only data stewards can read.

A review is opened once for a key and never rewritten. The verdict is an object of its own, next to the review. Both
stay, so that data stewards are not asked about a judged key again: the key of something that may come up a second time
holds something that tells the times apart.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass

from policy.records import audit
from policy.zone import Access, Condition, experiment_id, layout, small_object
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind

PAGE = 50
"""Reviews on one page."""
_REVIEW, _VERDICT = ".review.json", ".verdict.json"
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Review:
    """What is to be judged.

    `opened` and `closed` are UTC, ISO 8601; `verdict`, `closed` and `by` are empty while it waits.
    """

    kind: str
    key: str
    text: str
    opened: str
    verdict: str = ""
    closed: str = ""
    by: str = ""

    @property
    def number(self) -> str:
        """What tells it from all others: 16 hexadecimal digits."""
        return hashlib.sha256(f"{self.kind}\0{self.key}".encode()).hexdigest()[:16]

    @property
    def experiment(self) -> str:
        """The ExperimentID with which its key begins; empty where it begins with none."""
        first = self.key.partition(" ")[0]
        return first if experiment_id.parse(first) == first else ""


def open_review(context: Context, kind: str, key: str, text: str) -> bool:
    """Asks the data stewards, as the service account. Returns False if they have been asked about the key before, even
    if it was judged.

    `kind` is a word, `text` says what was seen and what can be done. Both objects' names show kind and key to stewards
    only.
    """
    path = _path(context, kind, key, _REVIEW)
    if context.zone.stat(path) is not None:
        return False
    _prepare(context)
    small_object.write(context.zone, path, _json(Review(kind, key, text, _now(context))))
    return True


def reviews(context: Context, *, closed: bool = False) -> list[Review]:
    """What waits, the oldest first; with `closed`, also what was judged.

    Only stewards and the service account see any.
    """
    asked, judged = _names(context)
    listed = [_read(context, name, name in judged) for name in asked if closed or name not in judged]
    return sorted(listed, key=lambda review: (review.opened, review.kind, review.key))


def waiting(context: Context, page: int = 0) -> tuple[list[Review], int]:
    """One page of what waits, the oldest first, and how many wait in all; `page` counts from 0. Reads these alone."""
    asked, judged = _names(context)
    names = sorted(asked.keys() - judged.keys(), key=lambda name: (asked[name], name))
    return [_read(context, name, False) for name in names[page * PAGE : (page + 1) * PAGE]], len(names)


def judged(context: Context, page: int = 0) -> tuple[list[Review], int]:
    """One page of what was judged, the latest first, and how many there are in all."""
    _, found = _names(context)
    names = sorted(found, key=lambda name: (found[name], name), reverse=True)
    return [_read(context, name, True) for name in names[page * PAGE : (page + 1) * PAGE]], len(names)


def numbered(context: Context, number: str) -> Review | None:
    """The review with a `number`, as it was judged if it was."""
    asked, judged = _names(context)
    name = next((name for name in asked if name.rpartition("_")[2] == number), None)
    return None if name is None else _read(context, name, name in judged)


def verdict(context: Context, kind: str, key: str) -> str:
    """What was decided; empty while it waits, or where nobody asked."""
    path = _path(context, kind, key, _VERDICT)
    return Review(**json.loads(context.zone.read(path, 0, _LARGEST))).verdict if context.zone.stat(path) else ""


def close_review(context: Context, key: str, verdict: str, by: str = "", kind: str = "") -> Review:
    """Keeps the verdict of `by` (default: the client user), as the service account. Returns the review as judged.

    Raises `Refused` if no review of this key waits, or if reviews of several kinds wait and no `kind` is given. The
    audit log gets the verdict's hash, and nothing that was typed.
    """
    if not verdict.strip():
        raise Refused("verdict: missing; say in a few words what was decided")
    found = [review for review in reviews(context) if review.key == key and kind in ("", review.kind)]
    if len(found) != 1:
        raise Refused(f"key: {len(found)} reviews with the key {key!r} wait, not one", ErrorKind.CONFLICT)
    (review,) = found
    decided = Review(
        review.kind, key, review.text, review.opened, verdict.strip(), _now(context), by or context.zone.whoami().name
    )
    path, content = _path(context, review.kind, key, _VERDICT), _json(decided)
    digest = hashlib.sha256(content).hexdigest()
    audit.record(context, "review closed", experiment=review.experiment, by=decided.by, kind=review.kind, sha256=digest)
    small_object.write(context.zone, path, content)
    return decided


def _prepare(context: Context) -> None:
    zone, path = context.zone, layout.reviews(context.settings)
    if zone.stat(path) is None:
        zone.make_collection(path)
        zone.permit(path, context.settings.stewards, Access.READ)
        zone.inherit(path)


def _path(context: Context, kind: str, key: str, ending: str) -> str:
    """Readable, and one for each (kind, key)."""
    number = Review(kind, key, "", "").number
    return f"{layout.reviews(context.settings)}/{layout.safe(kind)}_{layout.safe(key)}_{number}{ending}"


def _names(context: Context) -> tuple[dict[str, int], dict[str, int]]:
    """What was asked, and what of it was judged: name without its ending -> when (seconds since 1970)."""
    found: dict[str, dict[str, int]] = {_REVIEW: {}, _VERDICT: {}}
    mine = Condition("COLL_NAME", "=", layout.reviews(context.settings))
    for name, made in context.zone.query(["DATA_NAME", "DATA_CREATE_TIME"], mine):
        for ending, times in found.items():
            if name.endswith(ending):
                stem = name.removesuffix(ending)
                times[stem] = min(int(made), times.get(stem, int(made)))
    return found[_REVIEW], found[_VERDICT]


def _read(context: Context, name: str, is_closed: bool) -> Review:
    path = f"{layout.reviews(context.settings)}/{name}{_VERDICT if is_closed else _REVIEW}"
    return Review(**json.loads(context.zone.read(path, 0, _LARGEST)))


def _json(review: Review) -> bytes:
    return json.dumps(asdict(review), ensure_ascii=False, indent=1).encode()


def _now(context: Context) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))

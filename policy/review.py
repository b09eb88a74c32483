"""Reviews: what waits for a data steward's word. Small objects in `<home>/reviews/` that only data stewards can read.

A review is opened once for a key and never rewritten; the verdict is an object of its own beside it. Both stay, so that a key that
was judged is not asked for again: what may come up a second time has something in its key that tells the times apart.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass

from policy import layout
from policy.context import Context, Refused
from policy.zone import Access, Condition

_REVIEW, _VERDICT = ".review.json", ".verdict.json"
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Review:
    """What is to be judged. `opened` and `closed` are UTC, ISO 8601; `verdict`, `closed` and `by` are empty while it waits."""

    kind: str
    key: str
    text: str
    opened: str
    verdict: str = ""
    closed: str = ""
    by: str = ""


def open_review(context: Context, kind: str, key: str, text: str) -> bool:
    """Asks the data stewards, as the service account; False where the key has been asked for before, whatever became of it.

    `kind` is a word, `text` says what was seen and what can be done. Both objects' names show kind and key to stewards only.
    """
    path = _path(context, kind, key, _REVIEW)
    if context.zone.stat(path) is not None:
        return False
    _prepare(context)
    context.zone.write(path, _json(Review(kind, key, text, _now(context))))
    return True


def reviews(context: Context, *, closed: bool = False) -> list[Review]:
    """What waits, the oldest first; with `closed`, also what was judged. Only stewards and the service account see any."""
    found = _names(context)
    verdicts = {name.removesuffix(_VERDICT) for name in found if name.endswith(_VERDICT)}
    waiting = [name.removesuffix(_REVIEW) for name in found if name.endswith(_REVIEW)]
    listed = [_read(context, name, name in verdicts) for name in waiting if closed or name not in verdicts]
    return sorted(listed, key=lambda review: (review.opened, review.kind, review.key))


def verdict(context: Context, kind: str, key: str) -> str:
    """What was decided; empty while it waits, or where nobody asked."""
    path = _path(context, kind, key, _VERDICT)
    return Review(**json.loads(context.zone.read(path, 0, _LARGEST))).verdict if context.zone.stat(path) else ""


def close_review(context: Context, key: str, verdict: str, by: str = "") -> Review:
    """Keeps the verdict of `by` (else: of who asks), as the service account; the review as judged.

    Refused where no review of this key waits, or reviews of several kinds.
    """
    if not verdict.strip():
        raise Refused("verdict: missing; say in a few words what was decided")
    waiting = [review for review in reviews(context) if review.key == key]
    if len(waiting) != 1:
        raise Refused(f"key: {len(waiting)} reviews with the key {key!r} wait, not one")
    (review,) = waiting
    judged = Review(review.kind, key, review.text, review.opened, verdict.strip(), _now(context), by or context.zone.whoami().name)
    context.zone.write(_path(context, review.kind, key, _VERDICT), _json(judged))
    return judged


def _prepare(context: Context) -> None:
    zone, path = context.zone, layout.reviews(context.settings)
    if zone.stat(path) is None:
        zone.make_collection(path)
        zone.permit(path, context.settings.stewards, Access.READ)
        zone.inherit(path)


def _path(context: Context, kind: str, key: str, ending: str) -> str:
    """Readable, and one for each (kind, key)."""
    digest = hashlib.sha256(f"{kind}\0{key}".encode()).hexdigest()[:16]
    return f"{layout.reviews(context.settings)}/{layout.safe(kind)}_{layout.safe(key)}_{digest}{ending}"


def _names(context: Context) -> list[str]:
    return [name for (name,) in context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", layout.reviews(context.settings)))]


def _read(context: Context, name: str, is_closed: bool) -> Review:
    path = f"{layout.reviews(context.settings)}/{name}{_VERDICT if is_closed else _REVIEW}"
    return Review(**json.loads(context.zone.read(path, 0, _LARGEST)))


def _json(review: Review) -> bytes:
    return json.dumps(asdict(review), ensure_ascii=False, indent=1).encode()


def _now(context: Context) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now()))

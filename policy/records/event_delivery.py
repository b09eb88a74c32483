"""Delivers events to hooks: at least once, in order for an experiment, each hook and each experiment for itself.

What waits and when it is tried again are AVUs of the experiment's outbox (`policy.records.event`). The run after one
that was killed goes on where that one was; an event that was taken in that moment is sent a second time, with the same
id.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from policy.records import audit, event, review
from policy.zone import AVU, Condition, NotFound, ZoneError
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.log import Level, tell
from policy.zone.settings import Hook

RETRY = "EventRetry"
"""AVU of an experiment's outbox: when it is tried again (11 digits, seconds since 1970); its unit is `<hook> <tries so
far>`.
"""
BATCH = 200
"""Events that go to a hook in one run, at most."""
SECONDS = 60.0
"""Seconds after which a run sends no further event to any hook."""
FAILURES = 3
"""Failures in a row after which a run leaves a hook alone: it is most likely down, and no event is lost by waiting."""
REPORTED = 10
"""Tries after which the data stewards are told."""
UNWRITTEN = 600.0
"""Seconds after which an event that was announced and not written will never be: its writer was killed."""

Post = Callable[[Hook, str, bytes, float], str]
"""Sends (hook, event id, body, timeout in seconds); why it was not taken, empty where it was.

Called in threads, never with a zone.
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An experiment's events that a hook has not taken, in their order. `due`: seconds since 1970."""

    hook: str
    collection: str
    names: list[str]
    tries: int = 0
    due: int = 0

    @property
    def experiment(self) -> str:
        """The ExperimentID."""
        return self.collection.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class _Sent:
    waiting: Waiting
    name: str
    fault: str


def waiting(context: Context) -> list[Waiting]:
    """All that was not delivered yet. Costs nothing for what was."""
    names: dict[tuple[str, str], list[str]] = {}
    for collection, name, hook in _avus(context, event.PENDING):
        names.setdefault((hook, collection), []).append(name)
    tries: dict[tuple[str, str], tuple[int, int]] = {}
    for collection, due, unit in _avus(context, RETRY):
        hook, _, count = unit.rpartition(" ")
        tries[hook, collection] = max(tries.get((hook, collection), (0, 0)), (int(count), int(due)))
    return [
        Waiting(hook, where, sorted(found), *tries.get((hook, where), (0, 0)))
        for (hook, where), found in sorted(names.items())
    ]


def deliver(context: Context, post: Post) -> Counter[str]:
    """Delivers what is due; how many events were `delivered`, `failed` (tried again later) or `forgotten` (their hook
    is no more).
    """
    done: Counter[str] = Counter()
    due: dict[str, list[Waiting]] = {}
    for found in waiting(context):
        if found.hook not in context.settings.events.hooks:
            context.zone.annotate(found.collection, remove=_marks(context, found.collection, found.hook))
            tell(
                context.zone,
                "events",
                f"{len(found.names)} events are forgotten: the settings have no hook {found.hook} any more",
                experiment=found.experiment,
            )
            done["forgotten"] += len(found.names)
        elif found.due <= context.now():
            due.setdefault(found.hook, []).append(found)
    batches = {hook: _batch(context, sorted(queue, key=lambda w: (w.due, w.collection))) for hook, queue in due.items()}
    for sent in _send(context, batches, post):
        _note(context, sent)
        done["failed" if sent.fault else "delivered"] += 1
    return done


def skip(context: Context, hook: str, experiment_id: str) -> str:
    """Gives up the first event of an experiment that a hook does not take, so that the next one follows. Returns its
    name.

    Raises `Refused` if no event waits.
    """
    for found in waiting(context):
        if (found.hook, found.experiment) == (hook, experiment_id):
            audit.record(context, "event skipped", experiment=experiment_id, hook=hook, event=found.names[0])
            marks = [avu for avu in _marks(context, found.collection, hook) if avu.attribute == RETRY]
            context.zone.annotate(found.collection, remove=[AVU(event.PENDING, found.names[0], hook), *marks])
            return found.names[0]
    raise Refused(f"no event of {experiment_id} waits for the hook {hook!r}", ErrorKind.NOT_FOUND)


def _avus(context: Context, attribute: str) -> list[tuple[str, ...]]:
    """(outbox of an experiment, value, unit). Only below the outbox: anybody may put AVUs on his own collections."""
    columns = ["COLL_NAME", "META_COLL_ATTR_VALUE", "META_COLL_ATTR_UNITS"]
    prefix = event.outbox(context.settings) + "/"
    rows = context.zone.query(columns, Condition("META_COLL_ATTR_NAME", "=", attribute))
    return [row for row in rows if row[0].startswith(prefix)]


def _marks(context: Context, collection: str, hook: str) -> list[AVU]:
    found = context.zone.metadata(collection)
    return [
        avu
        for avu in found
        if (avu.attribute == event.PENDING and avu.unit == hook)
        or (avu.attribute == RETRY and avu.unit.startswith(hook + " "))
    ]


def _batch(context: Context, queue: list[Waiting]) -> list[tuple[Waiting, list[tuple[str, bytes]]]]:
    """What goes to one hook in this run, with its bytes: threads have no zone."""
    batch: list[tuple[Waiting, list[tuple[str, bytes]]]] = []
    count = 0
    for found in queue:
        bodies = []
        for name in found.names[: BATCH - count]:
            body = _body(context, found, name)
            if body is None:
                break
            if body:
                bodies.append((name, body))
        count += len(bodies)
        if bodies:
            batch.append((found, bodies))
        if count >= BATCH:
            break
    return batch


def _body(context: Context, found: Waiting, name: str) -> bytes | None:
    """An event's bytes; None while it is being written, empty when it never will be."""
    try:
        body = event.content(context, f"{found.collection}/{name}")
    except NotFound:
        body = b""
    if body.endswith(b"\n"):
        return body
    if context.now() - event.time_of(name) < UNWRITTEN:
        return None
    context.zone.annotate(found.collection, remove=[AVU(event.PENDING, name, found.hook)])
    tell(
        context.zone,
        "events",
        f"{name} was announced and never written: it did not happen",
        experiment=found.experiment,
    )
    return b""


def _send(
    context: Context, batches: dict[str, list[tuple[Waiting, list[tuple[str, bytes]]]]], post: Post
) -> Iterator[_Sent]:
    """A thread for each hook, so that one that does not answer holds up no other."""
    results: SimpleQueue[_Sent | str] = SimpleQueue()
    started, over = time.monotonic(), threading.Event()

    def run(hook: str) -> None:
        failures = 0
        for found, bodies in batches[hook]:
            for name, body in bodies:
                if over.is_set() or failures >= FAILURES or time.monotonic() - started > SECONDS:
                    break
                fault = _post(context, post, hook, name, body)
                failures = failures + 1 if fault else 0
                results.put(_Sent(found, name, fault))
                if fault:
                    break
        results.put(hook)

    for hook in batches:
        threading.Thread(target=run, args=(hook,), daemon=True).start()
    running = set(batches)
    last = started + SECONDS + 2 * context.settings.events.timeout_seconds
    try:
        while running:
            result = results.get(timeout=max(0.0, last - time.monotonic()))
            if isinstance(result, str):
                running.remove(result)
            else:
                yield result
    except Empty:  # a hook that gives its answer in drops: what it has not taken comes again
        tell(
            context.zone,
            "events",
            f"the hooks {', '.join(sorted(running))} take longer than a run may last",
            level=Level.WARNING,
        )
    finally:
        over.set()


def _post(context: Context, post: Post, hook: str, name: str, body: bytes) -> str:
    settings = context.settings.events
    try:
        return post(settings.hooks[hook], event.id_of(name), body, settings.timeout_seconds)
    except Exception as error:  # noqa: BLE001 - a thread that dies would leave the run waiting for it
        return type(error).__name__


def _note(context: Context, sent: _Sent) -> None:
    """Notes at once what became of one event: if the run is killed later, the event is not sent again."""
    zone, found, settings = context.zone, sent.waiting, context.settings.events
    old = [
        avu
        for avu in zone.metadata(found.collection)
        if avu.attribute == RETRY and avu.unit.startswith(found.hook + " ")
    ]
    if not sent.fault:
        zone.annotate(found.collection, remove=[AVU(event.PENDING, sent.name, found.hook), *old])
        return
    # The tries so far are those of the first event that waited: one that follows a success starts again at 1.
    tries = 1 + (found.tries if sent.name == found.names[0] else 0)
    wait = min(settings.longest_wait_seconds, settings.retry_seconds * 2 ** min(tries - 1, 20))
    new = AVU(RETRY, f"{int(context.now()) + wait:011d}", f"{found.hook} {tries}")
    zone.annotate(found.collection, add=[new], remove=[avu for avu in old if avu != new])
    text = f"the hook {found.hook} did not take {sent.name}: {sent.fault}; try {tries}, the next in {wait} s"
    tell(zone, "events", text, experiment=found.experiment, level=Level.WARNING)
    if tries == REPORTED:
        _report(context, sent, tries)


def _report(context: Context, sent: _Sent, tries: int) -> None:
    found = sent.waiting
    text = (
        f"The hook {found.hook} did not take the event {sent.name} of {found.experiment} in {tries} tries"
        f" ({sent.fault}). It is tried again, and the later events of the experiment wait behind it; mrdata_event_skip"
        " gives it up."
    )
    try:
        review.open_review(context, "hook", f"{found.hook} {sent.name}", text)
    except ZoneError as error:
        tell(context.zone, "events", f"{text} The review could not be opened", error=error)

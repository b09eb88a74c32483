"""The lock of an experiment, or of a subject's record. A process that changes the state takes the lock, and then reads
the state again.

    <home>/locks/<key>.json    who holds it, since when; a rename that never overwrites puts it there

A process that needs a lock breaks it if its holder has died: at once if the holder ran on this host, else after an
hour.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from policy.zone import Condition, Exists, NotFound, ZoneError, data_object, durability, layout
from policy.zone.context import Context
from policy.zone.error_kinds import ErrorKind
from policy.zone.log import tell

WAIT_SECONDS = 20.0
"""Seconds for which an act waits for a lock."""
UNSEEN_SECONDS = 3600.0
"""Seconds after which a holder on another host counts as dead."""
_PAUSE_SECONDS = 0.2
_held_here: set[str] = set()
"""Locks that this process holds just now: an embedded zone's agents are threads."""


class Busy(ZoneError):
    """Another process holds the lock."""

    kind = ErrorKind.CONFLICT


@contextmanager
def held(context: Context, key: str, act: str, *, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Within the block, nobody else changes the state of `key`.

    Within another such block, part of that. Raises Busy.
    """
    memory = context.memory
    if key in memory.locks:
        yield
        return
    path = f"{layout.locks(context.settings)}/{key}.json"
    number = uuid.uuid4().hex
    mine = _holder(number, act)
    _held_here.add(number)
    try:
        _take(context, path, mine, wait)
    except BaseException:
        _held_here.discard(number)
        raise
    memory.locks.add(key)
    memory.experiments.pop(key, None)
    try:
        yield
    finally:
        memory.locks.discard(key)
        _held_here.discard(number)
        _release(context, path, mine)


def dated(context: Context, key: str) -> float | None:
    """When the lock of `key`, which is held, was taken by the catalog's clock: seconds since 1970.

    None where it was broken meanwhile.
    """
    rows = context.zone.query(["DATA_CREATE_TIME"], *data_object(f"{layout.locks(context.settings)}/{key}.json"))
    return max((float(when) for (when,) in rows), default=None)


def _holder(number: str, act: str) -> bytes:
    who = {"host": socket.gethostname(), "process": os.getpid(), "started": _started(os.getpid())}
    return json.dumps({**who, "act": act, "since": time.time(), "lock": number}).encode()


def _take(context: Context, path: str, mine: bytes, wait: float) -> None:
    zone, draft = context.zone, f"{layout.parent(path)}/draft-{uuid.uuid4().hex}"
    try:
        durability.write(zone, draft, mine)
    except NotFound:
        zone.make_collection(layout.parent(path))
        durability.write(zone, draft, mine)
    end = time.monotonic() + wait
    while True:
        try:
            zone.move(draft, path)
        except Exists:
            there = _read(context, path)
            if there is not None and not _lives(there):
                _break(context, path, there)
            elif time.monotonic() >= end:
                zone.erase(draft)
                raise Busy(_told(path, there)) from None
            else:
                time.sleep(_PAUSE_SECONDS)
            continue
        return


def _told(path: str, there: bytes | None) -> str:
    key = path.rpartition("/")[2].removesuffix(".json")
    act = str(_parsed(there).get("act", "something")) if there else "something"
    return f"{key}: {act} is under way just now; try again in a moment"


def _read(context: Context, path: str) -> bytes | None:
    try:
        return context.zone.read(path, 0, 4096)
    except NotFound:
        return None


def _break(context: Context, path: str, there: bytes) -> None:
    """Renames a dead holder's lock to a name that only this one gets, once: of two who see it, one breaks it."""
    aside = f"{path}.{hashlib.sha256(there).hexdigest()[:16]}"
    with suppress(NotFound, Exists):
        context.zone.move(path, aside)
        tell(context.zone, "lock", f"a lock was broken, whose holder is gone: {_told(path, there)}")


def _release(context: Context, path: str, mine: bytes) -> None:
    """Unless it was broken meanwhile. What was broken before goes with it."""
    with suppress(NotFound):
        if _read(context, path) == mine:
            context.zone.erase(path)
    collection, _, name = path.rpartition("/")
    below = Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "like", f"{name}.%")
    for (aside,) in context.zone.query(["DATA_NAME"], *below):
        if aside.startswith(f"{name}."):
            with suppress(NotFound):
                context.zone.erase(f"{collection}/{aside}")


def _lives(there: bytes) -> bool:
    holder = _parsed(there)
    if holder.get("host") != socket.gethostname():
        return time.time() - float(holder.get("since", 0)) < UNSEEN_SECONDS
    process = int(holder.get("process", 0))
    if process != os.getpid():
        return bool(holder.get("started")) and holder["started"] == _started(process)
    return holder.get("lock") in _held_here


def _parsed(there: bytes) -> dict[str, Any]:
    try:
        held_by = json.loads(there)
    except ValueError:
        return {}
    return held_by if isinstance(held_by, dict) else {}


def _started(process: int) -> str:
    """When a process of this host was started (ticks since the host was); empty where there is none.

    References: proc(5), stat
    """
    try:
        with open(f"/proc/{process}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""

"""Runs the rules of Castellum: opens the source and the repository, lets one poll run at a time, keeps its result.

`policy.castellum` decides what a poll does. Two small files lie next to the repository. `<repository>.lock`: the kernel
releases the lock when its holder dies, whatever the cause. `<repository>.poll.json` describes the last polls; it may
be deleted.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from microservices.castellum.git_history import GitHistory
from microservices.rule_request import Request, flag
from policy.castellum import polling, values_at_scan, zone_sync
from policy.castellum.metadata_history import HistoryError
from policy.castellum.snapshot import SourceError
from policy.schedule import delay_rules
from policy.zone import AVU, Condition, ZoneError, layout
from policy.zone.castellum_settings import Castellum
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.log import Level, tell

RULE = "mrdata_castellum_poll"
PAUSED = "CastellumPaused"
"""AVU of the studies' collection: since when no poll does anything; UTC, ISO 8601."""


def poll(context: Context, request: Request) -> dict[str, object]:
    """Polls once; returns the poll's report, or why it did not poll."""
    settings = _settings(context)
    if (since := _paused(context)) and not flag(request, "even_if_paused"):
        return {"paused": since}
    with only_one(settings) as mine:
        if not mine:
            return {"running": "another poll is at work; this one did nothing"}
        started = time.monotonic()
        try:
            with closing(_source(settings)) as source, closing(GitHistory(settings, alone=True)) as history:
                accept = [str(study) for study in request.get("accept_smaller", ())]
                flags = {name: flag(request, name) for name in ("check", "new_history")}
                report = polling.poll(context, source, history, accept_smaller=accept, **flags)
                requests = getattr(source, "requests_made", 0)
        except (HistoryError, SourceError, ZoneError, Refused) as error:
            tell(context.zone, "castellum", str(error), level=Level.ERROR)
            _keep(settings, good=False, error=str(error))
            raise Refused(str(error)) from error
        seconds = round(time.monotonic() - started, 3)
        reply = {**asdict(report), "good": report.is_good, "seconds": seconds, "requests": requests}
        faults = "; ".join(f"{study}: {fault}" for study, fault in sorted(report.faults.items()))
        _keep(settings, good=report.is_good, error=report.alarm or faults, last=reply)
        return reply


def every(context: Context, request: Request) -> object:
    """Schedules the poll. A pause stays: a person who replaces a stuck delay rule may not know the pause's reason."""
    settings = _settings(context)
    return delay_rules.every(context, RULE, int(request.get("seconds", settings.every_seconds)))


def schedule_and_resume(context: Context, request: Request) -> object:
    """Schedules the poll, and ends a pause."""
    scheduled = every(context, request)
    _pause(context, "")
    return scheduled


def pause(context: Context, request: Request) -> dict[str, object]:
    """Pauses polls, or with `pause: false` ends the pause."""
    _settings(context)
    wanted = flag(request, "pause", True)
    since = _paused(context)
    if wanted != bool(since):
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(context.now())) if wanted else ""
        _pause(context, since)
    return {"paused": since}


def status(context: Context, request: Request) -> dict[str, object]:
    """Reports to an administrator: scheduled, paused, running, the last polls, the commits of git and of the zone."""
    settings = _settings(context)
    waiting = context.zone.query(
        ["RULE_EXEC_ID", "RULE_EXEC_FREQUENCY"], Condition("RULE_EXEC_NAME", "like", f"%{RULE}(%")
    )
    with only_one(settings) as free:
        running = not free
    kept = _kept(settings)
    shown = zone_sync.followed(context)
    reply: dict[str, object] = {
        "source": settings.source,
        "scheduled": [{"delay_rule": number, "every": every.split(" ")[0]} for number, every in waiting],
        "paused": _paused(context),
        "running": running,
        "zone_follows": shown,
        **kept,
    }
    if Path(settings.repository).exists():
        with closing(GitHistory(settings)) as history:
            head = history.head()
            reply |= {"commit": head, "committed": history.when(head) if head else "", "zone_is_behind": head != shown}
    return reply


def changes(context: Context, request: Request) -> dict[str, object]:
    """Lists what has changed about a subject since an experiment's scan."""
    settings = _settings(context)
    if not Path(settings.repository).exists():
        raise Refused("nothing was ever polled from Castellum", ErrorKind.NOT_FOUND)
    with closing(GitHistory(settings)) as history:
        return asdict(values_at_scan.changes(context, history, str(request["experiment"])))


def _settings(context: Context) -> Castellum:
    if not context.settings.castellum.source:
        raise Refused("castellum: is not configured; docs/how-to/connect-castellum.md says how", ErrorKind.UNAVAILABLE)
    return context.settings.castellum


def _source(settings: Castellum) -> Any:  # noqa: ANN401 - a policy.castellum.snapshot.Source that can be closed
    if settings.source == "folder":
        from microservices.castellum.castellum_export import FolderSource

        return FolderSource(settings)
    from microservices.castellum.castellum_http import HttpSource

    return HttpSource(settings)


def _paused(context: Context) -> str:
    path = layout.studies(context.settings)
    return next((avu.value for avu in context.zone.metadata(path) if avu.attribute == PAUSED), "")


def _pause(context: Context, since: str) -> None:
    path = layout.studies(context.settings)
    old = [avu for avu in context.zone.metadata(path) if avu.attribute == PAUSED]
    context.zone.annotate(path, add=[AVU(PAUSED, since)] if since else [], remove=old)


@contextmanager
def only_one(settings: Castellum) -> Iterator[bool]:
    """Whether nobody else polls; a lock of the kernel's, which a dead process cannot hold.

    Refused where there can be none.
    """
    file = Path(f"{settings.repository}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(
            f"castellum.repository {settings.repository}: {error.filename}: {error.strerror}", ErrorKind.UNAVAILABLE
        ) from error
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(opened)


def last_polls(settings: Castellum) -> dict[str, Any]:
    """What is kept of the last polls; empty before the first one."""
    return _kept(settings)


def _kept(settings: Castellum) -> dict[str, Any]:
    try:
        held = json.loads(Path(f"{settings.repository}.poll.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _keep(settings: Castellum, *, good: bool, error: str, last: Mapping[str, object] | None = None) -> None:
    """Counts since the first poll; in one rename, so that nobody reads a half."""
    kept, now = _kept(settings), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    kept["polls"] = int(kept.get("polls", 0)) + 1
    kept["bad_polls"] = int(kept.get("bad_polls", 0)) + (not good)
    kept["bad_in_a_row"] = 0 if good else int(kept.get("bad_in_a_row", 0)) + 1
    kept |= {
        "last_poll": now,
        "last_error": error,
        **({"last_good_poll": now} if good else {}),
        **({"last": dict(last)} if last else {}),
    }
    file = Path(f"{settings.repository}.poll.json")
    new = file.with_name(f"{file.name}.new")
    new.touch(mode=0o600)  # it names pseudonyms
    new.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    new.replace(file)

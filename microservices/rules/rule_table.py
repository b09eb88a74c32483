"""The callable rules: JSON in, JSON out. Each says who may call it.

A rule's own error travels in its answer (`{"error": "...", "code": "..."}`), because the rule engine loses the outputs
of a rule that fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict

from microservices.rule_request import Request, flag, parsed
from microservices.rules import callers, lifecycle_rules, verify_rule
from microservices.rules.callers import Callers
from policy.archive import archiving, fixity, fixity_report, fixity_state
from policy.ingest import (
    batch,
    discard,
    expanded_data,
    quarantine,
    refiling,
    registered_in_place,
    registration_hooks,
    sweep,
)
from policy.records import archived_volume, event_delivery, review, status_report
from policy.schedule import delay_rules
from policy.studies import authorization, registration, study
from policy.zone import base_collections, layout
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind, MrDataError

Rule = Callable[[Context, Request], object]
BACKGROUND = 10
"""Niceness of archiving and fixity."""
TAKEN_AT_ONCE = 500
"""Files that one call of `take_in` takes: each costs a call of the administrator's command."""


def answer(context: Context, name: str, text: str) -> str:
    """The JSON answer of the rule `name` to a JSON request; an error is its `error`, with the
    code of its kind (`policy.zone.error_kinds`).
    """
    permitted, rule, keys = RULES[name]
    try:
        callers.demand(context, permitted, name)
        reply = rule(context, parsed(text, keys.split()))
    except MrDataError as error:
        reply = {"error": str(error), "code": error.kind}
    except KeyError as error:
        reply = {"error": f"the request lacks the key {error}", "code": ErrorKind.BAD_REQUEST}
    return json.dumps(reply, ensure_ascii=False)


def _prepare(context: Context, request: Request) -> object:
    """Makes MrData's collections with their permissions."""
    base_collections.prepare(context)
    return {"prepared": context.settings.home}


def _prepared(context: Context, request: Request) -> object:
    """Lists what differs in MrData's collections and their permissions."""
    return {"differences": base_collections.differences(context)}


def _take_in(context: Context, request: Request) -> object:
    """Takes files into the intake that an earlier version registered where they landed."""
    if flag(request, "dry_run"):
        return registered_in_place.count(context)
    return registered_in_place.take_in(context, int(request.get("most", TAKEN_AT_ONCE)))


def _study(context: Context, request: Request) -> object:
    """Makes a study, or brings it up to date. The request is a study file."""
    return {"collection": study.put(context, study.study_from(request))}


def _register(context: Context, request: Request) -> object:
    """Registers an experiment and returns its ExperimentID."""
    entries = {key: value for key, value in request.items() if key != "by"}
    experiment = registration.register(context, entries, by=str(request.get("by", "")))
    return {"experiment_id": experiment.id, "collection": experiment.path, "record": experiment.record()}


def _sweep(context: Context, request: Request) -> object:
    """Places what rests in the landing collections."""
    return dict(sweep.sweep(context, float(request.get("follow", context.settings.sweep.follow_seconds))))


def _sweep_every(context: Context, request: Request) -> object:
    """Schedules the sweep."""
    seconds = int(request.get("seconds", context.settings.sweep.every_seconds))
    return delay_rules.every(context, "mrdata_sweep", seconds)


def _in_background() -> None:
    """What a client waits for goes first: this process, and the connection that it serves, yield the processors from
    now on.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(BACKGROUND, os.getpriority(os.PRIO_PROCESS, 0)))


def _archive(context: Context, request: Request) -> object:
    """Archives what was not archived when it was registered, and makes missing copies."""
    _in_background()
    return dict(archiving.archive(context))


def _archive_every(context: Context, request: Request) -> object:
    """Schedules archiving."""
    seconds = int(request.get("seconds", context.settings.archive.every_seconds))
    return delay_rules.every(context, "mrdata_archive", seconds)


def _retry(context: Context, request: Request) -> object:
    """Places one object of the landing collections, before its next try."""
    path = request["path"]
    if not str(path).startswith(layout.landing(context.settings) + "/"):
        raise Refused(
            f"{path} is not in landing ({layout.landing(context.settings)}); what is in quarantine is re-filed instead"
        )
    return asdict(sweep.settle(context, path))


def _quarantine_list(context: Context, request: Request) -> object:
    """Lists the sessions in quarantine: reasons, and the nearest ExperimentIDs."""
    return {"sessions": [asdict(s) for s in quarantine.sessions(context)]}


def _quarantine_discard(context: Context, request: Request) -> object:
    """Discards a quarantine session. `dry_run` says what would be discarded."""
    session, reason, by = str(request["session"]), str(request.get("reason", "")), str(request.get("by", ""))
    dry_run = flag(request, "dry_run", None)
    return {
        "dry_run": dry_run,
        **discard.discard(context, session, reason, by or context.zone.whoami().name, dry_run=dry_run),
    }


def _quarantine_keep(context: Context, request: Request) -> object:
    """Keeps a discarded session."""
    discard.keep(context, str(request["session"]), str(request.get("by", "")) or context.zone.whoami().name)
    return {"kept": request["session"]}


def _reassign(context: Context, request: Request) -> object:
    """Re-files a quarantine session, an object or a collection under an ExperimentID."""
    moves = refiling.reassign(
        context,
        request["source"],
        request["to"],
        dry_run=flag(request, "dry_run"),
        accept_personal_data=flag(request, "accept_personal_data"),
        by=str(request.get("by", "")),
    )
    return {"dry_run": flag(request, "dry_run"), "moves": [asdict(m) for m in moves]}


def _take_back(context: Context, request: Request) -> object:
    """Takes back what was re-filed."""
    moves = refiling.take_back(context, request["to"], request["session"], by=str(request.get("by", "")))
    return {"moves": [asdict(m) for m in moves]}


def _describe(context: Context, request: Request) -> object:
    """Describes an object that was just registered (AVUs)."""
    return {"described": registration_hooks.describe(context, request["path"])}


def _batch(context: Context, request: Request) -> object:
    """Decides about a batch of files that the landing host owns."""
    files = [batch.Owned(str(path), int(size), str(checksum)) for path, size, checksum in request["files"]]
    folder, resumed = str(request["folder"]), flag(request, "resumed")
    answers = batch.decide_all(context, str(request["batch"]), folder, files, resumed=resumed)
    return {"files": [[answer.outcome, answer.path, answer.kind] for answer in answers]}


def _volume(context: Context, request: Request) -> object:
    """Adds to the counts of archived bytes."""
    tally = archived_volume.Tally()
    for scanner, kind, objects, size in request["counts"]:
        tally.count(context, str(scanner), str(kind), int(objects), int(size))
    tally.keep(context)
    return {"kept": len(request["counts"])}


def _expanded_describe(context: Context, request: Request) -> object:
    """Reads a `metadata.yaml` of Expanded Data again."""
    found = expanded_data.describe(context, request["path"])
    return {"taken": len(found.avus), "refused": list(found.faults)}


def _events(context: Context, request: Request) -> object:
    """Delivers events to hooks."""
    from microservices.rules import hooks

    return dict(event_delivery.deliver(context, hooks.post))


def _events_every(context: Context, request: Request) -> object:
    """Schedules the delivery of events."""
    seconds = int(request.get("seconds", context.settings.events.every_seconds))
    return delay_rules.every(context, "mrdata_events", seconds)


def _events_waiting(context: Context, request: Request) -> object:
    """Lists events that a hook has not taken."""
    return {"waiting": [{"experiment": w.experiment, **asdict(w)} for w in event_delivery.waiting(context)]}


def _event_skip(context: Context, request: Request) -> object:
    """Gives up the oldest event of an experiment that waits for a hook."""
    return {"skipped": event_delivery.skip(context, request["hook"], request["experiment"])}


def _castellum_poll(context: Context, request: Request) -> object:
    """Polls Castellum now."""
    from microservices.castellum import castellum_rules

    return castellum_rules.poll(context, request)


def _castellum_schedule(context: Context, request: Request) -> object:
    """Schedules the polls, and ends a pause."""
    from microservices.castellum import castellum_rules

    return castellum_rules.schedule_and_resume(context, request)


def _castellum_poll_every(context: Context, request: Request) -> object:
    """Schedules the polls. A pause stays."""
    from microservices.castellum import castellum_rules

    return castellum_rules.every(context, request)


def _castellum_pause(context: Context, request: Request) -> object:
    """Pauses the polls."""
    from microservices.castellum import castellum_rules

    return castellum_rules.pause(context, request)


def _castellum_status(context: Context, request: Request) -> object:
    """Returns the state of the polls."""
    from microservices.castellum import castellum_rules

    return castellum_rules.status(context, request)


def _castellum_changes(context: Context, request: Request) -> object:
    """Lists what changed of the subject since an experiment's scan."""
    from microservices.castellum import castellum_rules

    return castellum_rules.changes(context, request)


def _reviews(context: Context, request: Request) -> object:
    """Lists the questions that wait for a data steward."""
    return {"reviews": [asdict(r) for r in review.reviews(context, closed=flag(request, "closed"))]}


def _review_close(context: Context, request: Request) -> object:
    """Answers a review."""
    by = str(request.get("by", "")) or context.zone.whoami().name
    authorization.demand_steward(context, by)
    kind = str(request.get("kind", ""))
    return asdict(review.close_review(context, str(request["key"]), str(request["verdict"]), by, kind))


def _fixity(context: Context, request: Request) -> object:
    """Verifies the checksums that are due. `resume` goes on after a halt."""
    _in_background()
    return fixity.run(context, resume=flag(request, "resume"))


def _fixity_every(context: Context, request: Request) -> object:
    """Schedules the verification of checksums."""
    seconds = int(request.get("seconds", context.settings.fixity.every_seconds))
    return delay_rules.every(context, "mrdata_fixity", seconds)


def _fixity_check(context: Context, request: Request) -> object:
    """Verifies the checksums below a path now."""
    return fixity.check(context, request["path"])


def _fixity_status(context: Context, request: Request) -> object:
    """Returns the counts of the verification and the forecast."""
    return fixity.status(context)


def _fixity_drill(context: Context, request: Request) -> object:
    """Reads random objects back, as a user would."""
    settings = context.settings.fixity
    results = fixity.drill_now(
        context, int(request.get("objects", settings.drill_objects)), settings.drill_largest_bytes
    )
    return {"results": [asdict(result) for result in results]}


def _fixity_report(context: Context, request: Request) -> object:
    """Writes the report of a year."""
    return {"paths": fixity_report.write(context, fixity_state.load(context), str(int(request["year"])))}


def _board(context: Context, request: Request) -> object:
    """Reports disks and Castellum to the operator's board."""
    from microservices.castellum import castellum_rules
    from microservices.zones import disks

    told: dict[str, object] = {"time": context.now(), "disks": disks.disks(context)}
    if context.settings.castellum.source:
        kept = castellum_rules.last_polls(context.settings.castellum)
        told["castellum"] = {key: kept[key] for key in ("last_poll", "last_good_poll", "bad_in_a_row") if key in kept}
    status_report.tell(context.zone, context.settings, "server", told)
    return told


def _board_every(context: Context, request: Request) -> object:
    """Schedules these reports."""
    seconds = int(request.get("seconds", context.settings.board.every_seconds))
    return delay_rules.every(context, "mrdata_board", seconds)


def _health(context: Context, request: Request) -> object:
    """Imports what the policies import later, so that a broken installation shows now."""
    import dulwich.repo
    import pydicom
    import requests
    import stdnum
    import yaml

    versions = {"pydicom": pydicom.__version__, "python-stdnum": stdnum.__version__, "pyyaml": yaml.__version__}
    versions |= {"dulwich": ".".join(map(str, dulwich.__version__)), "requests": requests.__version__}
    return {"zone": context.settings.zone, "user": context.zone.whoami().name, "versions": versions}


RULES: dict[str, tuple[Callers, Rule, str]] = {
    "prepare": (Callers.SERVICE, _prepare, ""),
    "prepared": (Callers.SERVICE, _prepared, ""),
    "take_in": (Callers.SERVICE, _take_in, "dry_run most"),
    "study": (Callers.SERVICE, _study, " ".join(study.KEYS)),
    "register": (Callers.SERVICE, _register, " ".join((*registration.KEYS, "by"))),
    "sweep": (Callers.SERVICE, _sweep, "follow"),
    "sweep_every": (Callers.SERVICE, _sweep_every, "seconds"),
    "archive": (Callers.SERVICE, _archive, ""),
    "archive_every": (Callers.SERVICE, _archive_every, "seconds"),
    "retry": (Callers.SERVICE, _retry, "path"),
    "describe": (Callers.ADMINISTRATORS, _describe, "path"),
    "batch": (Callers.SERVICE, _batch, "batch folder files resumed"),
    "volume": (Callers.SERVICE, _volume, "counts"),
    "quarantine_list": (Callers.STEWARDS, _quarantine_list, ""),
    "quarantine_discard": (Callers.SERVICE, _quarantine_discard, "session reason by dry_run"),
    "quarantine_keep": (Callers.SERVICE, _quarantine_keep, "session by"),
    "experiment_reassign": (Callers.SERVICE, _reassign, "source to dry_run accept_personal_data by"),
    "experiment_take_back": (Callers.SERVICE, _take_back, "to session by"),
    "expanded_describe": (Callers.SERVICE, _expanded_describe, "path"),
    "verify": (Callers.SERVICE, verify_rule.run, "vault experiment study checksums"),
    "events": (Callers.SERVICE, _events, ""),
    "events_every": (Callers.SERVICE, _events_every, "seconds"),
    "events_waiting": (Callers.SERVICE, _events_waiting, ""),
    "event_skip": (Callers.SERVICE, _event_skip, "hook experiment"),
    "board": (Callers.SERVICE, _board, ""),
    "board_every": (Callers.SERVICE, _board_every, "seconds"),
    "fixity": (Callers.SERVICE, _fixity, "resume"),
    "fixity_every": (Callers.SERVICE, _fixity_every, "seconds"),
    "fixity_check": (Callers.SERVICE, _fixity_check, "path"),
    "fixity_status": (Callers.STEWARDS, _fixity_status, ""),
    "fixity_drill": (Callers.SERVICE, _fixity_drill, "objects"),
    "fixity_report": (Callers.SERVICE, _fixity_report, "year"),
    "castellum_poll": (Callers.SERVICE, _castellum_poll, "even_if_paused accept_smaller check new_history"),
    "castellum_schedule": (Callers.SERVICE, _castellum_schedule, "seconds"),
    "castellum_poll_every": (Callers.SERVICE, _castellum_poll_every, "seconds"),
    "castellum_pause": (Callers.SERVICE, _castellum_pause, "pause"),
    "castellum_status": (Callers.ADMINISTRATORS, _castellum_status, ""),
    "castellum_changes": (Callers.SERVICE, _castellum_changes, "experiment"),
    "reviews": (Callers.STEWARDS, _reviews, "closed"),
    "review_close": (Callers.SERVICE, _review_close, "key verdict by kind"),
    "lifecycle": (Callers.SERVICE, lifecycle_rules.run, ""),
    "lifecycle_every": (Callers.SERVICE, lifecycle_rules.every, "seconds"),
    "experiment_finish": (Callers.SERVICE, lifecycle_rules.finish, "experiment by"),
    "experiment_finalize": (Callers.SERVICE, lifecycle_rules.finalized, "experiment look by"),
    "experiment_reopen": (Callers.SERVICE, lifecycle_rules.reopen, "experiment by"),
    "experiment_accept_late": (Callers.SERVICE, lifecycle_rules.accept_late, "session experiment by"),
    "retention_extend": (Callers.SERVICE, lifecycle_rules.extend, "experiment until by"),
    "withdraw": (Callers.SERVICE, lifecycle_rules.withdraw, "experiment study pseudonym reason dry_run by"),
    "restore": (Callers.SERVICE, lifecycle_rules.restore, "experiment study pseudonym by"),
    "audit_history": (Callers.STEWARDS, lifecycle_rules.history, "experiment"),
    "audit_end": (Callers.STEWARDS, lifecycle_rules.end, ""),
    "health": (Callers.ADMINISTRATORS, _health, ""),
}
"""Name -> who may call it, what it does, and the keys of its request."""

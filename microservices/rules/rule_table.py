"""The callable rules: JSON in, JSON out. Each says who may call it.

A rule's own error travels in its answer (`{"error": "..."}`), because the rule engine loses the outputs of a rule that
fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict

from microservices.rule_request import Request, flag, parsed
from microservices.rules import lifecycle_rules, verify_rule
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
from policy.zone import Condition, ZoneError, account, base_collections, layout
from policy.zone.context import Context, Refused

Rule = Callable[[Context, Request], object]
BACKGROUND = 10
"""Niceness of archiving and fixity."""
TAKEN_AT_ONCE = 500
"""Files that one call of `take_in` takes: each costs a call of the administrator's command."""


def answer(context: Context, name: str, text: str) -> str:
    """The JSON answer of the rule `name` to a JSON request; what went wrong is in its `error`."""
    permitted, rule, keys = RULES[name]
    try:
        if not permitted(context):
            raise Refused(f"{context.zone.whoami().name} may not call {name}: {permitted.__doc__}")
        reply = rule(context, parsed(text, keys.split()))
    except (Refused, ZoneError) as error:
        reply = {"error": str(error)}
    except KeyError as error:
        reply = {"error": f"the request lacks {error}"}
    return json.dumps(reply, ensure_ascii=False)


def _administrators(context: Context) -> bool:
    """only administrators (rodsadmin) may"""
    return context.zone.whoami().is_admin


def _service(context: Context) -> bool:
    """only the service account may, which owns the archive (another administrator: clientUserName=mrdata)"""
    user = context.zone.whoami()
    return user.is_admin and (user.name, user.zone) == (context.settings.account, context.settings.zone)


def _stewards(context: Context) -> bool:
    """only data stewards and administrators may"""
    user = context.zone.whoami()
    if user.is_admin or user.zone != context.settings.zone:
        return user.is_admin
    group = Condition("USER_GROUP_NAME", "=", context.settings.stewards)
    return bool(context.zone.query(["USER_NAME"], group, *account.named(user.name, user.zone)))


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


RULES: dict[str, tuple[Callable[[Context], bool], Rule, str]] = {
    "prepare": (_service, _prepare, ""),
    "prepared": (_service, _prepared, ""),
    "take_in": (_service, _take_in, "dry_run most"),
    "study": (_service, _study, " ".join(study.KEYS)),
    "register": (_service, _register, " ".join((*registration.KEYS, "by"))),
    "sweep": (_service, _sweep, "follow"),
    "sweep_every": (_service, _sweep_every, "seconds"),
    "archive": (_service, _archive, ""),
    "archive_every": (_service, _archive_every, "seconds"),
    "retry": (_service, _retry, "path"),
    "describe": (_administrators, _describe, "path"),
    "batch": (_service, _batch, "batch folder files resumed"),
    "volume": (_service, _volume, "counts"),
    "quarantine_list": (_stewards, _quarantine_list, ""),
    "quarantine_discard": (_service, _quarantine_discard, "session reason by dry_run"),
    "quarantine_keep": (_service, _quarantine_keep, "session by"),
    "experiment_reassign": (_service, _reassign, "source to dry_run accept_personal_data by"),
    "experiment_take_back": (_service, _take_back, "to session by"),
    "expanded_describe": (_service, _expanded_describe, "path"),
    "verify": (_service, verify_rule.run, "vault experiment study checksums"),
    "events": (_service, _events, ""),
    "events_every": (_service, _events_every, "seconds"),
    "events_waiting": (_service, _events_waiting, ""),
    "event_skip": (_service, _event_skip, "hook experiment"),
    "board": (_service, _board, ""),
    "board_every": (_service, _board_every, "seconds"),
    "fixity": (_service, _fixity, "resume"),
    "fixity_every": (_service, _fixity_every, "seconds"),
    "fixity_check": (_service, _fixity_check, "path"),
    "fixity_status": (_stewards, _fixity_status, ""),
    "fixity_drill": (_service, _fixity_drill, "objects"),
    "fixity_report": (_service, _fixity_report, "year"),
    "castellum_poll": (_service, _castellum_poll, "even_if_paused accept_smaller check new_history"),
    "castellum_schedule": (_service, _castellum_schedule, "seconds"),
    "castellum_poll_every": (_service, _castellum_poll_every, "seconds"),
    "castellum_pause": (_service, _castellum_pause, "pause"),
    "castellum_status": (_administrators, _castellum_status, ""),
    "castellum_changes": (_service, _castellum_changes, "experiment"),
    "reviews": (_stewards, _reviews, "closed"),
    "review_close": (_service, _review_close, "key verdict by kind"),
    "lifecycle": (_service, lifecycle_rules.run, ""),
    "lifecycle_every": (_service, lifecycle_rules.every, "seconds"),
    "experiment_finish": (_service, lifecycle_rules.finish, "experiment by"),
    "experiment_finalize": (_service, lifecycle_rules.finalized, "experiment look by"),
    "experiment_reopen": (_service, lifecycle_rules.reopen, "experiment by"),
    "experiment_accept_late": (_service, lifecycle_rules.accept_late, "session experiment by"),
    "retention_extend": (_service, lifecycle_rules.extend, "experiment until by"),
    "withdraw": (_service, lifecycle_rules.withdraw, "experiment study pseudonym reason dry_run by"),
    "restore": (_service, lifecycle_rules.restore, "experiment study pseudonym by"),
    "audit_history": (_stewards, lifecycle_rules.history, "experiment"),
    "audit_end": (_stewards, lifecycle_rules.end, ""),
    "health": (_administrators, _health, ""),
}
"""Name -> who may call it, what it does, and the keys of its request."""

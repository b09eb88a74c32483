"""Withdraws an experiment, or a subject with all its experiments: nobody finds or reads it any more, everywhere in the
zone.

It can be restored until it is erased, some time later. If it still has to be kept, a data steward decides whether it is
erased. Every step looks first whether it is done already: the delay rule does all steps again for all that is
withdrawn, so that it finishes what was interrupted, and finds what came since.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from policy.lifecycle import retention
from policy.records import audit, withdrawal_record
from policy.records.withdrawal_record import Phase, Record
from policy.studies import authorization, state
from policy.studies.state import Act
from policy.withdrawal import concealment, derived_data, erasure, references, restoration
from policy.zone import Condition, layout, lock, subtree
from policy.zone.context import Context, Refused
from policy.zone.error_kinds import ErrorKind
from policy.zone.experiment import Experiment, State


class Reason(StrEnum):
    """Why an experiment is withdrawn, for the audit log: that holds nothing that was typed."""

    CONSENT = "consent was withdrawn"
    MISTAKE = "registered or scanned by mistake"
    OTHER = "another reason"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a withdrawal takes away; `size` in bytes.

    `conflicts` are the reasons for which a data steward has to decide before it is erased.
    """

    experiment: str
    study: str
    state: str
    objects: int
    size: int
    derived: list[str] = field(default_factory=list)
    quarantine: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def plan(context: Context, experiment: Experiment) -> Plan:
    """Looks, and changes nothing."""
    rows = subtree.rows(context, experiment.path, ["DATA_NAME", "DATA_SIZE"])
    sizes = {(collection, name): int(size) for collection, name, size in rows}
    found = derived_data.find(context, experiment.id, experiment.path)
    sessions = references.sessions(context, experiment.id)
    shared = [path for path, others in found.items() if others]
    return Plan(
        experiment.id,
        experiment.study,
        experiment.state,
        len(sizes),
        sum(sizes.values()),
        list(found),
        sessions,
        erasure.conflicts(context, retention.end(context, experiment), shared)
        + erasure.doubts(context, experiment.id, sessions),
    )


def withdraw(context: Context, experiment_id: str, by: str, *, reason: str = "", dry_run: bool = False) -> Plan:
    """Withdraws an experiment for a data steward, with a `Reason` or without one. With `dry_run`, only says what would
    happen.
    """
    authorization.demand_steward(context, by)
    _demand_reason(reason)
    if dry_run:
        return plan(context, authorization.experiment(context, experiment_id))
    with authorization.locked(context, experiment_id, Act.WITHDRAW) as experiment:
        planned = plan(context, experiment)
        _begin(context, experiment, by, reason)
        go_on(context, experiment.id)
    return planned


def withdraw_subject(
    context: Context, study: str, pseudonym: str, by: str, *, reason: str = "", dry_run: bool = False
) -> list[Plan]:
    """Withdraws a subject of a study with all its experiments, for a `Reason` or without one; nothing can be registered
    for it then.
    """
    authorization.demand_steward(context, by)
    _demand_reason(reason)
    path = f"{layout.study(context.settings, study)}/subjects/{pseudonym}"
    if "/" in study or "/" in pseudonym or context.zone.stat(path) is None:
        raise Refused(f"{pseudonym!r} is not a subject of study {study!r}", ErrorKind.NOT_FOUND)
    with lock.held(context, f"subject-{audit.about(f'{study}/{pseudonym}')}", Act.WITHDRAW):
        experiments = sorted(_experiments_of(context, study, pseudonym))
        planned = [plan(context, authorization.experiment(context, one)) for one in experiments]
        if not dry_run:
            record = withdrawal_record.of_subject(context, path)
            if record is None:
                record = Record(
                    f"subject-{uuid.uuid4().hex[:12]}",
                    path,
                    study,
                    by,
                    withdrawal_record.now(context),
                    experiments=experiments,
                )
                record.reason = reason
                told = {"reason": reason} if reason else {}
                audit.record(
                    context,
                    "subject withdrawn",
                    study=study,
                    by=by,
                    record=record.key,
                    experiments=" ".join(experiments),
                    **told,
                )
                withdrawal_record.save(context, record)
            elif new := [one for one in experiments if one not in record.experiments]:
                record.experiments += new
                withdrawal_record.save(context, record)
            with lock.held(context, record.key, Act.WITHDRAW):
                go_on(context, record.key)
    return planned


def restore(context: Context, key: str, by: str) -> list[str]:
    """Puts everything back where it was; what could not go back to its old place.

    `key`: an ExperimentID, or `<study>/<pseudonym>`.
    """
    authorization.demand_steward(context, by)
    study, slash, pseudonym = key.partition("/")
    subject = f"{layout.study(context.settings, study)}/subjects/{pseudonym}"
    record = withdrawal_record.of_subject(context, subject) if slash else withdrawal_record.load(context, key)
    if record is None:
        raise Refused(f"{key!r} is not withdrawn, or is erased already", ErrorKind.CONFLICT)
    with lock.held(context, record.key, Act.RESTORE):
        now = withdrawal_record.load(context, record.key)
        if now is None:
            raise Refused(f"{key!r} is not withdrawn any more, or is erased already", ErrorKind.CONFLICT)
        if any(now.key in other.experiments for other in withdrawal_record.subjects(context)):
            raise Refused(f"the subject of {key} is withdrawn; restore the subject", ErrorKind.CONFLICT)
        if now.phase == Phase.ERASING:
            raise Refused(f"{key!r} is being erased", ErrorKind.CONFLICT)
        return restoration.restore(context, now, by)


def go_on(context: Context, key: str) -> str:
    """Does what is left to do of a withdrawal:

    `repaired` where something was to be hidden, `restored`, `erased`, `waiting`, or nothing.
    """
    record = withdrawal_record.load(context, key)
    if record is None:  # killed before its first version was written, or after its last one was erased
        if context.zone.stat(withdrawal_record.base(context, key)) is None:
            return ""
        context.zone.erase(withdrawal_record.base(context, key))
        return "repaired"
    if record.phase == Phase.RESTORING:
        restoration.restore(context, record, record.restored_by)
        return "restored"
    if record.phase == Phase.WITHDRAWN:
        for one in record.experiments:
            if withdrawal_record.load(context, one) is None and not erasure.has_receipt(context, one):
                with authorization.locked(context, one, Act.WITHDRAW) as experiment:
                    _begin(context, experiment, record.by, record.reason, record.key)
                    go_on(context, one)
        hidden = concealment.hide(context, record)
        if not erasure.is_due(context, record):
            return "repaired" if hidden else ""
        if not erasure.is_confirmed(context, record):
            return "waiting"
    return erasure.erase(context, record)


def _demand_reason(reason: str) -> None:
    """Raises `Refused` unless the reason is one of `Reason`: the audit log holds nothing that was typed."""
    if reason and reason not in list(Reason):
        raise Refused(f"{reason!r} is not a reason for a withdrawal; one of: {', '.join(Reason)}")


def _begin(context: Context, experiment: Experiment, by: str, reason: str, subject: str = "") -> None:
    """The record, before anything is changed.

    `subject`: the record of the subject that is withdrawn with all its experiments.
    """
    if withdrawal_record.load(context, experiment.id) is None:
        before, end = state.current(context, experiment), retention.end(context, experiment)
        if before is State.WITHDRAWN:
            raise Refused(
                f"{experiment.id} is withdrawn, and its record is missing: restore"
                f" {withdrawal_record.base(context, experiment.id)} from a backup",
                ErrorKind.CONFLICT,
            )
        record = Record(
            experiment.id,
            experiment.path,
            experiment.study,
            by,
            withdrawal_record.now(context),
            before,
            retention_end=end,
        )
        stay = (*concealment.FIXITY, *state.ATTRIBUTES)
        record.note_avus(
            experiment.path, [avu for avu in context.zone.metadata(experiment.path) if avu.attribute not in stay]
        )
        withdrawal_record.save(context, record)
        told = {**({"reason": reason} if reason else {}), **({"record": subject} if subject else {})}
        if told:
            audit.record(context, "withdrawal", experiment=experiment.id, study=experiment.study, by=by, **told)


def _experiments_of(context: Context, study: str, pseudonym: str) -> Iterator[str]:
    """The ExperimentIDs of a subject."""
    named = [Condition("META_COLL_ATTR_NAME", "=", "Pseudonym"), Condition("META_COLL_ATTR_VALUE", "=", pseudonym)]
    prefix = f"{layout.study(context.settings, study)}/experiments/"
    for (path,) in context.zone.query(["COLL_NAME"], *named):
        experiment_id = layout.experiment_of(context.settings, path)
        if experiment_id and path == prefix + experiment_id:
            yield experiment_id

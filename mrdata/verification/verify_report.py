"""`mrdata verify`: the policies' account of the zone, with the files of vault, intake and mailbox, as a report."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

from landing.names import shown
from microservices.headers.header_reader import read_header
from microservices.zones import vault_files
from mrdata.commands import progress_bar as progress_of
from mrdata.commands.progress_bar import Meter, amount, duration
from mrdata.verification import verify_intake, verify_mailbox
from mrdata.verification.verify_state import Progress, file_of, kept
from policy.verification import verification
from policy.verification.findings import FAULTS, Area, Finding, Kind, Look, Part, Report
from policy.verification.verification import Scope
from policy.zone import Zone, ZoneError
from policy.zone.context import Context
from policy.zone.settings import Settings

SOUND, FAULTY, INCOMPLETE = 0, 1, 3
"""Exit status: all was looked at and all is well; something is wrong; not everything was looked at, and nothing else is
wrong.
"""
_PIECE_SECONDS = 10.0
"""Seconds that the server looks through its vault before it tells what it found."""
_SHOWN = 20
"""Files of the mailbox that are listed for people, those that have waited longest."""


def report(zone: Zone, settings: Settings, *, checksums: bool = True, scope: Scope = Scope()) -> dict[str, Any]:  # noqa: B008 - frozen
    """The report as JSON holds it; `sound` tells whether everything was looked at and is well."""
    context = Context(zone, settings, read_header)
    return run(context, scope, begin(context, scope, checksums=checksums), Progress())


def resumable(
    zone: Zone, settings: Settings, key: dict[str, Any], *, checksums: bool, scope: Scope, resume: bool
) -> dict[str, Any]:
    """As `report`, and goes on with `resume` where the last run was interrupted that `key` tells from others.

    AtWork where another process does the same. Where the progress cannot be kept, the run goes on without.
    """
    context = Context(zone, settings, read_header)
    found = begin(context, scope, checksums=checksums)
    file = file_of(
        settings.zone, {**key, "subject": scope.subject, "checksums": checksums, "landing": settings.landing.folder}
    )
    if not resume and file.is_file() and file.stat().st_size:
        _say(
            f"the run of {_when(file.stat().st_mtime)} was interrupted; this one begins again, `--resume` would have"
            " gone on"
        )
    elif resume and not file.is_file():
        _say("no run was interrupted; this one begins at the beginning")
    try:
        with kept(file, found, resume=resume) as progress:
            return run(context, scope, found, progress)
    except KeyboardInterrupt:
        _say(f"interrupted after {found.counts['objects']:,} objects; `mrdata verify --resume` goes on from there")
        raise


def _say(line: str) -> None:
    print(f"mrdata: {line}", file=sys.stderr, flush=True)


def begin(context: Context, scope: Scope, *, checksums: bool) -> Report:
    """An empty report; see `policy.verification.verification.begin`."""
    found = verification.begin(context, scope, checksums=checksums)
    if not scope.subject:
        found.areas |= {Area.VAULT, Area.INTAKE, Area.MAILBOX}
    return found


def run(context: Context, scope: Scope, found: Report, progress: Progress) -> dict[str, Any]:
    """Looks through everything in the scope that `progress` does not have yet, and adds it to what was found.

    An error of the connection ends the run; the report tells of it, and `progress` keeps what was looked at.
    """
    meter = Meter("verifying")
    with progress_of.shown(meter) as step:
        try:
            if context.zone.name == context.settings.zone:
                meter.expect(*verification.expected(context, scope), (found.counts["objects"], found.counts["bytes"]))
                for part in _parts(context, scope, found):
                    for look in _due(part, progress):
                        found.add(look)
                        progress.note(part.name, look)
                        meter.add(look.counts["objects"], look.counts["bytes"], look.counts["files"])
                        step()
            progress.is_through = True
        except (ZoneError, OSError) as error:
            found.findings.append(
                Finding(Kind.UNSEEN, context.settings.home, f"the run ended before its time: {error}")
            )
    run = {"objects": meter.objects, "bytes": meter.size, "files": meter.files, "seconds": round(meter.seconds, 3)}
    return {**found.as_dict(), "seconds": round(progress.seconds + meter.seconds, 3), "run": run}


def _parts(context: Context, scope: Scope, found: Report) -> Iterator[Part]:
    yield from verification.parts(context, scope, found)
    if not scope.subject:
        vault = Part(f"vault {context.settings.archive.resource}", partial(_vault, context))
        yield from chain([vault], verify_intake.parts(context, found.checksums), verify_mailbox.parts(context))


def _due(part: Part, progress: Progress) -> Iterator[Look]:
    after = progress.after(part.name)
    if after is not None:
        yield from part.looks(after)
        progress.close(part.name)


def _vault(context: Context, after: str) -> Iterator[Look]:
    """The vault where it is on this host; else the server looks through it, if it is on that one."""
    vault = vault_files.of_archive(context)
    if vault.folder:
        yield from vault_files.looks(context, vault, after)
        return
    done = False
    while not done:
        request = {"vault": {"after": after, "seconds": _PIECE_SECONDS}}
        reply = json.loads(context.zone.rule("mrdata_verify", json.dumps(request)))
        if "error" in reply:
            yield Look("/", Counter(), [Finding(Kind.UNSEEN, vault.path, reply["error"])])
            return
        for position, counts, told in reply["looks"]:
            after = position
            yield Look(
                position, Counter(counts), [Finding(Kind(kind), path, text, since) for kind, path, text, since in told]
            )
        done = reply["done"]


def status(found: dict[str, Any]) -> int:
    """The exit status that says what a report says."""
    if any(found[kind] for kind in FAULTS):
        return FAULTY
    return SOUND if found["complete"] else INCOMPLETE


TITLES = {
    Kind.LOST: "lost",
    Kind.WITHOUT_ORIGIN: "without origin",
    Kind.MANIFEST: "not as in the manifest",
    Kind.LANDED_AGAIN: "landed again, and lost",
    Kind.ONLY_IN_TRASH: "only in the trash",
    Kind.ORPHAN: "in the vault, and no object's",
    Kind.INTAKE: "in the intake, and not accounted for",
    Kind.MAILBOX: "never taken",
    Kind.BUSY: "being written, or its writer was killed; verify again later",
    Kind.UNSEEN: "not looked at",
    Kind.TAKEN: "taken, not registered yet",
}


def text(found: dict[str, Any]) -> str:
    """For people."""
    quarantined = sum(found["quarantined"].values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(found["quarantined"].items()))
    since = found["waiting_since"]
    waiting = sorted(found["waiting"], key=lambda path: since[path])
    longest = f"  (the first since {_when(since[waiting[0]])})" if waiting else ""
    lines = [
        f"archived        {found['archived']}" + (f"  (withdrawn: {found['withdrawn']})" if found["withdrawn"] else ""),
        f"in quarantine   {quarantined}" + (f"  ({reasons})" if reasons else ""),
        f"in landing      {found['landing']}",
        f"set aside       {found['set_aside']}  (identical copies; one is archived)",
        f"products        {found['products']}  (made of archived images)",
        f"not taken       {len(waiting)}{longest}",
        f"lost            {len(found['lost'])}",
    ]
    lines += [f"  {title}: {shown(entry)}" for kind, title in TITLES.items() for entry in found[kind]]
    lines += [f"  not taken since {_when(since[path])}: {shown(path)} (mrdata scan)" for path in waiting[:_SHOWN]]
    lines += [f"  not taken: {len(waiting) - _SHOWN} more"] if len(waiting) > _SHOWN else []
    run = found["run"]
    looked = f"{run['objects']:,} objects, {amount(run['bytes'])}" + (
        f", {run['files']:,} files" if run["files"] else ""
    )
    speed = progress_of.rate(run["objects"], run["bytes"], run["seconds"])
    earlier = found["objects"] - run["objects"]
    lines += [f"{looked} in {duration(run['seconds'])}: {speed}" + (f"; {earlier:,} objects before" if earlier else "")]
    return "\n".join([*lines, found["verdict"]])


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(seconds))

"""Fixity: what is flipped, cut or gone is found and repaired from the other replica.

What cannot be repaired is told.
"""

import csv
import io
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from microservices.headers.header_reader import read_header
from policy.archive import fixity, fixity_state, forecast, restore_drill
from policy.records import review
from policy.zone import Condition, ZoneError, layout, seal
from policy.zone.context import Context
from policy.zone.registry import Registry
from tests.files import dicom
from tests.zone.irule import irule
from tests.zone.names import STEWARD, T94

COPY = "demoResc"
ARCHIVE = "archiveResc"
QUICK = {"rest_days": 0, "drill_days": 100000, "run_seconds": 60.0}


@pytest.fixture
def make_archive(make_site):
    """Makes a site with some images in the archive, by default on two resources: the site, and their paths."""

    def make(count=6, copies=(COPY,), **changes):
        site = make_site(archive={"copies": list(copies)}, fixity={**QUICK, **changes})
        _forget(site)
        new = site.register()
        for number in range(count):
            site.land(
                f"{T94}/dicom/{number}", dicom(new, series=1 + number % 3, instance=number, pixels=random.randbytes(32))
            )
        site.sweep()
        done = site.rule("archive")
        assert done["archived"] >= count
        return site, [f"{site.settings.home}/{path}" for path in site.paths("studies") if path.endswith(".dcm")]

    return make


def _forget(site):
    """A server's state is that of other tests, with clocks of their own."""
    path = f"{layout.fixity(site.settings)}/state.json"
    if site.connect().stat(path):
        site.connect().remove(path)


def replicas(site, path):
    """Resource -> (file, checksum)."""
    collection, _, name = path.rpartition("/")
    columns = ["DATA_RESC_NAME", "DATA_PATH", "DATA_CHECKSUM", "DATA_REPL_STATUS"]
    rows = site.connect().query(columns, Condition("COLL_NAME", "=", collection), Condition("DATA_NAME", "=", name))
    assert {row[3] for row in rows} == {"1"}
    return {row[0]: (Path(row[1]), row[2]) for row in rows}


def flip(file):
    """One bit somewhere in the file; its size and time stay."""
    content, status = bytearray(file.read_bytes()), file.stat()
    bit = random.randrange(len(content) * 8)
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def context_of(site, **later):
    return Context(site.connect(), site.settings, read_header, **later)


def experiment_of(paths):
    return "/".join(paths[0].split("/")[:8])


def test_bit_flips_in_twenty_random_replicas_are_all_found_and_repaired(make_archive):
    site, paths = make_archive(count=40)
    contents = {path: site.connect().read(path, 0, 1 << 20) for path in paths}
    everything = [(path, resource) for path in paths for resource in replicas(site, path)]
    assert len(everything) == 80
    picked: dict[str, str] = {}
    while len(picked) < 20:
        path, resource = random.choice(everything)
        picked.setdefault(path, resource)
    for path, resource in picked.items():
        flip(replicas(site, path)[resource][0])
    found = site.rule("fixity_check", {"path": experiment_of(paths)})
    assert {(f["path"], *f["bad"]) for f in found["findings"]} == set(picked.items())
    assert {f["outcome"] for f in found["findings"]} == {"repaired"}
    assert found["objects"]["repaired"] == 20
    for path in paths:
        there = replicas(site, path)
        assert set(there) == {ARCHIVE, COPY}
        assert {file.read_bytes() for file, _ in there.values()} == {contents[path]}
    again = site.rule("fixity_check", {"path": experiment_of(paths)})
    assert (again["findings"], set(again["objects"])) == ([], {"sound"})


@pytest.mark.parametrize("harm", ["cut", "gone", "empty"])
def test_a_file_that_is_cut_or_gone_is_repaired(make_archive, harm):
    site, paths = make_archive(count=3)
    content = site.connect().read(paths[0], 0, 1 << 20)
    file = replicas(site, paths[0])[ARCHIVE][0]
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if harm == "empty" else content[:-7])
    found = site.rule("fixity_check", {"path": paths[0]})
    assert found["objects"] == {"repaired": 1}
    assert found["findings"][0]["bad"] == [ARCHIVE]
    assert {file.read_bytes() for file, _ in replicas(site, paths[0]).values()} == {content}


def test_what_has_no_good_replica_is_kept_marked_and_told_until_it_is_sound(make_archive):
    site, paths = make_archive(count=3)
    before = {resource: file.read_bytes() for resource, (file, _) in replicas(site, paths[0]).items()}
    for file, _ in replicas(site, paths[0]).values():
        flip(file)
    damaged = {resource: file.read_bytes() for resource, (file, _) in replicas(site, paths[0]).items()}
    found = site.rule("fixity_check", {"path": experiment_of(paths)})
    assert found["objects"]["lost"] == 1
    assert (
        {resource: file.read_bytes() for resource, (file, _) in replicas(site, paths[0]).items()} == damaged != before
    )
    assert site.avus(paths[0])["FixityFault"] == "lost"
    assert site.rule("fixity_status")["faults"][paths[0]] == "lost"
    (told,) = [r for r in review.reviews(context_of(site)) if r.kind == "fixity" and paths[0] in r.text]
    assert "1 objects have no good replica left" in told.text
    site.rule("fixity_check", {"path": experiment_of(paths)})
    assert len([r for r in review.reviews(context_of(site)) if r.kind == "fixity" and paths[0] in r.text]) == 1
    for resource, (file, _) in replicas(site, paths[0]).items():
        file.write_bytes(before[resource])
    assert set(site.rule("fixity_check", {"path": experiment_of(paths)})["objects"]) == {"sound"}
    assert "FixityFault" not in site.avus(paths[0])
    assert paths[0] not in site.rule("fixity_status")["faults"]


def test_what_is_finalized_is_repaired_too_and_stays_read_only(make_archive):
    site, paths = make_archive(count=2)
    context = context_of(site)
    experiment = Registry(context).experiment(experiment_of(paths).rpartition("/")[2])
    seal.seal(context, experiment)
    before = context.zone.permissions(paths[0])
    flip(replicas(site, paths[0])[ARCHIVE][0])
    assert site.rule("fixity_check", {"path": experiment_of(paths)})["objects"]["repaired"] == 1
    assert context.zone.permissions(paths[0]) == before
    assert site.avus(paths[0].rpartition("/")[0])[fixity.VERIFIED] == time.strftime("%Y-%m-%d", time.gmtime())


def test_one_replica_alone_that_is_damaged_stays_as_it_is(make_archive):
    site, paths = make_archive(count=2, copies=())
    ((file, _),) = replicas(site, paths[0]).values()
    flip(file)
    damaged = file.read_bytes()
    assert site.rule("fixity_check", {"path": experiment_of(paths)})["objects"]["lost"] == 1
    assert file.read_bytes() == damaged


def test_a_resource_that_was_added_gets_its_replicas(make_archive):
    site, paths = make_archive(count=2, copies=())
    assert set(replicas(site, paths[0])) == {ARCHIVE}
    changed = type(site.settings)(
        **{
            **{name: getattr(site.settings, name) for name in site.settings.__slots__},
            "archive": type(site.settings.archive)(copies=[COPY]),
        }
    )
    fixity.check(Context(site.connect(), changed, read_header), experiment_of(paths))
    for path in paths:
        assert set(replicas(site, path)) == {ARCHIVE, COPY}


def test_the_oldest_come_first_within_the_bytes_of_a_day_and_a_run_goes_on_where_the_last_one_ended(make_archive):
    site, paths = make_archive(count=9, rest_days=30)
    own = [
        c for (c,) in site.connect().query(["COLL_NAME"], Condition("COLL_NAME", "like", experiment_of(paths) + "%"))
    ]
    context = context_of(site)
    state = fixity_state.load(context)
    fixity._discover(context, state, time.monotonic() + 60)
    dates = {c: a.value for c in own for a in context.zone.metadata(c) if a.attribute == fixity.VERIFIED}
    assert set(dates) == set(own)
    now, day = [time.time() + 100 * fixity.DAY], fixity.DAY
    later = context_of(site, now=lambda: now[0])
    order = list(fixity._due(later))
    series = sorted({path.rpartition("/")[0] for path in paths})
    assert set(series) <= set(order)
    size = sum(site.connect().stat(path).size for path in paths[:3]) * 2
    looked, read = [], []
    real = fixity.replicas.check
    small = _with(site.settings, bytes_per_day=size)

    def noted(context, path, found):
        looked.append(path)
        finding = real(context, path, found)
        read.append(finding.read)
        return finding

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixity.replicas, "check", noted)
        patch.setattr(fixity, "_due", lambda context: iter(sorted(set(series) & set(_dated(context, series, now[0])))))
        runs = 0
        while len(set(looked)) < len(paths):
            before = sum(read)
            fixity.run(Context(site.connect(), small, read_header, now=lambda: now[0]))
            assert sum(read) - before <= size + max(read)
            now[0] += day
            runs += 1
            assert runs < 20
    assert sorted(looked) == sorted(paths)
    assert runs >= 3


def _with(settings, **changes):
    return replace(settings, fixity=replace(settings.fixity, **changes))


def _dated(context, collections, now):
    """Those that have rested."""
    rested = fixity._date_of(now - 30 * fixity.DAY)
    return [
        c for c in collections for a in context.zone.metadata(c) if a.attribute == fixity.VERIFIED and a.value <= rested
    ]


def test_the_delay_rule_verifies_and_dates_and_the_status_says_so(make_archive):
    site, paths = make_archive(count=3)
    flip(replicas(site, paths[0])[COPY][0])
    done = site.rule("fixity")
    assert done["repaired"] == 1
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert site.avus(paths[0].rpartition("/")[0])[fixity.VERIFIED] == today
    status = site.rule("fixity_status")
    assert status["years"][today[:4]]["repaired"] >= 1
    assert status["oldest"] <= today
    assert status["total"] >= sum(2 * site.connect().stat(path).size for path in paths)
    assert site.rule("fixity_every")["scheduled"] == "mrdata_fixity"
    site.unschedule("%mrdata_fixity(%")


def test_a_resource_that_is_damaged_as_a_whole_stops_everything_until_somebody_looked(make_archive, monkeypatch):
    monkeypatch.setattr(fixity, "STREAK", 4)
    site, paths = make_archive(count=9)
    contents = {path: site.connect().read(path, 0, 1 << 20) for path in paths}
    files = [replicas(site, path)[ARCHIVE][0] for path in paths]
    for file in files:
        file.rename(file.with_name(file.name + ".away"))
    context = context_of(site)
    done = fixity.run(context)
    assert done["repaired"] == 4
    assert fixity_state.load(context).halted == ARCHIVE
    assert "look at the resource" in site.ask("fixity")["error"]
    assert any(ARCHIVE in r.text and "4 objects in a row" in r.text for r in review.reviews(context))
    for file in files:
        if not file.exists():
            file.with_name(file.name + ".away").rename(file)
    assert "error" not in site.rule("fixity", {"resume": True})
    assert {path: site.connect().read(path, 0, 1 << 20) for path in paths} == contents


def test_a_drill_reads_random_objects_back_and_finds_the_one_that_differs(make_archive):
    site, paths = make_archive(count=4, copies=())
    root = experiment_of(paths)
    results = restore_drill.drill(site.connect(), root, 4)
    assert len(results) == 4
    assert {result.fault for result in results} == {""}
    flip(replicas(site, paths[1])[ARCHIVE][0])
    faults = {r.path: r.fault for r in restore_drill.drill(site.connect(), root, 100) if r.fault}
    assert faults == {paths[1]: "other bytes than those that were archived"}
    reply = site.rule("fixity_drill", {"objects": 3})["results"]
    assert len(reply) == 3
    assert site.rule("fixity_status")["years"][time.strftime("%Y", time.gmtime())]["drilled"] >= 3


def test_the_yearly_report_is_for_the_stewards(make_archive):
    site, paths = make_archive(count=3)
    flip(replicas(site, paths[0])[COPY][0])
    found = site.rule("fixity_check", {"path": experiment_of(paths)})
    assert [(f["path"], f["outcome"]) for f in found["findings"]] == [(paths[0], "repaired")]
    year = time.strftime("%Y", time.gmtime())
    page, table = site.rule("fixity_report", {"year": year})["paths"]
    assert page == f"{layout.fixity(site.settings)}/reports/fixity-{year}.html"
    text = site.connect().read(page, 0, 1 << 20).decode()
    assert paths[0] in text
    rows = list(csv.DictReader(io.StringIO(site.connect().read(table, 0, 1 << 20).decode())))
    assert [(row["what"], row["resources"]) for row in rows if row["object"] == paths[0]] == [("repaired", COPY)]
    assert int(next(row["count"] for row in rows if row["what"] == "objects verified")) >= 3
    site.connect().group(site.settings.stewards, [])
    assert site.connect(STEWARD).stat(page) is None
    with pytest.raises(ZoneError):
        site.connect(STEWARD).read(page, 0, 1)
    site.connect().group(site.settings.stewards, [STEWARD])
    assert site.connect(STEWARD).read(page, 0, 1 << 20).decode() == text


def test_the_forecast_waits_for_those_before():
    assert forecast.longest([], 30.0) == 30.0
    assert forecast.longest([(1000.0, 1), (10.0, 9)], 50.0) == 1005.0
    assert forecast.longest([(5.0, 10)], 50.0) == 55.0


@pytest.mark.embedded
def test_only_the_service_account_may(make_archive):
    site, paths = make_archive(count=1)
    for rule in ("fixity", "fixity_check", "fixity_drill", "fixity_report", "fixity_every"):
        assert "may not call" in site.ask(rule, {"path": paths[0], "year": 2026}, user="rods")["error"]
    assert "not a collection or object" in site.ask("fixity_check", {"path": "/"})["error"]


def test_the_rule_files(make_archive):
    site, paths = make_archive(count=3)
    assert "sound: 3" in irule(site, "fixity_check", path=f"{experiment_of(paths)}/DICOM")
    flip(replicas(site, paths[0])[COPY][0])
    assert f"REPAIRED {paths[0]} {COPY}" in irule(site, "fixity_check", path=paths[0])
    told = irule(site, "fixity_status", drill="2", report=time.strftime("%Y", time.gmtime()))
    assert told.count("as it was") == 2
    assert "fixity-" in told
    assert "forecast: never older than" in told
    assert "Error:" in irule(site, "fixity_check", path="/nowhere")


def test_the_drill_of_the_command_line(make_archive):
    site, _ = make_archive(count=3, copies=())
    done = subprocess.run(
        [sys.executable, "-m", "mrdata.cli", "drill", "--objects", "2", "--json"],
        env=site.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [result["fault"] for result in json.loads(done.stdout)] == ["", ""]

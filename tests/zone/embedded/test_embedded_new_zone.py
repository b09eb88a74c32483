"""Embedded zones from their first minute on: a new one works by itself, and one that an earlier MrData made is brought
up to that.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from embedded.client.embedded_zone import EmbeddedZone
from embedded.folder import VERSION, ZoneFolder
from microservices.settings_file import load_settings
from mrdata.zones import new_zone
from mrdata.zones.upgrade import bring_up_to_date
from policy.schedule.delay_rules import periods
from policy.zone import Access, Condition, ZoneError, layout
from tests.files import dicom
from tests.zone.names import PAIN, T94

FAST = {
    "sweep": {"every_seconds": 1, "quiet_seconds": 0},
    "landing": {"quiet_seconds": 0.05, "look_seconds": 0.02},
    "archive": {"every_seconds": 1},
    "lifecycle": {"every_seconds": 1, "settle_seconds": 0.0},
}


def scheduled(folder: Path) -> dict[str, list[str]]:
    """The names of the delay rules that are in the queue, with their periods."""
    found: dict[str, list[str]] = {}
    with EmbeddedZone(folder, "mrdata") as zone:
        for name, every in zone.query(["RULE_EXEC_NAME", "RULE_EXEC_FREQUENCY"]):
            found.setdefault(name.removeprefix("callback.").partition("(")[0], []).append(every.split(" ")[0])
    return found


def every_rule(folder: Path) -> dict[str, list[str]]:
    return {rule: [f"{seconds}s"] for rule, seconds in periods(load_settings(folder / "mrdata.yaml")).items()}


def mrdata(folder: Path, *arguments: str, status: int = 0) -> str:
    """What the command prints, errors too."""
    env = {**os.environ, "MRDATA_ZONE": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "mrdata.cli", *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def until(so, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "not within its time"
        time.sleep(0.2)


def test_a_new_zone_has_all_that_it_needs(tmp_path):
    folder = tmp_path / "zone"
    mrdata(folder, "zone", "create", str(folder), "--scanner", T94)
    assert scheduled(folder) == every_rule(folder)
    assert len(scheduled(folder)) >= 6
    settings = load_settings(folder / "mrdata.yaml")
    assert Path(settings.archive.vault) == folder / "vault/archiveResc"
    with EmbeddedZone(folder, "mrdata") as zone:
        assert zone.query(["RESC_VAULT_PATH"], Condition("RESC_NAME", "=", settings.archive.resource)) == [
            (settings.archive.vault,)
        ]
    for own in (folder / "landing/.intake", folder / "vault/archiveResc/landed"):
        assert own.stat().st_mode & 0o777 == 0o700
    assert ZoneFolder.open(folder).version == VERSION
    assert bring_up_to_date(folder) is False


def test_a_new_zone_archives_and_finalizes_by_itself(tmp_path):
    """What a person does in the first minute, and nobody calls a rule for what comes then."""
    folder = tmp_path / "zone"
    new_zone.create(folder, scanners=[T94], site=FAST)
    settings = load_settings(folder / "mrdata.yaml")
    new_zone.make_users(settings, "alice")
    mrdata(folder, "rule", "study", json.dumps({"study": PAIN, "members": ["alice"], "subjects": ["P1"]}))
    new = mrdata(
        folder,
        "register",
        "--study",
        PAIN,
        "--pseudonym",
        "P1",
        "--owner",
        "alice",
        "--scanner",
        T94,
        "--type",
        "pilot",
    ).strip()
    (folder / f"landing/{T94}/dicom/1").write_bytes(dicom(new))
    mrdata(folder, "scan", "--once")
    with (
        subprocess.Popen(
            [sys.executable, "-m", "mrdata.cli", "zone", "run", str(folder)], stderr=subprocess.DEVNULL
        ) as server,
        EmbeddedZone(folder, "mrdata") as zone,
    ):
        try:
            below = Condition("COLL_NAME", "like", f"{settings.home}/studies/{PAIN}/experiments/{new}/DICOM/%")
            until(lambda: zone.query(["DATA_RESC_NAME"], below) == [(settings.archive.resource,)])
            mrdata(folder, "rule", "experiment_finish", json.dumps({"experiment": new}))
            path = f"{settings.home}/studies/{PAIN}/experiments/{new}"
            zone.rule("mrdata_experiment_finalize", json.dumps({"experiment": new, "by": "alice"}))
            until(lambda: "finalized" in [avu.value for avu in zone.metadata(path)])
        finally:
            server.terminate()


def register(site, relative: str, content: bytes, user: str = "mrdata") -> None:
    """Registers a file where it landed, as the scanner of the version before did."""
    file, path = Path(site.settings.landing.folder) / relative, f"{layout.landing(site.settings)}/{relative}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    site.connect(user).make_collection(layout.parent(path))
    site.connect(user).register(str(file), path, site.settings.landing.resource)


@pytest.fixture
def older(site):
    """A zone as the version before made it: the sweep alone is scheduled, files are registered where they landed."""
    new, wrong = site.register(), "ZZZZ-ZZZZ"
    register(site, f"{T94}/dicom/{new}/placed", dicom(new))
    register(site, f"{T94}/expdata/{new}/o'y ü.txt", b"of the experiment")
    register(site, f"{T94}/dicom/{wrong}/nobody's", dicom(wrong, instance=2))
    site.sweep()
    register(site, f"{T94}/dicom/rests/1", dicom(new, instance=3), user="rods")
    site.connect("rods").permit(f"{layout.landing(site.settings)}/{T94}/dicom/rests/1", "mrdata", Access.OWN)
    before = yaml.safe_load((site.folder / "mrdata.yaml").read_text())
    del before["archive"]
    (site.folder / "mrdata.yaml").write_text("# ours\n" + yaml.safe_dump(before, sort_keys=False) + "# its end\n")
    for gone in ("landing/.intake", "vault/archiveResc/landed"):
        (site.folder / gone).rmdir()
    with closing(ZoneFolder.open(site.folder).catalog()) as catalog, catalog.writing():
        catalog.run("DELETE FROM R_RULE_EXEC WHERE rule_name NOT LIKE '%mrdata_sweep(%'")
    (site.folder / "version").unlink()
    site.close()
    site.reconnect()
    return site


def files(site) -> dict[str, str]:
    """Object -> its file, of all that is registered in place."""
    landing = Condition("DATA_RESC_NAME", "=", site.settings.landing.resource)
    rows = site.connect().query(["COLL_NAME", "DATA_NAME", "DATA_PATH"], landing)
    return {f"{collection}/{name}": file for collection, name, file in rows}


def contents_of(site) -> dict[str, bytes]:
    return {path: Path(file).read_bytes() for path, file in files(site).items()}


def test_an_older_zone_is_brought_up_to_date_by_opening_it(older):
    mailbox, before = Path(older.settings.landing.folder), files(older)
    contents = contents_of(older)
    assert len(before) == 4
    assert not any("/.intake/" in file for file in before.values())
    told = mrdata(older.folder, "ls")
    assert "brought up to date" in told
    assert "brought up to date" not in mrdata(older.folder, "ls")
    assert scheduled(older.folder) == every_rule(older.folder)
    settings = load_settings(older.folder / "mrdata.yaml")
    assert Path(settings.archive.vault) == older.folder / "vault/archiveResc"
    text = (older.folder / "mrdata.yaml").read_text()
    assert text.startswith("# ours\n")
    assert "# its end\n" in text
    assert "vault" not in (older.folder / "mrdata.yaml.version1").read_text()
    intake = mailbox / ".intake"
    assert intake.stat().st_mode & 0o777 == 0o700
    after = files(older)
    assert after == {path: str(intake / "earlier" / Path(file).relative_to(mailbox)) for path, file in before.items()}
    assert (intake / "earlier/.done").is_file()
    assert not [file for file in mailbox.rglob("*") if file.is_file() and intake not in file.parents]
    assert contents_of(older) == contents
    assert older.verify()["sound"]
    older.rule("archive")
    assert older.verify()["sound"]


def test_an_upgrade_that_is_broken_off_anywhere_is_finished_when_it_is_opened_next(older, monkeypatch):
    """Before and after each rename and each change of the catalog, and between the steps."""
    steps = 0
    contents = contents_of(older)
    while True:
        left = steps

        def counted(whole):
            def call(*arguments, **named):
                nonlocal left
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                return whole(*arguments, **named)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", counted(os.rename))
            patch.setattr(EmbeddedZone, "relocate", counted(EmbeddedZone.relocate))
            patch.setattr(EmbeddedZone, "rule", counted(EmbeddedZone.rule))
            patch.setattr(os, "replace", counted(os.replace))
            try:
                assert bring_up_to_date(older.folder) is True
                break
            except KeyboardInterrupt:
                steps += 1
    assert steps >= 3, "each try does what the one before did not"
    assert contents_of(older) == contents
    assert all("/.intake/" in file for file in files(older).values())
    assert scheduled(older.folder) == every_rule(older.folder)
    assert bring_up_to_date(older.folder) is False


def test_what_is_no_file_any_more_stays_where_it_is(older, tmp_path):
    """A link that somebody put in a file's place is not taken in, and another file under a name that was taken is not
    the one.
    """
    before = files(older)
    link = Path(next(iter(before.values())))
    link.unlink()
    link.symlink_to("/etc/passwd")
    bring_up_to_date(older.folder)
    after = files(older)
    assert [path for path in before if after[path] == before[path]] == [
        path for path in before if before[path] == str(link)
    ]
    assert link.is_symlink()
    other = next(path for path in before if after[path] != before[path])
    Path(before[other]).write_bytes(b"another")
    (older.folder / "version").unlink()
    bring_up_to_date(older.folder)
    assert files(older) == after
    assert contents_of(older)[other] != b"another"
    assert Path(before[other]).read_bytes() == b"another"


def test_a_zone_of_a_newer_mrdata_is_left_alone(site):
    (site.folder / "version").write_text(f"{VERSION + 1}\n")
    assert "upgrade MrData" in mrdata(site.folder, "ls", status=7)
    with pytest.raises(ZoneError, match="a newer MrData made this zone"):
        bring_up_to_date(site.folder)


def test_opening_a_zone_that_is_up_to_date_costs_next_to_nothing(site):
    times = []
    for _ in range(100):
        began = time.perf_counter()
        bring_up_to_date(site.folder)
        times.append(time.perf_counter() - began)
    assert sorted(times)[50] < 0.001


def test_running_a_zone_schedules_what_its_settings_say_now(site):
    settings = yaml.safe_load((site.folder / "mrdata.yaml").read_text())
    (site.folder / "mrdata.yaml").write_text(
        yaml.safe_dump({**settings, "archive": {**settings["archive"], "every_seconds": 77}})
    )
    with closing(ZoneFolder.open(site.folder).catalog()) as catalog, catalog.writing():
        catalog.run("DELETE FROM R_RULE_EXEC WHERE rule_name LIKE '%mrdata_events(%'")
    assert scheduled(site.folder) != every_rule(site.folder)
    command = [sys.executable, "-m", "mrdata.cli", "zone", "run", str(site.folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert "running delay rules" in server.stderr.readline()
        server.terminate()
    assert scheduled(site.folder) == every_rule(site.folder)
    assert scheduled(site.folder)["mrdata_archive"] == ["77s"]

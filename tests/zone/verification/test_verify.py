"""The account of every byte while the zone goes on: what others are busy with is waited for, what moves is followed."""

import json
import threading
from dataclasses import replace

import pytest

from microservices.headers.header_reader import read_header
from mrdata.verification.verify_report import FAULTY, INCOMPLETE, SOUND, report, resumable, status, text
from mrdata.verification.verify_state import AtWork, file_of, kept
from policy.ingest import landed_again
from policy.verification import verification
from policy.verification.findings import Report
from policy.verification.verification import Scope
from policy.zone import Access, ZoneError, layout
from policy.zone.context import Context, Refused
from tests.files import dicom
from tests.zone.irule import irule
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T94

ALL = Scope()
GOOD, LOCKED = "1", "4"


@pytest.fixture
def placed(site) -> list[str]:
    new = site.register()
    return [site.land(f"{T94}/dicom/{number}", dicom(new, instance=number)) for number in (1, 2)]


def mark(site, path: str, status: str) -> None:
    site.iadmin("modrepl", "logical_path", path, "replica_number", "0", "DATA_REPL_STATUS", status)


@pytest.mark.parametrize("checksums", [False, True])
def test_what_is_being_copied_is_waited_for(site, placed, checksums):
    mark(site, placed[0], LOCKED)
    copied = threading.Timer(1.2, mark, (site, placed[0], GOOD))
    copied.start()
    try:
        found = site.verify(checksums=checksums)
    finally:
        copied.join()
    assert found["sound"], found
    assert (found["archived"], found["lost"], found["busy"]) == (2, [], [])


def test_what_stays_locked_is_told_and_not_called_lost(site, placed, monkeypatch):
    monkeypatch.setattr(verification, "PATIENCE_SECONDS", 0.0)
    mark(site, placed[0], LOCKED)
    found = site.verify()
    printed = irule(site, "verify", checksums="no")
    mark(site, placed[0], GOOD)
    assert (found["busy"], found["lost"], found["sound"], found["complete"]) == ([placed[0]], [], False, False)
    assert status(found) == INCOMPLETE
    assert f"busy, verify again later: {placed[0]}" in printed
    assert "Not everything was looked at" in printed
    assert "Every object of the zone is as it was archived. Not looked at: intake and mailbox" in irule(site, "verify")


def test_what_has_no_good_replica_is_lost(site, placed):
    mark(site, placed[1], "0")
    found = site.verify()
    mark(site, placed[1], GOOD)
    assert (found["lost"], found["busy"]) == ([f"{placed[1]}: has no good replica"], [])


def account(site, act=lambda: None, zone=None, scope=ALL) -> dict:
    """The account of all, with something done after the first object."""
    context = Context(zone or site.connect(), site.settings, read_header)
    found = verification.begin(context, scope, checksums=True)
    acts = [act]
    for part in verification.parts(context, scope, found):
        for look in part.looks(""):
            found.add(look)
            if look.counts["archived"] and acts:
                acts.pop()()
    return found.as_dict()


def test_what_is_moved_meanwhile_is_found_where_it_is_then(site, placed):
    before, after = max(placed), f"{site.settings.home}/landing/{T94}/moved"
    site.connect().make_collection(after.rpartition("/")[0])
    found = account(site, lambda: site.connect().move(before, after))
    assert not [text for text in found["lost"] if before in text or after in text]
    assert before not in found["without_origin"]
    site.connect().move(after, before)


def test_what_is_erased_meanwhile_is_told(site, placed):
    found = account(site, lambda: site.connect().erase(max(placed)))
    assert [text for text in found["lost"] if text.startswith(f"{max(placed)}: went away while")]


def test_what_is_refiled_meanwhile_is_to_be_verified_again(site, placed):
    from_here, other = placed[0].split("/experiments/")[1].split("/")[0], site.register()
    request = {"source": max(placed), "to": other}
    found = account(site, lambda: site.rule("experiment_reassign", request))
    assert found["unseen"] == [
        f"experiment {other}: had objects re-filed while everything was verified; verify it again"
    ]
    assert not found["complete"]
    assert site.verify()["sound"]
    assert from_here != other


def test_what_nothing_tells_of_is_no_part_of_the_archive(site, placed):
    path = f"{placed[0].rpartition('/DICOM/')[0]}/EXP_DATA/put past MrData"
    site.connect().write(path, b"x")
    found = site.verify()
    assert (found["without_origin"], found["sound"]) == ([f"{path}: nothing tells where it came from"], False)
    assert status(found) == FAULTY


def test_a_copy_that_was_set_aside_is_needless_only_while_another_object_has_its_bytes(site, placed):
    content = site.connect().read(placed[0], 0, 1 << 20)
    site.rule("archive")
    site.land(f"{T94}/dicom/again", content)
    site.sweep()
    assert (found := site.verify())["sound"], found
    assert found["set_aside"] == 1
    site.connect().erase(placed[0])
    for checksums in (True, False):
        (told,) = site.verify(checksums=checksums)["only_in_trash"]
        assert told.endswith("was set aside, and no other object has its bytes")
    assert "ONLY IN THE TRASH: " in irule(site, "verify")


def test_an_experiment_that_is_gone_without_a_receipt_is_lost(site, placed):
    path = placed[0].rpartition("/DICOM/")[0]
    site.connect().erase(path)
    found = site.verify()
    assert found["lost"] == [f"{path}: was registered; it is gone, and has no receipt of its erasure"]


def test_an_experiment_or_a_study_alone(site, placed):
    other = site.register(study=SLEEP, pseudonym="P1", owner=BOB)
    lost = site.land(f"{T94}/dicom/other", dicom(other))
    mark(site, lost, "0")
    new = placed[0].split("/experiments/")[1].split("/")[0]

    def alone(**scope: str) -> dict:
        return report(site.connect(), site.settings, scope=Scope(**scope))

    found = alone(experiment=new)
    assert (found["archived"], found["records"], found["sound"], found["areas"]) == (2, 1, True, ["catalog"])
    assert found["verdict"].startswith(f"Every object of experiment {new} is as it was archived.")
    assert alone(study=PAIN)["archived"] == 2
    for scope in ({"experiment": other}, {"study": SLEEP}):
        found = alone(**scope)
        assert (found["archived"], found["lost"]) == (1, [f"{lost}: has no good replica"])
    assert "archived: 2" in irule(site, "verify", experiment=new)
    for scope in (
        {"experiment": "Z4KQ-STAS"},
        {"experiment": "%"},
        {"study": "none"},
        {"study": f"{PAIN}/experiments"},
    ):
        with pytest.raises(Refused, match="there is no"):
            alone(**scope)


def test_who_does_not_see_everything_says_so(site, placed):
    found = report(site.connect(ALICE), site.settings)
    assert any("does not see everything" in text for text in found["unseen"])
    assert status(found) != SOUND


def test_another_zones_settings(site):
    found = report(site.connect(), replace(site.settings, zone="elsewhere"))
    assert [text for text in found["unseen"] if "names the zone elsewhere" in text]
    assert (status(found), found["objects"]) == (INCOMPLETE, 0)


def test_what_was_not_read_is_not_claimed(site, placed):
    assert site.verify(checksums=False)["verdict"].endswith("Bytes were not read, so nothing is known of them.")
    found = report(site.connect(), site.settings)
    assert found["bytes"] >= sum(len(site.connect().read(path, 0, 1 << 20)) for path in placed)
    assert found["run"]["objects"] == found["objects"] >= 3


class Differing:
    """A zone whose catalog says that the second replica of each object has one byte more."""

    def __init__(self, zone) -> None:
        self._zone = zone

    def __getattr__(self, verb: str):
        return getattr(self._zone, verb)

    def query(self, columns, *conditions):
        rows = self._zone.query(columns, *conditions)
        if "DATA_REPL_NUM" not in columns:
            return rows
        number, size = columns.index("DATA_REPL_NUM"), columns.index("DATA_SIZE")
        return [(*row[:size], str(int(row[size]) + (row[number] == "1")), *row[size + 1 :]) for row in rows]


def test_replicas_that_differ_in_the_catalog_are_told_without_reading_them(site, placed):
    site.connect().replicate(placed[0], site.settings.archive.resource)
    assert site.verify()["sound"]
    assert account(site, zone=Differing(site.connect()))["lost"] == [
        f"{placed[0]}: its good replicas differ in the catalog"
    ]


# Manifests


@pytest.fixture
def finalized(make_site):
    """A site with a finalized experiment; its collection, and its objects."""
    site = make_site(lifecycle={"settle_seconds": 0.0, "withdrawal_days": 0.0, "due_again_hours": 0.0})
    new = site.register()
    for number in (1, 2):
        site.land(f"{T94}/dicom/{new}/{number}", dicom(new, instance=number))
    site.rule("archive")
    site.rule("experiment_finalize", {"experiment": new})
    base = f"{layout.study(site.settings, PAIN)}/experiments/{new}"
    images = [f"{site.settings.home}/{path}" for path in site.paths(f"studies/{PAIN}/experiments/{new}/DICOM")]
    assert len(images) == 2
    found = site.verify()
    assert found["sound"], found
    assert found["manifests"] == 1
    return site, base, images


def opened(site, path: str) -> str:
    """A path that the service account may change though it is finalized."""
    site.connect().permit(path, "mrdata", Access.OWN)
    return path


def test_an_object_that_vanished_from_a_finalized_experiment(finalized):
    site, base, images = finalized
    site.connect().erase(opened(site, images[0]))
    for checksums in (True, False):
        found = site.verify(checksums=checksums)
        assert found["manifest"] == [f"{images[0]}: is gone; manifest.1.json lists it"]
        assert status(found) == FAULTY
    assert f"NOT AS IN THE MANIFEST: {images[0]}" in irule(site, "verify")
    assert report(site.connect(), site.settings, scope=Scope(experiment=base.rpartition("/")[2]))["manifest"]


def test_an_object_of_a_finalized_experiment_that_was_moved(finalized):
    site, _, images = finalized
    moved = f"{opened(site, images[0].rpartition('/')[0])}/moved.dcm"
    site.connect().move(opened(site, images[0]), moved)
    assert site.verify()["manifest"] == [
        f"{images[0]}: is gone; manifest.1.json lists it; {moved} has its bytes",
        f"{moved}: is not in manifest.1.json",
    ]


def test_an_object_of_a_finalized_experiment_that_was_changed(finalized):
    site, _, images = finalized
    content = site.connect().read(images[0], 0, 1 << 20)
    for number, path in enumerate(images):
        site.connect().write(opened(site, path), content[:-1] + b"x" if number else b"x")
        site.connect().checksum(path)
    assert site.verify()["manifest"] == [
        f"{images[0]}: has 1 bytes, not {len(content)} (manifest.1.json)",
        f"{images[1]}: has another checksum (manifest.1.json)",
    ]


def test_an_object_that_came_after_the_manifest(finalized):
    site, base, _ = finalized
    new = f"{opened(site, f'{base}/EXP_DATA')}/later"
    site.connect().write(new, b"x")
    assert site.verify()["manifest"] == [f"{new}: is not in manifest.1.json"]


def test_the_newest_manifest_counts_and_a_reopened_experiment_has_none(finalized):
    site, base, images = finalized
    new = base.rpartition("/")[2]
    site.rule("experiment_reopen", {"experiment": new})
    other = site.register()
    moves = site.rule("experiment_reassign", {"source": images[0], "to": other})["moves"]
    assert [move["source"] for move in moves] == [images[0]]
    assert site.verify()["manifest"] == []
    site.rule("experiment_finalize", {"experiment": new})
    assert site.connect().stat(f"{base}/manifest.2.json")
    found = site.verify()
    assert (found["manifest"], found["manifests"], found["sound"]) == ([], 1, True)


def test_a_manifest_that_is_gone_or_another_one(finalized):
    site, base, _ = finalized
    zone, path = site.connect(), f"{base}/manifest.1.json"
    content = zone.read(path, 0, 1 << 20)
    zone.write(path, content + b" ")
    assert site.verify()["manifest"] == [
        f"{path}: is not the one that was written: it has another SHA-256 than the audit log says"
    ]
    zone.write(path, b"{}")
    assert [text.startswith(f"{path}: cannot be read") for text in site.verify()["manifest"]] == [True]
    zone.write(f"{base}/manifest.2.json", content)
    assert (
        "manifest.2.json: is the newest manifest, but the audit log says that manifest.1.json is"
        in site.verify()["manifest"][0]
    )
    for name in ("manifest.1.json", "manifest.2.json"):
        zone.erase(f"{base}/{name}")
    assert site.verify()["manifest"] == [f"{base}: is finalized, and has no manifest"]


def test_what_is_withdrawn_is_still_compared_and_what_is_erased_is_not(finalized):
    site, base, images = finalized
    new = base.rpartition("/")[2]
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    found = site.verify()
    assert (found["sound"], found["withdrawn"], found["manifests"]) == (True, 2, 1)
    site.connect().erase(opened(site, images[0]))
    assert site.verify()["manifest"] == [f"{images[0]}: is gone; manifest.1.json lists it"]
    (asked,) = [one for one in site.rule("reviews")["reviews"] if new in one["key"]]
    site.rule("review_close", {"key": asked["key"], "verdict": "erase", "by": "mrdata"})
    site.rule("lifecycle")
    assert site.connect().stat(base) is None
    assert (found := site.verify())["sound"], found


# Landed again


def test_each_landing_that_made_no_object_has_its_bytes_in_the_archive(site, placed):
    zone, base = site.connect(), placed[0].rpartition("/DICOM/")[0]
    checksum = zone.checksum(placed[0])
    entry = {
        "landing_path": f"{T94}/dicom/again",
        "batch": "host.1",
        "time": "2026-11-30T00:00:00Z",
        "by": "mrdata",
        "size": zone.stat(placed[0]).size,
        "checksum": checksum,
        "object": placed[0].removeprefix(base + "/"),
    }
    record = f"{base}/landed_again.host.1.1.json"
    zone.write(record, json.dumps({"landings": [entry, {**entry, "object": "DICOM/elsewhere/1.dcm"}]}).encode())
    assert [one.batch for one in landed_again.entries(Context(zone, site.settings, read_header), base)] == [
        "host.1",
        "host.1",
    ]
    assert (found := site.verify())["sound"], found
    wrong = {**entry, "checksum": "sha2:" + "A" * 43 + "="}
    zone.write(record, json.dumps({"landings": [entry, wrong]}).encode())
    (told,) = site.verify(checksums=False)["landed_again"]
    assert told.startswith(f"{record}: {T94}/dicom/again of batch host.1 had the bytes of")
    for content in (b"{", b"[]", b'{"landings": [1]}', b'{"landings": [{"batch": "x"}]}'):
        zone.write(record, content)
        (told,) = site.verify()["landed_again"]
        assert told.startswith(f"{record}: cannot be read: ")


# Interrupted


class Failing:
    """A zone that fails, or is interrupted, at the n-th checksum; counts the objects whose checksums were verified."""

    def __init__(self, zone, after: int, error: BaseException) -> None:
        self._zone, self._left, self._error, self.seen = zone, after, error, []

    def __getattr__(self, verb: str):
        return getattr(self._zone, verb)

    def query(self, *arguments):
        if self._left == 0:
            raise self._error
        return self._zone.query(*arguments)

    def checksum(self, path: str, **named):
        if self._left == 0:
            raise self._error
        self._left -= 1
        self.seen.append(path)
        return self._zone.checksum(path, **named)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ZoneError("the connection is lost")], ids=["interrupted", "connection lost"]
)
def test_it_goes_on_where_it_was_interrupted(site, placed, tmp_path, monkeypatch, capsys, error):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    mark(site, placed[0], "0")
    whole = Failing(site.connect(), -1, error)
    expected = resumable(whole, site.settings, {}, checksums=True, scope=ALL, resume=False)
    assert not list(tmp_path.rglob("*.jsonl"))
    first = Failing(site.connect(), len(whole.seen) - 1, error)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            resumable(first, site.settings, {}, checksums=True, scope=ALL, resume=False)
        assert "`mrdata verify --resume` goes on from there" in capsys.readouterr().err
    else:
        found = resumable(first, site.settings, {}, checksums=True, scope=ALL, resume=False)
        assert any("the run ended before its time: the connection is lost" in text for text in found["unseen"])
        assert status(found) == FAULTY
    (kept_in,) = tmp_path.rglob("*.jsonl")
    with kept_in.open("a") as file:
        file.write('{"part": "torn')
    rest = Failing(site.connect(), -1, error)
    found = resumable(rest, site.settings, {}, checksums=True, scope=ALL, resume=True)
    assert (len(first.seen), len(rest.seen)) == (len(whole.seen) - 1, 1)
    assert {*first.seen, *rest.seen} == set(whole.seen)
    timing = {"seconds", "run", "bytes"}
    assert {key: value for key, value in found.items() if key not in timing} == {
        k: v for k, v in expected.items() if k not in timing
    }
    assert "objects before" in text(found)
    assert not list(tmp_path.rglob("*.jsonl"))
    mark(site, placed[0], GOOD)


def test_without_resume_it_begins_again_and_says_so(site, placed, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        resumable(
            Failing(site.connect(), 1, KeyboardInterrupt()), site.settings, {}, checksums=True, scope=ALL, resume=False
        )
    found = resumable(site.connect(), site.settings, {}, checksums=True, scope=ALL, resume=False)
    assert found["run"]["objects"] == found["objects"]
    assert "`--resume` would have gone on" in capsys.readouterr().err
    resumable(site.connect(), site.settings, {}, checksums=True, scope=ALL, resume=True)
    assert "no run was interrupted" in capsys.readouterr().err


def test_two_at_once_are_refused(site, placed, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    key = {"subject": "", "checksums": True, "landing": site.settings.landing.folder}
    with kept(file_of(site.settings.zone, key), Report(), resume=False), pytest.raises(AtWork, match="another process"):
        resumable(site.connect(), site.settings, {}, checksums=True, scope=ALL, resume=False)

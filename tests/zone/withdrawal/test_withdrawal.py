"""Withdrawal: what each kind of user still finds, what comes back, what is erased, and what an interruption leaves."""

import json
import os
import time
from pathlib import Path

import pytest

from microservices.headers.header_reader import read_header
from policy.archive import fixity, fixity_state
from policy.zone import AVU, Access, Condition, NotFound, ZoneError, layout
from policy.zone.context import Context
from tests.files import dicom, twix
from tests.zone.names import ALICE, BOB, PAIN, STEWARD, SUFFIX, T3, T94

SUBJECT = f"XP77{SUFFIX}"
SECRET = "secretprotocol"


def describe_site(make_site, **lifecycle: float):
    site = make_site(lifecycle={"settle_seconds": 0.0, **lifecycle})
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE, BOB], "subjects": ["P1", "P2", SUBJECT]})
    for folder, _, _ in os.walk(site.settings.landing.folder):
        os.chmod(folder, 0o777)  # the server removes files as another user
    return site


@pytest.fixture
def site(make_site):
    return describe_site(make_site)


@pytest.fixture
def erasing(make_site):
    """Erases at the next run of the lifecycle."""
    return describe_site(make_site, withdrawal_days=0.0, due_again_hours=0.0)


def scanned(site, pseudonym: str = SUBJECT, images: int = 3) -> str:
    """An experiment with images, raw names that tell the ID, and Expanded Data; on the archive resource."""
    new = site.register(pseudonym=pseudonym)
    for number in range(1, images + 1):
        protocol = SECRET if pseudonym == SUBJECT else "known"
        content = dicom(new, instance=number, SeriesDescription=protocol, ProtocolName=protocol)
        site.land(f"{T94}/dicom/{new}/{number}", content)
    site.upload(f"{T94}/expdata/{new}/notes.txt", b"of the experiment")
    site.sweep()
    site.rule("archive")
    return new


def copies(site, experiment: str) -> list[str]:
    """Of Alice an object that derives from the experiment; of Bob a collection that derives from hers."""
    hers = f"/{site.settings.zone}/home/{ALICE}/{PAIN}of{experiment}.nii"
    his = f"/{site.settings.zone}/home/{BOB}/{PAIN}stats{experiment}"
    alice, bob = site.connect(ALICE), site.connect(BOB)
    alice.write(hers, b"converted")
    alice.annotate(hers, add=[AVU("DerivedFrom", experiment), AVU("Software", "x")])
    bob.make_collection(f"{his}/deep")
    bob.write(f"{his}/deep/map.nii", b"computed")
    bob.annotate(his, add=[AVU("DerivedFrom", hers)])
    bob.annotate(f"{his}/deep/map.nii", add=[AVU("Threshold", f"of{experiment}")])
    return [hers, his]


def found(site, user: str, *words: str) -> list[str]:
    """All that the user's queries show which holds one of the words: paths, AVUs, and bare values of AVUs."""
    zone, seen = site.connect(user), set()
    columns = [["COLL_NAME"], ["COLL_NAME", "DATA_NAME"]]
    for kind in ("COLL", "DATA"):
        columns += [[f"META_{kind}_ATTR_VALUE"], [f"META_{kind}_ATTR_VALUE", "COLL_NAME"], [f"META_{kind}_ATTR_UNITS"]]
    for wanted in columns:
        for row in zone.query(wanted):
            seen |= {"/".join(row)} if any(word in value for word in words for value in row) else set()
    return sorted(seen)


def words(site, *experiments: str) -> list[str]:
    """What tells of the subject."""
    assert experiments
    return [*experiments, SUBJECT, SECRET]


def held(site, path: str) -> dict:
    """Everything that can be told of a path and all below: content, AVUs, permissions."""
    zone, told = site.connect(), {}
    rows = zone.query(["COLL_NAME", "DATA_NAME"], Condition("COLL_NAME", "like", path + "%"))
    collections = [c for (c,) in zone.query(["COLL_NAME"], Condition("COLL_NAME", "like", path + "%"))]
    single = [path] if zone.stat(path) and not zone.stat(path).is_collection else []
    for one in (*single, *collections, *("/".join(row) for row in rows)):
        stat = zone.stat(one)
        avus = sorted(avu for avu in zone.metadata(one) if avu.attribute != "StateSince")
        told[one] = (avus, zone.permissions(one), "" if stat.is_collection else site.connect().stat(one).size)
    return told


def events(site, experiment: str) -> list[tuple[str, dict]]:
    """(kind, content) of all that the experiment's outbox holds, in order."""
    base, zone = f"{site.settings.home}/outbox/{PAIN}/{experiment}", site.connect()
    names = sorted(name for (name,) in zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", base)))
    told = [json.loads(zone.read(f"{base}/{name}", 0, 10000)) for name in names]
    return [(one["kind"], one) for one in told]


def questions(site, experiment: str) -> dict[str, str]:
    """Session in quarantine (`<scanner>/<session>`) -> the key of the review that asks whose it is."""
    keys = [one["key"] for one in site.rule("reviews")["reviews"] if one["kind"] == "withdrawn quarantine"]
    return {parts[2]: key for key in keys if (parts := key.split(" "))[0] == experiment}


def is_erased(site, experiment: str) -> bool:
    return site.connect().stat(f"{layout.receipts(site.settings)}/{experiment}.json") is not None


def test_nobody_finds_a_withdrawn_subject(site):
    """Three experiments, one of them finalized; derived copies in two users' collections; and all of it comes back."""
    three = [scanned(site) for _ in range(3)]
    site.rule("experiment_finalize", {"experiment": three[2]})
    other = scanned(site, pseudonym="P2")
    derived = copies(site, three[0])
    study = layout.study(site.settings, PAIN)
    tops = [*(f"{study}/experiments/{one}" for one in three), f"{study}/subjects/{SUBJECT}", *derived]
    before = {top: held(site, top) for top in tops}
    site.connect().group(site.settings.stewards, [STEWARD])
    tell = words(site, *three)
    assert all(found(site, user, *tell) for user in (ALICE, BOB))
    planned = site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "dry_run": True})
    assert sorted(plan["experiment"] for plan in planned["experiments"]) == sorted(three)
    assert sorted(path for plan in planned["experiments"] for path in plan["derived"]) == sorted(derived)
    assert [len(plan["conflicts"]) for plan in planned["experiments"] if plan["experiment"] == three[2]] == [1]
    assert {top: held(site, top) for top in tops} == before

    site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "by": STEWARD, "dry_run": False})
    counted = {user: found(site, user, *tell) for user in (ALICE, BOB)}
    assert counted == {ALICE: [], BOB: []}
    hidden = f"{layout.withdrawn(site.settings)}/"
    assert all(
        path.startswith((hidden, layout.reviews(site.settings))) or "/" not in path
        for path in found(site, STEWARD, *tell)
    )
    for user in (ALICE, BOB, STEWARD):
        zone = site.connect(user)
        for path in (
            f"{tops[0]}/experiment.yaml",
            f"{tops[0]}/EXP_DATA/notes.txt",
            derived[0],
            f"{derived[1]}/deep/map.nii",
        ):
            assert zone.stat(path) is None
            with pytest.raises(ZoneError):
                zone.read(path, 0, 10)
    with pytest.raises(ZoneError):
        site.connect(ALICE).permit(derived[0], ALICE, Access.OWN)
    site.connect(ALICE).permit(f"/{site.settings.zone}/home/{ALICE}", ALICE, Access.OWN, recursive=True)
    assert found(site, ALICE, *tell) == []
    assert site.connect(ALICE).stat(f"{study}/experiments/{other}/EXP_DATA/notes.txt") is not None
    assert (
        "was withdrawn"
        in site.ask(
            "register", {"study": PAIN, "pseudonym": SUBJECT, "owner": ALICE, "scanner": T94, "scan_type": "pilot"}
        )["error"]
    )
    account = site.verify()
    assert account["sound"]
    assert account["withdrawn"] == 12

    assert site.rule("restore", {"study": PAIN, "pseudonym": SUBJECT})["elsewhere"] == []
    assert {top: held(site, top) for top in tops} == before
    assert site.connect(ALICE).read(derived[0], 0, 99) == b"converted"
    assert site.connect(BOB).read(f"{derived[1]}/deep/map.nii", 0, 99) == b"computed"
    assert site.verify()["sound"]
    assert not site.connect().query(
        ["COLL_NAME"], Condition("COLL_NAME", "like", f"{layout.withdrawn(site.settings)}/%{three[0]}%")
    )


def test_a_study_that_is_brought_up_to_date_brings_nothing_back(site):
    new = scanned(site)
    site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "dry_run": False})
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE, BOB], "subjects": ["P1", "P2", SUBJECT]})
    assert found(site, ALICE, *words(site, new)) == []


def test_what_comes_late_for_a_withdrawn_experiment_is_nobody_elses(site):
    new = scanned(site)
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    site.reconnect()
    site.land(f"{T94}/dicom/late", dicom(new, instance=77))
    assert site.sweep() == {"quarantined": 1}
    (session,) = site.quarantine_sessions()
    assert session["reasons"] == {"closed": 1}
    assert found(site, ALICE, new, SECRET) == []
    site.rule("lifecycle")
    assert found(site, ALICE, new, SECRET) == []


def test_what_derives_later_is_found_by_the_next_run(site):
    new = scanned(site)
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    derived = copies(site, new)
    site.rule("lifecycle")
    assert found(site, BOB, new, SECRET) == []
    assert all(site.connect(BOB).stat(path) is None for path in derived)
    assert site.rule("restore", {"experiment": new})["elsewhere"] == []
    assert site.connect(ALICE).stat(derived[0]) is not None


def test_a_copy_whose_place_is_taken_comes_back_beside_it(site):
    new = scanned(site)
    hers, his = copies(site, new)
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    site.connect(ALICE).write(hers, b"new")
    reply = site.rule("restore", {"experiment": new})
    assert reply["elsewhere"] == [f"{hers} is now {hers}.{new}.1"]
    assert site.connect(ALICE).read(f"{hers}.{new}.1", 0, 99) == b"converted"
    assert site.connect(ALICE).read(hers, 0, 99) == b"new"
    assert site.connect(BOB).stat(his) is not None


def test_words_that_do_not_count(site):
    new = scanned(site)
    assert "not a data steward" in site.ask("withdraw", {"experiment": new, "by": ALICE, "dry_run": False})["error"]
    assert "not a subject" in site.ask("withdraw", {"study": PAIN, "pseudonym": "nobody", "dry_run": False})["error"]
    assert (
        "not a subject"
        in site.ask("withdraw", {"study": PAIN, "pseudonym": "../subjects/P1", "dry_run": False})["error"]
    )
    assert "not withdrawn" in site.ask("restore", {"experiment": new})["error"]
    with pytest.raises(ZoneError):
        site.ask("withdraw", {"experiment": new, "dry_run": False}, user=ALICE)
    site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "dry_run": False})
    assert "restore the subject" in site.ask("restore", {"experiment": new})["error"]
    assert "is withdrawn" in site.ask("withdraw", {"experiment": new, "dry_run": False})["error"]
    assert "is withdrawn" in site.ask("experiment_reassign", {"source": new, "to": new})["error"]


def test_erased_is_gone_everywhere_and_the_receipt_names_nobody(erasing):
    site = erasing
    new, other = scanned(site), scanned(site, pseudonym="P2")
    derived = copies(site, new)
    site.land(f"{T94}/dicom/{new}/again", (Path(site.settings.landing.folder) / T94 / "dicom" / new / "1").read_bytes())
    wrong = Path(site.settings.landing.folder) / T3 / "dicom" / new
    site.land(f"{T3}/dicom/{new}/elsewhere", dicom(new, instance=78))
    assert site.sweep()["quarantined"] == 1
    home, zone = site.settings.home, site.connect()
    replicas = zone.query(["DATA_PATH"], Condition("COLL_NAME", "like", f"{home}/studies/{PAIN}/experiments/{new}%"))
    assert len(replicas) >= 5
    site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "dry_run": False})
    assert site.rule("lifecycle").get("failed", 0) == 0
    ((session, key),) = questions(site, new).items()
    assert session.startswith(f"{T3}/")
    site.rule("review_close", {"key": key, "verdict": "erase"})
    assert site.rule("lifecycle").get("failed", 0) == 0
    assert site.rule("lifecycle").get("failed", 0) == 0
    ((kind, told),) = events(site, new)
    assert (kind, told["details"]) == ("erased", {})
    assert [kind for kind, _ in events(site, other)] == ["registered"]
    names = [new, SUBJECT, *derived]
    stays = (f"/receipts/{new}.json", f"/outbox/{PAIN}/{new}", f"/reviews/withdrawn_quarantine_{new}_")
    left = [p for p in found(site, "mrdata", *names) if not any(one in p for one in stays)]
    assert left == []
    assert not any(Path(file).exists() for (file,) in replicas)
    assert not (Path(site.settings.landing.folder) / T94 / "dicom" / new).exists()
    assert not wrong.exists()
    receipt = json.loads(zone.read(f"{layout.receipts(site.settings)}/{new}.json", 0, 10000))
    assert receipt["counts"]["objects"] == 6  # with the record of what landed again
    assert receipt["counts"]["copies"] == 2
    assert receipt["counts"]["quarantined"] == 1
    assert SUBJECT not in json.dumps(receipt)
    acts = [entry["act"] for entry in site.rule("audit_history", {"experiment": new})["entries"]]
    assert acts[-2:] == ["erasing", "erased"]
    assert zone.stat(f"{home}/studies/{PAIN}/experiments/{other}/EXP_DATA/notes.txt") is not None
    assert "erased already" in site.ask("restore", {"experiment": new})["error"]
    site.reconnect()
    site.land(f"{T94}/dicom/later", dicom(new, instance=79))
    assert site.sweep() == {"quarantined": 1}
    assert site.verify()["sound"]


def test_what_lies_in_quarantine_is_erased_however_the_id_was_typed(erasing):
    """Typed without hyphen and in small letters; only the folder tells, of Expanded Data and of masked raw data."""
    site = erasing
    new, other = scanned(site), scanned(site, pseudonym="P2")
    typed = new.replace("-", "").lower()
    files = {
        f"{T94}/dicom/s/1": dicom(typed, instance=91, PatientBirthDate="19700101"),
        f"{T94}/expdata/{typed}/deep/face.dcm": dicom("", instance=92, PatientBirthDate="19700101"),
        f"{T94}/twix/{new}/m.dat": twix(new, masked=True)[:-3000],
        f"{T94}/dicom/o/1": dicom(other, instance=93, PatientBirthDate="19700101"),
    }
    for relative, content in files.items():
        site.land(relative, content)
    while site.sweep()["held"]:
        pass
    sessions = {s["path"]: s for s in site.quarantine_sessions()}
    assert sum(s["objects"] for s in sessions.values()) == 4
    (others,) = [path for path, s in sessions.items() if s["header_says"] == other]
    planned = site.rule("withdraw", {"experiment": new, "dry_run": True})["experiments"][0]
    assert (sorted(planned["quarantine"]), planned["conflicts"]) == (sorted(set(sessions) - {others}), [])
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    assert found(site, ALICE, new, typed) == []
    site.rule("lifecycle")
    assert is_erased(site, new)
    assert [s["path"] for s in site.quarantine_sessions()] == [others]
    landing = Path(site.settings.landing.folder)
    assert [relative for relative in files if (landing / relative).exists()] == [f"{T94}/dicom/o/1"]
    assert site.verify()["sound"]


def sessions_of_before(site, new: str) -> str:
    """Two sessions as earlier releases left them: the text as it was typed, and nothing where only a folder told."""
    typed = new.replace("-", "").lower()
    later = {"StudyDate": "20260103", "AcquisitionDate": "20260103"}
    site.land(f"{T94}/dicom/s/1", dicom(typed, instance=91, PatientBirthDate="19700101"))
    site.land(f"{T94}/expdata/{typed}/face.dcm", dicom("", instance=92, PatientBirthDate="19700101", **later))
    assert site.sweep() == {"quarantined": 2}
    for path in site.paths("quarantine"):
        session = "/".join(path.split("/")[:3])
        old = [AVU("HeaderSays", typed)] if "/dicom/" in path else []
        site.inside().annotate(f"{site.settings.home}/{session}", add=old, remove=[AVU("HeaderSays", new)])
    return typed


def test_sessions_of_before_are_hidden_and_come_back_as_they_were(site):
    new = scanned(site)
    typed = sessions_of_before(site, new)
    assert found(site, BOB, typed) != []
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    assert found(site, ALICE, new, typed) == []
    site.rule("restore", {"experiment": new})
    assert sorted(site.avus(s["path"]).get("HeaderSays", "") for s in site.quarantine_sessions()) == ["", typed]


def test_sessions_of_before_are_erased(erasing):
    new = scanned(erasing)
    sessions_of_before(erasing, new)
    assert len(erasing.rule("withdraw", {"experiment": new, "dry_run": True})["experiments"][0]["quarantine"]) == 2
    erasing.rule("withdraw", {"experiment": new, "dry_run": False})
    erasing.rule("lifecycle")
    assert is_erased(erasing, new)
    assert erasing.quarantine_sessions() == []


def test_a_session_that_may_be_anothers_waits_for_a_stewards_word(erasing):
    """The ID was typed at another scanner, in another's folder, or not at all: each session has its own word; re-filed,
    it needs none.
    """
    site = erasing
    new, other = scanned(site), scanned(site, pseudonym="P2")
    site.land(f"{T3}/dicom/x/1", dicom(new, instance=91))
    site.land(f"{T94}/dicom/{other}/c", dicom(new, instance=92))
    site.land(f"{T94}/dicom/{new}/n", dicom("SIMPSON^HOMER", instance=93))
    assert site.sweep() == {"quarantined": 3}
    whose = {s["scanner"] + str(sorted(s["reasons"])): s["path"] for s in site.quarantine_sessions()}
    assert len(whose) == 3
    wrong, conflict, unnamed = (
        whose[key] for key in (f"{T3}['wrong-scanner']", f"{T94}['conflict']", f"{T94}['no-id']")
    )
    planned = site.rule("withdraw", {"experiment": new, "dry_run": True})["experiments"][0]
    assert planned["conflicts"] == ["3 of its sessions in quarantine may be another experiment's"]
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    site.rule("lifecycle")
    asked = {f"{layout.quarantine(site.settings)}/{session}": key for session, key in questions(site, new).items()}
    assert sorted(asked) == sorted([wrong, conflict, unnamed])
    site.rule("review_close", {"key": asked[wrong], "verdict": "keep: not the subject's"})
    site.rule("review_close", {"key": asked[unnamed], "verdict": "erase"})
    site.rule("lifecycle")
    assert not is_erased(site, new)
    assert len(site.quarantine_sessions()) == 3
    site.rule("experiment_reassign", {"source": conflict, "to": other, "accept_personal_data": True})
    site.rule("lifecycle")
    assert is_erased(site, new)
    assert [s["path"] for s in site.quarantine_sessions()] == [wrong]
    assert len(site.paths(f"studies/{PAIN}/experiments/{other}/DICOM")) == 4
    assert found(site, ALICE, new) == []
    assert (
        json.loads(site.connect().read(f"{layout.receipts(site.settings)}/{new}.json", 0, 10000))["counts"][
            "quarantined"
        ]
        == 1
    )


def test_other_users_find_nothing_in_reasons_and_in_what_was_refiled(site):
    """New texts and those of earlier releases; what was re-filed from it is another experiment's.

    All of it comes back.
    """
    new, other = scanned(site), scanned(site, pseudonym="P2")
    home, landing = site.settings.home, Path(site.settings.landing.folder)
    site.land(f"{T3}/dicom/x/1", dicom(new, instance=91))
    site.land(f"{T94}/dicom/{other}/c", dicom(new, instance=92))
    site.land(f"{T94}/dicom/{new}/d", dicom(other, instance=93))
    site.land(f"{T94}/dicom/{new}/e", dicom(new, instance=94))
    first = next(p for p in site.paths(f"studies/{PAIN}/experiments/{new}/DICOM"))
    same = first.rpartition("_")[2].removesuffix(".dcm")
    site.land(
        f"{T94}/dicom/y",
        dicom(new, instance=1, sop=same, pixels=b"x" * 32, SeriesDescription=SECRET, ProtocolName=SECRET),
    )
    assert site.sweep()["quarantined"] == 4
    site.rule("archive")
    (refiled,) = site.rule("experiment_reassign", {"source": f"{home}/{first}", "to": other})["moves"]
    refiled = refiled["target"]
    site.inside().annotate(refiled, add=[AVU("Reassigned", f"2026-01-02T03:04:05Z by mrdata from {new}")])
    old = next(f"{home}/{p}" for p in site.paths("quarantine") if p.endswith("/x/1"))
    site.inside().annotate(old, add=[AVU("Detail", f"{new} was registered for scanner {T94}, this came from {T3}")])
    sessions = [s["path"] for s in site.quarantine_sessions()]
    others = f"{layout.study(site.settings, PAIN)}/experiments/{other}"
    before = [held(site, top) for top in (*sessions, others)]
    file = landing / T94 / "dicom" / new / "1"
    assert file.exists()
    assert all(
        word in str(found(site, BOB, new))
        for word in ("Patient Name says", "was registered", "mrdata from", f"{T94}/dicom/{new}/1")
    )

    site.rule("withdraw", {"experiment": new, "dry_run": False})
    assert [found(site, user, new) for user in (ALICE, BOB)] == [[], []]
    assert file.exists()  # the intake is MrData's alone, and its retention removes it
    (different,) = (p for p in site.paths("quarantine") if p.endswith("/y"))
    assert site.avus(different)["Detail"] == "other bytes than what is archived as a withdrawn experiment"
    details = site.avus(old)["Detail"].split("|")
    assert f"a withdrawn experiment was registered for scanner {T94}, this came from {T3}" in details
    assert site.connect(ALICE).stat(refiled) is not None
    site.reconnect()
    site.land(f"{T94}/dicom/{new}/f", dicom(other, instance=95))
    site.sweep()
    assert found(site, BOB, new) == []
    site.rule("lifecycle")
    assert site.verify()["sound"]

    site.rule("restore", {"experiment": new})
    late = [p for p in site.paths("quarantine") if p.endswith("/f")]
    assert len(late) == 1
    site.connect().erase(f"{home}/{late[0]}")
    assert [held(site, top) for top in (*sessions, others)] == before


def test_what_has_to_be_kept_waits_for_a_stewards_word(erasing):
    site = erasing
    kept, freed = scanned(site), scanned(site)
    for one in (kept, freed):
        site.rule("experiment_finalize", {"experiment": one})
        site.rule("withdraw", {"experiment": one, "dry_run": False})
    site.rule("lifecycle")
    keys = {r["key"].partition(" ")[0]: r["key"] for r in site.rule("reviews")["reviews"] if r["kind"] == "withdrawal"}
    assert {kept, freed} <= set(keys)
    site.rule("review_close", {"key": keys[freed], "verdict": "erase: the subject insists"})
    site.rule("review_close", {"key": keys[kept], "verdict": "keep"})
    site.rule("lifecycle")
    base = f"{layout.study(site.settings, PAIN)}/experiments"
    assert site.connect().stat(f"{base}/{freed}") is None
    assert site.connect().stat(f"{base}/{kept}") is not None
    assert found(site, ALICE, kept, freed) == []


def test_what_is_withdrawn_and_kept_goes_on_being_verified(make_site):
    """Its dates of verification stay; what is damaged meanwhile is found, and told as any damage is."""
    site = make_site(
        lifecycle={"settle_seconds": 0.0}, fixity={"rest_days": 0, "drill_days": 100000, "run_seconds": 60.0}
    )
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE, BOB], "subjects": ["P1", "P2", SUBJECT]})
    new = scanned(site)
    base = f"{layout.study(site.settings, PAIN)}/experiments/{new}"
    site.rule("fixity")
    dated = [Condition("COLL_NAME", "like", f"{base}%"), Condition("META_COLL_ATTR_NAME", "=", "ChecksumVerified")]
    columns = ["COLL_NAME", "META_COLL_ATTR_VALUE"]
    before = site.connect().query(columns, *dated)
    assert any("/DICOM/" in collection for collection, _ in before)
    site.rule("experiment_finalize", {"experiment": new})
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    site.rule("lifecycle")
    assert site.connect().query(columns, *dated) == before
    done = fixity.run(
        Context(site.connect(), site.settings, read_header, now=lambda: time.time() + 400 * fixity_state.DAY)
    )
    assert done["sound"] >= 4
    site.rule("restore", {"experiment": new})
    assert len(site.connect().query(columns, *dated)) == len(before)


def test_a_copy_of_several_experiments_waits_for_a_stewards_word(erasing):
    site = erasing
    one, two = scanned(site), scanned(site, pseudonym="P2")
    path = f"/{site.settings.zone}/home/{ALICE}/{PAIN}average"
    site.connect(ALICE).write(path, b"average")
    site.connect(ALICE).annotate(path, add=[AVU("DerivedFrom", one), AVU("DerivedFrom", two)])
    site.rule("withdraw", {"experiment": one, "dry_run": False})
    site.rule("lifecycle")
    assert site.connect(ALICE).stat(path) is None
    assert site.connect().stat(f"{layout.study(site.settings, PAIN)}/experiments/{one}") is not None
    site.rule("restore", {"experiment": one})
    assert site.connect(ALICE).read(path, 0, 99) == b"average"


def test_homes_and_what_holds_the_experiment_are_never_taken(site):
    new = scanned(site)
    home = f"/{site.settings.zone}/home/{ALICE}"
    site.connect(ALICE).annotate(home, add=[AVU("DerivedFrom", new)])
    site.connect().annotate(layout.study(site.settings, PAIN), add=[AVU("DerivedFrom", new)])
    try:
        assert site.rule("withdraw", {"experiment": new, "dry_run": False})["experiments"][0]["derived"] == []
        assert site.connect(ALICE).stat(home) is not None
    finally:
        site.connect(ALICE).annotate(home, remove=[AVU("DerivedFrom", new)])
    with pytest.raises(NotFound):
        site.connect(ALICE).metadata(f"{layout.study(site.settings, PAIN)}/experiments/{new}")


def test_withdrawn_again_takes_what_was_registered_since(site):
    """As when a withdrawn subject's experiment was re-filed, or an older backup restored."""
    first = scanned(site)
    site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "dry_run": False})
    second = scanned(site, pseudonym="P2")
    path = f"{layout.study(site.settings, PAIN)}/experiments/{second}"
    site.inside().annotate(path, add=[AVU("Pseudonym", SUBJECT)], remove=[AVU("Pseudonym", "P2")])
    again = site.rule("withdraw", {"study": PAIN, "pseudonym": SUBJECT, "dry_run": False})
    assert [plan["experiment"] for plan in again["experiments"]] == [second]
    assert found(site, ALICE, first, second, SUBJECT) == []

"""From the landing zone to the archive and the quarantine, through the rulebase."""

import json
import time
from pathlib import Path

import pytest

from policy.zone import AVU, Access, Condition, Exists
from tests.files import dicom, frame_of_reference, twix
from tests.zone.names import ALICE, BOB, PAIN, T3, T94


def test_an_image_is_placed_at_birth_and_described(site):
    new = site.register()
    path = site.land(f"{T94}/dicom/s/MR.1", dicom(new, series=3, instance=7, sop="1.2.3"))
    assert path == f"{site.settings.home}/studies/{PAIN}/experiments/{new}/DICOM/3_gre/7_1.2.3.dcm"
    assert site.avus(path) == {"LandingPath": f"{T94}/dicom/s/MR.1"}
    series = site.avus(path.rpartition("/")[0])
    assert series["RepetitionTime"] == "2"
    assert series["EchoTime"] == "0.0041"
    assert (series["FlipAngle"], series["MagneticFieldStrength"], series["ProtocolName"]) == ("90", "9.4", "gre")
    assert site.connect().permissions(path) == {"mrdata": Access.OWN, f"study_{PAIN}": Access.READ}


def test_what_differs_from_its_series_stands_on_the_object(site):
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new, instance=1))
    second = site.land(f"{T94}/dicom/b", dicom(new, instance=2, EchoTime=8.2))
    assert site.avus(second)["EchoTime"] == "0.0082"
    assert site.avus(second.rpartition("/")[0])["EchoTime"] == "0.0041"


def test_series_numbers_that_start_again_do_not_mix(site):
    new = site.register()
    first = site.land(f"{T94}/dicom/a", dicom(new))
    again = site.land(f"{T94}/dicom/b", dicom(new, SeriesInstanceUID="1.9.9"))
    assert first.rpartition("/")[0] != again.rpartition("/")[0]
    assert site.avus(again.rpartition("/")[0])["SeriesInstanceUID"] == "1.9.9"


def test_raw_data_are_recognised_by_name_or_by_their_images(site):
    plain, masked = site.register(), site.register(pseudonym="P2")
    site.land(f"{T94}/dicom/a", dicom(masked, FrameOfReferenceUID=_frame(masked)))
    by_name = site.land(f"{T94}/twix/meas_1.dat", twix(plain))
    by_frame = site.land(f"{T94}/twix/meas_2.dat", twix(masked, masked=True, frame=_frame(masked)))
    assert by_name.endswith(f"{plain}/TWIX/meas_1.dat")
    assert by_frame.endswith(f"{masked}/TWIX/meas_2.dat")
    assert site.avus(by_name)["RepetitionTime"] == site.avus(by_frame)["RepetitionTime"] != ""


def _frame(name: str) -> str:
    from datetime import datetime

    from mrdata.phantom.water_phantom import Session

    length = len(Session(name, datetime(2026, 1, 2, 9, 0, 0, 123_000)).frame_of_reference_uid)
    return frame_of_reference(name)[:length].rstrip(".").ljust(length, "0")


def test_masked_raw_data_wait_for_their_images(make_site):
    site = make_site(sweep={"every_seconds": 1, "quiet_seconds": 0, "tries": 5, "retry_seconds": 0})
    new = site.register()
    path = site.land(f"{T94}/twix/m.dat", twix(new, masked=True, frame=_frame(new)))
    assert path.startswith(f"{site.settings.home}/landing/")
    assert site.sweep() == {"held": 1}
    assert site.avus(path)["Tries"] == "1"
    site.land(f"{T94}/dicom/a", dicom(new, FrameOfReferenceUID=_frame(new)))
    assert site.sweep() == {"archived": 1}
    placed = f"studies/{PAIN}/experiments/{new}/TWIX/m.dat"
    assert not {"Tries", "NextTry", "LastError"} & set(site.avus(placed))


def test_expanded_data_keep_their_tree(site):
    new = site.register()
    names = [
        "a.txt",
        "deep/er/b c.nii",
        "it's 100%/[x] & y.txt",
        "umlaut ä/ß.csv",
        "same",
        "-dash",
        "a=b++++c",
        "o'y \\ _%",
        "a || b",
        "\\",
    ]
    for name in names:
        site.land(f"{T94}/expdata/{new.lower()}/{name}", name.encode())
    site.sweep()
    root = f"studies/{PAIN}/experiments/{new}/EXP_DATA/"
    assert sorted(p.removeprefix(root) for p in site.paths(root.rstrip("/"))) == sorted(names)
    assert site.connect(ALICE).read(f"{site.settings.home}/{root}deep/er/b c.nii", 0, 99) == b"deep/er/b c.nii"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda new: dicom("SIMPSON^HOMER"), "no-id"),
        (lambda new: dicom(_mistyped(new)), "mistyped"),
        (lambda new: dicom("Z4KQ-STAS"), "unregistered"),
        (lambda new: dicom(new, PatientBirthDate="19800707"), "personal-data"),
        (lambda new: b"just text", "not-recognised"),
        (lambda new: b"", "not-recognised"),
        (lambda new: dicom(new)[:-8], "truncated"),
        (lambda new: twix(new)[:-3000], "truncated"),
        (lambda new: b"\0" * 128 + b"DICM" + b"garbage" * 9, "damaged"),
    ],
)
def test_what_cannot_be_placed_is_quarantined(site, content, reason):
    new = site.register()
    landed = site.land(f"{T94}/dicom/x/file", content(new))
    assert landed.startswith(f"{site.settings.home}/landing/")
    while site.sweep()["held"]:
        pass
    (path,) = site.paths("quarantine")
    avus = site.avus(path)
    assert avus["Reason"] == reason
    assert set(avus) == {"Reason", "Detail", "Quarantined"}  # the values of AVUs are for all to see
    assert path.endswith("/dicom/x/file")
    assert "SIMPSON" not in path
    assert site.connect().permissions(f"{site.settings.home}/{path}") == {
        "mrdata": Access.OWN,
        "data_stewards": Access.READ,
    }
    assert site.verify()["quarantined"] == {reason: 1}


def _mistyped(right: str) -> str:
    wrong = "2" if right[0] != "2" else "3"
    return wrong + right[1:]


def test_a_wrong_scanner_and_a_closed_experiment(site):
    new = site.register()
    site.land(f"{T3}/dicom/a", dicom(new))
    site.sweep()
    assert site.verify()["quarantined"] == {"wrong-scanner": 1}


def test_other_users_files_are_placed_by_the_sweep_and_no_longer_theirs(site):
    new = site.register()
    path = site.upload(f"{T94}/dicom/x/MR.1", dicom(new, sop="1.2.4"), user=BOB)
    assert site.connect(BOB).stat(path) is not None
    assert site.sweep() == {"archived": 1}
    placed = f"{site.settings.home}/studies/{PAIN}/experiments/{new}/DICOM/1_gre/1_1.2.4.dcm"
    assert site.connect().permissions(placed) == {"mrdata": Access.OWN, f"study_{PAIN}": Access.READ}
    assert site.connect(BOB).stat(placed) is None
    assert site.connect(ALICE).stat(placed) is not None


def test_the_same_file_is_registered_once(site):
    """As by a scanner that asked the catalog while the request of one that was killed was still under way."""
    new = site.register()
    for path, content in (
        (f"{T94}/dicom/a", dicom(new)),
        (f"{T94}/twix/a.dat", twix(new)),
        (f"{T94}/expdata/{new}/a", b"x"),
    ):
        placed = site.land(path, content)
        with pytest.raises(Exists):
            site.land(path, content)
        zone = site.connect()
        rows = zone.query(
            ["COLL_NAME", "DATA_NAME"], Condition("DATA_PATH", "=", str(site.landing_file(path, content)))
        )
        assert ["/".join(row) for row in rows] == [placed]


def test_the_same_bytes_again_leave_one_copy(site):
    new = site.register()
    content = dicom(new, sop="1.2.5")
    first = site.land(f"{T94}/dicom/a", content)
    again = site.land(f"{T94}/dicom/b", content)
    assert again.startswith(f"{site.settings.home}/landing/")
    assert site.sweep() == {"held": 1}  # the archive has no replica of its own yet
    site.rule("archive")
    assert site.rule("retry", {"path": again})["what"] == "archived"
    assert [one.landing_path for one in site.origins()[first]] == [f"{T94}/dicom/a", f"{T94}/dicom/b"]
    report = site.verify()
    assert (report["archived"], report["set_aside"], report["lost"]) == (1, 1, [])


def test_other_bytes_of_the_same_instance_are_set_aside(site):
    new = site.register()
    first = site.land(f"{T94}/dicom/a", dicom(new, sop="1.2.6"))
    before = site.connect().read(first, 0, 1 << 20)
    site.land(f"{T94}/dicom/b", dicom(new, sop="1.2.6", pixels=b"\1\1" * 16))
    site.sweep()
    assert site.verify()["quarantined"] == {"duplicate-different": 1}
    assert site.connect().read(first, 0, 1 << 20) == before


def test_a_second_file_of_the_same_name_is_never_an_overwrite(site):
    new = site.register()
    first = site.land(f"{T94}/twix/a/meas.dat", twix(new))
    site.land(f"{T94}/twix/b/meas.dat", twix(new, frame="1.2.3"))
    site.upload(f"{T94}/expdata/{new}/x.txt", b"1")
    assert site.sweep() == {"archived": 2}, "raw data out of another folder get a second name"
    site.upload(f"{T94}/expdata/{new}/x.txt", b"2")
    assert site.sweep() == {"quarantined": 1}
    assert site.verify()["quarantined"] == {"duplicate-different": 1}
    assert site.connect().read(first, 0, 1 << 20) == twix(new)
    assert site.connect().read(f"{site.settings.home}/studies/{PAIN}/experiments/{new}/EXP_DATA/x.txt", 0, 9) == b"1"


def test_members_of_the_study_put_expanded_data_and_others_do_not(site):
    from policy.zone import NotPermitted

    new = site.register()
    site.upload(f"{T94}/expdata/{new}/tree/x.txt", b"1", user=ALICE)
    with pytest.raises(NotPermitted):
        site.upload(f"{T94}/expdata/{new}/y.txt", b"1", user=BOB)


def test_uploads_that_are_still_being_written_are_left_alone(make_site):
    site = make_site(sweep={"every_seconds": 1, "quiet_seconds": 60, "tries": 2, "retry_seconds": 0})
    path = site.upload(f"{T94}/dicom/a", dicom(site.register()))
    assert site.sweep() == {}
    assert site.connect().stat(path) is not None


def test_a_sweep_waits_for_what_arrives_while_it_runs(make_site):
    site = make_site(sweep={"every_seconds": 1, "quiet_seconds": 2, "tries": 2, "retry_seconds": 0})
    path = site.upload(f"{T94}/dicom/a", dicom(site.register()))
    assert site.rule("sweep", {"follow": 30}) == {"archived": 1}
    assert site.connect().stat(path) is None
    began = time.monotonic()
    assert site.rule("sweep", {"follow": 30}) == {}
    assert time.monotonic() - began < 30


def test_holds_are_retried_later_and_at_last_quarantined(make_site):
    site = make_site(sweep={"every_seconds": 1, "quiet_seconds": 0, "tries": 2, "retry_seconds": 1000})
    path = site.land(f"{T94}/dicom/a", dicom(site.register())[:-4])
    assert site.sweep() == {"held": 1}
    assert site.sweep() == {}
    assert "truncated" in site.avus(path)["LastError"]
    assert site.rule("retry", {"path": path})["what"] == "quarantined"


@pytest.mark.parametrize(("attribute", "value"), [("Tries", "1"), ("NextTry", "00000000001"), ("LastError", "failed")])
def test_one_avu_of_those_that_hold_does_not_stay(site, attribute, value):
    """A sweep that was killed has left some of them."""
    path = site.upload(f"{T94}/dicom/a", dicom(site.register()))
    site.connect().annotate(path, add=[AVU(attribute, value)])
    assert site.sweep() == {"archived": 1}
    (archived,) = [found for found in site.paths("studies") if found.endswith(".dcm")]
    assert "LandingPath" in site.avus(archived)
    assert attribute not in site.avus(archived)


def test_verify_finds_what_is_lost(site):
    new = site.register()
    site.land(f"{T94}/dicom/a", dicom(new, instance=1))
    site.land(f"{T94}/dicom/b", dicom(new, instance=2))
    site.land(f"{T94}/dicom/c", dicom(new, instance=3))
    assert site.verify()["sound"]
    folder = Path(site.settings.landing.folder) / T94 / "dicom"
    (folder / "a").unlink()
    changed = bytearray((folder / "b").read_bytes())
    changed[-1] ^= 1
    (folder / "b").write_bytes(changed)
    report = site.verify()
    assert not report["sound"]
    assert len(report["lost"]) == 2


def test_a_registration_that_was_interrupted_is_described_later(site):
    new = site.register()
    with site.broken("policy.ingest.registration_hooks.after"):
        site.reconnect()
        path = site.land(f"{T94}/dicom/a", dicom(new, sop="1.2.7"))
    assert site.avus(path) == {}
    assert not site.verify()["sound"]
    assert site.rule("describe", {"path": path}) == {"described": True}
    assert site.avus(path) == {"LandingPath": f"{T94}/dicom/a"}
    assert site.rule("describe", {"path": path}) == {"described": False}
    assert site.verify()["sound"]


def test_forged_registrations_of_users_are_not_believed(site):
    from policy.zone import AVU

    alice = site.connect(ALICE)
    home = f"/{site.settings.zone}/home/{ALICE}/studies/{PAIN}/experiments/Z4KQ-STAS"
    alice.make_collection(home)
    alice.annotate(home, add=[AVU("ExperimentID", "Z4KQ-STAS"), AVU("State", "registered"), AVU("Scanner", T94)])
    site.land(f"{T94}/dicom/a", dicom("Z4KQ-STAS"))
    site.sweep()
    assert site.verify()["quarantined"] == {"unregistered": 1}
    assert json.dumps(site.quarantine_sessions()).count("Z4KQ-STAS") == 1  # what was typed, and no candidate

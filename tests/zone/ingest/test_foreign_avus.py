"""AVUs that somebody else than the service account set: they end where MrData takes an object over, and no look-up
believes them.
"""

from __future__ import annotations

import pytest

from microservices.headers.header_reader import read_header
from policy.archive import fixity
from policy.ingest import origin, sweep
from policy.views import board_data, experiment_search
from policy.zone import AVU, Access, layout
from policy.zone.context import Context
from policy.zone.registry import Registry
from tests.files import dicom, frame_of_reference, twix
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, T94

FORGED = [
    AVU("LandingPath", f"{T94}/dicom/SIMPSON^HOMER/1", "batch"),
    AVU("LandingBatch", "batch"),
    AVU("SOPInstanceUID", "1.2.3"),
    AVU("Reassigned", "2026-01-02T00:00:00Z by mrdata from quarantine 94T/x: unknown"),
    AVU("FixityFault", "damaged"),
    AVU("Reason", "unknown"),
    AVU("Subject", "Homer Simpson"),
]
HELD = [
    [AVU("Tries", "many")],
    [AVU("Tries", "-7")],
    [AVU("Tries", "9" * 30)],
    [AVU("NextTry", "never"), AVU("LastError", "<script>: x")],
    [AVU("NextTry", "99999999999")],
]


@pytest.fixture
def context(site):
    return Context(site.connect(), site.settings, read_header)


def give(site, relative: str, content: bytes, avus: list[AVU], *, leave: bool = False) -> str:
    """Alice puts a file into landing, with AVUs; she may leave it to the service account alone."""
    path = site.upload(relative, content)
    site.connect(ALICE).annotate(path, add=avus)
    if leave:
        site.connect(ALICE).permit(path, "mrdata", Access.OWN)
        site.connect().permit(path, ALICE, Access.NULL)
    return path


@pytest.mark.parametrize("leave", [False, True])
def test_none_travels_into_the_archive(site, context, leave):
    new = site.register()
    give(site, f"{T94}/dicom/hers", dicom(new, sop="1.2.9"), FORGED, leave=leave)
    raw = give(site, f"{T94}/twix/hers.dat", twix(new), FORGED, leave=leave)
    assert site.sweep() == {"archived": 2}
    paths = [path for path in site.paths(f"studies/{PAIN}/experiments/{new}") if not path.endswith("experiment.yaml")]
    assert len(paths) == 2
    for path in paths:
        found = {avu.attribute for avu in site.connect().metadata(f"{site.settings.home}/{path}")}
        assert not found & {avu.attribute for avu in FORGED if avu.attribute != "LandingPath"}, path
        (came,) = origin.of_object(context, f"{site.settings.home}/{path}")
        assert came.landing_path in (f"{T94}/dicom/hers", raw.removeprefix(layout.landing(site.settings) + "/"))
    assert site.verify()["sound"]


def test_none_travels_into_quarantine(site, context):
    give(site, f"{T94}/dicom/hers", dicom("SIMPSON^HOMER"), FORGED)
    assert site.sweep() == {"quarantined": 1}
    (path,) = site.paths("quarantine")
    found = site.connect().metadata(f"{site.settings.home}/{path}")
    assert {avu.attribute for avu in found} == {"Reason", "Detail", "Quarantined"}
    assert not set(found) & set(FORGED)
    assert origin.of_object(context, f"{site.settings.home}/{path}") == []


def test_none_goes_with_a_copy_of_what_the_archive_has(site):
    new = site.register()
    content = dicom(new, sop="1.2.9")
    first = site.land(f"{T94}/dicom/1", content)
    site.connect().replicate(first, site.settings.archive.resource)
    path = give(site, f"{T94}/dicom/hers", content, FORGED)
    site.sweep()
    trash = path.replace(f"/{site.settings.zone}/home/", f"/{site.settings.zone}/trash/home/")
    assert site.connect().metadata(trash) == []


@pytest.mark.parametrize("avus", HELD)
def test_none_keeps_the_sweep_from_anybody_s_files(site, context, avus):
    new, theirs = site.register(), site.register(study=SLEEP, owner=BOB)
    give(site, f"{T94}/dicom/hers", dicom(new), avus)
    give(site, f"{T94}/dicom/held", dicom("SIMPSON^HOMER")[:200], avus)
    site.upload(f"{T94}/dicom/his", dicom(theirs), user=BOB)
    done = site.sweep()
    assert done["archived"] == 2
    board = board_data.look(context)
    assert not {reason for reason in board.held if "<" in reason}


def test_no_look_up_believes_what_stands_elsewhere(site, context):
    new = site.register()
    path = site.land(f"{T94}/dicom/1", dicom(new))
    alice, own = site.connect(ALICE), f"/{site.settings.zone}/home/{ALICE}/mine"
    uploads = f"{layout.landing(site.settings)}/{T94}/dicom/hers"
    frame = frame_of_reference("SIMPSON^HOMER")
    for collection in (own, uploads):
        alice.make_collection(collection)
        alice.annotate(
            collection,
            add=[
                AVU("ExperimentID", new),
                AVU("State", "acquiring"),
                AVU("StudyID", SLEEP),
                AVU("Pseudonym", "P1"),
                AVU("FrameOfReferenceUID", frame),
                AVU("ChecksumVerified", "2001-01-01"),
                AVU("Registered", "2026-01-02T00:00:00Z"),
            ],
        )
        alice.write(f"{collection}/object", b"x")
        alice.annotate(f"{collection}/object", add=FORGED)
    found = Registry(context).experiment(new)
    assert found is not None
    assert path.startswith(found.path + "/")
    assert Registry(context).sharing_frame_of_reference(frame) == []
    assert fixity.faults(context) == {}
    assert board_data.look(context).fixity["faults"] == 0
    assert not [one for one in fixity._due(context) if one in (own, uploads)]
    for user in ("mrdata", ALICE):
        seen = Context(site.connect(user), site.settings, read_header)
        assert experiment_search.experiment(seen, new).path == found.path
        assert {
            one.path for one in experiment_search.search(seen, experiment_search.Search(study=PAIN)).experiments
        } >= {found.path}
        assert not [
            one
            for one in experiment_search.search(seen, experiment_search.Search()).experiments
            if one.path in (own, uploads)
        ]
    assert list(sweep.due(context)) == [f"{uploads}/object"]
    alice.erase(own)
    alice.erase(uploads)

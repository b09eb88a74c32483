"""Search: what an experiment's series say themselves, and what single objects say instead."""

from __future__ import annotations

import pytest

from microservices.headers.header_reader import read_header
from policy.views import experiment_search
from policy.views.experiment_search import Range, Search
from policy.zone import AVU, layout
from policy.zone.context import Context
from tests.zone.names import ALICE, PAIN

EVERY = {"ProtocolName": "gre", "RepetitionTime": "1.5", "EchoTime": "0.004", "FlipAngle": "30"}


@pytest.fixture
def archived(site):
    """A function that archives a series of a new experiment: the AVUs of its collection, and those of its objects; its
    ExperimentID.
    """
    zone = site.connect()

    def archive(series: dict[str, str], *objects: dict[str, str]) -> str:
        new = site.register()
        path = f"{experiment_search.experiment(Context(zone, site.settings, read_header), new).path}/DICOM/1_search"
        zone.make_collection(path)
        zone.annotate(path, add=[AVU(*avu) for avu in series.items()])
        for number, avus in enumerate(objects):
            zone.write(f"{path}/{number}", b"x")
            zone.annotate(f"{path}/{number}", add=[AVU(*avu) for avu in avus.items()])
        return new

    return archive


def test_a_study_is_itself_and_none_whose_name_its_own_would_match(site):
    """`_` in a pattern of the catalog is any character:

    `pain_1` is not `pain-1`, whose subject of the same pseudonym is another person.
    """
    zone, pairs = site.connect(), {f"{PAIN}_1": "4B2D-81WV", f"{PAIN}-1": "R2R1-49KH"}
    for study, new in pairs.items():
        path = f"{layout.study(site.settings, study)}/experiments/{new}"
        zone.make_collection(f"{path}/DICOM/1_gre")
        record = {
            "ExperimentID": new,
            "StudyID": study,
            "Pseudonym": "P1",
            "Registered": "2026-01-02T10:00:00Z",
            "State": "acquiring",
        }
        zone.annotate(path, add=[AVU(*avu) for avu in record.items()])
        zone.annotate(f"{path}/DICOM/1_gre", add=[AVU("ProtocolName", f"gre{PAIN}")])
    context = Context(zone, site.settings, read_header)
    for study, new in pairs.items():
        for wanted in (
            Search(study=study),
            Search(study=study, pseudonym="P1"),
            Search(study=study, protocol=f"gre{PAIN}"),
        ):
            found = experiment_search.search(context, wanted)
            assert ([one.id for one in found.experiments], found.total) == ([new], 1), wanted
    for name in ("%", f"{PAIN}%", f"{PAIN}\\1"):
        assert experiment_search.search(context, Search(study=name)).total == 0


def test_conditions_meet_in_one_series(site, archived):
    """On its collection, on an object, or some here and some there; what only two series have together does not fit."""
    fits = {
        archived(EVERY),
        archived({}, EVERY),
        archived({**EVERY, "EchoTime": "0.1"}, {}, {"EchoTime": "0.005"}),
        archived({**EVERY, "EchoTime": "0.1", "FlipAngle": "90"}, {"EchoTime": "0.005"}, {"FlipAngle": "31"}),
    }
    others = {
        archived({**EVERY, "EchoTime": "0.1"}),
        archived({**EVERY, "EchoTime": "0.1"}, {"EchoTime": "0.2"}),
        archived({name: value for name, value in EVERY.items() if name != "EchoTime"}),
        archived({**EVERY, "ProtocolName": "epi"}, {"EchoTime": "0.005"}),
    }
    ranges = {"RepetitionTime": Range(1, 2), "EchoTime": Range(None, 0.01), "FlipAngle": Range(20, 40)}
    for member in ("mrdata", ALICE):
        context = Context(site.connect(member), site.settings, read_header)
        found = {
            experiment.id
            for experiment in experiment_search.search(context, Search(protocol="g%e", ranges=ranges)).experiments
        }
        assert found & (fits | others) == fits
        assert not experiment_search.search(
            context, Search(protocol="g%e", ranges={**ranges, "EchoTime": Range(7, 8)})
        ).experiments


def test_part_of_a_protocol(site, archived):
    """`%` is any text, `_` any character, capitals count, and what is special elsewhere is not here."""
    new = archived({"ProtocolName": "t1_mprage.(sag)+"})
    context = Context(site.connect(), site.settings, read_header)
    for part, fits in (
        ("mprage", True),
        ("T1", False),
        ("t1%sag", True),
        ("1_m_rage", True),
        (".(sag)+", True),
        ("1.m", False),
        ("sag%t1", False),
    ):
        assert (new in {e.id for e in experiment_search.search(context, Search(protocol=part)).experiments}) is fits, (
            part
        )

"""The closing sentence says no more than what was looked at."""

import pytest

from mrdata.verification.verify_report import FAULTY, INCOMPLETE, SOUND, status
from policy.verification.findings import FAULTS, UNKNOWN, Area, Finding, Kind, Look, Report

ALL = set(Area)


def verdict(*kinds: Kind, areas=ALL, subject="", checksums=True) -> tuple[str, int]:
    report = Report(subject, checksums, set(areas))
    report.add(Look("", findings=[Finding(kind, "/path") for kind in kinds]))
    assert report.is_sound is not bool(set(kinds) & {*FAULTS, *UNKNOWN})
    return report.verdict, status(report.as_dict())


def test_only_a_whole_run_that_read_everything_claims_everything():
    assert verdict() == ("Every landed byte is accounted for.", SOUND)
    assert verdict(Kind.WAITING, Kind.TAKEN) == ("Every landed byte is accounted for.", SOUND)
    claimed = "Every landed byte is accounted for"
    for others in ({"checksums": False}, {"subject": "study pain"}, *({"areas": ALL - {area}} for area in Area)):
        sentence, code = verdict(**others)
        assert claimed not in sentence
        assert code == SOUND
    assert "Not looked at: intake and mailbox" in verdict(areas={Area.CATALOG, Area.VAULT})[0]


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_is_told(kind):
    assert verdict(kind) == ("Not every landed byte is accounted for: see above.", FAULTY)
    sentence, code = verdict(kind, Kind.UNSEEN, subject="study pain")
    assert sentence == "Not every landed byte of study pain is accounted for: see above. Nor was everything looked at."
    assert code == FAULTY


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_was_not_looked_at_is_not_claimed(kind):
    assert verdict(kind) == ("Not everything was looked at: see above. Nothing else is wrong.", INCOMPLETE)


def test_every_kind_is_in_the_report():
    report = Report()
    report.findings = [Finding(kind, "/path", "text") for kind in Kind]
    told = report.as_dict()
    assert {kind: told[kind] for kind in Kind} == {
        kind: ["/path"] if kind in (Kind.BUSY, Kind.WAITING) else ["/path: text"] for kind in Kind
    }

"""All files of the corpus of real scanner files: nothing is lost, and no odd file disturbs another."""

import pytest

from tests import corpus

pytestmark = pytest.mark.skipif(
    not corpus.FOLDER.is_dir(), reason=f"no corpus of real scanner files at {corpus.FOLDER}"
)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        ({}, {"archived": 25, "personal-data": 245, "one copy": 1}),
        (
            {"retain_patient_characteristics": True},
            {"archived": 215, "personal-data": 11, "one copy": 16, "duplicate-different": 31},
        ),
    ],
    ids=["strict", "characteristics"],
)
def test_every_file_is_archived_or_quarantined_with_a_reason(make_site, guard, expected):
    site = make_site(guard=guard)
    landed = corpus.land_all(site, site.register())
    fates = corpus.fates(site)
    assert set(fates) == set(landed)
    assert "failed" not in {fate for fate, _ in fates.values()}
    counts = corpus.counts(site)
    assert {fate: counts[fate] for fate in expected} == expected
    report = site.verify()
    assert (report["landing"], report["lost"], report["without_origin"]) == (0, [], [])

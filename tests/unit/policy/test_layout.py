"""Names and collections."""

import pytest

from policy.zone import layout
from policy.zone.layout import Branch
from policy.zone.settings import Settings

SETTINGS = Settings(zone="z")


def test_a_landed_path():
    landed = layout.landed(SETTINGS, "/z/home/mrdata/landing/94T/dicom/a b/MR.1")
    assert (landed.scanner, landed.branch, landed.name, landed.folders) == ("94T", Branch.DICOM, "MR.1", ["a b"])
    assert landed.landing_path == "94T/dicom/a b/MR.1"


@pytest.mark.parametrize(
    "path", ["/z/home/mrdata/landing", "/z/home/mrdata/landing/94T/other/a", "/z/home/mrdata/landing/94T/dicom", "/z/home/alice/a",
             "/z/home/mrdata/landing2/94T/dicom/a", "/z/home/mrdata/landing/94T/dicom/"],
)  # fmt: skip
def test_other_paths_have_not_landed(path):
    assert layout.landed(SETTINGS, path) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/b", "a_b"),
        ("../..", ""),
        ("  x ", "x"),
        ("Übersicht ß", "Ubersicht"),
        ("a" * 100, "a" * 64),
        ("..", ""),
        ("", ""),
    ],
)
def test_safe_names(text, name):
    assert layout.safe(text) == name


def test_the_experiment_of_a_path():
    assert layout.experiment_of(SETTINGS, "/z/home/mrdata/studies/s/experiments/Z4KQ-STAS/DICOM/x") == "Z4KQ-STAS"
    assert layout.experiment_of(SETTINGS, "/z/home/mrdata/studies/s/subjects/P1") is None
    assert layout.experiment_of(SETTINGS, "/z/home/alice/studies/s/experiments/Z4KQ-STAS") is None

"""Runs belong to acquisitions."""

import pytest

from products.bids_names import Name
from products.bids_runs import runs

BOLD, SBREF = Name("func", "bold", {"task": "rest"}), Name("func", "sbref", {"task": "rest"})
PHASE = Name("func", "bold", {"task": "rest", "part": "phase"})
ECHO1, ECHO2 = (Name("func", "bold", {"task": "rest", "echo": number}) for number in "12")
MAGNITUDE1, MAGNITUDE2, DIFFERENCE = (Name("fmap", suffix) for suffix in ("magnitude1", "magnitude2", "phasediff"))
T1W = Name("anat", "T1w")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param(
            [(5, BOLD), (6, SBREF), (7, BOLD), (9, BOLD)], [1, 2, 2, 3], id="an aborted run without reference"
        ),
        pytest.param([(1, SBREF), (2, BOLD)], [0, 0], id="once"),
        pytest.param([(1, BOLD), (2, PHASE), (3, BOLD), (4, PHASE)], [1, 1, 2, 2], id="magnitude and phase"),
        pytest.param([(1, ECHO1), (1, ECHO2), (2, ECHO1), (2, ECHO2)], [1, 1, 2, 2], id="echoes"),
        pytest.param(
            [(3, MAGNITUDE1), (3, MAGNITUDE2), (4, DIFFERENCE), (8, MAGNITUDE1), (8, MAGNITUDE2), (9, DIFFERENCE)],
            [1, 1, 1, 2, 2, 2],
            id="field maps",
        ),
        pytest.param([(1, T1W), (2, BOLD), (3, T1W)], [1, 0, 2], id="others between"),
        pytest.param([(1, T1W), (1, T1W)], [1, 2], id="twice in one series"),
        pytest.param([(1, BOLD), (2, SBREF)], [1, 2], id="a reference whose images never came"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_a_run_belongs_to_an_acquisition(images, expected):
    assert runs(images) == expected

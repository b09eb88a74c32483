"""Descriptions that look like personal data, and those that do not."""

import pytest

from policy.privacy.free_text import personal_data


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Smith", "Frau Müller, 2. Termin", "ask jane.doe@example.org", "call +49 7071 601 123", "born in spring", "geb. 3.4.1980",
        "1980-04-03", "3/4/80", "name: Simpson", "patient = Homer", "Hauptstraße 12", "lives at Baker Street 221",
    ],
)  # fmt: skip
def test_is_found(text):
    assert personal_data(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "7T pilot, 0.8 mm iso, TR 2000 ms, resting state", "GRE 90 deg, 32 channels, run 3/4", "protocol name 'ep2d_bold'",
        "Test of sequence v1.2.3 on a phantom", "b=1000, 64 directions, 2.5 mm", "subject moved in run 2",
    ],
)  # fmt: skip
def test_is_harmless(text):
    assert personal_data(text) == []

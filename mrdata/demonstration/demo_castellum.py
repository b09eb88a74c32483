"""The demonstration's Castellum: two made-up studies with made-up subjects, asked over a real socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mrdata.demonstration.pretend_castellum import PretendCastellum, Study

_TOKEN = "demo-token"


def castellum() -> PretendCastellum:
    """The studies `pain` of alice and `sleep` of bob; a mail address among the attributes, which is not taken."""
    pain = Study(
        1,
        "pain",
        "Cortical layers of pain",
        members=["alice"],
        subjects={
            "PN7K2": {"handedness": "left", "age_group": "20-29", "first_language": "german"},
            "PN3Q8": {"handedness": "right", "age_group": "30-39", "first_language": "somebody@example.org"},
        },
    )
    sleep = Study(
        2,
        "sleep",
        "Sleep at ultra-high field",
        members=["bob"],
        subjects={
            "SL4D1": {"handedness": "right", "age_group": "20-29"},
            "SL9W5": {"handedness": "both", "age_group": "40-49"},
        },
    )
    return PretendCastellum(pain, sleep, token=_TOKEN)


def settings(server: PretendCastellum, folder: Path) -> dict[str, Any]:
    """The section `castellum` of the zone's mrdata.yaml."""
    return {
        "source": "http",
        "url": server.url,
        "token_file": str(folder / "castellum-token"),
        "repository": str(folder / "mixed-use.git"),
        "attributes": {"handedness": ["left", "right", "both"], "age_group": [], "first_language": []},
        "every_seconds": 10,
    }


def write_token(folder: Path) -> None:
    """The file with the token, for the owner's eyes only."""
    file = folder / "castellum-token"
    file.touch(mode=0o600)
    file.write_text(_TOKEN + "\n", encoding="ascii")

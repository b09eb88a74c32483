"""Status reports of the parts of MrData for the operator's board: small objects in `<home>/board`, each with its time.

    landing.json            the landing host: what waits there (the scanner process, every `board.beat_seconds`)
    server.json             the server: disks, Castellum (the delay rule mrdata_board, every `board.every_seconds`)
    volume/<year-month>.json   what was archived on each day (the archive's delay rule)

A report that grows old shows that its writer stands still. Only the board needs the reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policy.zone import NotFound, Zone, small_object
from policy.zone.settings import Settings


def collection(settings: Settings) -> str:
    """Where they are; the service account's alone."""
    return f"{settings.home}/board"


def tell(zone: Zone, settings: Settings, name: str, what: Mapping[str, object]) -> None:
    """Replaces the object `name`."""
    path = f"{collection(settings)}/{name}.json"
    text = (json.dumps(what, ensure_ascii=False) + "\n").encode()
    try:
        small_object.write(zone, path, text)
    except NotFound:
        zone.make_collection(path.rpartition("/")[0])
        small_object.write(zone, path, text)


def told(zone: Zone, settings: Settings, name: str) -> dict[str, Any]:
    """What was told last; empty where nothing was."""
    return small_object.load(zone, f"{collection(settings)}/{name}.json") or {}

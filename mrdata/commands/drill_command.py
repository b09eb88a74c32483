"""`mrdata drill`: a restore drill from outside the server, over the way that every user's data take."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from microservices.headers.header_reader import read_header
from mrdata.commands.progress_bar import bar
from policy.archive import fixity
from policy.zone import Zone
from policy.zone.context import Context
from policy.zone.settings import Settings


def run(zone: Zone, settings: Settings, objects: int) -> list[dict[str, Any]]:
    """Reads so many objects back, as the service account, and has the drill counted; path, size and fault of each."""
    done = 0
    with bar("Reading back") as progress:

        def one_more(size: int) -> None:
            nonlocal done
            done += 1
            progress(done, objects)

        results = fixity.drill_now(Context(zone, settings, read_header), objects, None, one_more)
    return [asdict(result) for result in results]


def text(results: list[dict[str, Any]]) -> str:
    """A line for each object."""
    lines = [f"{result['fault'] or 'as it was'}: {result['path']} ({result['size']} bytes)" for result in results]
    faults = sum(bool(result["fault"]) for result in results)
    return "\n".join(
        [*lines, f"{len(results)} objects read back, {faults} faults" if results else "There is nothing to read back."]
    )

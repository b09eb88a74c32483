"""Where an archived object came from: the file of the landing zone, and the batch in which MrData took it.

The file of a replica tells: `<vault>/landed/<batch>/<landing path>` or `<landing folder>/.intake/<batch>/<landing
path>`. iRODS moves a vault's file when its object is renamed, so an object that is moved gets the AVU `LandingPath`
(value: the path, unit: the batch) first. In quarantine, an object's path tells the landing path, which everybody could
read in an AVU; the AVU `LandingBatch` tells the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy.zone import AVU, Condition, data_object, layout, subtree
from policy.zone.context import Context
from policy.zone.settings import Settings

LANDING_PATH = "LandingPath"
LANDING_BATCH = "LandingBatch"


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """`landing_path` is `<scanner>/<branch>/<path>`; `batch` is empty for what people put into landing themselves."""

    landing_path: str
    batch: str = ""

    @property
    def avu(self) -> AVU:
        """The AVU that keeps it."""
        return AVU(LANDING_PATH, self.landing_path, self.batch)


def of_file(settings: Settings, file: str) -> Origin | None:
    """The origin that the file of a replica tells; None where it does not."""
    for root in (
        f"{settings.landing.folder.rstrip('/')}/{layout.INTAKE}/",
        f"{settings.archive.vault.rstrip('/')}/{layout.LANDED}/",
    ):
        if root.startswith("/") and file.startswith(root):
            batch, _, landing_path = file.removeprefix(root).partition("/")
            if layout.landed(settings, f"{layout.landing(settings)}/{landing_path}"):
                return Origin(landing_path, batch)
    return None


def of_mailbox(settings: Settings, file: str) -> Origin | None:
    """The origin of a file that was registered where it landed, as earlier releases did; None for any other."""
    root = settings.landing.folder.rstrip("/") + "/"
    landing_path = file.removeprefix(root)
    is_there = (
        root != "/" and file.startswith(root) and layout.landed(settings, f"{layout.landing(settings)}/{landing_path}")
    )
    return Origin(landing_path) if is_there else None


def of_object(context: Context, path: str, avus: Sequence[AVU] | None = None) -> list[Origin]:
    """The origins of one object; identical bytes that people put twice give several.

    `avus`: the object's, if they are known.
    """
    avus = context.zone.metadata(path) if avus is None else avus
    found = [Origin(avu.value, avu.unit) for avu in avus if avu.attribute == LANDING_PATH]
    if not found and (landed := layout.quarantined(context.settings, path)):
        found = [Origin(landed.landing_path, avu.value) for avu in avus if avu.attribute == LANDING_BATCH]
    if found:
        return sorted(found)
    files = (file for (file,) in context.zone.query(["DATA_PATH"], *data_object(path)))
    return sorted({origin for file in files if (origin := of_file(context.settings, file))})


def of_all(context: Context, path: str) -> dict[str, list[Origin]]:
    """The origins of the objects below a collection; what has none is not there."""
    found: dict[str, set[Origin]] = {}
    named, batches = (Condition("META_DATA_ATTR_NAME", "=", attribute) for attribute in (LANDING_PATH, LANDING_BATCH))
    for collection, name, value, unit in subtree.rows(
        context, path, ["DATA_NAME", "META_DATA_ATTR_VALUE", "META_DATA_ATTR_UNITS"], named
    ):
        found.setdefault(f"{collection}/{name}", set()).add(Origin(value, unit))
    for collection, name, batch in subtree.rows(context, path, ["DATA_NAME", "META_DATA_ATTR_VALUE"], batches):
        if landed := layout.quarantined(context.settings, f"{collection}/{name}"):
            found.setdefault(f"{collection}/{name}", set()).add(Origin(landed.landing_path, batch))
    told = set(found)
    for collection, name, file in subtree.rows(context, path, ["DATA_NAME", "DATA_PATH"]):
        if f"{collection}/{name}" not in told and (origin := of_file(context.settings, file)):
            found.setdefault(f"{collection}/{name}", set()).add(origin)
    return {one: sorted(origins) for one, origins in found.items()}


def keep(context: Context, path: str) -> None:
    """Before an object is moved, or loses the replica whose file tells: writes the AVU, unless it is there."""
    avus = context.zone.metadata(path)
    if not any(avu.attribute == LANDING_PATH for avu in avus) and (origins := of_object(context, path, avus)):
        context.zone.annotate(path, add=[origin.avu for origin in origins])

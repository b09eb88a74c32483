"""Makes the products of one complete series: a tar with its index, NIfTI with BIDS sidecars.

The images are fetched and compared with the archive's checksums. New products stay in a separate collection until all
of them are uploaded, verified and described; a rename then puts the collection in its place. A process that is killed
in between leaves a collection named `<series>.unfinished`, which the next try removes, and never half a product.
Nothing is erased: replaced products go to the trash.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from policy import __version__
from policy.products import completeness
from policy.products.completeness import DERIVED_FROM, INPUTS, INPUTS_CHECKSUM, MADE_BY, ProductState, Series
from policy.records import event
from policy.zone import AVU, NotFound, experiment_id
from policy.zone.context import Context
from products import nifti, tar
from products.transfer import Client, fetch, upload

UNFINISHED = ".unfinished"


class Changed(Exception):
    """The series changed while its products were made; they are made again later."""


@dataclass(slots=True)
class _Made:
    """Files in the scratch folder, each with the program that made it; and what could not be made."""

    files: dict[Path, str] = field(default_factory=dict)
    problem: str = ""


def make(context: Context, zone: Client, series: Series) -> ProductState:
    """Makes the products of the series as it is now and notes the state; DONE or FAILED, as noted on the series.

    Changed where an image came or went meanwhile; ZoneError and OSError where the zone or the disk fail: then nothing
    is noted.
    """
    series = _with_checksums(context, series)
    if _stands(context, series):
        return _finish(context, series)
    scratch = context.settings.products.scratch or None
    with tempfile.TemporaryDirectory(prefix="mrdata-products-", dir=scratch) as folder:
        made = _build(context, series, Path(folder))
        staged = series.products + UNFINISHED
        if zone.stat(staged):
            zone.remove(staged)
        zone.make_collection(staged)
        for file, maker in made.files.items():
            upload(zone, file, f"{staged}/{file.name}")
            zone.annotate(f"{staged}/{file.name}", add=_provenance(series, maker))
    state = ProductState.FAILED if made.problem else ProductState.DONE
    completeness.note(context, staged, state, made.problem)
    zone.annotate(staged, add=_provenance(series, nifti.version()))
    if completeness.load(context, series.path).inputs_checksum != series.inputs_checksum:
        raise Changed(f"{series.path} changed while its products were made")
    if zone.stat(series.products):
        zone.remove(series.products)
    zone.move(staged, series.products)
    return _finish(context, series)


def _with_checksums(context: Context, series: Series) -> Series:
    """Returns the series after giving every image a checksum in the catalog, which identifies the image."""
    lacking = [image.name for image in series.images if not image.checksum]
    for name in lacking:
        context.zone.checksum(f"{series.path}/{name}")
    return completeness.load(context, series.path) if lacking else series


def _stands(context: Context, series: Series) -> bool:
    """Whether the products of exactly these images exist: a process was killed before it could note them."""
    try:
        avus = {avu.attribute: avu.value for avu in context.zone.metadata(series.products)}
    except NotFound:
        return False
    return avus.get(completeness.STATE) == ProductState.DONE and avus.get(INPUTS_CHECKSUM) == series.inputs_checksum


def _finish(context: Context, series: Series) -> ProductState:
    """Sends the event to the workflows, then copies state and checksum from the products' collection to the series."""
    avus = {avu.attribute: avu.value for avu in context.zone.metadata(series.products)}
    state, checksum = ProductState(avus[completeness.STATE]), avus[INPUTS_CHECKSUM]
    experiment = series.experiment.rpartition("/")[2]
    event.emit(
        context,
        event.Kind.SERIES_COMPLETE,
        experiment,
        once=f"{series.path} {checksum}",
        series=series.path,
        images=len(series.images),
        products=series.products,
        product_state=str(state),
    )
    more = {INPUTS_CHECKSUM: checksum, MADE_BY: avus[MADE_BY]}
    completeness.note(context, series.path, state, avus.get(completeness.DETAIL, ""), **more)
    return state


def _build(context: Context, series: Series, folder: Path) -> _Made:
    images, target, out = folder / "images", folder / "nifti", folder / "out"
    for new in (images, target, out):
        new.mkdir()
    files = [fetch(context.zone, f"{series.path}/{image.name}", images / image.name) for image in series.images]
    ours = f"mrdata {__version__}"
    packed = out / f"{series.name}.tar"
    index = tar.pack(files, packed)
    made = _Made({packed: ours, index: ours})
    if nifti.is_image(series.avus.get("SOPClassUID", "")):
        conversion = nifti.convert(
            images, target, series.name, _personal(context, files), context.settings.products.timeout_seconds
        )
        made.problem = conversion.problem
        made.files |= dict.fromkeys(conversion.files, nifti.version())
        log = out / f"{series.name}.log"
        log.write_text(conversion.log.replace(str(folder), ""), encoding="utf-8")
        made.files[log] = nifti.version()
    return made


def _provenance(series: Series, maker: str) -> list[AVU]:
    return [
        AVU(DERIVED_FROM, series.path),
        AVU(INPUTS, str(len(series.images))),
        AVU(INPUTS_CHECKSUM, series.inputs_checksum),
        AVU(MADE_BY, maker),
    ]


def _personal(context: Context, files: list[Path]) -> set[tuple[str, str]]:
    """Returns the personal data in the images: usually none, but a data steward may have accepted some."""
    found: set[tuple[str, str]] = set()
    for file in files:
        with open(file, "rb") as opened:
            header = context.read_header(opened, file.stat().st_size)
        found |= set(header.personal.items())
        if header.patient_name and experiment_id.parse(header.patient_name) is None:
            found.add(("PatientName", header.patient_name))
    return found

"""Finds the names of a series' images in a BIDS dataset from the series' description and the images' sidecars.

A rule is a target, `<data type>/[<entity>-<label>_...]<suffix>`, with regular expressions. They are searched for in the
series' description, ignoring case; the first rule that matches counts. A named group of the expression fills `{name}`
in the target. Entities from the sidecars (echo, part) are added. A series that matches no rule has no name: it goes
below sourcedata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

NOT_BIDS = ""
"""Target of what has no place in BIDS."""
RULES: dict[str, list[str]] = {
    NOT_BIDS: [
        r"locali[sz]er",
        r"scout",
        r"_(?:ADC|FA|TRACEW|ColFA|TENSOR|t-?map|MoCo)$",
        r"phoenix",
        r"(?:^|_)asl|pcasl|pasl",
    ],
    "func/task-{task}_sbref": [r"task[-_]?(?P<task>[a-z0-9]+).*_sbref$"],
    "func/task-rest_sbref": [r"rest.*_sbref$"],
    "dwi/sbref": [r"(?:dwi|diff|dti|dmri).*_sbref$"],
    "func/sbref": [r"(?:bold|fmri).*_sbref$"],
    "fmap/phasediff": [r"field_?map", r"gre_field"],
    "fmap/dir-{dir}_epi": [r"(?:fmap|topup|distortion|spinecho|se_?epi).*?(?P<dir>AP|PA|LR|RL)(?![a-z])"],
    "dwi/dwi": [r"dwi", r"diff", r"dti", r"dmri"],
    "func/task-{task}_bold": [r"task[-_]?(?P<task>[a-z0-9]+)"],
    "func/task-rest_bold": [r"rest(?:ing)?"],
    "func/bold": [r"bold", r"fmri"],
    "anat/UNIT1": [r"mp2rage.*uni"],
    "anat/inv-{inv}_MP2RAGE": [r"mp2rage.*inv_?(?P<inv>[12])"],
    "anat/T1w": [r"mp-?rage", r"t1w", r"(?:^|_)t1_(?!map)"],
    "anat/FLAIR": [r"flair"],
    "anat/T2w": [r"t2w", r"(?:^|_)t2_(?:tse|spc|space)"],
    "anat/angio": [r"(?:^|_)tof"],
    "anat/T2starw": [r"t2star", r"swi", r"(?:^|_)gre", r"fl[23]d", r"flash"],
}
"""The built-in rules, in the order in which they are tried."""

_ORDER = ("task", "acq", "ce", "rec", "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "chunk")
"""The order of entities in a name (BIDS 1.10, appendix Entities); sub and ses come before."""
_NEEDED: dict[str, tuple[str, ...]] = {
    "bold": ("RepetitionTime",),
    "epi": ("PhaseEncodingDirection", "TotalReadoutTime"),
    "phasediff": ("EchoTime1", "EchoTime2"),
    "MEGRE": ("EchoTime",),
    "MP2RAGE": (
        "FlipAngle", "InversionTime", "RepetitionTimeExcitation", "RepetitionTimePreparation", "NumberShots", "MagneticFieldStrength",  # noqa: E501
    ),
}  # fmt: skip
"""Suffix -> sidecar keys that an image needs to be valid in a dataset."""
_TARGET = re.compile(r"(anat|func|dwi|fmap|perf)/((?:[a-z]+-(?:[A-Za-z0-9]+|\{[a-z]+\})_)*)([A-Za-z0-9]+)")


class BadRule(ValueError):
    """An invalid rule in the settings; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Image:
    """One NIfTI file of a series: its stem, its sidecar, its number of volumes, the endings of its other files."""

    stem: str
    sidecar: Mapping[str, Any] = field(repr=False)
    volumes: int
    endings: frozenset[str]


@dataclass(frozen=True, slots=True)
class Name:
    """Where an image goes, without sub, ses and run.

    `entities` in any order. `extra` are keys that its sidecar needs.
    """

    data_type: str
    suffix: str
    entities: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Its entities and suffix as BIDS orders them."""
        pairs = [f"{entity}-{self.entities[entity]}" for entity in _ORDER if entity in self.entities]
        return "_".join([*pairs, self.suffix])


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why an image has no name."""

    reason: str


def names(description: str, images: Sequence[Image], rules: Mapping[str, Sequence[str]]) -> dict[str, Name | LeftOut]:
    """Stem -> name of each image of a series. `rules` are the site's, and go before the built-in ones. BadRule."""
    found = _rule(description, rules)
    if isinstance(found, LeftOut):
        return {image.stem: found for image in images}
    echoes = _echo_numbers(images)
    return {image.stem: _checked(_name(found, description, image, echoes), image) for image in images}


def _echo_numbers(images: Sequence[Image]) -> dict[float, int]:
    """Echo time -> number: Echo Numbers where they tell the echoes apart, else the order of the times."""
    times = sorted({image.sidecar["EchoTime"] for image in images if "EchoTime" in image.sidecar})
    told = {time: {i.sidecar.get("EchoNumber") for i in images if i.sidecar.get("EchoTime") == time} for time in times}
    numbers = [next(iter(found)) for found in told.values() if len(found) == 1]
    if len(set(numbers)) == len(times) and None not in numbers:
        return dict(zip(times, numbers, strict=True))
    return {time: number for number, time in enumerate(times, 1)}


def label(text: str) -> str:
    """Text as a label: letters and digits only.

    >>> label("ep2d_bold-2mm")
    'ep2dbold2mm'
    """
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _rule(description: str, rules: Mapping[str, Sequence[str]]) -> Name | LeftOut:
    for target, expressions in [*rules.items(), *RULES.items()]:
        for expression in expressions:
            if found := re.search(expression, description, re.IGNORECASE):
                return _target(target, {key: value for key, value in found.groupdict().items() if value})
    return LeftOut("no rule fits its description (bids.rules in mrdata.yaml)")


def _target(target: str, groups: Mapping[str, str]) -> Name | LeftOut:
    if target == NOT_BIDS:
        return LeftOut("BIDS has no place for it")
    parsed = _TARGET.fullmatch(target)
    if parsed is None:
        raise BadRule(
            f"bids.rules: {target!r} is not a target; write <data type>/[<entity>-<label>_...]<suffix>, like"
            " func/task-{task}_bold"
        )
    entities = {}
    for pair in filter(None, parsed[2].split("_")):
        entity, _, value = pair.partition("-")
        if value.startswith("{") and value[1:-1] not in groups:
            raise BadRule(f"bids.rules: {target!r}: no expression of it has a group {value[1:-1]!r}")
        if entity not in _ORDER:
            raise BadRule(f"bids.rules: {target!r}: {entity!r} is none of the entities {', '.join(_ORDER)}")
        entities[entity] = label(groups[value[1:-1]] if value.startswith("{") else value)
    return Name(parsed[1], parsed[3], entities)


def _name(name: Name, description: str, image: Image, echoes: Mapping[float, int]) -> Name:
    entities, suffix, extra = dict(name.entities), name.suffix, dict(name.extra)
    is_phase = bool({"P", "PHASE"} & _image_type(image))
    echo = echoes.get(image.sidecar.get("EchoTime", 0.0)) or image.sidecar.get("EchoNumber", 1)
    if name.data_type == "func":
        entities.setdefault("task", label(re.sub(r"(?i)_sbref$", "", description)) or "unknown")
        extra["TaskName"] = entities["task"]
    if suffix == "phasediff":
        suffix = "phasediff" if is_phase else f"magnitude{echo}"
        return replace(name, suffix=suffix, entities=entities)
    if len(echoes) > 1 and "EchoTime" in image.sidecar:
        suffix = "MEGRE" if suffix == "T2starw" else suffix
        entities["echo"] = str(echo)
    if is_phase and suffix != "epi":
        entities["part"] = "phase"
        extra["Units"] = "arbitrary"
    return replace(name, suffix=suffix, entities=entities, extra=extra)


def _checked(name: Name, image: Image) -> Name | LeftOut:
    if not image.sidecar:
        return LeftOut("an overlay that was drawn into the images")
    if {"DERIVED", "SECONDARY"} <= _image_type(image):
        return LeftOut("computed of other images (DERIVED, SECONDARY)")
    if lacking := [key for key in _NEEDED.get(name.suffix, ()) if key not in image.sidecar]:
        return LeftOut(f"as {name.suffix} it needs {', '.join(lacking)}, which its headers do not tell")
    if name.suffix == "dwi" and not {".bval", ".bvec"} <= image.endings:
        return LeftOut("as dwi it needs b-values and directions, which its headers do not tell")
    if name.suffix == "bold" and image.volumes < 2:
        return LeftOut("as bold it needs several volumes, and has one")
    return name


def _image_type(image: Image) -> set[str]:
    found = image.sidecar.get("ImageType", ())
    return (
        {str(part).upper() for part in found} if isinstance(found, Iterable) and not isinstance(found, str) else set()
    )

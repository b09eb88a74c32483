"""Makes AVUs of a collection of Expanded Data from its `metadata.yaml`, when the archive has that file.

A `metadata.yaml` holds names with values: a text, a number, a list of them, or `{value: ..., unit: ...}`. iRODS shows
the values of AVUs to every user, so each is checked first. The experiment's history names a refused entry by its place
in the file, never by its content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy.castellum import mixed_use
from policy.privacy.personal_data import PERSONAL
from policy.records import audit
from policy.zone import AVU, layout
from policy.zone.context import Context, Refused
from policy.zone.layout import DataType
from policy.zone.settings import Expanded
from policy.zone.vocabulary import UNITS

METADATA = "metadata.yaml"
READ = "MetadataRead"
"""AVU of a `metadata.yaml` that has been read: its checksum. Its unit is the number of entries that were refused."""
ACT = "metadata of Expanded Data refused"
LARGEST = 1 << 16
"""Bytes."""
MOST = 200
"""Entries."""
LONGEST_UNIT = 250
"""Characters (R_META_MAIN)."""
_OURS = {"LandingPath", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID"}
_OURS |= {"DerivedFrom", "Inputs", "InputsChecksum", "MadeBy", "ProductState", "ProductDetail", "Reassigned", READ}
_OURS |= {"LandingBatch", "Reason", "Detail", "Quarantined", "HeaderSays", "Candidate", "Tries", "NextTry", "LastError"}
_PREFIXES = ("irods::", "mrdata", "Retention", "Finalize", "Checksum", "Event", "Audit")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file gives: AVUs, and what is wrong with its other entries (`entry 3: ...`)."""

    avus: tuple[AVU, ...]
    faults: tuple[str, ...]


def is_metadata(context: Context, path: str) -> bool:
    """Whether this is a `metadata.yaml` of Expanded Data."""
    below = path.removeprefix(layout.studies(context.settings) + "/").split("/")
    return (
        layout.experiment_of(context.settings, path) is not None
        and below[3:4] == [DataType.EXP_DATA]
        and below[-1] == METADATA
    )


def describe(context: Context, path: str) -> Metadata:
    """Sets the AVUs that a `metadata.yaml` gives, and writes into the experiment's history what was refused, once for
    its content.

    After an interruption, a second call does what was left undone. Raises `Refused` if the path is not a
    `metadata.yaml` of Expanded Data.
    """
    experiment = layout.experiment_of(context.settings, path)
    if experiment is None or not is_metadata(context, path):
        raise Refused(f"{path} is not a {METADATA} of Expanded Data")
    zone, collection = context.zone, layout.parent(path)
    stat = zone.stat(path)
    content = zone.read(path, 0, LARGEST + 1) if stat and stat.size else b""
    found = parse(content, context.settings.expanded)
    there = set(zone.metadata(collection))
    zone.annotate(collection, add=[avu for avu in found.avus if avu not in there])
    done = AVU(READ, zone.checksum(path), str(len(found.faults)))
    if done not in zone.metadata(path):
        if found.faults:
            study = path.removeprefix(layout.studies(context.settings) + "/").split("/")[0]
            audit.record(
                context,
                ACT,
                experiment=experiment,
                study=study,
                refused="; ".join(found.faults),
                taken=str(len(found.avus)),
            )
        zone.annotate(path, add=[done])
    return found


def parse(content: bytes, rules: Expanded) -> Metadata:
    """What the bytes of a `metadata.yaml` give."""
    import yaml

    if len(content) > LARGEST:
        return Metadata((), (f"the file is larger than {LARGEST} bytes",))
    try:
        text = content.decode("utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.BaseLoader)):
            return Metadata((), ("the file uses aliases (*name); write each value out",))
        held = yaml.load(text, Loader=yaml.BaseLoader)  # texts as they are written: 2.50 stays 2.50
    except UnicodeDecodeError:
        return Metadata((), ("the file is not UTF-8",))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        return Metadata((), (f"the file is not YAML{f': line {mark.line + 1}' if mark else ''}",))
    if not isinstance(held, Mapping):
        return Metadata((), ("the file holds no names with values",))
    if len(held) > MOST:
        return Metadata((), (f"the file has {len(held)} entries; {MOST} are allowed",))
    avus: list[AVU] = []
    faults: list[str] = []
    for number, (name, value) in enumerate(held.items(), 1):
        fault = _name_fault(name, rules) or _take(str(name), value, rules, avus)
        if fault:
            faults.append(f"entry {number}: {fault}")
    return Metadata(tuple(avus), tuple(faults))


def _name_fault(name: object, rules: Expanded) -> str:
    if not isinstance(name, str) or not mixed_use.ATTRIBUTE.fullmatch(name):
        return "its name must be 1 to 100 letters, digits, blanks, `_`, `.`, `:` or `-`, beginning with a letter"
    if rules.attributes and name not in rules.attributes:
        return "its name is none of those that this site takes (expanded.attributes)"
    if name in _OURS or name in UNITS or name.startswith(_PREFIXES):
        return "its name is one that the archive uses itself"
    if name in PERSONAL.values() or mixed_use.wrong_names({name: rules.attributes.get(name, [])}):
        return "its name sounds like personal data, or is one that the archive uses itself"
    return ""


def _take(name: str, value: object, rules: Expanded, avus: list[AVU]) -> str:
    """Adds the AVUs of an entry; why it is refused, if it is."""
    new: list[AVU] = []
    for item, unit in _items(value):
        if not isinstance(item, str) or not isinstance(unit, str) or len(unit) > LONGEST_UNIT:
            return "its value must be a text, a number, a list of them, or {value: ..., unit: ...}"
        taken, refused = mixed_use.taken("", "", {name: item}, {name: rules.attributes.get(name, [])})
        _, refused_unit = mixed_use.taken("", "", {name: unit}, {name: []})
        if refused or refused_unit:
            return f"its value {[*refused, *refused_unit][0].reason}"
        new += [AVU(name, text, unit) for text in taken.get(name, ())]
    if not new:
        return "it has no value"
    avus += new
    return ""


def _items(value: object) -> Iterator[tuple[object, object]]:
    """(value, unit) of an entry."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping) and set(item) <= {"value", "unit"}:
            yield item.get("value"), item.get("unit", "")
        else:
            yield item, ""

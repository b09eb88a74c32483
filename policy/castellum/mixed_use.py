"""Mixed-use metadata as files: one for each study and subject, byte-identical for identical content, and what may be in
them.

    studies/<StudyID>/study.yaml
    studies/<StudyID>/subjects/<pseudonym>.yaml

Keys are sorted and every text is a JSON text (which is one of YAML, RFC 8259), so that no library's taste changes a
byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from policy.castellum.snapshot import Attributes
from policy.privacy import free_text
from policy.zone.layout import NAME
from policy.zone.vocabulary import AT_SCAN

ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
"""The name of a member's account."""
ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_ .:-]{0,99}")
LONGEST = 1000
"""Characters of a value."""
_PERSONAL = re.compile(
    r"(?i)(first|last|sur|family|given|birth|maiden|full|vor|nach|familien)[ _.-]?name|^name$"
    r"|geburt|date[ _.-]?of[ _.-]?birth|birth[ _.-]?(date|day)|^dob$"
    r"|address|adresse|street|stra(ss|ß)e|postal|post[ _.-]?code|^zip|plz"
    r"|phone|telefon|mobile|handy|e[ _.-]?mail|^mail|contact|kontakt"
)
_RESERVED = {
    "ExperimentID", "ExperimentURL", "StudyID", "StudyState", "Title", "Pseudonym", "PseudonymList", "Owner", "Scanner", "ScanType",  # noqa: E501
    "Description", "Registered", "State", "StateSince", "MixedUseCommit", "VanishedSince",
}  # fmt: skip
_NAMED = re.compile(r"[A-ZÄÖÜ][a-zäöüßéèáà'-]+(,? [A-ZÄÖÜ][a-zäöüßéèáà'.-]*){1,3}")
"""Two to four words that begin with capitals, and nothing else: Anna Müller; Müller, Anna K."""


@dataclass(frozen=True, slots=True)
class StudyFile:
    """What `study.yaml` holds. `key` is the source's own name for the study; `members` are account names.

    `exported` names the attributes that may come in and are exported for anybody of the study, whatever their values;
    None: never told.
    """

    study: str
    key: str = ""
    title: str = ""
    members: tuple[str, ...] = ()
    active: bool = True
    pseudonym_list: str = ""
    exported: tuple[str, ...] | None = None

    def content(self) -> bytes:
        """The file's bytes."""
        fields: dict[str, object] = {"active": self.active, "key": self.key, "members": sorted(set(self.members))}
        fields["exported"] = None if self.exported is None else sorted(set(self.exported))
        return _written({**fields, "pseudonym_list": self.pseudonym_list, "study": self.study, "title": self.title})


@dataclass(frozen=True, slots=True)
class SubjectFile:
    """What a subject's file holds.

    `vanished` is when the source stopped naming the pseudonym of an active study; UTC, ISO 8601.
    """

    study: str
    pseudonym: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pseudonym_list: str = ""
    vanished: str = ""

    def content(self) -> bytes:
        """The file's bytes."""
        attributes = {name: values[0] if len(values) == 1 else list(values) for name, values in self.attributes.items()}
        fields: dict[str, object] = {
            "attributes": attributes,
            "pseudonym": self.pseudonym,
            "pseudonym_list": self.pseudonym_list,
        }
        return _written({**fields, "study": self.study, **({"vanished": self.vanished} if self.vanished else {})})


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """A value that was not taken; the value itself is never kept."""

    study: str
    pseudonym: str
    attribute: str
    reason: str


def shown(text: str, pattern: re.Pattern[str] = NAME) -> str:
    """A text of the source in a message: as it is where it can be an identifier; else its length alone, for it may tell
    who somebody is.

    >>> shown("pain-2"), shown("Anna Example")
    ('pain-2', 'a text of 12 characters')
    """
    return text if pattern.fullmatch(text) else f"a text of {len(text)} characters"


def study_path(study: str) -> str:
    """Where a study's file is."""
    return f"studies/{study}/study.yaml"


def subject_path(study: str, pseudonym: str) -> str:
    """Where a subject's file is."""
    return f"studies/{study}/subjects/{pseudonym}.yaml"


def parts(path: str) -> tuple[str, str] | None:
    """(StudyID, pseudonym) of a file, the pseudonym empty for the study's own; None for any other file of the
    repository.

    >>> parts("studies/pain/subjects/P1.yaml"), parts("studies/pain/study.yaml"), parts("README.md")
    (('pain', 'P1'), ('pain', ''), None)
    """
    match path.split("/"):
        case ["studies", study, "study.yaml"]:
            return study, ""
        case ["studies", study, "subjects", name] if name.endswith(".yaml"):
            return study, name.removesuffix(".yaml")
    return None


def study_from(content: bytes) -> StudyFile:
    """The study of a file. Raises ValueError if it is not the file of a study."""
    held = _read(content)
    members = tuple(str(m) for m in held.get("members") or ())
    texts = {name: str(held.get(name) or "") for name in ("study", "key", "title", "pseudonym_list")}
    names = held.get("exported")
    exported = None if names is None else tuple(str(name) for name in names)
    return StudyFile(**texts, members=members, active=held.get("active") is True, exported=exported)


def subject_from(content: bytes) -> SubjectFile:
    """The subject of a file. Raises ValueError if it is not the file of a subject."""
    held = _read(content)
    attributes = held.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise ValueError("attributes are not a mapping")
    values = {
        str(n): tuple(str(v) for v in (value if isinstance(value, list) else [value]))
        for n, value in attributes.items()
    }
    return SubjectFile(
        **{n: str(held.get(n) or "") for n in ("study", "pseudonym", "pseudonym_list", "vanished")}, attributes=values
    )


def wrong_names(allowed: Mapping[str, list[str]]) -> list[str]:
    """What is wrong with the attributes that a site allows; nothing, usually."""
    faults = []
    for name, patterns in allowed.items():
        if not ATTRIBUTE.fullmatch(name) or name.startswith(AT_SCAN) or name in _RESERVED:
            faults.append(f"castellum.attributes: {name!r} cannot be the name of an attribute in the archive")
        elif _PERSONAL.search(name) and not patterns:
            faults.append(
                f"castellum.attributes: {name!r} sounds like personal data; give expressions for the values that are"
                " none"
            )
    return faults


def taken(
    study: str, pseudonym: str, given: Attributes, allowed: Mapping[str, list[str]]
) -> tuple[dict[str, tuple[str, ...]], list[Refusal]]:
    """The attributes that may come in, in their written form, and what was refused.

    What is not allowed is passed over in silence.
    """
    attributes: dict[str, tuple[str, ...]] = {}
    refusals: list[Refusal] = []
    for name in sorted(set(given) & set(allowed)):
        value = given[name]
        texts = sorted({t for v in (value if isinstance(value, (list, tuple)) else [value]) if (t := _text(v))})
        faults = sorted({fault for text in texts if (fault := _fault(text, tuple(allowed[name])))})
        if faults:
            refusals.append(Refusal(study, pseudonym, name, ", ".join(faults)))
        elif texts:
            attributes[name] = tuple(texts)
    return attributes, refusals


def exported(given: Iterable[Attributes], allowed: Iterable[str]) -> tuple[str, ...]:
    """The attributes that may come in and stand in anybody's answer, with a value or without one."""
    return tuple(sorted({name for attributes in given for name in attributes} & set(allowed)))


def _text(value: object) -> str:
    """Writes a value in the one way that files use. Empty if it has no value: None, `n/a` (BIDS) or no text."""
    if value is None or value in ("", "n/a"):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


@lru_cache(maxsize=10_000)  # values of attributes repeat
def _fault(text: str, patterns: tuple[str, ...]) -> str:
    if len(text) > LONGEST or not text.isprintable():
        return "is longer than 1000 characters or holds characters that do not print"
    if patterns:
        return (
            "" if any(re.fullmatch(pattern, text) for pattern in patterns) else "is none of the values that are allowed"
        )
    signs = free_text.personal_data(text) or (["a name"] if _NAMED.fullmatch(text) else [])
    return f"looks like {' and '.join(signs)}" if signs else ""


def _written(fields: Mapping[str, object]) -> bytes:
    lines = []
    for key, value in sorted(fields.items()):
        if isinstance(value, dict) and value:
            lines += [f"{key}:", *(f"  {_json(name)}: {_json(item)}" for name, item in sorted(value.items()))]
        else:
            lines.append(f"{key}: {_json(value)}")
    return ("\n".join(lines) + "\n").encode()


def _json(value: object) -> str:
    return json.encoder.encode_basestring(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(content: bytes) -> dict[str, Any]:
    import yaml

    try:
        held = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own text repeats the file's
        raise ValueError(f"is not YAML{f': line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(held, dict):
        raise ValueError("holds no keys")
    return held

"""Lists and search, as the asking user sees them: studies, subjects, experiments.

The number of queries does not depend on what is archived, and their rows depend on experiments and series, never on
objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from policy.zone import Among, Condition, account, layout
from policy.zone.context import Context, Refused
from policy.zone.experiment import Experiment, experiment_from
from policy.zone.like_pattern import like
from policy.zone.vocabulary import UNITS

PAGE = 50
"""Experiments on one page."""
_MANY = 200_000
_VALUES, _FEW = 1000, 300
"""Values of an AVU, and collections, that one query names at most."""
_SHOWN = (
    "ExperimentID", "StudyID", "Pseudonym", "Owner", "Scanner", "ScanType", "Registered", "State", "ExperimentURL", "Description",  # noqa: E501
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study in a list. `experiments` is how many there are that the user sees."""

    id: str
    title: str
    is_active: bool
    experiments: int


@dataclass(frozen=True, slots=True)
class SubjectLine:
    """A subject of a study in a list."""

    pseudonym: str
    experiments: int


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval of a number of the vocabulary, in its unit; None is open."""

    low: float | None
    high: float | None

    def holds(self, value: str) -> bool:
        """Whether a value, as the vocabulary writes it, is inside. False for a text that is not a number."""
        try:
            number = float(value)
        except ValueError:
            return False
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for. Dates are ISO 8601 days of the registration;

    `exact` are further AVUs of an experiment; empty: anything.
    """

    study: str = ""
    pseudonym: str = ""
    since: str = ""
    until: str = ""
    protocol: str = ""
    """Part of the protocol's name; `%` stands for any text. Capitals count, as everywhere in iRODS."""
    ranges: dict[str, Range] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of experiments, the youngest first; `total` is how many there are in all."""

    experiments: list[Experiment]
    total: int


def studies(context: Context) -> list[StudyLine]:
    """All that the user sees, by name."""
    zone, root = context.zone, layout.studies(context.settings)
    rows = zone.select(
        ["COLL_NAME", "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE"],
        Condition("COLL_PARENT_NAME", "=", root),
        Among("META_COLL_ATTR_NAME", ("StudyID", "Title", "StudyState")),
    )
    counted = zone.select(
        ["COLL_PARENT_NAME", "count(COLL_ID)"], Condition("COLL_PARENT_NAME", "like", f"{root}/%/experiments")
    )
    counts = {path: int(count) for path, count in counted}
    found: dict[str, dict[str, str]] = {}
    for path, name, value in rows:
        found.setdefault(path, {})[name] = value
    lines = [
        StudyLine(
            avus["StudyID"],
            avus.get("Title", ""),
            avus.get("StudyState") == "active",
            counts.get(f"{path}/experiments", 0),
        )
        for path, avus in found.items()
        if avus.get("StudyID")
    ]
    return sorted(lines, key=lambda line: line.id.lower())


def members(context: Context, study: str) -> list[str]:
    """The users who are members of a study, by name."""
    return sorted(account.members(context.zone, layout.study_group(study)))


def subjects(context: Context, study: str) -> list[SubjectLine]:
    """The subjects of a study, by pseudonym."""
    path = layout.study(context.settings, study)
    named = context.zone.query(["COLL_NAME"], Condition("COLL_PARENT_NAME", "=", f"{path}/subjects"))
    counted = context.zone.select(
        ["META_COLL_ATTR_VALUE", "count(COLL_ID)"],
        Condition("META_COLL_ATTR_NAME", "=", "Pseudonym"),
        Condition("COLL_PARENT_NAME", "=", f"{path}/experiments"),
    )
    counts = {pseudonym: int(count) for pseudonym, count in counted}
    pseudonyms = sorted(subject.rpartition("/")[2] for (subject,) in named)
    return [SubjectLine(pseudonym, counts.get(pseudonym, 0)) for pseudonym in pseudonyms]


def experiment(context: Context, experiment_id: str) -> Experiment | None:
    """The experiment of an ExperimentID in its written form, if the user may see it."""
    rows = context.zone.query(
        ["COLL_NAME"],
        Condition("META_COLL_ATTR_NAME", "=", "ExperimentID"),
        Condition("META_COLL_ATTR_VALUE", "=", experiment_id),
    )
    paths = [path for (path,) in rows if _is_experiment(context, path)]
    return next(iter(load(context, paths)), None) if paths else None


def search(context: Context, wanted: Search, *, page: int = 0) -> Found:
    """The experiments that fit, the youngest first; `page` counts from 0, `PAGE` experiments each."""
    only = _fitting(context, wanted)
    if only is not None and not only:
        return Found([], 0)
    conditions = [Condition("META_COLL_ATTR_NAME", "=", "Registered"), _parent(context, wanted)]
    if wanted.since:
        conditions.append(Condition("META_COLL_ATTR_VALUE", ">=", wanted.since))
    if wanted.until:
        conditions.append(Condition("META_COLL_ATTR_VALUE", "<=", f"{wanted.until}T23:59:59Z"))
    rows = context.zone.select(
        ["COLL_NAME", "META_COLL_ATTR_VALUE"], *conditions, order="META_COLL_ATTR_VALUE", descending=True, limit=_MANY
    )
    paths = [path for path, _ in rows if _is_experiment(context, path) and (only is None or path in only)]
    return Found(load(context, paths[page * PAGE : (page + 1) * PAGE]), len(paths))


def _parent(context: Context, wanted: Search) -> Condition:
    """That of experiments. A study's name is compared: in a pattern, `pain_1` would also be `pain-1`."""
    if wanted.study:
        return Condition("COLL_PARENT_NAME", "=", f"{layout.study(context.settings, wanted.study)}/experiments")
    return Condition("COLL_PARENT_NAME", "like", f"{layout.studies(context.settings)}/%/experiments")


def _is_experiment(context: Context, path: str) -> bool:
    return layout.experiment_of(context.settings, path) == path.rpartition("/")[2]


def load(context: Context, paths: Sequence[str]) -> list[Experiment]:
    """The experiments of these collections, in this order, by one query."""
    if not paths:
        return []
    rows = context.zone.select(
        ["COLL_NAME", "META_COLL_ATTR_NAME", "META_COLL_ATTR_VALUE"],
        Among("COLL_NAME", tuple(paths)),
        Among("META_COLL_ATTR_NAME", _SHOWN),
    )
    records: dict[str, dict[str, str]] = {}
    for path, name, value in rows:
        records.setdefault(path, {})[name] = value
    return [experiment_from(path, records[path]) for path in paths if path in records]


def _fitting(context: Context, wanted: Search) -> set[str] | None:
    """The paths of the experiments that fit by what they and their series say; None: all."""
    exact = {"Pseudonym": wanted.pseudonym, **wanted.exact}
    sets = [_of_experiment(context, name, value, wanted) for name, value in exact.items() if value]
    if wanted.protocol or wanted.ranges:
        sets.append(
            {
                path
                for carrier in _carriers(context, wanted)
                if (path := layout.experiment_path(context.settings, carrier))
            }
        )
    return set.intersection(*sets) if sets else None


def _of_experiment(context: Context, name: str, value: str, wanted: Search) -> set[str]:
    rows = context.zone.select(
        ["COLL_NAME"],
        Condition("META_COLL_ATTR_NAME", "=", name),
        Condition("META_COLL_ATTR_VALUE", "=", value),
        _parent(context, wanted),
        limit=_MANY,
    )
    return {path for (path,) in rows}


def _carriers(context: Context, wanted: Search) -> set[str]:
    """The collections of series whose AVUs fit, and of objects that have such AVUs themselves (raw data, further
    echoes).

    The catalog intersects what the collections themselves tell, the condition that the smallest share of the values
    fits first.
    """
    occurring = {
        name: _occurring(context, name) for name in [*(["ProtocolName"] if wanted.protocol else []), *wanted.ranges]
    }
    values = {name: _fitting_values(wanted, name, of_name) for name, of_name in occurring.items()}
    if not all(values.values()):
        return set()
    values = dict(sorted(values.items(), key=lambda item: len(item[1]) / len(occurring[item[0]])))
    found = _having(context, wanted, "COLL", values)
    by_objects = {name: _having(context, wanted, "DATA", {name: of_name}) for name, of_name in values.items()}
    mixed = set.union(*by_objects.values()) - found
    for name, of_name in values.items():
        if lacking := mixed - by_objects[name]:
            mixed -= lacking - _having(context, wanted, "COLL", {name: of_name}, lacking)
    return found | mixed


def _having(
    context: Context, wanted: Search, kind: str, values: dict[str, list[str]], among: set[str] | None = None
) -> set[str]:
    """The collections (COLL) that have each AVU with one of its values, or (DATA) those of such objects; of a few only
    `among` these.
    """
    told: list[Condition | Among] = []
    for name, of_name in values.items():
        told += [Condition(f"META_{kind}_ATTR_NAME", "=", name), Among(f"META_{kind}_ATTR_VALUE", tuple(of_name))]
    if among is not None and len(among) <= _FEW:
        rows = context.zone.select(["COLL_NAME"], Among("COLL_NAME", tuple(sorted(among))), *told)
    else:
        rows = context.zone.query(
            ["COLL_NAME"], *told, Condition("COLL_NAME", "like", f"{_parent(context, wanted).value}/%")
        )
    return set(chain.from_iterable(rows))  # perhaps also another study's, for a study with a `_`: `search` compares


def _fitting_values(wanted: Search, name: str, occurring: Sequence[str]) -> list[str]:
    """The values that fit, of those that occur: a site has few protocols. Raises `Refused` if too many values fit."""
    fits = wanted.ranges[name].holds if name in wanted.ranges else like(f"%{wanted.protocol}%")
    found = [value for value in occurring if fits(value)]
    if len(found) > _VALUES:
        raise Refused(f"{name}: {len(found)} different values fit; give more of it")
    return found


def _occurring(context: Context, name: str) -> list[str]:
    """The values of an AVU. Those with a quote cannot be asked for, and are left out.

    The catalog keeps one row for equal AVUs of collections and objects (R_META_MAIN): one question tells those of both.
    """
    if name not in UNITS:
        raise ValueError(f"{name!r} is not in the vocabulary")
    rows = context.zone.query(["META_COLL_ATTR_VALUE"], Condition("META_COLL_ATTR_NAME", "=", name))
    return sorted(value for (value,) in rows if "'" not in value and "\\" not in value)

"""`mrdata find`: collections and objects by what their AVUs say, with ranges, units and numbers.

A condition compares numbers as numbers where the attribute is one of the vocabulary (`RepetitionTime=2` is
`RepetitionTime=2.0`), where it has a unit, and where it is a range; else it compares texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from policy.zone import Among, Condition, Zone
from policy.zone.vocabulary import UNITS

_KINDS = (("COLL", ("COLL_NAME",)), ("DATA", ("COLL_NAME", "DATA_NAME")))
_AT_ONCE = 200
"""Values that one query names."""
_SHOWN = 8
"""Values that are shown at most where nothing fits."""
_CONDITION = re.compile(r"(?P<name>[^=<>]+?)\s*(?P<operator><=|>=|=|<|>)\s*(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[^\d\s].*)?")
_FACTORS = {
    "s": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0},
    "mm": {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "cm": 10.0, "m": 1000.0},
    "T": {"T": 1.0, "mT": 1e-3},
    "MHz": {"MHz": 1.0, "kHz": 1e-3, "Hz": 1e-6},
    "deg": {"deg": 1.0, "°": 1.0, "rad": 180 / math.pi},
    "Hz/px": {"Hz/px": 1.0, "Hz": 1.0, "kHz/px": 1000.0},
    "s/mm2": {"s/mm2": 1.0, "s/mm^2": 1.0},
}
"""Unit of the archive -> unit that may be typed -> how much of the first one is."""
_UNITS = {unit for factors in _FACTORS.values() for unit in factors}


class BadCondition(ValueError):
    """A condition that cannot be understood; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One condition: an attribute, and its value, or the bounds of it. An empty bound is open."""

    text: str
    name: str
    value: str = ""
    low: str = ""
    high: str = ""
    is_range: bool = False
    is_open: bool = False
    """Whether the bounds themselves are outside (`<`, `>`)."""

    def holds(self, value: str, unit: str, *, is_number: bool) -> bool:
        """Whether a value of the catalog fits. `is_number`: the attribute is compared as a number if it is one."""
        if not self.is_range:
            if value == self.value:
                return True
            wanted, found = _in_unit(self.value, unit), _in_unit(value, unit)
            return is_number and None not in (wanted, found) and _is_close(wanted or 0.0, found or 0.0)
        return self._is_above(value, unit) and self._is_below(value, unit)

    def _is_above(self, value: str, unit: str) -> bool:
        return not self.low or _is_ordered(self.low, value, unit, is_open=self.is_open)

    def _is_below(self, value: str, unit: str) -> bool:
        return not self.high or _is_ordered(value, self.high, unit, is_open=self.is_open)


def parsed(text: str) -> Wanted:
    """A condition as it is typed. BadCondition.

    >>> parsed("EchoTime<5ms").high, parsed("RepetitionTime=1..3").low, parsed("FlipAngle=90").value
    ('5ms', '1', '90')
    """
    found = _CONDITION.fullmatch(text.strip())
    if not found:
        raise BadCondition(f"{text!r}: write ATTRIBUTE=VALUE, ATTRIBUTE=LOW..HIGH, 'ATTRIBUTE<VALUE' or '>'")
    name, operator, value = found["name"].strip(), found["operator"], found["value"].strip()
    if operator != "=":
        if not value:
            raise BadCondition(f"{text!r}: a value is missing after {operator}")
        bounds = {"low" if operator[0] == ">" else "high": value}
        return Wanted(text, name, is_range=True, is_open=len(operator) == 1, **bounds)
    low, dots, high = value.partition("..")
    if not dots:
        return Wanted(text, name, value)
    low, high = low.strip(), high.strip()
    if not low and not high:
        raise BadCondition(f"{text!r}: write a bound before or after the two dots")
    unit = _unit(high)
    return Wanted(text, name, low=low + (unit if low and not _unit(low) else ""), high=high, is_range=True)


def find(zone: Zone, wanted: Sequence[Wanted]) -> list[str]:
    """Paths of the collections and objects for which all conditions hold, sorted. BadCondition for a wrong unit."""
    found: set[str] | None = None
    for one in wanted:
        paths = set(_paths(zone, one))
        found = paths if found is None else found & paths
    return sorted(found or ())


def why_nothing(zone: Zone, wanted: Sequence[Wanted]) -> str:
    """A sentence for people, where nothing was found."""
    for one in wanted:
        names = _names(zone, one.name)
        values = {pair for name in names for kind, _ in _KINDS for pair in _values(zone, kind, name)}
        if not values:
            near = get_close_matches(one.name, {*UNITS, *_all_names(zone)}, n=3)
            hint = f"; similar names: {', '.join(near)}" if near else ""
            return f"Nothing was found: nothing that you may see has the attribute {one.name}{hint}."
        if not any(_fits(one, names[0], value, unit) for value, unit in values):
            shown = _listed(values)
            return f"Nothing was found: no {names[0]} fits {one.text!r}. Its values here: {shown}."
    return "Nothing was found: each condition holds somewhere, but all of them nowhere."


def _paths(zone: Zone, one: Wanted) -> Iterator[str]:
    for name in _names(zone, one.name):
        _demand_units(one, name)
        for kind, columns in _KINDS:
            attribute = Condition(f"META_{kind}_ATTR_NAME", "=", name)
            for condition in _conditions(zone, one, kind, name):
                yield from ("/".join(row) for row in zone.query(list(columns), attribute, condition))


def _conditions(zone: Zone, one: Wanted, kind: str, name: str) -> Iterator[Condition | Among]:
    """On the value, for the catalog: the values that it has and that fit."""
    column = f"META_{kind}_ATTR_VALUE"
    if "%" in one.value:
        yield Condition(column, "like", one.value)
        return
    if not one.is_range and name not in UNITS and not _is_number(one.value):
        yield Condition(column, "=", one.value)
        return
    fitting = sorted({value for value, unit in _values(zone, kind, name) if _fits(one, name, value, unit)})
    plain = [value for value in fitting if not set(value) & set("'\\\"")]
    yield from (Condition(column, "=", value) for value in fitting if value not in plain)
    for start in range(0, len(plain), _AT_ONCE):
        yield Among(column, tuple(plain[start : start + _AT_ONCE]))


def _demand_units(one: Wanted, name: str) -> None:
    """BadCondition where a number has a unit in which this attribute is not measured."""
    factors = _FACTORS.get(UNITS.get(name, ""))
    for typed in ("" if "%" in one.value else one.value, one.low, one.high):
        if factors and (unit := _unit(typed)) and unit not in factors:
            raise BadCondition(f"{one.text!r}: {name} is not measured in {unit!r}; write one of {', '.join(factors)}")


def _fits(one: Wanted, name: str, value: str, unit: str) -> bool:
    if "%" in one.value:
        return False
    unit = UNITS.get(name) or (unit if unit in _FACTORS else "")
    return one.holds(value, unit, is_number=bool(unit) or name in UNITS)


def _values(zone: Zone, kind: str, name: str) -> list[tuple[str, str]]:
    """The different values of an attribute, with their units."""
    columns = [f"META_{kind}_ATTR_VALUE", f"META_{kind}_ATTR_UNITS"]
    return [(value, unit) for value, unit in zone.query(columns, Condition(f"META_{kind}_ATTR_NAME", "=", name))]


def _names(zone: Zone, typed: str) -> list[str]:
    """The attributes of this name, whatever its capitals; the typed one where there is none."""
    if typed in UNITS:
        return [typed]
    wanted = typed.casefold()
    return (
        [name for name in UNITS if name.casefold() == wanted]
        or sorted({name for name in _all_names(zone) if name.casefold() == wanted})
        or [typed]
    )


def _all_names(zone: Zone) -> Iterable[str]:
    for kind, _ in _KINDS:
        yield from (name for (name,) in zone.query([f"META_{kind}_ATTR_NAME"]))


def _listed(values: Iterable[tuple[str, str]]) -> str:
    """Some of them, numbers in their order."""
    ordered = sorted(values, key=lambda pair: (_in_unit(pair[0], "") is None, _in_unit(pair[0], "") or 0.0, pair[0]))
    shown = [f"{value} {unit}".strip() for value, unit in ordered[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else "")


def _unit(typed: str) -> str:
    found = _NUMBER.fullmatch(typed)
    return (found["unit"] or "").strip() if found else ""


def _is_number(typed: str) -> bool:
    return bool(_NUMBER.fullmatch(typed)) and _unit(typed) in {"", *_UNITS}


def _in_unit(typed: str, unit: str) -> float | None:
    """The number in the archive's unit; None for a text. BadCondition for a unit that does not go with it."""
    found = _NUMBER.fullmatch(typed)
    if found is None:
        return None
    given = (found["unit"] or "").strip()
    if not given:
        return float(found["number"])
    factors = _FACTORS.get(unit, {unit: 1.0} if unit else {})
    return float(found["number"]) * factors[given] if given in factors else None


def _is_ordered(low: str, high: str, unit: str, *, is_open: bool) -> bool:
    """As numbers where both are; else as texts, which orders dates."""
    first, second = _in_unit(low, unit), _in_unit(high, unit)
    if first is not None and second is not None:
        return not is_open if _is_close(first, second) else first < second
    if first is None and second is None:
        return low < high or (low == high and not is_open)
    return False


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9)

"""Finds what derives from an experiment, wherever in the zone it is, by the AVU `DerivedFrom`, step by step.

The AVU's value is an ExperimentID, or the path of an object or a collection. A user who makes something of archived
data sets the AVU on the new object, or on the collection that holds it.
"""

from __future__ import annotations

from collections.abc import Iterable

from policy.zone import Condition, layout, subtree
from policy.zone.context import Context

DERIVED_FROM = "DerivedFrom"


def find(context: Context, experiment_id: str, path: str, taken: Iterable[str] = ()) -> dict[str, bool]:
    """Path of all that derives from the experiment and lies outside its collection -> whether it derives from something
    else, too.

    `taken` are the paths at which copies lay that were taken already: what derives from them is still to be found. Of a
    collection and what is in it, only the collection. Homes and collections that hold the experiment itself are passed
    over.
    """
    todo = [experiment_id, path, *taken]
    sources = {experiment_id, path}
    found: set[str] = set()
    seen: set[str] = set()
    while todo:
        source = todo.pop()
        if source in seen:
            continue
        seen.add(source)
        for one in _made_from(context, source):
            if one not in sources and not f"{one}/".startswith(path + "/") and _can_be_taken(context, one, path):
                sources.add(one)
                found.add(one)
                todo.append(one)
    tops = {one for one in found if not any(one.startswith(other + "/") for other in found)}
    return {one: _has_others(context, one, sources | seen) for one in sorted(tops)}


def _made_from(context: Context, source: str) -> set[str]:
    """What names the source, or something below it."""
    found: set[str] = set()
    for kind, columns in (("COLL", ["COLL_NAME"]), ("DATA", ["COLL_NAME", "DATA_NAME"])):
        named = Condition(f"META_{kind}_ATTR_NAME", "=", DERIVED_FROM)
        value = f"META_{kind}_ATTR_VALUE"
        rows = context.zone.query([value, *columns], named, Condition(value, "=", source))
        if source.startswith("/"):
            rows += context.zone.query(
                [value, *columns], named, Condition(value, "like", source.replace("\\", "_") + "/%")
            )
        found |= {"/".join(row[1:]) for row in rows if f"{row[0]}/".startswith(source + "/")}
    return found


def _can_be_taken(context: Context, one: str, path: str) -> bool:
    home, is_kept = context.settings.home, one.startswith(layout.withdrawn(context.settings) + "/")
    is_home = one.count("/") <= (
        4 if one.startswith(f"/{context.settings.zone}/trash/") else 3
    ) or one == layout.studies(context.settings)
    return not is_kept and not is_home and not f"{path}/".startswith(one + "/") and one != home


def _has_others(context: Context, one: str, sources: set[str]) -> bool:
    """Whether anything at or below `one` names a source that is not among these or below them."""
    found = subtree.avus(context, one) or {one: context.zone.metadata(one)}
    values = {avu.value for avus in found.values() for avu in avus if avu.attribute == DERIVED_FROM}
    return any(not any(f"{value}/".startswith(source + "/") for source in sources) for value in values)

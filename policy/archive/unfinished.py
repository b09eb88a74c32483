"""Objects that a process was writing when it died: they are noticed, and given up, so that the next run can go on with
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from policy.zone import GOOD, Condition, ZoneError
from policy.zone.context import Context
from policy.zone.log import tell

LONGEST = 600.0
"""Seconds that a process may take which cannot be seen, beside ..."""
SLOWEST = 1_000_000.0
"""... one second for so many bytes. Whoever takes longer must have died, wherever he was."""
UNKNOWN = 86400.0
"""The catalog learns the size of an upload at its end: seconds that one may take which cannot be seen."""


def give_up(context: Context) -> int:
    """Gives up what has been written for longer than `archive.give_up_seconds`, and by nobody any more; how many
    objects.
    """
    done = 0
    for path, certain in _unfinished(context):
        try:
            if context.zone.give_up(path, certain=certain):
                tell(
                    context.zone,
                    "give up",
                    "it was left unfinished by a process that died; what was written is stale now",
                    path=path,
                )
                done += 1
        except ZoneError as error:
            tell(context.zone, "give up", "it was left unfinished, and cannot be put right", path=path, error=error)
    return done


def _unfinished(context: Context) -> Iterator[tuple[str, bool]]:
    """Objects with a replica that is locked or intermediate for long.

    And whether for so long that nobody can be at it.
    """
    columns = ["COLL_NAME", "DATA_NAME", "DATA_MODIFY_TIME", "DATA_SIZE"]
    below = Condition("COLL_NAME", "like", context.settings.home + "/%")
    since: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)
    for collection, name, modified, size in context.zone.query(
        columns, below, Condition("DATA_REPL_STATUS", ">", GOOD)
    ):
        path = f"{collection}/{name}"
        if not path.startswith(
            context.settings.home + "/"
        ):  # `_` in the account's name stands for any character in the pattern
            continue
        since[path], sizes[path] = max(since[path], int(modified)), max(sizes[path], int(size))
    for path, started in since.items():
        age = context.now() - started
        if age >= context.settings.archive.give_up_seconds:
            yield path, age > (LONGEST + sizes[path] / SLOWEST if sizes[path] else UNKNOWN)

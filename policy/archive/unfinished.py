"""Gives up objects that a process was writing when it died, so that the next run can go on with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from policy.zone import GOOD, Condition, ZoneError
from policy.zone.context import Context
from policy.zone.log import tell

LONGEST = 600.0
"""Seconds that a process that cannot be seen may take, plus the time for its bytes at the rate `SLOWEST`."""
SLOWEST = 1_000_000.0
"""Bytes a second. A process that is slower must have died, on whatever host it ran."""
UNKNOWN = 86400.0
"""Seconds that an upload of unknown size that cannot be seen may take: the catalog learns its size at its end."""


def give_up(context: Context) -> int:
    """Gives up objects that have been written for longer than `archive.give_up_seconds`, but by no process any more.
    Counts them.
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
    """Objects with a replica that has been locked or intermediate for `archive.give_up_seconds`.

    With each, whether that has been too long for any process to be still writing.
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

"""A rename as iRODS does it, and how to get round what it stumbles over."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from policy.zone import Exists, Stat


def move(stat: Callable[[str], Stat | None], rename: Callable[[str, str], None], source: str, destination: str) -> None:
    """`rename(source, destination)`, which iRODS does in two steps: the new name first, then the new collection.

    Where the new name is taken in the old collection it fails, although the destination is free (rsDataObjRename.cpp).
    Then a name that nobody else has leads there; killed on this way, the object is left under that name, in one of the
    two collections.
    """
    (old, _, name), (new, _, wanted) = source.rpartition("/"), destination.rpartition("/")
    try:
        rename(source, destination)
    except Exists:
        if name == wanted or old == new or stat(destination) is not None:
            raise
    else:
        return
    unique = f"{wanted[:100]}.{uuid.uuid4().hex}"
    steps = [source, f"{old}/{unique}", f"{new}/{unique}", destination]
    done = 0
    try:
        for step in range(3):
            rename(steps[step], steps[step + 1])
            done += 1
    except Exception:
        for step in reversed(range(done)):
            rename(steps[step + 1], steps[step])
        raise

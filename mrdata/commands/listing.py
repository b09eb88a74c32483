"""What `mrdata ls`, `meta` and `put` do over a zone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from policy.zone import AVU, Client, Condition, NotFound, Zone
from policy.zone.layout import parent


class Entry(NamedTuple):
    """One line of a listing. `size` in bytes (0 for a collection), `modified` in seconds since 1970."""

    path: str
    is_collection: bool
    size: int
    owner: str
    modified: int

    @property
    def line(self) -> str:
        """As `mrdata ls` prints it."""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.modified))
        return f"C- {self.path}" if self.is_collection else f"   {self.path}  {self.size} bytes  {self.owner}  {when}"


def entries(zone: Zone, path: str, *, recursive: bool = False) -> list[Entry]:
    """An object itself, or what is in a collection, sorted by path. NotFound where there is nothing."""
    stat = zone.stat(path)
    if stat is None:
        raise NotFound(f"{path} is not there, or you may not see it")
    if not stat.is_collection:
        return [Entry(path, False, stat.size, stat.owner, stat.modified)]
    columns = ["COLL_NAME", "DATA_NAME", "DATA_SIZE", "DATA_OWNER_NAME", "DATA_MODIFY_TIME"]
    objects = zone.query(columns, Condition("COLL_NAME", "=", path))
    collections = zone.query(
        ["COLL_NAME", "COLL_OWNER_NAME", "COLL_MODIFY_TIME"], Condition("COLL_PARENT_NAME", "=", path)
    )
    if recursive:
        below = Condition("COLL_NAME", "like", path + "/%")
        objects += zone.query(columns, below)
        collections = zone.query(["COLL_NAME", "COLL_OWNER_NAME", "COLL_MODIFY_TIME"], below)
    found = {
        f"{coll}/{name}": Entry(f"{coll}/{name}", False, int(size), owner, int(t))
        for coll, name, size, owner, t in objects
    }
    found |= {coll: Entry(coll, True, 0, owner, int(t)) for coll, owner, t in collections}
    return [entry for _, entry in sorted(found.items()) if entry.path.startswith(path + "/")]


def upload(zone: Client, files: Iterable[Path], collection: str) -> Iterator[str]:
    """Puts files, and folders with all below them; yields each path."""
    for file in files:
        for source in sorted(p for p in file.rglob("*") if p.is_file()) if file.is_dir() else [file]:
            path = f"{collection.rstrip('/')}/{source.relative_to(file.parent).as_posix()}"
            if parent(path) != collection.rstrip("/"):
                zone.make_collection(parent(path))
            zone.put(str(source), path)
            yield path


def table(avus: Iterable[AVU]) -> str:
    """AVUs in columns."""
    rows = list(avus)
    width = max((len(a.attribute) for a in rows), default=0)
    return "\n".join(f"{a.attribute:<{width}}  {a.value} {a.unit}".rstrip() for a in rows)

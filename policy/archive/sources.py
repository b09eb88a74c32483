"""The files from which an object is archived, held open meanwhile: what is archived is what was looked at, and no other
file.

Only files that lie on this host can be looked at. iRODS opens them by their names, and follows symbolic links.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from policy.zone import GOOD, Condition, ZoneError, data_object, host_files
from policy.zone.context import Context
from policy.zone.host_files import NotRegular, Seen
from policy.zone.log import Nameless


class Changed(Nameless):
    """A file changed, or was replaced, while it was being archived."""


class OtherSize(ZoneError):
    """A file has another size than the one that was registered."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file of a replica. `descriptor` and `seen` as it was opened; `root` and `relative` are its path."""

    root: str
    relative: str
    descriptor: int
    seen: Seen

    def demand_unchanged(self) -> None:
        """Changed where the open file is not as it was, or its path leads to another one now."""
        try:
            with host_files.opened(self.root, self.relative) as again:
                now = [Seen.of(os.fstat(self.descriptor)), Seen.of(os.fstat(again))]
        except OSError as error:
            raise Changed(f"the file that it is archived from was replaced meanwhile ({error.strerror})") from error
        if not all(self.seen.is_same(one) for one in now):
            raise Changed("the file that it is archived from changed meanwhile")


@contextmanager
def held(context: Context, path: str, archive: Collection[str]) -> Iterator[list[Source]]:
    """Opens the files of an object's good replicas that are not on the resources of the archive, for the time of the
    block.

    Raises OtherSize if one is not as long as the catalog says, ZoneError if one is not there or is not a regular file.
    """
    columns = ["DATA_RESC_NAME", "DATA_PATH", "DATA_SIZE", "RESC_LOC", "RESC_VAULT_PATH"]
    rows = context.zone.query(columns, *data_object(path), Condition("DATA_REPL_STATUS", "=", GOOD))
    with ExitStack() as stack:
        found = []
        for resource, file, size, host, vault in rows:
            root, relative = _split(file, (context.settings.landing.folder, vault))
            if resource in archive or not host_files.is_here(host) or not os.path.isdir(root):
                continue
            try:
                descriptor = stack.enter_context(host_files.opened(root, relative))
            except NotRegular as error:
                raise ZoneError(
                    f"the file that it would be archived from is {error.strerror}; it is left as it is"
                ) from error
            except OSError as error:
                raise ZoneError(
                    f"the file that it would be archived from cannot be opened: {error.strerror}"
                ) from error
            found.append(Source(root, relative, descriptor, Seen.of(os.fstat(descriptor))))
            if found[-1].seen.size != int(size):
                raise OtherSize(
                    f"the file that it would be archived from has {found[-1].seen.size} bytes, the catalog says {size}"
                )
        yield found


def _split(file: str, roots: Collection[str]) -> tuple[str, str]:
    """The folder that is trusted, and the path below it: no symbolic link is followed there."""
    for root in (root.rstrip("/") for root in roots):
        if root and file.startswith(root + "/"):
            return root, file.removeprefix(root + "/")
    root, _, name = file.rpartition("/")
    return root, name

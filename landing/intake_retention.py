"""Removes files from the intake after the archive has held all their bytes, on every required resource, for some days.

A file is removed if its batch was taken at least `days` ago, and if an object made from it has good replicas with its
checksum on the archive resource and on each resource for copies. The replicas are read again for this. All other files
stay and are counted. The same applies to files of the archive's vault that no object names: a process that was killed
had copied them for archiving.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from landing.archived import Archived, Stay
from policy.zone import Zone, file_removal, host_files, layout
from policy.zone.file_removal import Outcome, Root
from policy.zone.host_files import NotRegular
from policy.zone.settings import Settings

DAY = 86400.0
DONE = ".done"
"""A batch whose process is through has this file."""
COMPARED = ".compared"
"""A batch has this file when its folder in the vault was looked through and holds nothing but files that objects name.
"""


@dataclass(slots=True)
class Removed:
    """What was removed (with `dry_run`: what would be), and why how many other files stay. `bytes`: of what was
    removed.

    `changed` are files, below the intake, that hold other bytes than those that were registered of them: they are never
    removed.
    """

    removed: int = 0
    bytes: int = 0
    stay: Counter[str] = field(default_factory=Counter)
    changed: list[str] = field(default_factory=list)
    left_aside: int = 0
    """Files that lie in `.intake/.removing` or `landed/.removing`, since something else has taken their places."""
    dry_run: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at anything."""
        return not self.changed and not self.left_aside

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(replace(self, stay=Counter())),
            "stay": dict(self.stay),
        }  # asdict counts the items of a Counter

    def __str__(self) -> str:
        verb = "would be removed" if self.dry_run else "removed"
        parts = [f"{_counted(self.removed)} ({self.bytes / 1e9:.3f} GB) {verb}"]
        lines = [", ".join([*parts, *(f"{count} stay: {why}" for why, count in sorted(self.stay.items()))])]
        if self.changed:
            lines.append(
                f"{_counted(len(self.changed))} changed since being taken, and never go. Copy each into the landing"
                " zone:"
            )
            lines += [f"  {path}" for path in self.changed[:20]]
        if self.left_aside:
            where = f"{layout.INTAKE}/{file_removal.REMOVING}"
            lines.append(f"{_counted(self.left_aside)} left in {where}: their places were taken. Move them by hand.")
        return "\n".join(lines)


def _counted(number: int) -> str:
    return f"{number} {'file' if number == 1 else 'files'}"


def retention(zone: Zone, settings: Settings, days: float, *, dry_run: bool = False) -> Removed:
    """Looks through the batches that were taken at least `days` ago. Raises ZoneError where the zone does not answer.

    OSError where the intake cannot be listed; without an intake, there is nothing to do.
    """
    return _Run(zone, settings, days, Removed(dry_run=dry_run)).run()


class _Run:
    def __init__(self, zone: Zone, settings: Settings, days: float, done: Removed) -> None:
        self._archived = Archived(zone, settings)
        self._settings, self._done = settings, done
        self._landing, self._vault = file_removal.landing(settings), file_removal.vault(settings)
        self._intake = f"{self._landing.folder}/{layout.INTAKE}"
        self._before, self._yesterday = time.time() - days * DAY, time.time() - min(days, 1.0) * DAY

    def run(self) -> Removed:
        if not os.path.isdir(self._intake):
            return self._done
        if not self._done.dry_run:
            roots = [root for root in (self._landing, self._vault) if root]
            self._done.left_aside += sum(file_removal.recover(root) for root in roots)
        for batch in sorted(os.listdir(self._intake)):
            if not batch.startswith(".") and os.path.isdir(f"{self._intake}/{batch}"):
                self._batch(batch)
        return self._done

    def _batch(self, batch: str) -> None:
        try:
            taken = os.lstat(f"{self._intake}/{batch}/{DONE}").st_mtime
        except FileNotFoundError:
            self._stay(
                "their batch is not registered yet", len(list(self._files(self._landing, f"{layout.INTAKE}/{batch}")))
            )
            self._remove_batch(batch, empty_only=True)
            return
        if taken <= self._yesterday:
            self._compare_vault(batch)
        if taken > self._before:
            self._stay("not old enough", len(list(self._files(self._landing, f"{layout.INTAKE}/{batch}"))))
            return
        for landing_path in self._files(self._landing, f"{layout.INTAKE}/{batch}"):
            self._file(batch, landing_path)
        if not self._done.dry_run:
            self._remove_batch(batch)

    def _files(self, root: Root, within: str) -> Iterator[str]:
        """Paths below a batch's folder. MrData's own files lie directly in it."""
        top = f"{root.folder}/{within}"
        for where, folders, names in os.walk(top):
            folders.sort()
            links = [name for name in folders if os.path.islink(f"{where}/{name}")]
            if where != top:
                yield from (os.path.relpath(f"{where}/{name}", top) for name in sorted([*names, *links]))

    def _file(self, batch: str, landing_path: str) -> None:
        relative = f"{layout.INTAKE}/{batch}/{landing_path}"
        try:
            with host_files.opened(self._landing.folder, relative) as descriptor:
                size = os.fstat(descriptor).st_size
                digests = self._archived.digests(batch, landing_path, size, lambda: host_files.sha256(descriptor))
                if self._done.dry_run and host_files.sha256(descriptor) not in digests:
                    raise Stay(Stay.OTHER)
            if not self._done.dry_run:
                self._remove(self._landing, relative, digests, size)
            self._done.removed += 1
            self._done.bytes += size
        except Stay as reason:
            self._stay(str(reason))
            if str(reason) == Stay.OTHER:
                self._done.changed.append(f"{batch}/{landing_path}")
        except FileNotFoundError:
            pass
        except NotRegular as error:
            self._stay(str(error.strerror))
        except OSError as error:
            self._stay(f"cannot be read ({error.strerror})")

    def _remove(self, root: Root, relative: str, digests: set[str], size: int) -> None:
        """Removes a file; raises Stay if it was not removed."""
        outcome, why = file_removal.remove(root, relative, digests, size)
        self._done.left_aside += outcome is Outcome.ASIDE
        if outcome is Outcome.FAILED:
            raise Stay(f"cannot be removed ({why})")
        if outcome is not Outcome.REMOVED:
            raise Stay(Stay.OTHER)

    def _compare_vault(self, batch: str) -> None:
        """Removes the batch's files in the vault that no object names, if intake or archive have all their bytes.

        The process that continues a killed process's batch copies the files again, into its own batch.
        """
        within, mark = f"{layout.LANDED}/{batch}", f"{self._intake}/{batch}/{COMPARED}"
        if self._vault is None or not self._vault.is_here or os.path.exists(mark):
            return
        is_well = True
        for landing_path in self._files(self._vault, within):
            file = f"{self._vault.folder}/{within}/{landing_path}"
            if not self._archived.is_named(file):
                is_well &= self._orphan(self._vault, f"{within}/{landing_path}", landing_path)
        if not self._done.dry_run:
            _remove_empty(f"{self._vault.folder}/{within}")
            if is_well:
                with open(mark, "wb"):
                    pass

    def _orphan(self, vault: Root, relative: str, landing_path: str) -> bool:
        """Removes a file that no object names; whether it was, or with `dry_run` could be, removed."""
        try:
            with host_files.opened(vault.folder, relative) as descriptor:
                size, digest = os.fstat(descriptor).st_size, host_files.sha256(descriptor)
            if digest is None or not (self._is_in_intake(landing_path, digest, size) or self._archived.has(digest)):
                raise Stay("in the vault, named by no object, and nowhere else")
            if not self._done.dry_run:
                self._remove(vault, relative, {digest}, size)
            self._done.removed += 1
            self._done.bytes += size
        except Stay as reason:
            self._stay(str(reason))
            return False
        except OSError as error:
            self._stay(f"in the vault, named by no object, and cannot be read ({error.strerror})")
            return False
        return True

    def _is_in_intake(self, landing_path: str, digest: str, size: int) -> bool:
        """Whether a file of any batch that landed under this name begins with these bytes: a copy may have been broken
        off.
        """
        for batch in os.listdir(self._intake):
            relative = f"{layout.INTAKE}/{batch}/{landing_path}"
            with suppress(OSError), host_files.opened(self._landing.folder, relative) as descriptor:
                if os.fstat(descriptor).st_size >= size and host_files.sha256(descriptor, size) == digest:
                    return True
        return False

    def _remove_batch(self, batch: str, *, empty_only: bool = False) -> None:
        """Empty folders, and then the batch with MrData's own files in it."""
        top = f"{self._intake}/{batch}"
        if empty_only:  # half removed, or about to be filled
            if not self._done.dry_run and os.lstat(top).st_mtime <= self._yesterday:
                with suppress(OSError):
                    os.rmdir(top)
            return
        _remove_empty(top)
        own = os.listdir(top)
        if all(name.startswith(".") for name in own):
            for name in sorted(own, key=lambda name: name == DONE):  # the mark goes last
                os.unlink(f"{top}/{name}")
            with suppress(OSError):
                os.rmdir(top)

    def _stay(self, why: str, count: int = 1) -> None:
        if count:
            self._done.stay[why] += count


def _remove_empty(top: str) -> None:
    """The empty folders below."""
    for where, *_ in os.walk(top, topdown=False):
        if where != top:
            with suppress(OSError):
                os.rmdir(where)

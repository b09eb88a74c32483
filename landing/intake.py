"""The intake: complete files leave the mailbox by a rename into a folder that only MrData may enter.

    <landing folder>/.intake/<batch>/<scanner>/<branch>/<path>    taken files
    <landing folder>/.intake/<batch>/.done                        every file of the batch is registered
    (`landing.batches`)
    <landing folder>/.intake/.clock                               its mtime tells the file server's time

A rename is atomic: one process gets the file, and a new file under the old name is a new file.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace

from landing import exchange
from landing.batches import Batch, Batches
from landing.landing_errors import LandingError, NotYet
from landing.mailbox import Ready
from landing.names import another, fitted, is_leftover, told
from landing.signature import Signature
from landing.tree import tree_of
from policy.zone.layout import INTAKE, Branch
from policy.zone.settings import Settings

_CLOCK = ".clock"


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of the intake.

    `landing_path` is its path below the batch; `resumed`: a process that is gone may have registered it.
    """

    intake: str
    batch: str
    landing_path: str
    signature: Signature
    resumed: bool = False

    @property
    def file(self) -> str:
        """The absolute path of the file."""
        return f"{self.intake}/{self.batch}/{self.landing_path}"


class Intake:
    """Of one landing folder and one process; its threads may share it."""

    def __init__(self, settings: Settings, *, of_tasks: bool = False) -> None:
        """`of_tasks`: see `Batches`."""
        self.landing = os.path.abspath(settings.landing.folder)
        self.folder = f"{self.landing}/{INTAKE}"
        self.batches = Batches(self.folder, settings.landing.take_over_seconds, of_tasks=of_tasks)
        self.reports: list[tuple[str, str]] = []
        """What a person should know, paths escaped by who prints them."""
        self._settings = settings

    def check(self) -> None:
        """Makes the intake and checks that it can be used. Raises LandingError, which says what to do."""
        try:
            if not os.path.isdir(self.landing):
                raise LandingError(
                    f"{self.landing}: does not exist or is not a folder; set landing.folder in mrdata.yaml"
                )
            with suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
            status = os.lstat(self.folder)
            if not stat.S_ISDIR(status.st_mode):
                raise LandingError(f"{self.folder}: is not a folder; remove it, and MrData makes one")
            if status.st_uid != os.geteuid():
                raise LandingError(
                    f"{self.folder}: belongs to another account; run MrData as that one, or give it to this one with"
                    " chown"
                )
            if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
                raise LandingError(
                    f"{self.folder}: others may enter it, or write there; run `chmod g-w,o= {self.folder}`"
                )
            if status.st_dev != os.stat(self.landing).st_dev:
                raise LandingError(
                    f"{self.folder}: is on another file system than {self.landing}; files are taken by a rename"
                    " within one"
                )
            self._check_branches(status.st_dev)
            self.clock()
        except OSError as error:
            raise LandingError(
                f"{self.folder}: cannot be used: {told(error)}; let this account write in {self.landing}"
            ) from error

    def _check_branches(self, device: int) -> None:
        for scanner in self._settings.scanners or sorted(os.listdir(self.landing)):
            for branch in Branch:
                folder = f"{self.landing}/{scanner}/{branch}"
                try:
                    status = os.stat(folder)
                except OSError:
                    continue
                if status.st_dev != device:
                    raise LandingError(
                        f"{folder}: is on another file system than {self.folder}; mount the landing zone as one"
                    )
                is_sticky = status.st_mode & stat.S_ISVTX and status.st_uid != os.geteuid() and os.geteuid() != 0
                if is_sticky or not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
                    raise LandingError(
                        f"{folder}: MrData may not rename files here; give the account of `mrdata scan` write"
                        " permission on this folder and all below it, and take the sticky bit away"
                    )

    def clock(self) -> int:
        """Returns the file server's time in ns since 1970. OSError if it cannot be read.

        The file server dates changes by this clock, which may differ from this host's clock.
        """
        descriptor = os.open(f"{self.folder}/{_CLOCK}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.utime(descriptor)
            return os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)

    def take(self, ready: Ready) -> list[Taken]:
        """Takes a file, or all files of a tree.

        Returns an empty list if it is gone or no longer a file. Raises NotYet if it cannot be taken now.
        """
        try:
            if ready.signature is None:
                return self._take_tree(ready.relative)
            above, name = os.path.split(ready.relative)
            with exchange.opened(self.landing, above) as folder:
                return self._take(name, folder, ready.relative)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise NotYet(told(error)) from error

    def take_over(self, batch: str, landing_path: str) -> list[Taken]:
        """Takes a file out of another process's batch.

        Returns an empty list if a third process was quicker, or if it is not data. OSError.
        """
        above, name = os.path.split(f"{batch}/{landing_path}")
        try:
            with exchange.opened(self.folder, above) as folder:
                return [replace(taken, resumed=True) for taken in self._take(name, folder, landing_path)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _take(self, name: str, folder: int, relative: str) -> list[Taken]:
        """Renames what has this name in an opened folder into a batch.

        What is not data goes into the mailbox, to `relative`.
        """
        path = fitted(relative)
        batch = self.batches.join(path)
        target = f"{self.folder}/{batch.name}/{path}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            try:
                os.rename(name, target, src_dir_fd=folder)
            except FileNotFoundError:
                if not os.path.lexists(
                    target
                ):  # a file server whose answer was lost has renamed it at the first request
                    raise
            status = os.lstat(target)
        except BaseException:
            self.batches.leave(batch, path)
            raise
        if stat.S_ISREG(status.st_mode) and not (tree_of(relative) and is_leftover(name)):
            return [Taken(self.folder, batch.name, path, Signature.of(status))]
        self._give_back(f"{batch.name}/{path}", relative)
        self.batches.settle(batch.name)
        return []

    def _take_tree(self, tree: str) -> list[Taken]:
        path = fitted(tree)
        batch = self.batches.join(path, alone=True)
        target = f"{self.folder}/{batch.name}/{path}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            above, name = os.path.split(tree)
            with exchange.opened(self.landing, above) as folder:
                exchange.take_folder(name, folder, target)
            return self._files_of_tree(batch, path, tree)
        finally:
            self.batches.leave(batch, path)

    def _files_of_tree(self, batch: Batch, path: str, tree: str) -> list[Taken]:
        """Its files, under names that iRODS can hold; what is not data goes back.

        What fails is found when the batch is gone on with.
        """
        found = []
        for file, status in list(exchange.walk(f"{self.folder}/{batch.name}", path)):
            if stat.S_ISDIR(status.st_mode):
                continue
            with suppress(OSError):
                if stat.S_ISREG(status.st_mode) and not is_leftover(os.path.basename(file)):
                    found.append(Taken(self.folder, batch.name, self._fit(batch, file), Signature.of(status)))
                elif not self._give_back(f"{batch.name}/{file}", tree + file.removeprefix(path)):
                    batch.taken.add(file)
        return found

    def _fit(self, batch: Batch, path: str) -> str:
        """Renames a file of a tree to a name that iRODS can hold, and counts it; nothing is written over. OSError."""
        wanted = target = fitted(path)
        if wanted != path:
            above, name = os.path.split(path)
            base, attempt = f"{self.folder}/{batch.name}", 1
            with (
                exchange.opened(base, above) as source,
                exchange.opened(base, os.path.dirname(wanted), make=True) as folder,
            ):
                while not exchange.move(name, source, os.path.basename(target), folder):
                    attempt += 1
                    target = another(wanted, attempt)
        self.batches.add(batch, target)
        return target

    def _give_back(self, inside: str, relative: str) -> bool:
        """Renames what is not data back into the mailbox.

        If that fails, it stays in the intake and is reported to a person.
        """
        (here, name), (there, own) = os.path.split(inside), os.path.split(relative)
        why = "its place is taken"
        try:
            with (
                exchange.opened(self.folder, here) as source,
                exchange.opened(self.landing, there, make=True) as folder,
            ):
                if exchange.move(name, source, own, folder):
                    os.fsync(folder)  # back in a batch that is done, nothing would account for it
                    return True
        except OSError as error:
            why = told(error)
        self.reports.append(
            (relative, f"is not a file of data, and could not be put back ({why}); it stays in the intake")
        )
        return False

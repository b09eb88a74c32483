"""Saves the git history of the mixed-use metadata in a backup, and restores it: the files of the bare repository.

The history is saved after the catalog, so that it holds every commit that the catalog names.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

from irods_config import files
from irods_config.icommands import SetupError
from microservices.castellum.castellum_rules import only_one
from microservices.castellum.git_history import GitHistory
from microservices.settings_file import load_settings
from policy.castellum.metadata_history import HistoryError
from policy.zone.castellum_settings import Castellum
from policy.zone.context import Refused

_NAME = "mixed-use.git"
"""Name of the folder in the archive."""


def repository_of(etc: Path) -> Path | None:
    """Returns the repository that the settings in `etc` name; None without settings.

    SettingsError for faulty settings.
    """
    settings = etc / "mrdata.yaml"
    return Path(load_settings(settings).castellum.repository) if settings.exists() else None


def save(repository: Path | None, archive: Path, work: Path) -> str:
    """Writes the repository into a tar file and reads it back; returns the newest commit, empty without one.

    Polls may run meanwhile. `work` does not exist yet; it is the folder for reading back. SetupError if a byte differs.
    """
    if repository is None or not repository.exists():
        return ""
    with tarfile.open(archive, "w") as tar:
        for file in _members(repository):
            tar.add(file, arcname=f"{_NAME}/{file.relative_to(repository).as_posix()}", recursive=False)
    try:
        return unpack(archive, work)
    except SetupError as error:
        raise SetupError(
            f"{repository}: is damaged, so nothing was backed up: {error}. Bring it back (`mrdata-restore BACKUP"
            " --history-only`), or move it away: the next poll takes it from its remote"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def unpack(archive: Path, folder: Path) -> str:
    """Unpacks the repository into a new folder and compares every object with its name; returns the newest commit.

    SetupError if an object differs or is missing.
    """
    folder.mkdir(mode=0o700, parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if not member.isreg() or parts[0] != _NAME or ".." in parts:
                raise SetupError(f"{archive}: holds {member.name}, which does not belong to a repository")
            content, file = tar.extractfile(member), folder.joinpath(*parts[1:])
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(file, "wb") as new:
                shutil.copyfileobj(content, new)  # type: ignore[arg-type]  # a regular file has content
                os.fsync(new.fileno())
    for needed in ("refs/heads", "objects/info", "objects/pack"):
        (folder / needed).mkdir(parents=True, exist_ok=True)
    return _proved(folder)


def _proved(folder: Path) -> str:
    """Compares every object of the history with its name; returns the newest commit. SetupError if one differs."""
    fault = ""
    try:
        history = GitHistory(Castellum(repository=str(folder)))
        try:
            history.prove()
            head = history.head()
        except HistoryError as error:
            fault = str(error)
        # After the error is gone: while it is there, it holds a damaged pack open.
        history.close()
    except HistoryError as error:
        raise SetupError(str(error)) from error
    if fault:
        raise SetupError(fault)
    return head


def put_back(archive: Path, commit: str, repository: Path) -> str:
    """Restores the repository from the backup if it is lost; returns what was done. No poll runs meanwhile.

    A repository that holds the backup's newest commit is as new or newer, and stays. A repository without any commit,
    as a poll begins it, is replaced. A repository with another history stays too and is a SetupError: it may have been
    rewritten because a subject was erased.
    """
    castellum = Castellum(repository=str(repository))
    try:
        with only_one(castellum) as mine:
            if not mine:
                raise SetupError(f"{repository}: a poll is at work; try again when it has ended")
            if repository.exists() and _holds(castellum, commit):
                return f"{repository}: is there, with all of the backup's history; it stays"
            new = repository.with_name(f"{repository.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            found = unpack(archive, new)
            if found != commit:
                raise SetupError(f"{archive}: its newest commit is {found or 'none'}, not {commit}")
            if repository.exists():
                shutil.rmtree(repository)  # without a commit
            os.replace(new, repository)
            files.sync_folder(repository.parent)
            return f"{repository}: is back, its newest commit is {commit}"
    except (HistoryError, Refused) as error:
        raise SetupError(str(error)) from error


def _holds(castellum: Castellum, commit: str) -> bool:
    """Whether the repository has the commit; False for an empty repository. SetupError for another history."""
    with closing(GitHistory(castellum, alone=True)) as history:
        if history.head() and not history.has(commit):
            raise SetupError(
                f"{castellum.repository}: exists and has another history than the backup: it was rewritten or made"
                " again. It stays. To restore the backup's, move it away and call mrdata-restore with --history-only"
            )
        return history.has(commit)


def _members(repository: Path) -> Iterator[Path]:
    """Yields refs before objects, because a commit writes its objects first. Leaves out files that are being written.

    A pack counts as complete when its index exists, because git writes the index last.
    """
    for name in ("HEAD", "config", "packed-refs"):
        if (repository / name).is_file():
            yield repository / name
    yield from (file for file in sorted((repository / "refs").rglob("*")) if file.is_file() and file.suffix != ".lock")
    objects = repository / "objects"
    for index in sorted(objects.glob("pack/pack-*.idx")):
        yield from (index, index.with_suffix(".pack"))
    # git gitrepository-layout: the first two of an object's 40 digits are its folder's name.
    yield from sorted(objects.glob(f"{'[0-9a-f]' * 2}/{'[0-9a-f]' * 38}"))

"""The folder of a BIDS dataset that is exported again: what is there and equal stays, what is the user's own too.

`sourcedata/exported.json` lists each file that was exported, with its SHA-256. A file that was changed since, or that
somebody else put there, is never touched.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

EXPORTED = "sourcedata/exported.json"


@dataclass(slots=True)
class Earlier:
    """What an earlier export left in `folder`.

    `files`: path within the folder -> SHA-256 of what was exported; `changed`: those that are different now.
    """

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    _intact: dict[str, Path] = field(default_factory=dict)

    @property
    def subjects(self) -> set[str]:
        """Labels of the subjects that are there."""
        return {name.split("/")[0].removeprefix("sub-") for name in self.files if name.startswith("sub-")}

    def reuse(self, checksum: str, file: Path) -> bool:
        """Makes `file` of one that is there with iRODS's `checksum`; False where there is none."""
        scheme, _, encoded = checksum.partition(":")
        source = self._intact.get(base64.b64decode(encoded).hex()) if scheme == "sha2" else None
        if source is None:
            return False
        try:
            os.link(source, file)
        except OSError:  # not every file system has links
            shutil.copyfile(source, file)
        return True


@dataclass(slots=True)
class Changes:
    """What an export did to the folder: counts of files, and the names of those that are the user's and stayed."""

    written: int = 0
    kept: int = 0
    removed: int = 0
    own: list[str] = field(default_factory=list)


def earlier(folder: Path, study: str) -> Earlier:
    """What is in the folder. FileExistsError where it holds anything but an export of this study."""
    found = Earlier(folder)
    if not folder.exists() or not any(folder.iterdir()):
        return found
    try:
        told = json.loads((folder / EXPORTED).read_text(encoding="utf-8"))
        of = str(told["study"])
        found.files = {name: str(digest) for name, digest in dict(told["files"]).items() if _is_within(name)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileExistsError(
            f"{folder}: is not empty, and no export of `mrdata` is in it; give a folder that does not exist yet"
        ) from error
    if of != study:
        raise FileExistsError(f"{folder}: holds the dataset of study {of}; give another folder for study {study}")
    for name, digest in found.files.items():
        file = folder / name
        if file.is_file():
            if _digest(file) == digest:
                found._intact[digest] = file
            else:
                found.changed.add(name)
    return found


def bring_up_to_date(making: Path, before: Earlier, study: str) -> Changes:
    """Moves what was made in `making` to the folder, where it differs from what is there; `making` is gone then."""
    new = {name: _digest(making / name) for name in _files(making)}
    _write(making / EXPORTED, study, new)
    folder, changes = before.folder, Changes()
    if not folder.exists():
        making.rename(folder)
        return Changes(written=len(new))
    for name, digest in new.items():
        is_ours = name in before.files and name not in before.changed
        _settle(making / name, folder / name, digest, is_ours, changes, name)
    for name in set(before.files) - set(new) - before.changed:
        (folder / name).unlink(missing_ok=True)
        changes.removed += 1
        _prune((folder / name).parent, folder)
    for name in before.changed - set(new):
        changes.own.append(name)
    os.replace(making / EXPORTED, _parent(folder / EXPORTED))
    shutil.rmtree(making)
    return changes


def _settle(file: Path, target: Path, digest: str, is_ours: bool, changes: Changes, name: str) -> None:
    if target.is_file() and _digest(target) == digest:
        changes.kept += 1
    elif target.exists() and not is_ours:
        changes.own.append(name)
    else:
        os.replace(file, _parent(target))
        changes.written += 1


def _write(file: Path, study: str, files: dict[str, str]) -> None:
    told = {"study": study, "files": dict(sorted(files.items()))}
    _parent(file).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return file_digest(content, "sha256").hexdigest()


def _is_within(name: str) -> bool:
    """The list may come from elsewhere with the dataset: nothing outside the folder is looked at, or removed."""
    return not name.startswith("/") and ".." not in name.split("/")


def _parent(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _prune(folder: Path, top: Path) -> None:
    """Removes folders that are empty now."""
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent

"""Writes files so that a reader sees either the whole old file or the whole new one."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path


def write(path: Path, text: str, mode: int) -> None:
    """Replaces `path` in one step, with this mode from its first byte on; OSError as the system raises it."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def link(path: Path, target: str) -> None:
    """Makes `path` a symbolic link to `target` in one step, whatever was there."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    os.symlink(target, new)
    os.replace(new, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Forces a folder to the disk, so that renames in it survive a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_copy(path: Path) -> Path | None:
    """Copies the file to a name with the time, in the same folder; None if the file does not exist."""
    if not path.exists():
        return None
    copy = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}.{secrets.token_hex(2)}")
    shutil.copy2(path, copy)
    return copy


def secret(path: Path) -> str:
    """Returns the password in a file; makes the file with a new password, readable by its owner alone, if missing.

    ValueError for a password that cannot be used.
    """
    try:
        found = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = secrets.token_urlsafe(24).replace("-", "x").replace("_", "y")
        write(path, found + "\n", 0o600)
    if not found.isalnum() or not 12 <= len(found) <= 42:
        raise ValueError(f"{path}: a password of 12 to 42 letters and digits is expected")
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path}: may be read by others; chmod 600 it")
    return found

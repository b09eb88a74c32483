"""Writes files so that a reader sees the old one or the new one, and nothing between."""

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
    """What was renamed in a folder survives a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_copy(path: Path) -> Path | None:
    """A copy next to the file, named by the time; None where there is no file."""
    if not path.exists():
        return None
    copy = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}.{secrets.token_hex(2)}")
    shutil.copy2(path, copy)
    return copy


def secret(path: Path) -> str:
    """The password that a file holds, made up (readable by the owner alone) where there is no file.

    ValueError for an odd one.
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

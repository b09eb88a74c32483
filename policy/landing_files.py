"""The files of the landing zone that erased objects came from. iRODS leaves them where they are; this host must be the landing host."""

from __future__ import annotations

import hashlib
import os

from policy.context import Context
from policy.manifest import sha256


def is_here(context: Context) -> bool:
    """Whether this host sees the landing zone."""
    return os.path.isdir(context.settings.landing.folder)


def remove(context: Context, landing_path: str, size: int, checksum: str) -> bool:
    """Removes the file if it is still the one that was archived; False where there is none, or another one under its name."""
    root = os.path.realpath(context.settings.landing.folder)
    file = os.path.realpath(os.path.join(root, landing_path))
    if not file.startswith(root + os.sep) or not os.path.isfile(file) or os.path.getsize(file) != size:
        return False
    with open(file, "rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256(landing_path, checksum):
            return False
    os.remove(file)
    return True

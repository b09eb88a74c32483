"""How full the server's disks are: those that hold vaults and, where it is on this host, the landing zone."""

from __future__ import annotations

import os
import shutil

from policy.zone.context import Context


def disks(context: Context) -> list[dict[str, object]]:
    """Each disk once: `names` of what lies on it, `total` and `free` bytes."""
    places = {
        name: vault for name, vault in context.zone.query(["RESC_NAME", "RESC_VAULT_PATH"]) if vault.startswith("/")
    }
    places["landing zone"] = context.settings.landing.folder
    found: dict[int, dict[str, object]] = {}
    for name, path in sorted(places.items()):
        try:
            device, usage = os.stat(path).st_dev, shutil.disk_usage(path)
        except OSError:  # a resource of another host, or a mount that is away: the board shows that it is missing
            continue
        disk = found.setdefault(device, {"names": [], "total": usage.total, "free": usage.free})
        disk["names"] = [*disk["names"], name]  # type: ignore[misc]
    return list(found.values())

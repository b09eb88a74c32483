"""Makes the landing resource and the archive resource."""

from __future__ import annotations

from irods_config.site import ARCHIVE_RESOURCE, LANDING_RESOURCE, Site, Step

RESOURCES = (LANDING_RESOURCE, ARCHIVE_RESOURCE)


def differences(site: Site) -> list[str]:
    """Lists missing resources, and vaults that share a folder with the landing zone."""
    there = {row[0]: row[1] for row in site.icommands.query("RESC_NAME", "RESC_VAULT_PATH")}
    faults = [f"resource {r}: is not there" for r in RESOURCES if r not in there]
    landing = str(site.settings().landing.folder).rstrip("/") + "/"
    for resource, vault in there.items():
        # The server moves and deletes what lies in a vault; the landing zone's files are the landing host's.
        if vault and (landing.startswith(vault.rstrip("/") + "/") or f"{vault}/".startswith(landing)):
            faults.append(
                f"resource {resource}: its vault {vault} and the landing zone {landing} must not lie in each other"
            )
    return faults


def make(site: Site) -> None:
    """Makes missing resources, with their vaults."""
    host = site.config()["host"]
    there = {resource for (resource,) in site.icommands.query("RESC_NAME")}
    for resource in RESOURCES:
        if resource not in there:
            vault = site.vault(resource)
            vault.mkdir(mode=0o750, parents=True, exist_ok=True)
            site.icommands.run("iadmin", "mkresc", resource, "unixfilesystem", f"{host}:{vault}")


STEP = Step("resources", differences, make)

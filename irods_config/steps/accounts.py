"""The service accounts, their passwords, and the data stewards' group."""

from __future__ import annotations

from irods_config import files
from irods_config.icommands import SetupError, name
from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Accounts that are missing, are no administrators or have no password file; a missing group."""
    kinds = _users(site)
    faults = []
    for account in _accounts(site):
        if account not in kinds:
            faults.append(f"account {account}: is not there")
        elif kinds[account] != "rodsadmin":
            faults.append(f"account {account}: is a {kinds[account]}, not a rodsadmin")
        elif not site.password_file(account).exists():
            faults.append(f"account {account}: {site.password_file(account)} is not there")
    return faults + [f"group {g}: is not there" for g in (site.settings().stewards,) if g not in kinds]


def make(site: Site) -> None:
    """Makes what is missing. SetupError for an account that is there and no administrator."""
    kinds = _users(site)
    for account in _accounts(site):
        if account in kinds and kinds[account] != "rodsadmin":
            raise SetupError(f"account {account}: is a {kinds[account]}; make it a rodsadmin yourself, or name another in `trusted`")
        if account not in kinds:
            site.icommands.run("iadmin", "mkuser", name(account), "rodsadmin")
        if account not in kinds or not site.password_file(account).exists():
            password = files.secret(site.password_file(account))
            # Through its input: a list of processes shows arguments to everybody.
            site.icommands.run("iadmin", text=f"moduser {name(account)} password {password}\nquit\n")
    if site.settings().stewards not in kinds:
        site.icommands.run("iadmin", "mkgroup", name(site.settings().stewards))


def _users(site: Site) -> dict[str, str]:
    return {row[0]: row[1] for row in site.icommands.query("USER_NAME", "USER_TYPE")}


def _accounts(site: Site) -> list[str]:
    settings = site.settings()
    return list(dict.fromkeys([settings.account, *settings.trusted]))


STEP = Step("accounts and groups", differences, make)

"""The service accounts, their passwords, and the data stewards' group.

Set-up gives a password only to accounts that it makes. It never changes the password of a person's account or of the
server's own account.
"""

from __future__ import annotations

from pathlib import Path

from irods_config import files
from irods_config.icommands import SetupError, name
from irods_config.site import Site, Step


def differences(site: Site) -> list[str]:
    """Lists accounts that are missing, half made or not administrators, missing password files, and a missing group.

    Password files belong to service accounts only: other accounts in `trusted` may be people's.
    """
    kinds = _users(site)
    faults = []
    for account in _accounts(site):
        if account not in kinds:
            faults.append(f"account {account}: is not there")
        elif kinds[account] != "rodsadmin":
            faults.append(f"account {account}: is a {kinds[account]}, not a rodsadmin")
        elif _being_made(site, account).exists():
            faults.append(f"account {account}: has no password, because set-up was interrupted")
        elif account == site.settings().account and not site.password_file(account).exists():
            faults.append(f"account {account}: {site.password_file(account)} is not there")
    return faults + [f"group {g}: is not there" for g in (site.settings().stewards,) if g not in kinds]


def make(site: Site) -> None:
    """Makes what is missing. SetupError for an account that was there before and is not as MrData needs it."""
    kinds = _users(site)
    for account in _accounts(site):
        if account not in kinds or _being_made(site, account).exists():
            _make(site, account, is_there=account in kinds)
        elif kinds[account] != "rodsadmin":
            raise SetupError(
                f"account {account}: is a {kinds[account]}; make it a rodsadmin yourself, or name another in `trusted`"
            )
        elif account == site.settings().account and not site.password_file(account).exists():
            raise SetupError(
                f"account {account}: was there before, so its password stays as it is: write it into"
                f" {site.password_file(account)} (mode 600). Where nobody knows it: write a new one there, then `iadmin"
                f" moduser {account} password` with the same"
            )
    if site.settings().stewards not in kinds:
        site.icommands.run("iadmin", "mkgroup", name(site.settings().stewards))


def _make(site: Site, account: str, *, is_there: bool) -> None:
    """Makes an account with the password of its file.

    A mark shows that set-up made the account until it has its password: after a kill, the next run completes it.
    """
    mark, file = _being_made(site, account), site.password_file(account)
    was_given = file.exists()
    password = files.secret(file)
    if not is_there:
        files.write(mark, "", 0o600)
        done = site.icommands.attempt("iadmin", "mkuser", name(account), "rodsadmin")
        if done.returncode != 0:
            if not was_given:
                file.unlink()  # it is nobody's
            mark.unlink()
            raise SetupError(f"iadmin mkuser {account}: {(done.stderr or done.stdout).strip()}")
    # Through its input: a list of processes shows arguments to everybody.
    site.icommands.run("iadmin", text=f"moduser {name(account)} password {password}\nquit\n")
    mark.unlink()


def _being_made(site: Site, account: str) -> Path:
    """The mark: a file that exists from before set-up makes an account until the account has its password."""
    return site.password_file(account).with_name(f".{account}.being-made")


def _users(site: Site) -> dict[str, str]:
    return {row[0]: row[1] for row in site.icommands.query("USER_NAME", "USER_TYPE")}


def _accounts(site: Site) -> list[str]:
    settings = site.settings()
    return list(dict.fromkeys([settings.account, *settings.trusted]))


STEP = Step("accounts and groups", differences, make)

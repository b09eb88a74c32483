"""`mrdata-setup-zone`: makes an installed iRODS 5.0 server an MrData zone.

The service account runs it. Running it again changes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from irods_config.icommands import SetupError, of_service_account
from irods_config.install import Place, prove_inside
from irods_config.site import Site, Step
from irods_config.steps import FILES, ZONE
from irods_config.steps.configuration import reload
from policy.zone import ZoneError
from policy.zone.settings import SettingsError
from policy.zone.site_names import scanners_fault


def check(site: Site) -> list[str]:
    """Lists everything that differs, and what cannot be checked because an earlier step is missing."""
    found: list[str] = []
    is_ready = site.place.has_python_engine()
    for step in [*FILES, *ZONE] if is_ready else FILES:
        try:
            found += [f"{step.title}: {difference}" for difference in step.differences(site)]
        except (SetupError, SettingsError) as error:
            found.append(f"{step.title}: {error}")
    if not is_ready:
        later = ", ".join(step.title for step in ZONE)
        found.append(f"not looked at, because the server has no Python rule engine yet: {later}")
    return found


def setup(site: Site, restart: Sequence[str] = ()) -> None:
    """Changes everything that differs, and prints a line for each change. SetupError if it cannot."""
    for step in FILES:
        _carry_out(site, step)
    if site.reload_due.exists() or not site.icommands.answers():
        print("the server reads its configuration again", flush=True)
        if restart:
            subprocess.run(restart, check=True, timeout=300)
        else:
            reload(site)
        # Only now does the server have a Python engine in which the rulebase can be tried.
        prove_inside(site.place, site.place.current.resolve(), site.icommands)
        site.reload_due.unlink(missing_ok=True)
    for step in ZONE:
        _carry_out(site, step)


def _carry_out(site: Site, step: Step) -> None:
    differences = step.differences(site)
    for difference in differences:
        print(f"{step.title}: {difference}", flush=True)
    if differences:
        step.apply(site)
        if left := step.differences(site):
            raise SetupError(f"{step.title}: still differs after it was set up: {'; '.join(left)}")


def site_from(arguments: Sequence[str] | None) -> tuple[Site, argparse.Namespace]:
    """Returns the site that the command line describes."""
    parser = argparse.ArgumentParser(prog="mrdata-setup-zone", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="say what differs and change nothing; status 1 where something does"
    )
    parser.add_argument(
        "--scanner", action="append", default=[], help="a scanner's name, for the first mrdata.yaml; may be repeated"
    )
    parser.add_argument("--landing-folder", type=Path, default=Site.landing_folder, help="for the first mrdata.yaml")
    parser.add_argument(
        "--landing-elsewhere",
        action="store_true",
        help="for the first mrdata.yaml: mrdata scan runs on a host that does not have the vaults",
    )
    parser.add_argument(
        "--tls", type=Path, default=Site.tls_folder, help="folder of server.crt, server.key, dhparams.pem, ca.crt"
    )
    parser.add_argument("--self-signed", action="store_true", help="make those that are missing: for tests")
    parser.add_argument(
        "--vaults", type=Path, default=Site.vaults, help="folder in which landingVault and archiveVault are made"
    )
    parser.add_argument(
        "--delay-sleep", type=int, default=Site.delay_sleep, metavar="SECONDS", help="pause of the delay server"
    )
    parser.add_argument(
        "--find-links", metavar="DIR", help="take the packages of others from this folder, not from the internet"
    )
    parser.add_argument(
        "--restart", type=shlex.split, default=[], metavar="COMMAND", help="restart the server so, instead of by SIGHUP"
    )
    given = parser.parse_args(arguments)
    site = Site(
        of_service_account(),
        place=Place(),
        pip=("--no-index", "--find-links", given.find_links) if given.find_links else (),
        vaults=given.vaults,
        tls_folder=given.tls,
        self_signed=given.self_signed,
        scanners=tuple(given.scanner),
        landing_folder=given.landing_folder,
        landing_elsewhere=given.landing_elsewhere,
        delay_sleep=given.delay_sleep,
    )
    return site, given


def _fault(given: argparse.Namespace) -> str:
    """Why nothing is begun; empty where nothing is wrong."""
    if os.geteuid() == 0:
        return (
            "this runs as the service account of the iRODS server, not as root, whose files the server could not"
            " change: sudo -iu irods, then the same command"
        )
    return scanners_fault(given.scanner)


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0 if the zone is as MrData needs it at the end (with --check: already)."""
    site, given = site_from(arguments)
    if fault := _fault(given):
        print(f"mrdata-setup-zone: error: {fault}", file=sys.stderr)
        return 2
    try:
        if given.check:
            found = check(site)
            print("\n".join(found) or "nothing differs")
            return 1 if found else 0
        setup(site, given.restart)
        health = site.icommands.acting_as(site.settings().account).rule("mrdata_health")
    except (SetupError, SettingsError, ZoneError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"mrdata-setup-zone: error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(health))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The steps that make a zone an MrData zone. Each tells what differs from what MrData needs, and makes it so; twice is once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irods_config import files, install, server_config, templates, tls
from irods_config.icommands import ICommands, SetupError, name
from microservices.settings import load_settings
from policy.settings import Settings

RESOURCES = ("landingResc", "archiveResc")


@dataclass(frozen=True)
class Site:
    """Where everything is on this server, and what the administrator chose."""

    icommands: ICommands
    etc: Path = Path("/etc/irods")
    pid_file: Path = Path("/run/irods/irods-server.pid")
    place: install.Place = field(default_factory=install.Place)
    source: Path = install.SOURCE
    pip: tuple[str, ...] = ()
    vaults: Path = Path("/var/lib/irods")
    tls_folder: Path = Path("/etc/irods/tls")
    self_signed: bool = False
    scanners: tuple[str, ...] = ()
    landing_folder: Path = Path("/srv/mrdata/landing")
    delay_sleep: int = 2
    """Seconds between two looks of the delay server; the sweep cannot come more often."""

    @property
    def config_file(self) -> Path:
        """The server's configuration."""
        return self.etc / "server_config.json"

    @property
    def native_rules(self) -> Path:
        """The native engine's rules that MrData needs."""
        return self.etc / f"{server_config.NATIVE_RULES}.re"

    @property
    def reload_due(self) -> Path:
        """There while the server has not read what was written."""
        return self.etc / ".mrdata-reload-due"

    @property
    def environment_file(self) -> Path:
        """The iCommands' environment of the service account."""
        return self.icommands.home / ".irods/irods_environment.json"

    def config(self) -> dict[str, Any]:
        """What the server's configuration says now."""
        return _json(self.config_file)

    def settings(self) -> Settings:
        """The site's settings; SettingsError for a file that MrData does not understand."""
        return load_settings(self.place.settings)

    def password_file(self, account: str) -> Path:
        """Where the password of a service account is."""
        return self.etc / "mrdata-accounts" / name(account)


@dataclass(frozen=True)
class Step:
    """One thing that has to be so. `differences` is empty where it is."""

    title: str
    differences: Callable[[Site], list[str]]
    apply: Callable[[Site], None]


# --- files ----------------------------------------------------------------------------------------------------------


def _settings_differ(site: Site) -> list[str]:
    if not site.place.settings.exists():
        return [f"{site.place.settings}: is not there"]
    zone = site.config()["zone_name"]
    settings = site.settings()
    faults = [] if settings.zone == zone else [f"{site.place.settings}: zone is {settings.zone}, the server's is {zone}"]
    used = {"landing.resource": settings.landing.resource, "archive.resource": settings.archive.resource}
    others = {key: resource for key, resource in used.items() if resource not in RESOURCES}
    return faults + [f"{site.place.settings}: {key} is {resource}, not one of {', '.join(RESOURCES)}" for key, resource in others.items()]


def _write_settings(site: Site) -> None:
    if site.place.settings.exists():
        raise SetupError(f"{site.place.settings}: is yours and never overwritten; mend it by hand")
    text = templates.settings(site.config()["zone_name"], site.scanners, site.landing_folder, RESOURCES[0])
    files.write(site.place.settings, text, 0o644)


def _tls_differs(site: Site) -> list[str]:
    return tls.TLSFiles.inside(site.tls_folder).check(site.config()["host"])


def _make_tls(site: Site) -> None:
    if not site.self_signed:
        raise SetupError(
            f"put the certificate into {site.tls_folder} (server.crt, server.key, dhparams.pem, ca.crt), or take --self-signed"
        )
    host = site.config()["host"]
    tls.self_signed(site.tls_folder, [host, *({"localhost"} - {host}), "127.0.0.1"])


def _rulebase_differs(site: Site) -> list[str]:
    return [] if site.place.is_installed() else [f"{site.place.core}: is not the rulebase of {site.place.current}"]


def _install(site: Site) -> None:
    install.install(site.place, site.source, site.pip, site.icommands if site.icommands.answers() else None)


def _wanted_config(site: Site) -> dict[str, Any]:
    points = server_config.enforcement_points(site.place.current / "rulebase/core.py")
    files_ = tls.TLSFiles.inside(site.tls_folder)
    return server_config.wanted(site.config(), points, files_, RESOURCES[0], site.delay_sleep)


def _config_differs(site: Site) -> list[str]:
    if not site.place.current.exists():
        return ["server_config.json: the rulebase is not installed yet"]
    return server_config.differences(site.config(), _wanted_config(site))


def _write_config(site: Site) -> None:
    wanted = _wanted_config(site)
    files.keep_copy(site.config_file)
    site.reload_due.touch()
    files.write(site.config_file, json.dumps(wanted, indent=4) + "\n", 0o600)


def _rules_differ(site: Site) -> list[str]:
    found = site.native_rules.read_text(encoding="utf-8") if site.native_rules.exists() else None
    return [] if found == templates.native_rules(RESOURCES[0]) else [f"{site.native_rules}: {'differs' if found else 'is not there'}"]


def _write_rules(site: Site) -> None:
    files.keep_copy(site.native_rules)
    site.reload_due.touch()
    files.write(site.native_rules, templates.native_rules(RESOURCES[0]), 0o644)


def _environment(site: Site) -> dict[str, Any]:
    return {**_json(site.environment_file), **tls.client_entries(tls.TLSFiles.inside(site.tls_folder).authority)}


def _environment_differs(site: Site) -> list[str]:
    return server_config.differences(_json(site.environment_file), _environment(site), site.environment_file.name)


def _write_environment(site: Site) -> None:
    wanted = _environment(site)
    files.keep_copy(site.environment_file)
    files.write(site.environment_file, json.dumps(wanted, indent=4) + "\n", 0o600)


FILES = [
    Step("settings", _settings_differ, _write_settings),
    Step("certificates", _tls_differs, _make_tls),
    Step("rulebase", _rulebase_differs, _install),
    Step("native rules", _rules_differ, _write_rules),
    Step("server configuration", _config_differs, _write_config),
    Step("the service account's client", _environment_differs, _write_environment),
]
"""In this order: Python comes first in the configuration, so its core.py has to work before."""


# --- the server -----------------------------------------------------------------------------------------------------


def reload(site: Site, wait: float = 60.0) -> None:
    """Lets the server read its configuration again (SIGHUP, server/main_server/src/main.cpp); SetupError where it does not answer."""
    try:
        process = int(site.pid_file.read_text())
        os.kill(process, signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise SetupError("the server's configuration has changed, and no server runs here: start it and call this command again") from error
    # An invalid configuration leaves the old one in force, so ask for the encrypted connection that only the new one gives.
    end = time.monotonic() + wait
    while time.monotonic() < end:
        time.sleep(1)
        if site.icommands.answers():
            return
    raise SetupError("the server does not answer over TLS after its configuration was changed; its log says why")


# --- the zone -------------------------------------------------------------------------------------------------------


def _resources_differ(site: Site) -> list[str]:
    there = {resource: (kind, vault) for resource, kind, vault in site.icommands.query("RESC_NAME", "RESC_TYPE_NAME", "RESC_VAULT_PATH")}
    faults = [f"resource {r}: is not there" for r in RESOURCES if r not in there]
    landing = str(site.settings().landing.folder).rstrip("/") + "/"
    for resource, (_, vault) in there.items():
        # The server moves and deletes what lies in a vault; the landing zone's files are the landing host's.
        if vault and (landing.startswith(vault.rstrip("/") + "/") or f"{vault}/".startswith(landing)):
            faults.append(f"resource {resource}: its vault {vault} and the landing zone {landing} must not lie in each other")
    return faults


def _make_resources(site: Site) -> None:
    host = site.config()["host"]
    there = {resource for (resource,) in site.icommands.query("RESC_NAME")}
    for resource in RESOURCES:
        if resource not in there:
            vault = site.vaults / resource.replace("Resc", "Vault")
            vault.mkdir(mode=0o750, parents=True, exist_ok=True)
            site.icommands.run("iadmin", "mkresc", resource, "unixfilesystem", f"{host}:{vault}")


def _accounts_differ(site: Site) -> list[str]:
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


def _make_accounts(site: Site) -> None:
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


def _collections_differ(site: Site) -> list[str]:
    there = {path for (path,) in site.icommands.query("COLL_NAME", where=f"COLL_NAME like '{site.settings().home}%'")}
    return [f"collection {path}: is not there" for path in _collections(site) if path not in there]


def _collections(site: Site) -> list[str]:
    from policy import layout

    settings = site.settings()
    landing = [f"{layout.landing(settings)}/{scanner}/{branch}" for scanner in settings.scanners for branch in layout.Branch]
    return [layout.studies(settings), layout.quarantine(settings), layout.landing(settings), *landing]


def _make_collections(site: Site) -> None:
    site.icommands.acting_as(site.settings().account).rule("mrdata_prepare")


def _delay_rules(site: Site) -> dict[str, int]:
    """Name -> period in seconds."""
    settings = site.settings()
    return {"mrdata_sweep": settings.sweep.every_seconds, "mrdata_archive": settings.archive.every_seconds}


def scheduled(site: Site, rule: str) -> list[tuple[str, ...]]:
    """What waits in the delay queue: id, period, user, and the host and process that run it just now."""
    columns = ("RULE_EXEC_ID", "RULE_EXEC_FREQUENCY", "RULE_EXEC_USER_NAME", "RULE_EXEC_LOCK_HOST", "RULE_EXEC_LOCK_HOST_PID")
    return site.icommands.query(*columns, where=f"RULE_EXEC_NAME like '%{name(rule)}(%'")


def _rule_differs(site: Site, rule: str, seconds: int) -> list[str]:
    rows = scheduled(site, rule)
    if len(rows) != 1:
        return [f"{rule}: {len(rows)} are scheduled, not one"]
    ((_, frequency, user, host, process),) = rows
    wrong = [] if frequency.split(" ")[0] == f"{seconds}s" else [f"{rule}: runs every {frequency.split(' ')[0]}, not {seconds}s"]
    if user.split("#")[0] != site.settings().account:
        wrong.append(f"{rule}: runs as {user}")
    # The delay server never picks up again what a killed one had begun (irodsDelayServer.cpp, make_delay_queue_query_processor).
    if host and host == site.config()["host"] and not _is_delay_server(process):
        wrong.append(f"{rule}: process {process} that ran it has died, so it would never run again")
    return wrong


def _is_delay_server(process: str) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{int(process)}/exe")).startswith("irodsDelayServer")
    except (OSError, ValueError):
        return False


def _delay_rules_differ(site: Site) -> list[str]:
    return [fault for rule, seconds in _delay_rules(site).items() for fault in _rule_differs(site, rule, seconds)]


def _schedule(site: Site) -> None:
    service = site.icommands.acting_as(site.settings().account)
    for rule, seconds in _delay_rules(site).items():
        if _rule_differs(site, rule, seconds):
            for number, *_ in scheduled(site, rule):
                site.icommands.run("iqdel", number)
            service.rule(f"{rule}_every", {"seconds": seconds})


def _unhealthy(site: Site) -> list[str]:
    try:
        site.icommands.acting_as(site.settings().account).rule("mrdata_health")
    except SetupError as error:
        return [str(error)]
    return []


def _not_mendable(site: Site) -> None:
    raise SetupError("the rule mrdata_health does not answer as it should; the server's log says more")


ZONE = [
    Step("resources", _resources_differ, _make_resources),
    Step("accounts and groups", _accounts_differ, _make_accounts),
    Step("collections and permissions", _collections_differ, _make_collections),
    Step("delay rules", _delay_rules_differ, _schedule),
    Step("health", _unhealthy, _not_mendable),
]


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise SetupError(f"{path}: {error}") from error
    return found

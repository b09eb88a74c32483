"""What set-up finds on a server.

The iCommands here are scripts that print what the real ones printed on iRODS 5.0.2.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import threading
import time
import types
from pathlib import Path

import pytest

from irods_config import install, server
from irods_config.icommands import PYTHON_ENGINE, ICommands, SetupError
from irods_config.site import Site
from irods_config.steps import (
    accounts,
    collections,
    delay_server,
    earlier_files,
    folders,
    rulebase,
    scheduled_rules,
    settings_check,
)
from policy.schedule.delay_rules import periods

HOST = "localhost"
OTHER = "127.0.0.2"


@pytest.fixture
def site(tmp_path):
    """A server's files, without a server."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "bin").mkdir()
    config = {"host": HOST, "zone_name": "site", "zone_port": 1247, "plugin_configuration": {"rule_engines": []}}
    (tmp_path / "etc/server_config.json").write_text(json.dumps(config))
    (tmp_path / "etc/mrdata.yaml").write_text("zone: site\nscanners: [94T]\n")
    place = install.Place(
        tmp_path / "root",
        tmp_path / "etc/core.py",
        tmp_path / "etc/mrdata.yaml",
        config=tmp_path / "etc/server_config.json",
    )
    return Site(ICommands(tmp_path, tmp_path / "bin"), etc=tmp_path / "etc", place=place)


def command(site, name, text):
    """An iCommand: a shell script, in its place in one step: the one before may be running."""
    file = site.icommands.bin / name
    new = file.with_name(f"{name}.new")
    new.write_text(f"#!/bin/sh\n{text}\n")
    new.chmod(0o755)
    os.replace(new, file)


def leader(site, name):
    """`iadmin get_delay_server_info`;

    `set_delay_server` makes the server that is named the leader, as a running server does.
    """
    (site.etc / "leader").write_text(name)
    text = f"""case $1 in
get_delay_server_info) printf '{{"leader": "%s", "successor": ""}}\\n' "$(cat {site.etc}/leader)";;
set_delay_server) printf '%s' "$2" > {site.etc}/leader;;
esac"""
    command(site, "iadmin", text)


def queue(site, *rows):
    """`iquest` about the delay queue: (rule, due, period, user, host, process, since); the rule is looked for in the
    question.
    """
    lines = []
    for number, (rule, due, period, user, host, process, *since) in enumerate(rows):
        locked = f"{int(since[0]):011d}" if since else ""
        fields = "\\037".join(
            [str(10000 + number), f"{int(due):011d}", f"{period}s REPEAT FOR EVER", user, host, str(process), locked]
        )
        lines.append(f"case \"$*\" in *{rule}*) printf '{fields}\\n'; n=1;; esac")
    command(
        site,
        "iquest",
        "\n".join([*lines, '[ -n "$n" ] || echo CAT_NO_ROWS_FOUND: Nothing was found matching your query']),
    )


def all_rules(site, **late):
    """Every rule once, due just now or `late` seconds ago."""
    rules = periods(site.settings())
    queue(
        site, *((rule, time.time() - late.get(rule, 0), seconds, "mrdata", "", "") for rule, seconds in rules.items())
    )


# --- the delay server -----------------------------------------------------------------------------------------------


def test_a_leader_of_another_name_is_found_and_replaced(site):
    all_rules(site)
    leader(site, "127.0.0.1")
    (fault,) = delay_server.differences(site)
    assert fault == "the delay server's leader is 127.0.0.1, not localhost: nothing that is scheduled would ever run"
    delay_server.lead(site)
    assert (site.etc / "leader").read_text() == HOST
    assert delay_server.differences(site) == []


def test_nobody_leads(site):
    all_rules(site)
    leader(site, "")
    assert "leader is nobody" in delay_server.differences(site)[0]


def test_another_server_of_the_zone_may_lead(site):
    all_rules(site)
    leader(site, OTHER)
    with listening(server.ANSWER) as port:
        config = json.loads(site.config_file.read_text())
        site.config_file.write_text(json.dumps({**config, "zone_port": port}))
        assert delay_server.differences(site) == []
    assert "no iRODS server answers" in delay_server.differences(site)[0]


def test_rules_that_are_late_are_told_and_cannot_be_mended_from_here(site, monkeypatch):
    monkeypatch.setattr(delay_server, "WAIT", 0.1)
    leader(site, HOST)
    all_rules(site, mrdata_archive=3600)
    (fault,) = delay_server.differences(site)
    assert fault.startswith("mrdata_archive: should have run 360")
    with pytest.raises(SetupError, match="restart the server"):
        delay_server.lead(site)


def test_a_server_that_has_just_begun_catches_up(site):
    leader(site, HOST)
    all_rules(site, mrdata_sweep=3600)
    catches_up = threading.Timer(0.5, all_rules, [site])
    catches_up.start()
    assert delay_server.differences(site) == []
    catches_up.join()


class listening:
    """Something that answers on a port of OTHER."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.socket = answer, socket.create_server((OTHER, 0))

    def __enter__(self) -> int:
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self.socket.getsockname()[1]

    def serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection:
            asked = connection.recv(256)
            connection.sendall(self.answer if asked == b"\0\0\0\x33" + server.ASKED else b"?")

    def __exit__(self, *_: object) -> None:
        self.thread.join()
        self.socket.close()


def test_only_an_irods_server_answers():
    with listening(server.ANSWER) as port:
        assert server.answers(OTHER, port)
    with listening(b"HTTP/1.1 400 Bad Request") as port:
        assert not server.answers(OTHER, port)
    assert not server.answers(OTHER, port)


# --- the accounts ---------------------------------------------------------------------------------------------------


def users(site, **kinds):
    """`iquest` and `iadmin` over a folder of users; their passwords are kept, so that a test sees who got one."""
    folder = site.etc / "users"
    folder.mkdir(exist_ok=True)
    for user, kind in kinds.items():
        (folder / user).write_text(f"{user}\037{kind}\n")
    command(site, "iquest", f"cat {folder}/*")
    text = f"""case $1 in
mkuser) [ -e {folder}/$2 ] && {{ echo CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME >&2; exit 4; }}; printf '%s\\037%s\\n' "$2" "$3" > {folder}/$2;;
mkgroup) printf '%s\\037rodsgroup\\n' "$2" > {folder}/$2;;
'') read -r verb user what password; echo "$password" > {site.etc}/password.$user;;
esac"""
    command(site, "iadmin", text)


def passwords(site):
    return {file.name.partition(".")[2]: file.read_text().strip() for file in site.etc.glob("password.*")}


def kept(site, account):
    return site.password_file(account).read_text().strip()


def test_an_account_that_set_up_makes_gets_the_password_of_its_file(site):
    users(site, rods="rodsadmin")
    assert "account mrdata: is not there" in accounts.differences(site)
    accounts.make(site)
    assert passwords(site) == {"mrdata": kept(site, "mrdata")}
    assert site.password_file("mrdata").stat().st_mode & 0o777 == 0o600
    assert accounts.differences(site) == []
    assert [file.name for file in site.password_file("mrdata").parent.iterdir()] == ["mrdata"]


def test_the_password_of_an_account_that_was_there_is_never_changed(site):
    """Of rods it is the server's own login."""
    site.place.settings.write_text("zone: site\nscanners: [94T]\ntrusted: [mrdata, rods, anna]\n")
    users(site, rods="rodsadmin", anna="rodsadmin")
    accounts.make(site)
    assert set(passwords(site)) == {"mrdata"}
    assert accounts.differences(site) == []
    assert not site.password_file("rods").exists()


def test_a_service_account_that_was_there_needs_its_password_in_a_file(site):
    users(site, mrdata="rodsadmin", data_stewards="rodsgroup")
    assert accounts.differences(site) == [f"account mrdata: {site.password_file('mrdata')} is not there"]
    with pytest.raises(SetupError, match="its password stays as it is: write it into"):
        accounts.make(site)
    assert passwords(site) == {}
    assert not site.password_file("mrdata").exists()


def test_an_account_that_was_half_made_gets_its_password_the_next_time(site):
    users(site, rods="rodsadmin")
    made = (site.icommands.bin / "iadmin").read_text().partition("\n")[2]
    command(site, "iadmin", f'[ -z "$1" ] && exit 3\n{made}')
    with pytest.raises(SetupError):
        accounts.make(site)
    users(site, rods="rodsadmin")
    assert "account mrdata: has no password, because set-up was interrupted" in accounts.differences(site)
    accounts.make(site)
    assert passwords(site) == {"mrdata": kept(site, "mrdata")}
    assert accounts.differences(site) == []


def test_an_account_that_could_not_be_made_is_not_taken_for_ones_own(site):
    """Somebody else makes it just then."""
    users(site, rods="rodsadmin")
    made = (site.icommands.bin / "iadmin").read_text().partition("\n")[2]
    command(
        site, "iadmin", f'[ "$1" = mkuser ] && {{ echo CATALOG_ALREADY_HAS_ITEM_BY_THAT_NAME >&2; exit 4; }}\n{made}'
    )
    with pytest.raises(SetupError, match="CATALOG_ALREADY_HAS"):
        accounts.make(site)
    users(site, mrdata="rodsadmin")
    assert accounts.differences(site)[0] == f"account mrdata: {site.password_file('mrdata')} is not there"
    with pytest.raises(SetupError, match="its password stays as it is"):
        accounts.make(site)
    assert passwords(site) == {}


# --- the collections ------------------------------------------------------------------------------------------------


def test_access_that_differs_makes_set_up_prepare_the_zone(site):
    """The rulebase looks, and puts right what it finds: tests/zone/ingest/test_permissions.py."""
    fault = "/site/home/mrdata/quarantine: public has read, not no access"
    (site.etc / "fault").write_text(json.dumps([fault]))
    text = f"""for last; do :; done
case $(cat $last) in
*mrdata_prepared*) printf 'MRDATA{{"differences": %s}}\\n' "$(cat {site.etc}/fault)";;
*mrdata_prepare*) echo '[]' > {site.etc}/fault; echo 'MRDATA{{"prepared": "/site/home/mrdata"}}';;
esac"""
    command(site, "irule", text)
    assert collections.differences(site) == [fault]
    collections.make(site)
    assert collections.differences(site) == []


# --- the folders that are MrData's alone ----------------------------------------------------------------------------


@pytest.fixture
def folders_site(site, tmp_path):
    """A landing zone and a vault on this host, as `iquest` tells of the resource."""
    landing, vault = tmp_path / "landing", tmp_path / "vaults/archiveVault"
    (landing / "94T/dicom").mkdir(parents=True)
    vault.mkdir(parents=True)
    settings = {
        "zone": "site",
        "scanners": ["94T"],
        "landing": {"folder": str(landing)},
        "archive": {"vault": str(vault)},
    }
    site.place.settings.write_text(json.dumps(settings))
    resource(site, vault)
    return dataclasses.replace(site, vaults=vault.parent)


def resource(site, vault, host=HOST):
    text = f"""case "$*" in
*RESC_LOC*) printf 'demoResc\037elsewhere\narchiveResc\037{host}\n';;
*) printf 'demoResc\037/var/lib/irods/Vault\narchiveResc\037{vault}\n';;
esac"""
    command(site, "iquest", text)


def test_the_first_settings_name_the_vault_that_set_up_makes(site, tmp_path):
    site.place.settings.unlink()
    site = dataclasses.replace(site, vaults=tmp_path / "vaults", scanners=("94T",))
    settings_check.write(site)
    assert site.settings().archive.vault == str(tmp_path / "vaults/archiveVault") == str(site.vault("archiveResc"))
    site.place.settings.unlink()
    settings_check.write(dataclasses.replace(site, landing_elsewhere=True))
    assert site.settings().archive.vault == ""


def test_the_intake_and_the_vaults_folder_are_made_and_closed(folders_site):
    here = folders_site.settings()
    intake, landed = Path(here.landing.folder, ".intake"), Path(here.archive.vault, "landed")
    assert folders.differences(folders_site) == [f"{intake}: is not there", f"{landed}: is not there"]
    folders.make(folders_site)
    assert folders.differences(folders_site) == []
    assert [stat.S_IMODE(one.stat().st_mode) for one in (intake, landed)] == [0o700, 0o2770]
    intake.chmod(0o755)
    landed.chmod(0o777)
    assert folders.differences(folders_site) == [
        f"{intake}: mode 755 lets everybody in",
        f"{landed}: mode 777 lets everybody in",
    ]
    folders.make(folders_site)
    assert folders.differences(folders_site) == []
    intake.chmod(0o2770)  # for a scanner that runs as another member of the account's own group
    folders.make(folders_site)
    assert folders.differences(folders_site) == []
    assert stat.S_IMODE(intake.stat().st_mode) == 0o2770


def test_a_folder_of_somebody_else_is_told(folders_site, monkeypatch):
    folders.make(folders_site)
    intake = Path(folders_site.settings().landing.folder, ".intake")
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    told = folders.differences(folders_site)
    assert told[0].startswith(f"{intake}: belongs to user {os.getuid()}; give it to daemon")
    monkeypatch.undo()
    account = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(
        folders.pwd, "getpwuid", lambda _: types.SimpleNamespace(pw_uid=account.pw_uid, pw_gid=12345, pw_name="irods")
    )
    assert folders.differences(folders_site)[0].endswith(f"lets group {account.pw_gid} in, which is not that of irods")
    intake.rmdir()
    intake.write_text("")
    assert folders.differences(folders_site)[0] == f"{intake}: is not a folder"
    with pytest.raises(SetupError, match="Not a directory"):
        folders.make(folders_site)


def test_a_link_in_the_intakes_place_is_not_followed(folders_site, tmp_path):
    (tmp_path / "precious").mkdir(mode=0o755)
    intake = Path(folders_site.settings().landing.folder, ".intake")
    intake.symlink_to(tmp_path / "precious")
    assert folders.differences(folders_site)[0] == f"{intake}: is not a folder"
    with pytest.raises(SetupError):
        folders.make(folders_site)
    assert stat.S_IMODE((tmp_path / "precious").stat().st_mode) == 0o755


def test_a_landing_zone_that_is_not_mounted_is_told(folders_site):
    shutil.rmtree(folders_site.settings().landing.folder)
    (fault,) = folders.differences(folders_site)
    assert "or mount the landing zone" in fault
    with pytest.raises(SetupError, match="No such file or directory"):
        folders.make(folders_site)


def test_a_scanner_whose_folder_is_another_file_system_is_told(folders_site, monkeypatch):
    folders.make(folders_site)
    other = Path(folders_site.settings().landing.folder, "94T/dicom")
    real = Path.stat

    def mounted(path, **named):
        status = real(path, **named)
        return os.stat_result([*status[:2], status.st_dev + 1, *status[3:]]) if path == other else status

    monkeypatch.setattr(Path, "stat", mounted)
    (fault,) = folders.differences(folders_site)
    assert fault.startswith(f"{other}: is on another file system than")


def test_a_vault_that_is_not_the_resources_is_told(folders_site, tmp_path):
    folders.make(folders_site)
    resource(folders_site, tmp_path / "other")
    (fault,) = folders.differences(folders_site)
    assert (
        fault == f"archive.vault: {folders_site.settings().archive.vault} is not the vault of archiveResc,"
        f" {tmp_path / 'other'}"
    )


def test_a_vault_on_another_host_and_none_at_all(folders_site):
    """There the landing host's programs look; without the setting files are archived by the delay rule."""
    vault = folders_site.settings().archive.vault
    resource(folders_site, vault, "archive.example.org")
    folders.make(folders_site)
    assert folders.differences(folders_site) == []
    assert not Path(vault, "landed").exists()
    held = json.loads(folders_site.place.settings.read_text())
    del held["archive"]
    folders_site.place.settings.write_text(json.dumps(held))
    resource(folders_site, "/elsewhere")
    assert folders.differences(folders_site) == []


def test_what_is_registered_in_the_mailbox_is_taken_in(site):
    """The rulebase looks and takes: tests/zone/ingest/test_registered_in_place.py. Here it takes five at a time."""
    (site.etc / "left").write_text("12")
    text = f"""for last; do :; done
left=$(cat {site.etc}/left)
case $(cat $last) in
*dry_run*) ;;
*) left=$((left > 5 ? left - 5 : 0)); echo $left > {site.etc}/left;;
esac
printf 'MRDATA{{"left": %s}}\n' $left"""
    command(site, "irule", text)
    (fault,) = earlier_files.differences(site)
    assert fault == "12 files of /srv/mrdata/landing are registered where they landed, and others can change them"
    earlier_files.take_in(site)
    assert earlier_files.differences(site) == []


# --- the delay rules ------------------------------------------------------------------------------------------------


def test_a_rule_is_scheduled_once_with_its_period_as_the_service_account(site):
    all_rules(site)
    assert scheduled_rules.differences(site) == []
    queue(site)
    missing = scheduled_rules.differences(site)
    assert len(missing) == len(periods(site.settings()))
    assert "mrdata_sweep: 0 are scheduled, not one" in missing
    queue(site, ("mrdata_sweep", 0, 7, "rods", "", ""), ("mrdata_archive", 0, 60, "mrdata", "", ""))
    assert [line for line in scheduled_rules.differences(site) if "0 are scheduled" not in line] == [
        "mrdata_sweep: runs every 7s, not 5s",
        "mrdata_sweep: runs as rods",
    ]


def test_a_rule_whose_delay_server_died_would_never_run_again(site):
    seconds = periods(site.settings())["mrdata_sweep"]
    queue(site, ("mrdata_sweep", 0, seconds, "mrdata", HOST, os.getpid()))
    (fault,) = (line for line in scheduled_rules.differences(site) if "mrdata_sweep" in line)
    assert fault.endswith("would never run again")
    queue(site, ("mrdata_sweep", 0, seconds, "mrdata", "another.example.org", os.getpid()))
    assert not [line for line in scheduled_rules.differences(site) if "mrdata_sweep" in line]


@pytest.fixture
def delay_server_process(tmp_path):
    """A process whose program has the delay server's name."""
    program = tmp_path / "irodsDelayServer"
    shutil.copy(shutil.which("sleep"), program)
    with subprocess.Popen([program, "60"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    ("locked", "open_for", "fault"),
    [
        (700, "0:11:40", ""),
        (700, "0:11:31", ""),
        (30, "0:00:00", ""),
        (700, "0:00:01", "is marked as running for 70"),
        (700, "1:11:40", "is marked as running for 70"),
        (5000, "1:23:20", ""),
        (700, "", "is marked as running for 70"),
    ],
)
def test_a_rule_that_is_marked_as_running_has_a_connection_of_its_own(
    site, delay_server_process, locked, open_for, fault
):
    """The mark stays when the delay server's connection was refused."""
    seconds = periods(site.settings())["mrdata_sweep"]
    queue(site, ("mrdata_sweep", 0, seconds, "mrdata", HOST, delay_server_process, time.time() - locked))
    opened = f"echo '    16319 rods#mrdata  {open_for}  irodsDelayServer  127.0.0.1'" if open_for else ""
    command(
        site,
        "ips",
        f"echo 'Server: irods.example.org'\necho '    12202 rods#mrdata  0:11:40  ips  127.0.0.1'\n{opened}",
    )
    found = [line for line in scheduled_rules.differences(site) if "mrdata_sweep" in line]
    assert len(found) == bool(fault)
    assert fault in "".join(found)


# --- the rulebase ---------------------------------------------------------------------------------------------------


def test_without_a_python_engine_the_rulebase_is_proved_outside(site):
    place = site.place
    assert not place.has_python_engine()
    config = json.loads(site.config_file.read_text())
    config["plugin_configuration"]["rule_engines"] = [{"instance_name": PYTHON_ENGINE}]
    site.config_file.write_text(json.dumps(config))
    assert place.has_python_engine()
    site.config_file.write_text("{}")
    with pytest.raises(SetupError, match="plugin_configuration"):
        place.has_python_engine()


def test_a_release_is_tried_inside_where_there_is_an_engine(site, tmp_path):
    """Without one the server is not asked, which would refuse; with one it is."""
    command(site, "irule", "echo 'ERROR: rcExecMyRule error.  status = -130000 SYS_INVALID_INPUT_PARAM' >&2; exit 4")
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho core.py: works\necho zone site\n")
    script.chmod(0o755)
    place = install.Place(tmp_path / "root", site.place.core, site.place.settings, script, site.config_file)
    seen = install.prove(place, tmp_path / "release", site.icommands)
    assert seen == "core.py: works, zone site, not tried inside the server: it has no Python rule engine yet"
    config = json.loads(site.config_file.read_text())
    config["plugin_configuration"]["rule_engines"] = [{"instance_name": PYTHON_ENGINE}]
    site.config_file.write_text(json.dumps(config))
    with pytest.raises(SetupError, match=r"refused .*-130000"):
        install.prove(place, tmp_path / "release", site.icommands)


def test_a_missing_rulebase_is_a_difference(site):
    assert rulebase.differences(site) == [f"{site.place.core}: is not the rulebase of {site.place.current}"]

"""What setting up writes into the server's configuration, and its files."""

import copy
import json
import stat
import subprocess
from pathlib import Path

import pytest

from irods_config import files, server_config, templates, tls
from irods_config.icommands import SetupError, name
from policy.zone.settings import settings_from

CORE = Path(__file__).resolve().parents[3] / "rulebase/core.py"
NATIVE = {
    "instance_name": "irods_rule_engine_plugin-irods_rule_language-instance",
    "plugin_name": "irods_rule_engine_plugin-irods_rule_language",
    "plugin_specific_configuration": {
        "re_rulebase_set": ["core"],
        "regexes_for_supported_peps": ["ac[^ ]*", "[^ ]*pep_[^ ]*_(pre|post)"],
    },
    "shared_memory_instance": "irods_rule_language_rule_engine",
}
DEFAULT = {
    "instance_name": "irods_rule_engine_plugin-cpp_default_policy-instance",
    "plugin_name": "irods_rule_engine_plugin-cpp_default_policy",
    "plugin_specific_configuration": {},
}
FILES = tls.TLSFiles.inside(Path("/etc/irods/tls"))


def config(*engines):
    return {
        "advanced_settings": {"delay_server_sleep_time_in_seconds": 30, "number_of_concurrent_delay_rule_executors": 4},
        "zone_key": "SECRET",
        "plugin_configuration": {"database": {"password": "hidden"}, "rule_engines": copy.deepcopy(list(engines))},
    }


def wanted(old, points=("pep_api_a_pre",)):
    return server_config.wanted(old, list(points), FILES, "landingResc", 2)


def test_every_enforcement_point_of_core_is_asked_for():
    import rulebase.core

    assert server_config.enforcement_points(CORE) == sorted(n for n in vars(rulebase.core) if n.startswith("pep_"))


def test_python_comes_first_and_every_engine_has_the_narrow_list():
    new = wanted(config(NATIVE, DEFAULT), ["pep_api_a_pre", "pep_api_b_post"])
    python, native, default = new["plugin_configuration"]["rule_engines"]
    assert python["instance_name"] == "irods_rule_engine_plugin-python-instance"
    assert python["plugin_specific_configuration"]["regexes_for_supported_peps"] == ["pep_api_(?:a_pre|b_post)"]
    own = native["plugin_specific_configuration"]
    assert own["regexes_for_supported_peps"] == ["ac[^ ]*", "msi[^ ]*", "pep_api_(?:a_pre|b_post)"]
    assert own["re_rulebase_set"] == ["mrdata", "core"]
    assert default == DEFAULT


def test_what_is_not_ours_stays_and_twice_is_once():
    old = config(NATIVE, DEFAULT)
    before = copy.deepcopy(old)
    new = wanted(old)
    assert old == before
    assert new["advanced_settings"]["number_of_concurrent_delay_rule_executors"] == 4
    assert new["zone_key"] == "SECRET"
    assert wanted(new) == new
    assert server_config.differences(new, wanted(new)) == []


def test_encryption_is_required_of_both_sides():
    new = wanted(config(NATIVE, DEFAULT))
    assert new["client_server_policy"] == "CS_NEG_REQUIRE"
    assert new["tls_client"]["verify_server"] == "hostname"
    assert 'acPreConnect(*OUT) { *OUT="CS_NEG_REQUIRE"; }' in templates.native_rules("landingResc")


def test_without_the_native_engine_nothing_would_require_encryption():
    with pytest.raises(SetupError, match="native rule engine"):
        wanted(config(DEFAULT))


def test_differences_name_the_value_and_hide_secrets():
    old, new = config(NATIVE), config(NATIVE)
    new["zone_key"], new["plugin_configuration"]["database"]["password"] = "OTHER", "other"
    new["advanced_settings"]["delay_server_sleep_time_in_seconds"] = 2
    assert server_config.differences(old, new) == [
        "advanced_settings.delay_server_sleep_time_in_seconds: 30 should be 2",
        "zone_key: differs",
        "plugin_configuration.database.password: differs",
    ]


@pytest.mark.parametrize("text", ["", "a b", "x'y", "-rf", "a;b", "../x", "ä", "a\nb"])
def test_odd_names_get_into_no_command(text):
    with pytest.raises(SetupError):
        name(text)


@pytest.mark.parametrize("vault", [None, Path("/srv/va: ult")])
def test_the_first_settings_are_settings(vault):
    import yaml

    text = templates.settings("tempZone", ["94T", "null", "#x: '"], Path("/srv/mr data"), "landingResc", vault)
    settings = settings_from(yaml.safe_load(text))
    assert settings.scanners == ["94T", "null", "#x: '"]
    assert settings.landing.folder == "/srv/mr data"
    assert settings.archive.vault == ("/srv/va: ult" if vault else "")


def test_a_file_is_replaced_whole_with_its_mode(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    path.chmod(0o644)
    copy_ = files.keep_copy(path)
    files.write(path, "new", 0o600)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert copy_ is not None
    assert copy_.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"x.json", copy_.name}


def test_passwords_are_made_once_and_never_shown(tmp_path):
    path = tmp_path / "accounts" / "mrdata"
    first = files.secret(path)
    assert files.secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(ValueError, match="may be read by others"):
        files.secret(path)
    path.chmod(0o600)
    path.write_text("with 'quote' and blank\n")
    with pytest.raises(ValueError, match="letters and digits"):
        files.secret(path)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return tls.self_signed(tmp_path_factory.mktemp("tls"), ["irods.example.org", "127.0.0.1"])


def test_certificates_are_for_their_host_only(certificates):
    assert certificates.check("irods.example.org") == certificates.check("127.0.0.1") == []
    assert "is not for other.example.org" in certificates.check("other.example.org")[0]
    assert stat.S_IMODE(certificates.key.stat().st_mode) == 0o600


def test_certificates_that_are_there_stay(certificates):
    before = certificates.certificate.read_bytes()
    tls.self_signed(certificates.certificate.parent, ["irods.example.org"])
    assert certificates.certificate.read_bytes() == before


def test_another_authority_or_key_is_noticed(certificates, tmp_path):
    other = tls.self_signed(tmp_path, ["irods.example.org"])
    mixed = tls.TLSFiles(certificates.certificate, certificates.key, certificates.dhparams, other.authority)
    assert "was not signed by" in mixed.check("irods.example.org")[0]
    mixed = tls.TLSFiles(certificates.certificate, other.key, certificates.dhparams, certificates.authority)
    assert "is not the key of" in mixed.check("irods.example.org")[0]
    other.key.chmod(0o644)
    assert "may be read by others" in other.check("irods.example.org")[0]
    other.dhparams.unlink()
    assert other.check("irods.example.org") == [f"{other.dhparams}: is not there"]


def test_the_command_makes_certificates(tmp_path):
    assert tls.main([str(tmp_path / "new"), "localhost"]) == 0
    command = ["openssl", "x509", "-in", str(tmp_path / "new/server.crt"), "-noout", "-text"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "DNS:localhost" in shown.stdout
    assert "CA:TRUE" not in shown.stdout
    assert (
        json.loads(json.dumps(tls.client_entries(tmp_path / "new/ca.crt")))["irods_client_server_policy"]
        == "CS_NEG_REQUIRE"
    )

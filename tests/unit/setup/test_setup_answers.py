"""The answers of iRODS's unattended set-up."""

import json
import stat

import pytest

from irods_config import answers
from irods_config.icommands import SetupError

PACKAGED = {
    "schema_version": "v5",
    "a_setting_of_a_newer_irods": 7,
    "client_server_policy": "CS_NEG_REFUSE",
    "connection_pool_refresh_time_in_seconds": 300,
    "default_hash_scheme": "SHA256",
    "encryption": {"algorithm": "AES-256-CBC", "key_size": 32, "num_hash_rounds": 16, "salt_size": 8},
    "match_hash_policy": "compatible",
    "plugin_configuration": {"rule_engines": [{"instance_name": "native"}], "authentication": {}},
}


@pytest.fixture
def made(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answers, "own_names", lambda: ["irods.example.org", "irods"])
    template = tmp_path / "template.json"
    template.write_text(json.dumps(PACKAGED))

    def make(*more, zone="site", folder="secrets"):
        file = tmp_path / "answers.json"
        required = [
            "--zone",
            zone,
            "--host",
            "irods.example.org",
            "--secrets",
            str(tmp_path / folder),
            "--template",
            str(template),
        ]
        status = answers.main([str(file), *required, *more])
        return status, json.loads(file.read_text()) if status == 0 else capsys.readouterr().err

    return make


def test_passwords_are_made_up_once_and_the_file_is_for_its_owner_alone(made, tmp_path):
    _, first = made()
    _, again = made()
    assert first == again
    for file in [tmp_path / "answers.json", *(tmp_path / "secrets").iterdir()]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    config = first["server_config"]
    database = config["plugin_configuration"]["database"]
    texts = {first["admin_password"], config["zone_key"], config["negotiation_key"], database["password"]}
    assert len(texts) == 4
    assert len(config["negotiation_key"]) == 32
    assert {p.name for p in (tmp_path / "secrets").iterdir()} == {
        "admin_password",
        "catalog_password",
        "negotiation_key",
        "zone_key",
    }


def test_the_packaged_template_is_kept_and_completed(made):
    status, found = made("--catalog-host", "db.example.org", "--catalog-port", "5433", "--vault", "/srv/vault")
    assert status == 0
    config = found["server_config"]
    assert config["a_setting_of_a_newer_irods"] == 7
    assert config["plugin_configuration"]["rule_engines"] == [{"instance_name": "native"}]
    assert (config["host"], config["catalog_provider_hosts"], config["zone_name"]) == (
        "irods.example.org",
        ["irods.example.org"],
        "site",
    )
    database = config["plugin_configuration"]["database"]
    assert (database["host"], database["port"], database["name"], database["username"]) == (
        "db.example.org",
        5433,
        "ICAT",
        "irods",
    )
    assert found["default_resource_directory"] == "/srv/vault"
    environment = found["service_account_environment"]
    assert environment["irods_home"] == "/site/home/rods"
    assert environment["irods_encryption_key_size"] == 32


def test_secrets_that_are_there_are_taken_as_they_are(made, tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    for number, name in enumerate(("catalog_password", "admin_password", "zone_key", "negotiation_key")):
        (folder / name).write_text(str(number) * 32 + "\n")
        (folder / name).chmod(0o444)
    _, found = made(folder="mounted")
    assert (found["admin_password"], found["server_config"]["negotiation_key"]) == ("1" * 32, "3" * 32)
    (folder / "negotiation_key").chmod(0o644)
    (folder / "negotiation_key").write_text("short")
    assert "must have 32 bytes" in made(folder="mounted")[1]
    (folder / "negotiation_key").write_text("\n")
    assert "is empty" in made(folder="mounted")[1]


def test_what_cannot_be_answered_is_an_error_that_names_it(made, tmp_path):
    status, error = made(zone="a/b")
    assert status == 1
    assert "'a/b' cannot be a name" in error
    status, error = made("--template", str(tmp_path / "none.json"))
    assert status == 1
    assert "none.json" in error


def test_secrets_are_not_shown(tmp_path):
    secrets = answers.Secrets.inside(tmp_path / "new")
    assert secrets.zone_key not in repr(secrets)
    (tmp_path / "new/zone_key").write_text("")
    with pytest.raises(SetupError, match="zone_key: is empty"):
        answers.Secrets.inside(tmp_path / "new")


def test_a_host_that_the_machine_does_not_call_itself_is_refused(made, tmp_path):
    status, error = made("--host", "data.example.org")
    assert status == 1
    assert "this machine calls itself irods.example.org" in error
    assert not (tmp_path / "secrets").exists()
    assert made("--host", "irods")[0] == 0

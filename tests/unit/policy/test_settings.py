"""mrdata.yaml: every key is checked, and an error names file, key and what is expected."""

import pytest

from microservices.settings_file import load_settings
from policy.zone.settings import SettingsError


def load(tmp_path, text):
    file = tmp_path / "mrdata.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_defaults_are_strict(tmp_path):
    settings = load(tmp_path, "zone: tempZone\n")
    assert settings.home == "/tempZone/home/mrdata"
    assert not settings.guard.retain_patient_characteristics
    assert settings.guard.allow == {}


def test_nested_values(tmp_path):
    settings = load(
        tmp_path,
        "zone: z\nscanners: [94T]\nlanding: {quiet_seconds: 3}\nguard: {allow: {PatientBirthDate: ['19000101']}}\n",
    )
    assert settings.landing.quiet_seconds == 3.0
    assert settings.guard.allow == {"PatientBirthDate": ["19000101"]}


def test_folders_are_as_the_catalog_has_them(tmp_path):
    settings = load(tmp_path, "zone: z\nlanding: {folder: /srv//x/../landing/}\narchive: {vault: /srv/vault/}\n")
    assert (settings.landing.folder, settings.archive.vault) == ("/srv/landing", "/srv/vault")
    assert load(tmp_path, "zone: z\n").archive.vault == ""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected keys"), ("zone: ''", "zone: missing"), ("zone: z\nscaners: []", "scaners: unknown key"),
        ("zone: z\nlanding: {quiet: 3}", "landing.quiet: unknown"), ("zone: z\nsweep: {tries: many}", "sweep.tries: expected int"),
        ("zone: z\nsweep: {tries: true}", "sweep.tries"), ("zone: z\nscanners: [94]", "scanners: expected texts"),
        ("zone: z\nguard: {allow: {A: ['(']}}", "guard.allow.A"), ("zone: [", "mrdata.yaml"),
        ("zone: z\nguard: {allow: {A: '19000101'}}", "guard.allow: expected texts"),
        ("zone: z\ncastellum: {lists: {pain: 17}}", "castellum.lists"),
        ("zone: z\ncastellum: {source: ftp}", "castellum.source"), ("zone: z\ncastellum: {source: folder}", "castellum.folder: missing"),
        ("zone: z\ncastellum: {source: http, url: 'http://castellum.example', token_file: t}", "must begin with https://"),
        ("zone: z\ncastellum: {source: http, url: 'https://c.example'}", "castellum.token_file: missing"),
        (
            "zone: z\ncastellum: {source: http, url: 'https://c.example', token_file: t, attributes_path: '/{x}/'}",
            "castellum.attributes_path",
        ),
        ("zone: z\ncastellum: {attributes: {handedness: ['(']}}", "castellum.attributes.handedness"),
        ("zone: z\ncastellum: {remote: 'http://git.example/x'}", "castellum.remote: http"),
        ("zone: z\ncastellum: {remote: 'https://a:b@git.example/x'}", "castellum.remote: a password"),
        *((f"zone: z\nevents: {{hooks: {{h: {{url: '{url}', secret_file: s}}}}}}", "events.hooks.h.url") for url in (
            "http://workflows.example/x", "http://127.0.0.1@evil.example/", "http://127.0.0.1.evil.example/", "http://localhost.example/",
            "http://10.0.0.1/", "ftp://localhost/", "HTTP://workflows.example/",
        )),
    ],
)  # fmt: skip
def test_an_error_says_where(tmp_path, text, part):
    with pytest.raises(SettingsError, match=r"mrdata\.yaml") as caught:
        load(tmp_path, text)
    assert part in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    "url", ["https://workflows.example/x", "http://127.0.0.1:8080/x", "http://localhost/", "http://[::1]:1/x"]
)
def test_a_hook_needs_https_but_on_this_machine(tmp_path, url):
    settings = load(tmp_path, f"zone: z\nevents: {{hooks: {{h: {{url: '{url}', secret_file: s}}}}}}")
    assert settings.events.hooks["h"].url == url

"""mrdata.yaml of an embedded zone gets a setting, and keeps what its owner wrote."""

import pytest
import yaml

from mrdata.zones.upgrade import with_vault

VAULT = "/srv/my zone/vault: archiveResc"


@pytest.mark.parametrize(
    "text",
    [
        "zone: a\n",
        "zone: a",
        "zone: a\narchive:\n  every_seconds: 5 # often\nguard: {}\n",
        "zone: a\narchive: # ours\n\n    every_seconds: 5\n",
        "zone: a\narchive:\nguard: {}\n",
        "zone: a\narchive: {every_seconds: 5}\n",
        "{zone: a, archive: {every_seconds: 5}}\n",
        "zone: a\nguard:\n  allow:\n    x: ['archive:']\narchive:\n- 1\n",
        "zone: a\nforms:\n  webdav: |\n    archive:\n      a\n",
    ],
)
def test_the_vault_is_added_and_nothing_else_changes(text):
    given = yaml.safe_load(text)
    changed = yaml.safe_load(with_vault(text, VAULT))
    if isinstance(given.get("archive"), list):  # no settings of MrData: left as it is, to be told
        assert changed == given
        return
    assert changed["archive"].pop("vault") == VAULT
    assert changed["archive"] == (given.pop("archive", None) or {})
    del changed["archive"]
    assert changed == given


def test_comments_stay_where_the_keys_stand_on_lines():
    text = "# first\nzone: a # the zone\narchive: # ours\n  # often\n  every_seconds: 5 # s\n# last\n"
    kept = with_vault(text, VAULT)
    assert [line for line in kept.splitlines() if "vault" not in line] == text.splitlines()
    text = "# first\nzone: a # the zone\n# last\n"
    assert with_vault(text, VAULT).startswith(text)


@pytest.mark.parametrize("text", ["zone: a\narchive:\n  vault: ''\n", "zone: a\narchive: {vault: /elsewhere}\n"])
def test_what_somebody_chose_stays(text):
    assert with_vault(text, VAULT) == text


def test_without_a_vault_nothing_is_added():
    assert with_vault("zone: a\n", "") == "zone: a\n"

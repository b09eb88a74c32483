"""Rules refuse what they do not know, and what is not said in so many words."""

import json

import pytest

from microservices.rules.rule_table import RULES
from tests.zone.names import PAIN


def test_every_rule_refuses_an_unknown_key_and_names_it(site):
    for name in RULES:
        assert "unknown key 'dryrun'" in site.ask(name, {"dryrun": True}).get("error", ""), name


def test_a_misspelt_dry_run_withdraws_nothing(site):
    new = site.register()
    assert "unknown key 'dryrun'" in site.ask("withdraw", {"experiment": new, "dryrun": True})["error"]
    assert "dry_run is missing" in site.ask("withdraw", {"experiment": new})["error"]
    assert "dry_run is 'false'" in site.ask("withdraw", {"experiment": new, "dry_run": "false"})["error"]
    assert "dry_run is 0" in site.ask("withdraw", {"study": PAIN, "pseudonym": "P1", "dry_run": 0})["error"]
    assert site.rule("withdraw", {"experiment": new, "dry_run": True})["experiments"][0]["state"] == "registered"


@pytest.mark.parametrize("text", ["[]", '"withdraw"', "{", "null"])
def test_a_request_that_is_no_object_is_refused(site, text):
    assert "the request" in json.loads(site.connect().rule("mrdata_sweep", text))["error"]

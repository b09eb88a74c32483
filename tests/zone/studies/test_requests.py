"""Rules refuse what they do not know, and what is not said in so many words."""

import json

import pytest

from microservices.rules.rule_table import RULES
from policy.zone import experiment_id
from policy.zone.error_kinds import ErrorKind
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


def test_every_error_has_the_code_of_its_kind(site):
    new = site.register()
    path = f"{site.settings.home}/nowhere"
    asked = [
        ("bad-request", "experiment_finish", {"experiment": "0000-0000", "by": "mrdata"}),
        ("not-found", "experiment_finish", {"experiment": experiment_id.draw(), "by": "mrdata"}),
        ("bad-request", "quarantine_discard", {"session": path, "reason": "because", "dry_run": True}),
        ("bad-request", "register", {"study": PAIN}),
        ("conflict", "restore", {"experiment": new, "by": "mrdata"}),
        ("not-permitted", "experiment_finish", {"experiment": new, "by": "bob"}),
        ("conflict", "experiment_reopen", {"experiment": new, "by": "mrdata"}),
        ("bad-request", "sweep_every", {"seconds": 0}),
    ]
    found = [(site.ask(rule, request), rule) for _, rule, request in asked]
    assert [(reply.get("code"), rule) for reply, rule in found] == [(code, rule) for code, rule, _ in asked], found


def test_a_kind_has_one_status_for_pages_and_one_for_commands():
    assert (
        len({kind.http_status for kind in ErrorKind}) == len({kind.exit_status for kind in ErrorKind}) == len(ErrorKind)
    )
    assert {0, 1} & {kind.exit_status for kind in ErrorKind} == set()

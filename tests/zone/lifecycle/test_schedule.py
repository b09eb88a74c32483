"""Delay rules are scheduled once; what needs the archive's owner is refused to other administrators."""

import pytest

from policy.zone import Condition


def waiting(site, rule):
    return site.connect().query(["RULE_EXEC_FREQUENCY"], Condition("RULE_EXEC_NAME", "like", f"%{rule}(%"))


@pytest.mark.embedded
@pytest.mark.parametrize("rule", ["sweep", "archive"])
def test_twice_is_once_and_another_period_is_refused(site, rule):
    before = len(waiting(site, f"mrdata_{rule}"))
    first = site.ask(f"{rule}_every", {})
    assert first["already"] is (before == 1)
    assert site.ask(f"{rule}_every", {})["already"] is True
    assert "stop it first" in site.ask(f"{rule}_every", {"seconds": 77})["error"]
    assert "1 or more" in site.ask(f"{rule}_every", {"seconds": 0})["error"]
    ((frequency,),) = waiting(site, f"mrdata_{rule}")
    assert frequency.startswith(f"{first['seconds']}s ")


@pytest.mark.embedded
@pytest.mark.parametrize(
    "rule", ["sweep", "archive", "verify", "retry", "register", "study", "experiment_reassign", "sweep_every"]
)
def test_another_administrator_is_told_whom_to_be(site, rule):
    import json

    with site.new_connection("rods") as zone:
        assert "clientUserName=mrdata" in json.loads(zone.rule(f"mrdata_{rule}", "{}"))["error"]
        assert json.loads(zone.rule("mrdata_health", "{}"))["user"] == "rods"

"""What iRODS leaves open to every user and MrData closes, as far as a zone in a folder tells it; test_security.py has
the rest.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from policy.withdrawal.withdrawal import Reason
from policy.zone import Condition, NotPermitted, Registration, layout
from tests.files import dicom
from tests.zone.names import ALICE, BOB, PAIN, SLEEP, STEWARD, T94


@pytest.fixture
def places(site):
    """Collections that Alice may not see, by name, and one that she may."""
    home = site.settings.home
    site.land(f"{T94}/dicom/1", dicom(site.register()))
    theirs = site.land(f"{T94}/dicom/2", dicom(site.register(study=SLEEP, owner=BOB)))
    site.land(f"{T94}/dicom/3", dicom("SIMPSON^HOMER"))
    gone = site.register(study=SLEEP, owner=BOB)
    site.sweep()
    site.rule("withdraw", {"experiment": gone, "reason": Reason.CONSENT, "dry_run": False})
    hidden = {
        name: f"{home}/{name}"
        for name in ("studies", "quarantine", "audit", "outbox", "reviews", "withdrawn", "landing")
    }
    hidden |= {
        "theirs": layout.parent(theirs),
        "their study": f"{home}/studies/{SLEEP}",
        "home": home,
        "trash": f"/{site.settings.zone}/trash",
    }
    return hidden


TURNS = [
    "{condition} or {never}",
    "{never} OR {condition}",
    "({never}) or ({condition})",
    "{condition}\nor {never} and {never}",
    "not {never} or {condition}",
]
"""Conditions that iRODS 5.0.2 answers with what the user may not see."""
NEVER = "COLL_NAME = 'x'"
ASKED = [
    "select COLL_NAME",
    "select distinct COLL_NAME, META_COLL_ATTR_NAME, META_COLL_ATTR_VALUE",
    "select COLL_NAME, DATA_NAME, DATA_PATH, DATA_CHECKSUM",
    "select COLL_NAME, DATA_NAME, META_DATA_ATTR_NAME, META_DATA_ATTR_VALUE",
    "select COLL_NAME, COLL_ACCESS_USER_NAME, COLL_ACCESS_PERM_NAME",
    "select count(COLL_ID)",
]


@pytest.mark.parametrize("user", [ALICE, STEWARD])
def test_genquery2_shows_nobody_more_than_genquery1(site, places, user):
    """`iquery` with OR, of every place that GenQuery1 hides."""
    tried = 0
    for path, asked, turn in itertools.product(places.values(), ASKED, TURNS):
        condition = f"COLL_NAME like '{path}%'"
        with pytest.raises(NotPermitted):
            site.iquery(f"{asked} where {turn.format(condition=condition, never=NEVER)}", user)
        tried += 1
    assert tried == len(places) * len(ASKED) * len(TURNS)


def test_what_ordinary_users_may_ask_is_answered_with_what_they_may_see(site, places):
    mine, theirs = f"{site.settings.home}/studies/{PAIN}", places["their study"]
    either = f"(COLL_NAME = '{mine}' or COLL_NAME = '{theirs}')"
    for query in (
        f"select COLL_NAME where {either}",
        f"select COLL_NAME where not (COLL_NAME != '{mine}' and COLL_NAME != '{theirs}') and {either}",
        f"select COLL_NAME where COLL_NAME in ('{mine}', '{theirs}') order by COLL_NAME desc limit 9",
    ):
        assert set(site.iquery(query, ALICE)) == {(mine,)}, query
        assert set(site.iquery(query)) == {(mine,), (theirs,)}, "administrators see everything"
    assert set(site.iquery(f"select COLL_NAME where COLL_NAME like '{theirs}%' and COLL_NAME like '%'", ALICE)) == set()
    assert set(site.iquery(f"select COLL_NAME where COLL_NAME = '{theirs}' or COLL_NAME = 'x'")) == {(theirs,)}


@pytest.mark.parametrize(
    "function", ["pg_sleep('1')", "upper(COLL_NAME)", "query_to_xml('select 1', 'true', 'true', '')", "concat('\\x27')"]
)
def test_no_function_of_the_database_is_called_for_ordinary_users(site, function):
    with pytest.raises(NotPermitted):
        site.iquery(f"select COLL_NAME, {function}", ALICE)


@pytest.mark.parametrize("user", [ALICE, STEWARD])
def test_ordinary_users_register_no_file_of_the_server(site, places, user):
    """A file's bytes would be theirs to read: neither one by one nor in batches, which ask nobody's permission."""
    zone, own = site.connect(user), f"/{site.settings.zone}/home/{user}"
    ((file,),) = site.connect().query(["DATA_PATH"], Condition("COLL_NAME", "=", places["theirs"]))
    for victim, resource in itertools.product(
        (file, "/etc/passwd", str(site.settings_file)), ("demoResc", "archiveResc")
    ):
        size = Path(victim).stat().st_size
        with pytest.raises(NotPermitted):
            zone.register(victim, f"{own}/stolen", resource)
        with pytest.raises(NotPermitted):
            zone.register_all([Registration(f"{own}/stolen", victim, size, "")], resource)
    landing = f"{layout.landing(site.settings)}/{T94}/dicom/stolen"
    with pytest.raises(NotPermitted):
        zone.register_all([Registration(landing, file, Path(file).stat().st_size, "")], "demoResc")
    assert zone.stat(f"{own}/stolen") is None
    assert site.connect().query(["COLL_NAME"], Condition("DATA_PATH", "=", file)) == [(places["theirs"],)]
    assert site.verify()["sound"]


def test_administrators_register_in_mrdata_s_collections_only_what_was_decided(site, places):
    ((file,),) = site.connect().query(["DATA_PATH"], Condition("COLL_NAME", "=", places["theirs"]))
    with pytest.raises(NotPermitted):
        site.connect().register_all(
            [Registration(f"{site.settings.home}/studies/{PAIN}/x", file, 1, "")], "archiveResc"
        )

"""Accounts of other zones: who is called like one of this zone is somebody else."""

import pytest

from policy.zone import Access, Condition, NotPermitted, layout
from policy.zone.account import members
from tests.zone.embedded_site import EmbeddedSite
from tests.zone.names import ALICE, PAIN, STEWARD, SUFFIX, T94

ELSEWHERE = f"elsewhere{SUFFIX}"


@pytest.fixture
def stranger(site):
    """A user of another zone who is called like the steward here, and is in the groups of the study and of the
    stewards.
    """
    name = f"{STEWARD}#{ELSEWHERE}"
    site.iadmin("mkzone", ELSEWHERE, "remote", "localhost:1247")
    site.iadmin("mkuser", name, "rodsuser")
    for group in (layout.study_group(PAIN), site.settings.stewards):
        site.iadmin("atg", group, name)
    yield name
    if not isinstance(site, EmbeddedSite):  # which is gone after the test
        for group in (layout.study_group(PAIN), site.settings.stewards):
            site.iadmin("rfg", group, name)
        site.iadmin("rmuser", name)
        site.iadmin("rmzone", ELSEWHERE)


def test_a_strangers_name_gives_no_rights_to_its_namesake(site, stranger):
    """The namesake of this zone is in no group, or was taken out of it: `by` names accounts of this zone alone."""
    here = [
        ("USER_NAME", "=", STEWARD),
        ("USER_ZONE", "=", site.settings.zone),
        ("USER_GROUP_NAME", "=", site.settings.stewards),
    ]
    was_steward = bool(site.connect().query(["USER_NAME"], *(Condition(*one) for one in here)))
    if was_steward:
        site.iadmin("rfg", site.settings.stewards, STEWARD)
    try:
        new = site.register()
        assert (
            "is not a data steward"
            in site.ask("withdraw", {"experiment": new, "dry_run": True, "by": STEWARD})["error"]
        )
        request = {"study": PAIN, "pseudonym": "P1", "owner": STEWARD, "scanner": T94, "scan_type": "pilot"}
        assert "is not a member of study" in site.ask("register", request)["error"]
    finally:
        if was_steward:
            site.iadmin("atg", site.settings.stewards, STEWARD)


def test_what_a_stranger_may_read_is_given_back_to_him_and_to_nobody_else(site, stranger):
    new = site.register()
    path = f"{layout.study(site.settings, PAIN)}/experiments/{new}"
    site.connect().permit(path, stranger, Access.READ)
    assert site.connect().permissions(path)[stranger] is Access.READ
    site.rule("withdraw", {"experiment": new, "dry_run": False})
    site.rule("restore", {"experiment": new})
    held = site.connect().permissions(path)
    assert held[stranger] is Access.READ
    assert STEWARD not in held


def test_a_stranger_stays_no_member_of_a_study_that_does_not_name_him(site, stranger):
    site.rule("study", {"study": PAIN, "title": "Pain", "members": [ALICE], "subjects": ["P1", "P2"]})
    assert members(site.connect(), layout.study_group(PAIN)) == {ALICE}


def test_an_administrator_of_another_zone_may_nothing_here(site):
    """One is called like the service account; on a server this needs a second zone."""
    if not isinstance(site, EmbeddedSite):
        pytest.skip("needs a federation")
    site.iadmin("mkzone", ELSEWHERE, "remote", "localhost:1247")
    new = site.register()
    path = f"{layout.study(site.settings, PAIN)}/experiments/{new}"
    for name in ("mrdata", "boss"):
        site.iadmin("mkuser", f"{name}#{ELSEWHERE}", "rodsadmin")
        with site.new_connection(f"{name}#{ELSEWHERE}") as zone:
            assert not zone.whoami().is_admin
            assert zone.stat(path) is None
            with pytest.raises(NotPermitted):
                zone.rule("mrdata_withdraw", f'{{"experiment": "{new}", "dry_run": true}}')
            with pytest.raises(NotPermitted):
                zone.permit(path, f"{name}#{ELSEWHERE}", Access.OWN)
            with pytest.raises(NotPermitted):
                zone.register(
                    "/etc/hostname", f"{layout.landing(site.settings)}/{T94}/dicom/x", site.settings.landing.resource
                )

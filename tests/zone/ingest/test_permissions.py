"""The permissions of the collections that MrData makes for itself: what differs is told, and put right."""

from __future__ import annotations

import pytest

from microservices.headers.header_reader import read_header
from policy.records import review
from policy.zone import Access, layout
from policy.zone.base_collections import rights
from policy.zone.context import Context
from tests.files import dicom
from tests.zone.names import ALICE, PAIN, T94


@pytest.fixture
def differences(site):
    """What `mrdata-setup-zone --check` tells of the collections, which are all well afterwards."""
    yield lambda: site.rule("prepared")["differences"]
    site.rule("prepare")
    assert site.rule("prepared")["differences"] == []


def test_after_set_up_nothing_differs(site, differences):
    assert differences() == []
    assert all(site.connect().stat(path) for path, wanted in rights(site.settings).items() if wanted.is_made)


def test_quarantine_that_was_opened_is_told_and_closed(site, differences):
    quarantine = layout.quarantine(site.settings)
    zone = site.connect()
    zone.permit(quarantine, "public", Access.READ)
    zone.permit(quarantine, ALICE, Access.OWN)
    zone.permit(quarantine, site.settings.stewards, Access.NULL)
    assert sorted(differences()) == [
        f"{quarantine}: {ALICE} has own, not no access",
        f"{quarantine}: {site.settings.stewards} has no access, not read",
        f"{quarantine}: public has read, not no access",
    ]
    site.rule("prepare")
    assert differences() == []
    assert zone.permissions(quarantine) == {site.settings.account: Access.OWN, site.settings.stewards: Access.READ}


def test_inheritance_that_was_lost_or_set_is_told_and_put_right(site, differences):
    audit, studies = layout.audit(site.settings), layout.studies(site.settings)
    site.connect().inherit(audit, on=False)
    site.connect().inherit(studies)
    assert differences() == [
        f"{studies}: what is made in it gets its permissions",
        f"{audit}: what is made in it does not get its permissions",
    ]
    site.rule("prepare")
    assert differences() == []
    site.connect().make_collection(f"{studies}/{PAIN}/new")
    assert "public" not in site.connect().permissions(f"{studies}/{PAIN}/new")


def test_collections_that_are_made_when_they_are_needed_are_looked_at_then(site, differences):
    zone, reviews = site.connect(), layout.reviews(site.settings)
    review.open_review(Context(zone, site.settings, read_header), "kind", PAIN, "text")
    assert differences() == []
    zone.permit(reviews, "public", Access.READ)
    zone.inherit(reviews, on=False)
    assert differences() == [
        f"{reviews}: public has read, not no access",
        f"{reviews}: what is made in it does not get its permissions",
    ]
    site.rule("prepare")
    assert differences() == []


def test_a_scanner_whose_folder_nobody_may_write_into(site, differences):
    path = f"{layout.landing(site.settings)}/{T94}/dicom"
    site.connect().permit(path, site.settings.uploaders, Access.READ)
    assert differences() == [f"{path}: {site.settings.uploaders} has read, not write"]


def test_what_studies_hold_is_not_touched(site, differences):
    new = site.register()
    path = site.land(f"{T94}/dicom/1", dicom(new))
    zone = site.connect()
    zone.permit(path, ALICE, Access.READ)
    zone.permit(layout.study(site.settings, PAIN), ALICE, Access.READ)
    before = [zone.permissions(one) for one in (path, layout.parent(path), layout.study(site.settings, PAIN))]
    zone.permit(layout.studies(site.settings), ALICE, Access.READ)
    assert differences() == [f"{layout.studies(site.settings)}: {ALICE} has read, not no access"]
    site.rule("prepare")
    assert [zone.permissions(one) for one in (path, layout.parent(path), layout.study(site.settings, PAIN))] == before
    assert ALICE not in zone.permissions(layout.studies(site.settings))

"""Subjects that were erased are known again, and no name in the zone helps to find out who they were."""

from __future__ import annotations

import hmac

import pytest

from microservices.headers.header_reader import read_header
from policy.studies import erased_subjects
from policy.zone import Condition, layout
from policy.zone.context import Context
from tests.zone.names import PAIN


@pytest.fixture
def context(site):
    made = Context(site.connect(), site.settings, read_header)
    yield made
    collection = f"{layout.erased(site.settings)}/{PAIN}"
    if made.zone.stat(collection):
        made.zone.erase(collection)


def names(context) -> list[str]:
    return sorted(
        name
        for (name,) in context.zone.query(
            ["DATA_NAME"], Condition("COLL_NAME", "=", f"{layout.erased(context.settings)}/{PAIN}")
        )
    )


def test_salt_and_hash_are_content(context):
    assert erased_subjects.find(context, PAIN, ["P1"]) == {}
    for _ in range(2):
        erased_subjects.note(context, PAIN, "P1", "r1")
        erased_subjects.note(context, PAIN, "P2", "r2")
    assert names(context) == ["r1.json", "r2.json"]
    assert erased_subjects.find(context, PAIN, ["P1", "P2", "P3"]) == {"P1": "r1", "P2": "r2"}


def test_those_of_an_earlier_version_are_found_and_lose_their_names(context):
    salt = "5a" * 16
    collection = f"{layout.erased(context.settings)}/{PAIN}"
    context.zone.make_collection(collection)
    context.zone.write(f"{collection}/r1_{salt}_{hmac.digest(salt.encode(), b'P1', 'sha256').hex()}", b"")
    erased_subjects.note(context, PAIN, "P2", "r2")
    assert erased_subjects.find(context, PAIN, ["P1", "P2"]) == {"P1": "r1", "P2": "r2"}
    assert names(context) == ["r1.json", "r2.json"]

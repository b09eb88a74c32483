"""Subjects that were erased are known again without their pseudonym: of each a salted hash (HMAC with SHA-256, RFC 2104) is kept.

    <home>/erased/<StudyID>/<receipt>_<salt>_<hash>

Pseudonyms are short, and whoever has a hash and its salt can try them all: nobody but the service account may read them.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

from policy import layout
from policy.context import Context
from policy.zone import Condition


def note(context: Context, study: str, pseudonym: str, receipt: str) -> None:
    """Before a subject is erased; done again, it does nothing. `receipt`: the name of its receipt."""
    if find(context, study, [pseudonym]):
        return
    salt = secrets.token_hex(16)
    context.zone.make_collection(_collection(context, study))
    context.zone.write(f"{_collection(context, study)}/{receipt}_{salt}_{_hash(salt, pseudonym)}", b"")


def find(context: Context, study: str, pseudonyms: Iterable[str]) -> dict[str, str]:
    """Those of the study's pseudonyms that were erased here -> the receipt's name. One query, however many."""
    rows = context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", _collection(context, study)))
    noted = [name.split("_") for (name,) in rows]
    if not noted:
        return {}
    return {p: receipt for p in pseudonyms for receipt, salt, known in noted if hmac.compare_digest(known, _hash(salt, p))}


def _hash(salt: str, pseudonym: str) -> str:
    return hmac.digest(salt.encode(), pseudonym.encode(), "sha256").hex()


def _collection(context: Context, study: str) -> str:
    return f"{layout.erased(context.settings)}/{study}"

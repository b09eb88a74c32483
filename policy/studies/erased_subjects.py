"""Recognizes erased subjects without their pseudonym: keeps a salted hash of each (HMAC with SHA-256, RFC 2104).

    <home>/erased/<StudyID>/<receipt>.json      {"salt": "...", "hash": "..."}

Pseudonyms are short: anyone who has a hash and its salt can try all of them. Only the service account may read them.
Hash and salt are in the object's content, not in its name: names are in logs, in listings, and in the database's
indexes and backups.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable

from policy.zone import Condition, layout, small_object
from policy.zone.context import Context

_SUFFIX = ".json"


def note(context: Context, study: str, pseudonym: str, receipt: str) -> None:
    """Notes a subject before it is erased. Does nothing if it is noted already. `receipt`: the name of its receipt."""
    if find(context, study, [pseudonym]):
        return
    salt = secrets.token_hex(16)
    context.zone.make_collection(_collection(context, study))
    _write(context, study, receipt, salt, _hash(salt, pseudonym))


def find(context: Context, study: str, pseudonyms: Iterable[str]) -> dict[str, str]:
    """Those of the study's pseudonyms that were erased here -> the receipt's name.

    A query, and a small object for each that was.
    """
    names = [
        name for (name,) in context.zone.query(["DATA_NAME"], Condition("COLL_NAME", "=", _collection(context, study)))
    ]
    for name in names:
        if len(parts := name.split("_")) == 3:  # an earlier version of MrData had salt and hash in the name
            _write(context, study, *parts)
            context.zone.erase(f"{_collection(context, study)}/{name}")
    receipts = {name.partition("_")[0].partition(".")[0] for name in names}
    noted = [
        (receipt, kept)
        for receipt in sorted(receipts)
        if (kept := small_object.load(context.zone, _path(context, study, receipt)))
    ]
    return {
        p: receipt
        for p in pseudonyms
        for receipt, kept in noted
        if hmac.compare_digest(kept["hash"], _hash(kept["salt"], p))
    }


def _write(context: Context, study: str, receipt: str, salt: str, known: str) -> None:
    small_object.write(context.zone, _path(context, study, receipt), json.dumps({"salt": salt, "hash": known}).encode())


def _hash(salt: str, pseudonym: str) -> str:
    return hmac.digest(salt.encode(), pseudonym.encode(), "sha256").hex()


def _path(context: Context, study: str, receipt: str) -> str:
    return f"{_collection(context, study)}/{receipt}{_SUFFIX}"


def _collection(context: Context, study: str) -> str:
    return f"{layout.erased(context.settings)}/{study}"

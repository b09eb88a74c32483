"""Finds what looks like personal data in free text.

It cannot know every name; it stops what people most often paste.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SIGNS = {
    "a mail address": r"[\w.+-]+@[\w-]+\.\w+",
    "a full date": (
        r"\b(?:\d{1,2}[./]\s?\d{1,2}[./]\s?(?:19|20)?\d{2}|(?:19|20)\d{2}-\d{2}-\d{2}|(?:19|20)\d{2}[01]\d[0-3]\d)\b"
    ),
    "a telephone number": r"(?:\+|\b00|\b0)\d[\d\s/().-]{6,}\d\b",
    "a title with a name": r"\b(?:Mr|Mrs|Ms|Herrn?|Frau|Dr|Prof)\.?\s+(?:Dr\.\s*)?[A-ZÄÖÜ]\w+",
    "a name": r"(?i:\b(?:name|patient|proband|subject|participant)\s*(?:is|:|=)\s*)[A-ZÄÖÜ]\w+",
    "a birthday": r"(?i:\b(?:born|geb(?:oren|\.)?|birth ?da(?:y|te)|DOB)\b)",
    "an address": r"(?i:\b\w+ ?(?:stra(?:ß|ss)e|str\.|gasse|allee|weg|street|avenue|road)\s+\d+)",
}


LONGEST = 10_000
"""Characters that are looked at."""


def personal_data(text: str) -> list[str]:
    """What the text seems to hold (`a mail address`...), empty where it looks harmless.

    >>> personal_data("7T pilot, 0.8 mm, resting state"), personal_data("Mr. Smith, born 3.4.1980")
    ([], ['a birthday', 'a full date', 'a title with a name'])
    """
    return list(_found(text[:LONGEST]))


@lru_cache(maxsize=1000)  # the images of a series say the same
def _found(text: str) -> tuple[str, ...]:
    return tuple(sorted(sign for sign, pattern in _SIGNS.items() if re.search(pattern, text)))

"""The ExperimentID: `XXXX-XXXX`, what the operator types in the scanner's Patient Name field.

Seven random characters and one check character (ISO 7064 MOD 37-2: finds every single wrong character and every swap of
two) from the digits and the letters without I, L, O and U, which people confuse. Two or more are digits, so that one
wrong character leaves it unlike any name (`looks_meant`).
"""

from __future__ import annotations

import re
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
DIGITS = 2
"""Digits that every ExperimentID has at least."""
MISTYPED_BY = 2
"""Wrong characters with which a text still counts as an ExperimentID that exists.

Names that look like one (`Smith01`) differ by more.
"""
_REPAIRS = str.maketrans({"O": "0", "I": "1", "L": "1"})


def normalise(typed: str) -> str:
    """Typed text without blanks, hyphens and `^` (the separator of DICOM's person names), in capitals, with O as 0 and
    I, L as 1.

    >>> normalise(" z4kq-stas^ ")
    'Z4KQSTAS'
    """
    return re.sub(r"[\s^=_-]", "", typed).upper().translate(_REPAIRS)


def parse(typed: str) -> str | None:
    """The ExperimentID in its written form, or None where the text is none or its check character is wrong.

    >>> parse("z4kqstas"), parse("Z4KQ-STAP")
    ('Z4KQ-STAS', None)
    """
    from stdnum.iso7064 import mod_37_2

    text = normalise(typed)
    if len(text) != LENGTH or not set(text) <= set(ALPHABET) or not mod_37_2.is_valid(text):
        return None
    return f"{text[:4]}-{text[4:]}"


def looks_meant(typed: str) -> bool:
    """Whether somebody seems to have meant an ExperimentID: about as long, and with a digit, which names have not."""
    text = normalise(typed)
    return LENGTH - 1 <= len(text) <= LENGTH + 1 and text.isalnum() and any(c.isdigit() for c in typed)


def draw() -> str:
    """A random ExperimentID.

    A draw whose check character is outside the alphabet or with less than two digits is thrown away.
    """
    from stdnum.iso7064 import mod_37_2

    while True:
        text = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
        text += mod_37_2.calc_check_digit(text)
        if text[-1] in ALPHABET and sum(c.isdigit() for c in text) >= DIGITS:
            return f"{text[:4]}-{text[4:]}"


def distance(a: str, b: str) -> int:
    """Edit distance of two typed texts after `normalise`; a swap of neighbours counts as one (optimal string
    alignment).

    >>> distance("Z4KQ-STAS", "Z4KQ-SATS"), distance("Z4KQ-STAS", "Z4KQ-STA")
    (1, 1)
    """
    a, b = normalise(a), normalise(b)
    previous: list[int] = []
    row = list(range(len(b) + 1))
    for i in range(1, len(a) + 1):
        before, previous, row = previous, row, [i]
        for j in range(1, len(b) + 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return row[-1]

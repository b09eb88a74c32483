"""Patterns as `like` of SQL reads them, matched in a time that grows with the text and the pattern alone.

As a regular expression, `%%%%%%%%` would be `.*.*.*...`, which takes for ever on a text that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial


def like(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text fits: `%` stands for any text, `_` for any character, everything else for itself.

    >>> fits = like("%gre_2%")
    >>> fits("a gre 2d"), fits("gre2")
    (True, False)
    """
    pieces = pattern.split("%")
    return partial(_fits, [_piece(piece) for piece in pieces], len(pieces[-1]))


def _fits(pieces: list[re.Pattern[str]], length_of_last: int, text: str) -> bool:
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return first.fullmatch(text) is not None
    found = first.match(text)
    for piece in pieces[1:-1]:
        if found is None:
            return False
        found = piece.search(text, found.end())
    at = len(text) - length_of_last
    return found is not None and at >= found.end() and last.fullmatch(text, at) is not None


def _piece(text: str) -> re.Pattern[str]:
    """What stands between two `%`: nothing in it is repeated, so that no match is tried twice."""
    return re.compile("".join("." if character == "_" else re.escape(character) for character in text), re.DOTALL)

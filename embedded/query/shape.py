"""The text of a query, split into its shape (everything outside quotes) and its literals, and the shape's tokens.

Policies ask the same few questions over and over with other values: what is worked out for a shape is kept, so that
parsing does not dominate a query's cost. Both GenQuery languages quote alike: `''` is a quote and `\\xHH` a byte
(lexer.l of each).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from embedded.errors import IrodsError

if TYPE_CHECKING:
    from sqlglot import Tokenizer

_OPERATORS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">=", ",", "(", ")", "||", "&&", "-"})
_HEX = frozenset("0123456789abcdefABCDEF")


class Token(NamedTuple):
    """`kind` is `word`, `text` (a literal: `value` is its index), `number`, an operator's own text, or `end`."""

    kind: str
    value: str


def split(query: str) -> tuple[str, list[str]]:
    """The query with its literals replaced by `'0'`, `'1'`..., and the literals, decoded.

    >>> split("select A where B = 'o''y' and C in ('x', '')")
    ("select A where B = '0' and C in ('1', '2')", ["o'y", 'x', ''])
    """
    pieces = query.split("'")
    if len(pieces) % 2 == 0:
        raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", "missing closing single quote")
    shape = [pieces[0]]
    literals: list[str] = []
    for index in range(1, len(pieces), 2):
        text, after = pieces[index], pieces[index + 1]
        if literals and index > 1 and pieces[index - 1] == "":
            literals[-1] += "'" + text
            shape[-1] = after
            continue
        shape += [f"'{len(literals)}'", after]
        literals.append(text)
    return "".join(shape), [_decode(text) for text in literals]


def _decode(text: str) -> str:
    if "\\x" not in text:
        return text
    out = bytearray()
    rest = text
    while rest:
        before, found, after = rest.partition("\\x")
        out += before.encode()
        if not found:
            break
        if len(after) >= 2 and after[0] in _HEX and after[1] in _HEX:
            out.append(int(after[:2], 16))
            rest = after[2:]
        else:
            out += b"\\x"
            rest = after
    return out.split(b"\0")[0].decode(errors="surrogateescape")


@cache
def _tokenizer() -> Tokenizer:
    """Words, numbers, quoted texts and operators; no keywords, no comments."""
    from sqlglot import Tokenizer, TokenType  # here: a command line that asks nothing does without these 0.2 s

    class GenQueryTokenizer(Tokenizer):
        COMMENTS: ClassVar[list[str | tuple[str, str]]] = []
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            "||": TokenType.DPIPE,
            "&&": TokenType.DAMP,
            "!=": TokenType.NEQ,
            "<>": TokenType.NEQ,
            "<=": TokenType.LTE,
            ">=": TokenType.GTE,
        }

    return GenQueryTokenizer()


def tokens(shape: str) -> list[Token]:
    """The tokens of a shape, an `end` last; INPUT_ARG_NOT_WELL_FORMED_ERR for characters that no GenQuery knows."""
    from sqlglot import TokenType
    from sqlglot.errors import TokenError

    try:
        found = _tokenizer().tokenize(shape)
    except TokenError as error:
        raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", str(error)) from error
    result = []
    for token in found:
        if token.token_type == TokenType.STRING:
            result.append(Token("text", token.text))
        elif token.token_type == TokenType.NUMBER:
            result.append(Token("number", token.text))
        elif token.text in _OPERATORS:
            result.append(Token("!=" if token.text == "<>" else token.text, token.text))
        elif (
            token.token_type == TokenType.VAR
            and token.text[0].isalpha()
            and token.text.isascii()
            and token.text.replace("_", "a").isalnum()
        ):
            result.append(Token("word", token.text))
        else:
            raise IrodsError("INPUT_ARG_NOT_WELL_FORMED_ERR", f"invalid character in {token.text}")
    result.append(Token("end", ""))
    return result

"""The text buffers at the head of a TWIX measurement: XProtocol (`<ParamString."name"> { "value" }`) and ASCCONV (`name
= value`).

Values stay as the file writes them between the quotes: an ExperimentID such as `0012-3456` is not read as a number.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cache

from microservices.budget import Budget

_BUFFER = re.compile(rb"(\w{4,})\x00(.{4})", re.DOTALL)
_NAME_WITHIN = 48
"""Bytes in which a buffer's name and length must begin."""

# <Visible> "true", <Precision> 6, <Unit> "[mm]", <LimitRange> { 0 9 } may stand before the value
_VALUE = rb'\s*\{\s*(?:<\w+>\s*(?:"[^"]*"|\{[^{}]*\}|[^\s"<>{}]+)\s*)*("[^"]*"|[^\s"<>{}]+)?'
_LONGEST_VALUE = 1 << 16
"""Bytes in which a value, or the end of an array, is looked for."""
_BYTES_OF_AN_ELEMENT = 16
"""Of an array, as the budget counts them."""
_QUOTED = re.compile(rb'"([^"]*)"')


def buffers(header: bytes) -> tuple[dict[str, bytes], str]:
    """The named buffers of a measurement's header, which begins with its length and the number of buffers (u32 each).

    The second value says what is wrong, and is empty where every buffer is whole. What precedes the damage is returned.
    """
    found: dict[str, bytes] = {}
    position, count = 8, struct.unpack_from("<I", header, 4)[0]
    for index in range(1, count + 1):
        match = _BUFFER.search(header, position, position + _NAME_WITHIN)
        if match is None:
            return found, f"text buffer {index} of {count} has no name"
        name, position = match[1].decode("ascii"), match.end()
        (length,) = struct.unpack("<I", match[2])
        found[name] = header[position : position + length]
        position += length
        if position > len(header):
            return found, f"text buffer {name} is longer than the header"
    return found, ""


def xprotocol(text: bytes, names: tuple[str, ...], budget: Budget) -> Iterator[tuple[str, str]]:
    """(name, value) of those parameters that have a value, in the order of the text. Values of arrays follow one by
    one.

    Raises OverBudget: arrays within arrays are read again and again.
    """
    for match in _parameters(names).finditer(text):
        budget.count()
        if match[1] == b"Array":
            end = _closing(text, match.end())
            budget.count((end - match.end()) // _BYTES_OF_AN_ELEMENT)
            for value in _QUOTED.findall(text, match.end(), end):
                if value.strip():
                    yield match[2].decode("ascii"), decoded(value)
        elif (value := _value(text, match.end())) and value.strip():
            yield match[2].decode("ascii"), decoded(value)


def ascconv(text: bytes, names: tuple[str, ...]) -> dict[str, str]:
    """The values of those settings that the protocol holds, without their quotes.

    Numbers are left as the file writes them.
    """
    return {m[1].decode("ascii"): decoded(m[2] if m[2] is not None else m[3]) for m in _settings(names).finditer(text)}


def decoded(value: bytes) -> str:
    """Text of a value: UTF-8 where it is that, else Latin-1, which every byte is."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def real(value: str) -> float | None:
    """Reads a number: decimal, or hexadecimal as VB writes it (`0x4`). None if it is not a finite number."""
    try:
        parsed = float(int(value, 16)) if value.lower().startswith("0x") else float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if abs(parsed) < 1e30 else None


def _value(text: bytes, position: int) -> bytes:
    match = _parameter_value().match(text, position, position + _LONGEST_VALUE)
    value: bytes = (match[1] or b"") if match else b""
    return value[1:-1] if value.startswith(b'"') else value


def _closing(text: bytes, position: int) -> int:
    """Where the braces that open at `position` close; at most 64 KiB on."""
    depth, limit = 0, min(len(text), position + _LONGEST_VALUE)
    for match in re.compile(rb'"[^"]*"|[{}]').finditer(text, position, limit):
        depth += {b"{": 1, b"}": -1}.get(match[0], 0)
        if match[0] == b"}" and depth <= 0:
            return match.end()
    return limit


@cache
def _parameter_value() -> re.Pattern[bytes]:
    return re.compile(_VALUE)


@cache
def _parameters(names: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(rb'<Param(String|Long|Double|Array)\."(%s)">' % b"|".join(re.escape(n.encode()) for n in names))


@cache
def _settings(names: tuple[str, ...]) -> re.Pattern[bytes]:
    listed = b"|".join(re.escape(n.encode()) for n in names)
    return re.compile(rb'^[ \t]*(%s)[ \t]*=[ \t]*(?:"+([^"\r\n]*)"|([^\s"]+))' % listed, re.MULTILINE)

"""What the error codes of iRODS mean to a policy (lib/core/include/irods/rodsErrorTable.h)."""

from __future__ import annotations

from policy.zone import Damaged, Exists, NotFound, NotPermitted, ZoneError

NOT_FOUND = {-310000, -358000, -808000, -814000, -817000, -164000, -171000}
EXISTS = {-312000, -339000, -809000, -833000, -834000}
NOT_PERMITTED = {-818000, -13000, -129000, -350000, -830000}
AVU_EXISTS = (-809000,)
AVU_MISSING = (-819000, -808000, -817000)
INVALID_ARGUMENT = -816000
END_OF_RESULTSET = -408000
DAMAGED = {-407000, -314000}
_KINDS: list[tuple[set[int], type[ZoneError]]] = [
    (NOT_FOUND, NotFound),
    (EXISTS, Exists),
    (NOT_PERMITTED, NotPermitted),
    (DAMAGED, Damaged),
]


def family(code: int) -> int:
    """The code without the errno in its last three digits.

    >>> family(-510002)
    -510000
    """
    return -(-code // 1000 * 1000)


def kind(code: int) -> type[ZoneError]:
    """The exception that stands for a code."""
    return next((kind for codes, kind in _KINDS if family(code) in codes), ZoneError)

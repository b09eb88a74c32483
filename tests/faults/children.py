"""Work in a forked process: it may be killed, and leaves nothing behind in this one."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")
PATIENCE_SECONDS = 90.0
"""A child that takes longer hangs."""
_write, _kill = os.write, os.kill


class Broken(Exception):
    """A child failed that was not to fail; its traceback."""


@dataclass(frozen=True, slots=True)
class Ended(Generic[Result]):
    """How a child ended: with a result, with an error (its traceback), or (neither) killed."""

    result: Result | None = None
    error: str = ""
    is_killed: bool = False
    hangs: bool = False


def run(work: Callable[[], Result]) -> Ended[Result]:
    """Does `work` in a child."""
    return _end(*_begin(work))


def _begin(work: Callable[[], Result]) -> tuple[int, int]:
    """The child, and where it tells its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    return child, reading


def _end(child: int, reading: int) -> Ended[Result]:
    told, hangs = _heard(reading, child)
    os.close(reading)
    os.waitpid(child, 0)
    if not told:
        return Ended(is_killed=True, hangs=hangs)
    result, error = pickle.loads(told)
    return Ended(result, error)


def together(works: Sequence[Callable[[], Result]]) -> list[Ended[Result]]:
    """Does several at the same time, each in a child."""
    begun = [_begin(work) for work in works]
    return [_end(*one) for one in begun]


def done(work: Callable[[], Result]) -> Result:
    """The result of what has to succeed. Raises Broken."""
    ended = run(work)
    if ended.error or ended.is_killed:
        raise Broken(ended.error or "killed, or hung")
    return ended.result  # type: ignore[return-value]


def die() -> None:
    """Kills this process as SIGKILL does."""
    _kill(os.getpid(), signal.SIGKILL)


def _work(work: Callable[[], Result], writing: int) -> None:
    try:
        told = pickle.dumps((work(), ""))
    except BaseException:  # noqa: BLE001 - told to the parent
        told = pickle.dumps((None, traceback.format_exc()))
    rest = memoryview(told)
    while rest:
        rest = rest[_write(writing, rest) :]
    os._exit(0)


def _heard(reading: int, child: int) -> tuple[bytes, bool]:
    """What the child tells before it ends; and whether it had to be killed."""
    told, end = bytearray(), time.monotonic() + PATIENCE_SECONDS
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            _kill(child, signal.SIGKILL)
            return b"", True
        piece = os.read(reading, 1 << 16)
        if not piece:
            return bytes(told), False
        told += piece

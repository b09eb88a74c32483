"""`mrdata scan` as a process that kills itself (SIGKILL) at a step: `python -m tests.zone.scanner_process STEP NUMBER
[--once]`.

It dies when it comes to the step for the NUMBERth time; what kind of death `STEPS` tells.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable

STEPS: dict[str, tuple[str, str, str, str]] = {
    # taking
    "before a file is taken": ("landing.intake", "os", "rename", "before"),
    "when a file is taken": ("landing.intake", "os", "rename", "after"),
    "before a tree is taken": ("landing.exchange", "", "_renameat2", "before"),
    "when a tree is taken": ("landing.exchange", "", "_renameat2", "after"),
    "when all is taken": ("landing.work", "Worker", "due", "before"),
    # owning
    "while a file is copied": ("landing.vault", "", "_write", "half"),
    "when a file is copied": ("landing.vault", "", "_write", "after"),
    "before the copies are forced to the disk": ("landing.vault", "Vault", "force", "before"),
    "when the copies are on the disk": ("landing.vault", "Vault", "force", "after"),
    # registering
    "when it was decided": ("landing.batch_registration", "", "call", "after"),
    "before a batch is registered": ("{zone}", "{Zone}", "register_all", "before"),
    "while a batch is registered": ("{zone}", "", "", "within"),
    "when a batch is registered": ("{zone}", "{Zone}", "register_all", "after"),
    # settling
    "before a file is settled": ("landing.work", "Worker", "_settle", "before"),
    "when a file is settled": ("landing.work", "Worker", "_settle", "after"),
    "before a copy is dropped": ("landing.vault", "Vault", "drop", "before"),
    "when a copy is dropped": ("landing.vault", "Vault", "drop", "after"),
    "before the volume is told": ("landing.work", "Worker", "keep_volume", "before"),
    "before a batch is done": ("landing.batches", "Batches", "close", "before"),
    "when a batch is done": ("landing.batches", "Batches", "close", "after"),
}
"""Step -> module, class (or module that it uses, or ""), function, and when in it."""


def die() -> None:
    """As from kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(whole: Callable[..., object], when: str, number: int) -> Callable[..., object]:
    """A function that kills its process at its NUMBERth call.

    Before it does its work, after that, or after half of it.
    """
    calls = 0

    def call(*given: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number and when == "half":
            target, piece = given
            whole(target, piece[: len(piece) // 2])  # type: ignore[index]
        if calls == number and when != "after":
            die()
        answer = whole(*given, **named)
        if calls == number:
            die()
        return answer

    return call


class _Lethal:
    """A module in which one function is deadly, for one of those that use it."""

    def __init__(self, module: object, name: str, function: Callable[..., object]) -> None:
        self._module = module
        setattr(self, name, function)

    def __getattr__(self, name: str) -> object:
        return getattr(self._module, name)


def arm(step: str, number: int) -> None:
    """From now on this process dies at the step."""
    module, owner, name, when = STEPS[step]
    is_embedded = bool(os.environ.get("MRDATA_ZONE"))
    if when == "within":
        _arm_within(number, is_embedded=is_embedded)
        return
    zone, client = (
        ("embedded.client.embedded_zone", "EmbeddedZone")
        if is_embedded
        else ("microservices.zones.client_zone", "IrodsZone")
    )
    where = importlib.import_module(module.format(zone=zone))
    if owner == "os":
        where.os = _Lethal(os, name, deadly(getattr(os, name), when, number))  # type: ignore[attr-defined]
        return
    where = getattr(where, owner.format(Zone=client)) if owner else where
    setattr(where, name, deadly(getattr(where, name), when, number))


def _arm_within(number: int, *, is_embedded: bool) -> None:
    """On a server: when the request is sent.

    The embedded zone's agent dies with its client: between two rows of a transaction.
    """
    if is_embedded:
        from embedded.objects import objects

        objects.register = deadly(objects.register, "after", number)  # type: ignore[assignment]
        return
    from irods.connection import Connection

    from microservices.zones.client_zone import IrodsZone

    whole = IrodsZone.register_all

    def armed(*given: object, **named: object) -> None:
        Connection.recv = deadly(Connection.recv, "before", 1)
        whole(*given, **named)  # type: ignore[arg-type]

    IrodsZone.register_all = armed  # type: ignore[method-assign,assignment]


def main() -> None:
    """The scanner."""
    from mrdata import cli

    step, number, *rest = sys.argv[1:]
    arm(step, int(number))
    sys.argv = ["mrdata", "scan", *rest]
    cli.main()


if __name__ == "__main__":
    main()

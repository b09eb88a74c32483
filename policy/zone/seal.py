"""Seals finalized experiments: they are read-only, also for the service account, which may still describe and verify
them.

Administrators can take the seal off. MrData does so to reopen, to repair a replica, and to erase.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from policy.zone import Access, layout, subtree
from policy.zone.context import Context
from policy.zone.experiment import Experiment
from policy.zone.layout import DataType


def seal(context: Context, experiment: Experiment) -> None:
    """Nobody can write, rename or remove what the experiment holds.

    What is made of it (products) and its manifests may still come.
    """
    zone, account = context.zone, context.settings.account
    for path in _held(context, experiment):
        for name in sorted(_writers(context, path) - {account}):
            zone.permit(path, name, Access.READ, recursive=_is_collection(path))
        zone.permit(path, account, Access.ANNOTATE, recursive=_is_collection(path))


def unseal(context: Context, experiment: Experiment) -> None:
    """The service account can write again."""
    for path in _held(context, experiment):
        context.zone.permit(path, context.settings.account, Access.OWN, recursive=_is_collection(path))


def lift(context: Context, experiment: Experiment) -> None:
    """Unseals an experiment whose finalization was interrupted. Costs little if it is not sealed."""
    account = context.settings.account
    if any(context.zone.permissions(path).get(account) is Access.ANNOTATE for path in _held(context, experiment)):
        unseal(context, experiment)


@contextmanager
def unsealed(context: Context, path: str) -> Iterator[None]:
    """Within the block, the service account may do everything with this object, also if it is sealed."""
    zone, account = context.zone, context.settings.account
    is_sealed = zone.permissions(path).get(account) is Access.ANNOTATE
    if is_sealed:
        zone.permit(path, account, Access.OWN)
    try:
        yield
    finally:
        if is_sealed:
            zone.permit(path, account, Access.ANNOTATE)


def _held(context: Context, experiment: Experiment) -> list[str]:
    """The collections of its data types, and the record of its registration, which its manifests list as well."""
    paths = [f"{experiment.path}/{one}" for one in (*DataType, layout.RECORD)]
    return [path for path in paths if context.zone.stat(path) is not None]


def _is_collection(path: str) -> bool:
    return not path.endswith(f"/{layout.RECORD}")


def _writers(context: Context, path: str) -> set[str]:
    """Users and groups who can do more than read with an object or a collection at or below `path`."""
    writing = {Access.ANNOTATE, Access.WRITE, Access.OWN}
    found = subtree.access(context, path) if _is_collection(path) else {path: context.zone.permissions(path)}
    return {name for one in found.values() for name, access in one.items() if access in writing}

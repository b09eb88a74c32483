"""Rows of the catalog, and what an agent has open: the values that travel between the parts of the embedded zone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STALE, GOOD, INTERMEDIATE, READ_LOCKED, WRITE_LOCKED = range(5)
"""DATA_REPL_STATUS."""


@dataclass(frozen=True, slots=True)
class Account:
    """A row of R_USER_MAIN."""

    id: int
    name: str
    zone: str
    kind: str
    is_local: bool = True
    """Of this zone; a user of another zone has no privileges here, whatever it may do there."""

    @property
    def is_admin(self) -> bool:
        return self.kind == "rodsadmin" and self.is_local

    @property
    def flag(self) -> int:
        """authFlag: {LOCAL,REMOTE}_PRIV_USER_AUTH or {LOCAL,REMOTE}_USER_AUTH (rodsUser.h)."""
        return (3 if self.is_local else 2) + 2 * (self.kind == "rodsadmin")


@dataclass(frozen=True, slots=True)
class Resource:
    """A row of R_RESC_MAIN: a storage resource of this host."""

    id: int
    name: str
    vault: Path


@dataclass(frozen=True, slots=True)
class Changed:
    """A replica that was written or renamed, for pep_resource_modified."""

    path: str
    file: str
    resource: str
    size: int
    open_type: str = ""


@dataclass(slots=True)
class Replica:
    """A row of R_DATA_MAIN."""

    data_id: int
    number: int
    status: int
    resource: Resource
    file: str
    size: int
    checksum: str
    state: str
    """data_status: what the replica was before it was locked."""

    @property
    def in_vault(self) -> bool:
        return self.file.startswith(f"{self.resource.vault}/")


@dataclass(slots=True)
class Descriptor:
    """An entry of the agent's table of open replicas."""

    path: str
    replica: Replica
    file: int
    writable: bool
    created: bool
    truncated: bool = False
    written: int = 0
    shared: bool = False
    """Another open of the replica that this one joined: closing it does not make the replica good."""

"""The settings below `castellum:`: where mixed-use metadata come from, what of them is wanted, where their history is
kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts to which plain HTTP stays on this machine."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The names that Castellum's answers use. Assumed ones: its API is not described in public."""

    results: str = "results"
    """Of a page: its records. An answer that is a list is a single page."""
    next: str = "next"
    """Of a page: the address of the next one, null on the last."""
    count: str = "count"
    """Of a page: how many records all pages hold; compared where it is there."""
    key: str = "id"
    """Of a study: what stands for it in addresses."""
    study: str = "name"
    """Of a study: the StudyID."""
    title: str = "title"
    members: str = "members"
    """Of a study: the account names of those who may read it."""
    status: str = "status"
    """Of a study: `Castellum.active` lists the values of an active one."""
    lists: str = "domains"
    """Of a study: its pseudonym lists."""
    pseudonym: str = "pseudonym"
    """Of a subject."""
    attributes: str = "attributes"
    """Of a subject: its attributes. Empty if they stand next to the pseudonym."""


@dataclass(frozen=True, slots=True)
class Castellum:
    """Mixed-use metadata: studies, their members and subjects, and what may be known of a pseudonym."""

    source: str = ""
    """`http`, `folder` (exports dropped by hand), or empty: no Castellum."""
    url: str = ""
    token_file: str = ""
    token_header: str = "Authorization"
    token_format: str = "Token {token}"
    ca_file: str = ""
    """Certificates of the authority that signed Castellum's; empty: those that come with the library."""
    studies_path: str = "/api/studies/"
    attributes_path: str = "/execution/api/studies/{study}/domains/{list}/attributes/"
    active: list[str] = field(default_factory=lambda: ["execution"])
    fields: Fields = field(default_factory=Fields)
    lists: dict[str, str] = field(default_factory=dict)
    """StudyID -> the pseudonym list to use, where a study has several."""
    folder: str = ""
    """Where exports are dropped (`source: folder`)."""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """What may come into the archive: name -> regular expressions of its values; none: any value without signs of
    personal data.
    """
    repository: str = "/var/lib/irods/mrdata/mixed-use.git"
    """The git repository on the server's disk that keeps the history."""
    remote: str = ""
    """Where it is pushed to: file://, ssh:// or https://."""
    remote_user: str = ""
    remote_token_file: str = ""
    every_seconds: int = 300
    timeout_seconds: float = 30.0
    """Seconds for each answer, from the request to its last byte."""
    tries: int = 4
    retry_seconds: float = 1.0
    """Seconds before the second try of a request; doubled before each further one."""
    vanish_percent: int = 20
    """Percent of a study's pseudonyms that may vanish at one poll (two may always); more count as an error."""


Faulty = Callable[[str], Exception]


def check(castellum: Castellum, faulty: Faulty) -> None:
    """Raises what `faulty` makes of a message where the settings do not fit together."""
    if castellum.source not in ("", "http", "folder"):
        raise faulty(f"castellum.source: {castellum.source!r} is not http or folder")
    if castellum.source == "folder" and not castellum.folder:
        raise faulty("castellum.folder: missing; name the folder where exports are dropped")
    if castellum.source == "http":
        _check_url(castellum, faulty)
    remote = urlsplit(castellum.remote)
    if castellum.remote and remote.scheme not in ("https", "ssh", "file"):
        raise faulty(f"castellum.remote: {remote.scheme}: must begin with https://, ssh:// or file://")
    if remote.password:
        raise faulty(
            "castellum.remote: a password does not belong here; put it into the file that castellum.remote_token_file"
            " names"
        )
    if not 0 <= castellum.vanish_percent <= 100:
        raise faulty("castellum.vanish_percent: must be 0 to 100")
    if (
        castellum.every_seconds < 1
        or castellum.tries < 1
        or castellum.timeout_seconds <= 0
        or castellum.retry_seconds < 0
    ):
        raise faulty(
            "castellum: every_seconds and tries must be 1 or more, timeout_seconds above 0, retry_seconds 0 or more"
        )


def _check_url(castellum: Castellum, faulty: Faulty) -> None:
    parts = urlsplit(castellum.url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise faulty(
            f"castellum.url: {castellum.url!r} must begin with https:// (http:// only to this host: the token goes with"
            " each request)"
        )
    if not castellum.token_file:
        raise faulty("castellum.token_file: missing; the token belongs into a file that only the service account reads")
    if "{token}" not in castellum.token_format:
        raise faulty("castellum.token_format: must hold {token}")
    for key, path, parts_ in (
        ("studies_path", castellum.studies_path, ()),
        ("attributes_path", castellum.attributes_path, ("study", "list")),
    ):
        try:
            path.format(**dict.fromkeys(parts_, ""))
        except (KeyError, IndexError, ValueError) as error:
            raise faulty(
                f"castellum.{key}: {path!r} may hold {', '.join(f'{{{p}}}' for p in parts_) or 'no part in braces'}:"
                f" {error!r}"
            ) from error
        if not path.startswith("/"):
            raise faulty(f"castellum.{key}: {path!r} must begin with /")

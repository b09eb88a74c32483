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
    """Of a page: the number of records on all pages. It is compared if it is there."""
    key: str = "id"
    """Of a study: its key in addresses."""
    study: str = "name"
    """Of a study: the StudyID."""
    title: str = "title"
    """Of a study: its title."""
    members: str = "members"
    """Of a study: account names of its members."""
    status: str = "status"
    """Of a study: its status."""
    lists: str = "domains"
    """Of a study: its pseudonym lists."""
    pseudonym: str = "pseudonym"
    """Of a subject: its pseudonym."""
    attributes: str = "attributes"
    """Of a subject: its attributes. Empty: they stand next to the pseudonym."""


@dataclass(frozen=True, slots=True)
class Castellum:
    """Mixed-use metadata: studies, their members and subjects, and what may be known of a pseudonym."""

    source: str = ""
    """`http`, `folder` (exports as files), or empty: no Castellum."""
    url: str = ""
    """Castellum's address: `https://`, or `http://` on this host."""
    token_file: str = ""
    """File that holds the token and nothing else."""
    token_header: str = "Authorization"
    """Header that carries the token."""
    token_format: str = "Token {token}"
    """Value of that header."""
    ca_file: str = ""
    """Certificates of the authority that signed Castellum's, in PEM. Empty: the usual public ones."""
    studies_path: str = "/api/studies/"
    """Path of the list of studies."""
    attributes_path: str = "/execution/api/studies/{study}/domains/{list}/attributes/"
    """Path of a study's attributes. `{study}`: the study's key, `{list}`: its pseudonym list."""
    active: list[str] = field(default_factory=lambda: ["execution"])
    """Values of a study's status that mean that it is active."""
    fields: Fields = field(default_factory=Fields)
    """The names that Castellum's answers use."""
    lists: dict[str, str] = field(default_factory=dict)
    """StudyID: the pseudonym list to use, if a study has several."""
    folder: str = ""
    """Folder of the exports (`source: folder`)."""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """What may come into the archive. Name: regular expressions of its values. `[]`: any value that does not look
    like personal data.
    """
    repository: str = "/var/lib/irods/mrdata/mixed-use.git"
    """The git repository on the server's disk that keeps the history."""
    remote: str = ""
    """Where the history is pushed: `https://`, `ssh://` or `file://`. Empty: nowhere."""
    remote_user: str = ""
    """User name at the remote."""
    remote_token_file: str = ""
    """File that holds the token of the remote."""
    every_seconds: int = 300
    """Seconds between two polls."""
    timeout_seconds: float = 30.0
    """Seconds for an answer, to its last byte."""
    tries: int = 4
    """Tries of a request in all."""
    retry_seconds: float = 1.0
    """Seconds before the second try. The wait doubles at each further try."""
    vanish_percent: int = 20
    """Percentage of a study's pseudonyms that may be missing in one poll. Two may always be missing. If more are
    missing, the poll is an error.
    """


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

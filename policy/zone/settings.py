"""The site's settings, as `mrdata.yaml` gives them. Everything has a default but the zone's name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_network
from typing import Any, ClassVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from policy.zone import castellum_settings
from policy.zone.carriers import CARRIERS
from policy.zone.castellum_settings import LOOPBACK, Castellum
from policy.zone.error_kinds import ErrorKind, MrDataError


class SettingsError(MrDataError, ValueError):
    """`mrdata.yaml` holds something that MrData does not understand; the message names the key and what it expects."""

    kind = ErrorKind.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class Landing:
    """The landing zone: `<folder>/<scanner>/{dicom,twix,expdata}/...` on the landing host."""

    folder: str = "/srv/mrdata/landing"
    """The landing zone: `<folder>/<scanner>/{dicom,twix,expdata}/...`."""
    resource: str = "landingResc"
    """Resource on which files are registered where they lie, if they cannot be copied into the archive's vault."""
    quiet_seconds: float = 10.0
    """Seconds without a change of size and mtime, over at least two looks, before a file counts as complete."""
    incomplete_seconds: float = 86400.0
    """Seconds without a change before a raw file without its end is registered. Policies then quarantine it as
    truncated.
    """
    look_seconds: float = 0.25
    """Seconds between two looks at the landing zone. If a look takes long, three times its duration."""
    connections: int = 2
    """Connections of `mrdata scan` to a server: while one waits for the catalog, the other decides."""
    keep_days: float = 30.0
    """Days for which the intake keeps a file that the archive has. Then `mrdata tidy` removes it."""
    take_over_seconds: float = 60.0
    """Seconds without a sign of life before another process goes on with the batch of a process on another host."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The delay rule that places what rests in the landing collections."""

    every_seconds: int = 5
    """Seconds between two runs of the sweep."""
    quiet_seconds: int = 5
    """Seconds since the last change before an object is placed. Somebody may still write to it until then."""
    follow_seconds: int = 60
    """Seconds for which a run waits for objects that changed recently. `0`: it places what is due and ends."""
    tries: int = 5
    """Tries before an object that fails goes to quarantine."""
    retry_seconds: int = 60
    """Seconds before the second try. The wait doubles at each further try."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The delay rule that moves what is placed to the archive resource."""

    resource: str = "archiveResc"
    """Resource on which every archived object has a replica."""
    vault: str = ""
    """Folder of that resource's vault, at the same path on the landing host and on the server: files are archived
    when they are registered. Empty: the vault is on another host, and the delay rule archives.
    """
    copies: list[str] = field(default_factory=list)
    """Further resources. Each gets a replica of every object."""
    every_seconds: int = 60
    """Seconds between two runs of the delay rule that archives and makes missing copies."""
    give_up_seconds: int = 60
    """Seconds after which an object whose writer was killed is unlocked and archived again."""


@dataclass(frozen=True, slots=True)
class Discard:
    """How sessions that data stewards discard from the quarantine are erased."""

    days: float = 30.0
    """Days between discarding a quarantine session and erasing it. Until then a data steward can keep it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Which data that may identify the person are accepted in a file. The default refuses all but the ExperimentID."""

    retain_patient_characteristics: bool = False
    """Accept sex, age, size and weight (DICOM PS3.15 Annex E, Retain Patient Characteristics Option)."""
    allow: dict[str, list[str]] = field(default_factory=dict)
    """Attribute: regular expressions. A value that one of them matches as a whole is accepted."""
    accept: list[str] = field(default_factory=list)
    """Places in a file that may carry personal data and that the site accepts."""


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that gets events.

    `secret_file` is read on the server that delivers, and is nobody's but the service account's.
    """

    url: str = ""
    """Address to which events are posted. It begins with `https://`, or with `http://` on the server itself."""
    secret_file: str = ""
    """File whose content, without blanks around it, signs the body (HMAC-SHA256). Only the service account reads it."""
    kinds: list[str] = field(default_factory=list)
    """Kinds of events. Empty: all."""
    studies: list[str] = field(default_factory=list)
    """StudyIDs. Empty: all."""


@dataclass(frozen=True, slots=True)
class Events:
    """The delay rule that delivers events to hooks."""

    hooks: dict[str, Hook] = field(default_factory=dict)
    """Name: a hook, with the four keys below."""
    every_seconds: int = 10
    """Seconds between two runs of the delay rule that delivers events."""
    timeout_seconds: float = 10.0
    """Seconds within which a hook has to answer."""
    retry_seconds: int = 30
    """Seconds before the second try. The wait doubles at each further try."""
    longest_wait_seconds: int = 3600
    """Longest wait between two tries, in seconds."""


@dataclass(frozen=True, slots=True)
class Forms:
    """The web pages."""

    prefix: str = ""
    """Path below which a web server shows the pages, like `/mrdata`. Empty: at the top."""
    proxy: str = ""
    """Address of that web server. Its X-Forwarded headers are believed. `*`: those of every client."""
    authentication: str = "native"
    """How iRODS checks passwords: `native` or `pam_password`."""
    idle_minutes: int = 60
    """Minutes without a request before a session ends. Requests of pages that refresh themselves do not count."""
    longest_hours: int = 12
    """Hours after which every session ends."""
    request_seconds: float = 30.0
    """Seconds after which the server gives up a page."""
    webdav: str = ""
    """Address of the studies over WebDAV, like `https://host/dav`. Empty: there is none."""


@dataclass(frozen=True, slots=True)
class Products:
    """What `mrdata products` makes of a series: a tar with an index, NIfTI with BIDS sidecars."""

    quiet_seconds: float = 600.0
    """Seconds since the newest image before a series without a gap counts as complete."""
    incomplete_seconds: float = 86400.0
    """Seconds since the newest image before a series with a gap counts as incomplete."""
    look_seconds: float = 60.0
    """Seconds between two looks of `mrdata products`."""
    timeout_seconds: float = 3600.0
    """Seconds after which a conversion has failed."""
    scratch: str = ""
    """Folder of the worker's host, with room for three times a series. Empty: the system's."""


@dataclass(frozen=True, slots=True)
class Bids:
    """The export of a study as a BIDS dataset."""

    rules: dict[str, list[str]] = field(default_factory=dict)
    """Target in a BIDS dataset: regular expressions. They are searched for in a series' description, without regard
    to case, before the built-in ones.
    """


@dataclass(frozen=True, slots=True)
class Fixity:
    """The delay rule that reads what is archived again and compares checksums, the oldest first."""

    every_seconds: int = 600
    """Seconds between two runs of the delay rule that verifies checksums."""
    bytes_per_day: int = 1_000_000_000_000
    """Bytes that are read in a day at most, over all replicas."""
    run_seconds: float = 300.0
    """Seconds after which a run ends, with the object that it is reading."""
    rest_days: int = 30
    """Days for which a verified object is not read again."""
    oldest_days: int = 365
    """Highest age of a verification in days. If the forecast exceeds it, the data stewards get a review."""
    drill_days: int = 30
    """Days between two restore drills."""
    drill_objects: int = 20
    """Objects of a drill."""
    drill_largest_bytes: int = 50_000_000
    """Size of the largest object of a drill. `mrdata drill` also reads larger ones."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The delay rule that finishes, finalizes, and erases what was withdrawn."""

    every_seconds: int = 300
    """Seconds between two runs of the delay rule."""
    finished_hours: float = 12.0
    """Hours without a new file before an experiment is finished."""
    finalized_days: float = 14.0
    """Days after which a finished experiment is finalized."""
    settle_seconds: float = 60.0
    """Seconds between finishing and finalizing at least. Agents remember for a minute that an experiment is open."""
    withdrawal_days: float = 30.0
    """Days for which withdrawn data can be restored. Then they are erased."""
    due_again_hours: float = 24.0
    """Hours between the two runs that must both find data due before they are erased, in case a clock jumped. `0`:
    one run is enough.
    """


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finalized experiments have to be kept."""

    years: int = 10
    """Years for which finalized experiments are kept. `retention_years` of a study's file takes precedence."""
    notice_days: ClassVar[tuple[int, ...]] = (365, 91, 30)
    """Days before the end on which data stewards are told."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """Expanded Data: the trees `<folder>/<scanner>/expdata/<ExperimentID>/` of the landing zone, their attributes."""

    quiet_seconds: float = 86400.0
    """Seconds without a change in a tree before it is copied."""
    marker: str = "FINISHED"
    """File at the top of a tree that says that the tree is complete. Empty: there is none."""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """What a `metadata.yaml` may set. Name: regular expressions of values. Empty: everything that does not look
    like personal data.
    """


@dataclass(frozen=True, slots=True)
class Board:
    """The operator's board, the health address and the metrics: what counts as a problem, and who may look without a
    log-in.
    """

    networks: list[str] = field(default_factory=list)
    """Networks, like `10.1.2.0/24`, that see the board and the metrics without a log-in."""
    recent_minutes: int = 10
    """Minutes over which the board counts what a scanner sent."""
    silent_minutes: int = 20
    """Minutes without a file before a scanner with a running experiment counts as silent."""
    session_hours: int = 4
    """Hours without a file before the board takes an experiment to be over."""
    raw_hour: int = 9
    """Hour of the day from which yesterday's missing raw data are reported. `-1`: never."""
    disk_percent: int = 10
    """Free space of a disk, in percent, below which there is an alarm."""
    castellum_hours: float = 3.0
    """Hours without a good poll of Castellum before there is an alarm."""
    beat_seconds: int = 30
    """Seconds between two reports of the landing host."""
    every_seconds: int = 60
    """Seconds between two reports of the server."""
    days: int = 30
    """Days of the plot of the volume."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a site."""

    zone: str
    """Name of the iRODS zone."""
    account: ClassVar[str] = "mrdata"
    """The service account (rodsadmin) that owns the archive; its home collection holds landing, studies and quarantine.
    """
    trusted: list[str] = field(default_factory=lambda: ["mrdata"])
    """Administrators whose files policy enforcement points place at once. The sweep places everybody else's."""
    stewards: str = "data_stewards"
    """Group of the data stewards."""
    uploaders: str = "public"
    """Group that may put files into the landing collections."""
    iadmin: list[str] = field(default_factory=lambda: ["iadmin"])
    """Command that manages groups. The rule engine has no microservice for it."""
    scanners: list[str] = field(default_factory=list)
    """Names of the scanners: folders of the landing zone, and choices at registration."""
    scan_types: list[str] = field(default_factory=lambda: ["phantom", "pilot", "measurement"])
    """Choices at registration."""
    landing: Landing = field(default_factory=Landing)
    sweep: Sweep = field(default_factory=Sweep)
    discard: Discard = field(default_factory=Discard)
    archive: Archive = field(default_factory=Archive)
    guard: Guard = field(default_factory=Guard)
    forms: Forms = field(default_factory=Forms)
    castellum: Castellum = field(default_factory=Castellum)
    products: Products = field(default_factory=Products)
    bids: Bids = field(default_factory=Bids)
    expanded: Expanded = field(default_factory=Expanded)
    events: Events = field(default_factory=Events)
    fixity: Fixity = field(default_factory=Fixity)
    board: Board = field(default_factory=Board)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    retention: Retention = field(default_factory=Retention)

    @property
    def home(self) -> str:
        """The service account's home collection."""
        return f"/{self.zone}/home/{self.account}"


def settings_from(mapping: Mapping[str, Any]) -> Settings:
    """Settings from what YAML holds.

    Raises SettingsError for unknown keys, wrong types and expressions that do not compile.
    """
    settings: Settings = _build(Settings, mapping, "")
    folders = (
        replace(settings.landing, folder=_plain(settings.landing.folder)),
        replace(settings.archive, vault=_plain(settings.archive.vault)),
    )
    settings = replace(settings, landing=folders[0], archive=folders[1])
    castellum_settings.check(settings.castellum, SettingsError)
    allowed = {f"guard.allow.{a}": p for a, p in settings.guard.allow.items()}
    allowed |= {f"castellum.attributes.{a}": p for a, p in settings.castellum.attributes.items()}
    allowed |= {f"expanded.attributes.{a}": p for a, p in settings.expanded.attributes.items()}
    allowed |= {f"bids.rules.{a}": p for a, p in settings.bids.rules.items()}
    for key, patterns in allowed.items():
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise SettingsError(f"{key}: {pattern!r} is not a regular expression: {error}") from error
    if unknown := [carrier for carrier in settings.guard.accept if carrier not in CARRIERS]:
        raise SettingsError(f"guard.accept: {unknown[0]!r} is unknown; known are {', '.join(CARRIERS)}")
    if not 1 <= settings.landing.connections <= 16:
        raise SettingsError(f"landing.connections: {settings.landing.connections} must be between 1 and 16")
    for network in settings.board.networks:
        _check_network(network)
    for name, hook in settings.events.hooks.items():
        _check_hook(name, hook)
    if settings.forms.authentication not in ("native", "pam_password"):
        raise SettingsError(
            f"forms.authentication: {settings.forms.authentication!r} is neither native nor pam_password"
        )
    if settings.forms.prefix and not re.fullmatch(r"(/[\w.-]+)+", settings.forms.prefix):
        raise SettingsError(
            f"forms.prefix: {settings.forms.prefix!r} must begin with a slash and end without one, like /mrdata"
        )
    return settings


def _plain(folder: str) -> str:
    """As the catalog has the paths of the files in it."""
    return posixpath.normpath(folder) if folder else ""


def _check_network(network: str) -> None:
    try:
        ip_network(network)
    except ValueError as error:
        raise SettingsError(f"board.networks: {error}; expected something like 10.1.2.0/24") from error


def _check_hook(name: str, hook: Hook) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise SettingsError(f"events.hooks: {name!r} must be up to 64 letters, digits, `_` or `-`")
    if not re.fullmatch(r"https?://[^/\s]+\S*", hook.url):
        raise SettingsError(
            f"events.hooks.{name}.url: expected an address that begins with https:// or http://, found {hook.url!r}"
        )
    parts = urlsplit(hook.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsError(
            f"events.hooks.{name}.url: {hook.url!r} leaves this machine without encryption; expected https://"
        )
    if not hook.secret_file:
        raise SettingsError(
            f"events.hooks.{name}.secret_file: missing; name a file that holds the secret which signs what is sent"
        )


def _build(cls: Any, mapping: object, prefix: str) -> Any:  # noqa: ANN401 - any of the dataclasses above
    if not isinstance(mapping, Mapping):
        raise SettingsError(f"{prefix.rstrip('.') or 'mrdata.yaml'}: expected keys and values, found {mapping!r}")
    hints = get_type_hints(cls)
    names = [f.name for f in fields(cls)]
    if unknown := [str(key) for key in mapping if key not in names]:
        raise SettingsError(f"{prefix}{unknown[0]}: unknown key; known are {', '.join(names)}")
    if cls is Settings and not mapping.get("zone"):
        raise SettingsError("zone: missing; give the name of the iRODS zone")
    return cls(**{key: _value(hints[key], value, prefix + key) for key, value in mapping.items()})


def _value(hint: Any, value: object, key: str) -> Any:  # noqa: ANN401 - of the type that `hint` names
    if hasattr(hint, "__dataclass_fields__"):
        return _build(hint, value, key + ".")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    origin = get_origin(hint) or hint
    if origin is dict and hasattr(get_args(hint)[1], "__dataclass_fields__") and isinstance(value, dict):
        return {name: _build(get_args(hint)[1], item, f"{key}.{name}.") for name, item in value.items()}
    if not isinstance(value, origin) or (origin is int and isinstance(value, bool)):
        raise SettingsError(f"{key}: expected {getattr(hint, '__name__', hint)}, found {value!r}")
    items = value if isinstance(value, list) else _texts(hint, value) if isinstance(value, dict) else []
    if not all(isinstance(item, str) for item in items):
        raise SettingsError(f"{key}: expected texts (put them in quotes), found {value!r}")
    return value


def _texts(hint: Any, value: dict[object, Any]) -> list[object]:  # noqa: ANN401 - a dict's type
    """Lists all that must be texts in a mapping. For a value that must be a list and is not, lists None."""
    if get_args(hint)[1] is str:
        return [*value, *value.values()]
    return [item for v in value.values() for item in (v if isinstance(v, list) else [None])] + list(value)

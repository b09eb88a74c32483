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
    resource: str = "landingResc"
    quiet_seconds: float = 10.0
    """Seconds without a change of size and mtime, over at least two looks, before a file counts as complete."""
    incomplete_seconds: float = 86400.0
    """Seconds without a change before a file that has no end (TWIX) is registered all the same. The policies judge it
    then.
    """
    look_seconds: float = 0.25
    """Seconds between two looks at the landing zone."""
    connections: int = 2
    """Connections of `mrdata scan` to a server: while one waits for the catalog, the other decides."""
    keep_days: float = 30.0
    """Days for which the intake keeps a file that the archive has."""
    take_over_seconds: float = 60.0
    """Seconds without a sign of life after which another process goes on with the batch of a process on another host.
    """


@dataclass(frozen=True, slots=True)
class Sweep:
    """The delay rule that places what rests in the landing collections."""

    every_seconds: int = 5
    quiet_seconds: int = 5
    """Seconds after its last change for which a replica is left alone: somebody may still write."""
    follow_seconds: int = 60
    """Seconds for which a sweep goes on, at most, while a replica has changed within `quiet_seconds`."""
    tries: int = 5
    retry_seconds: int = 60
    """Seconds before the second try; doubled before each further one."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The delay rule that moves what is placed to the archive resource."""

    resource: str = "archiveResc"
    vault: str = ""
    """Folder of the archive resource's vault as the landing host sees it; files are archived when they are registered.

    Empty: the vault is on another host, and the delay rule archives.
    """
    copies: list[str] = field(default_factory=list)
    """Further resources, elsewhere: each has a replica of everything too, from which a damaged one is repaired."""
    every_seconds: int = 60
    give_up_seconds: int = 60
    """Seconds after which an object that is still being written, but by no process any more, is repaired: its writer
    has died.
    """


@dataclass(frozen=True, slots=True)
class Discard:
    """How sessions that data stewards discard from the quarantine are erased."""

    days: float = 30.0
    """Days after which a discarded session is erased; until then it can be kept after all."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Which data that may identify the person are accepted in a file. The default refuses all but the ExperimentID."""

    retain_patient_characteristics: bool = False
    """PS3.15 Annex E, Retain Patient Characteristics Option: accept sex, age, size and weight (the scanner needs it for
    SAR).
    """
    allow: dict[str, list[str]] = field(default_factory=dict)
    """Attribute -> regular expressions; a value that one matches as a whole is accepted (`PatientBirthDate:
    ["19000101"]`).
    """
    accept: list[str] = field(default_factory=list)
    """Places in a file that may identify the person and that this site accepts (`policy.zone.carriers`); none by
    default.
    """


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that gets events.

    `secret_file` is read on the server that delivers, and is nobody's but the service account's.
    """

    url: str = ""
    secret_file: str = ""
    """Its content, without blanks around it, signs the body: HMAC-SHA256."""
    kinds: list[str] = field(default_factory=list)
    """Kinds of events; none means all."""
    studies: list[str] = field(default_factory=list)
    """StudyIDs; none means all."""


@dataclass(frozen=True, slots=True)
class Events:
    """The delay rule that delivers events to hooks."""

    hooks: dict[str, Hook] = field(default_factory=dict)
    every_seconds: int = 10
    timeout_seconds: float = 10.0
    """Seconds without an answer after which a hook has not taken the event."""
    retry_seconds: int = 30
    """Seconds before the second try; doubled before each further one."""
    longest_wait_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Forms:
    """The web pages."""

    prefix: str = ""
    """The path below which a web server in front shows them (`/mrdata`); empty: at the top."""
    proxy: str = ""
    """Address of the web server in front. MrData believes what it says about the client's address and about HTTPS.

    `*`: MrData believes every host that connects.
    """
    authentication: str = "native"
    """How iRODS checks passwords: `native` or `pam_password`."""
    idle_minutes: int = 60
    """Minutes without a request after which a session ends; pages that refresh themselves do not count."""
    longest_hours: int = 12
    """Hours after which every session ends."""
    request_seconds: float = 30.0
    """Seconds after which a page that is not there yet is given up."""
    webdav: str = ""
    """Address of the studies' collection over WebDAV (`https://host/dav`); empty: there is none."""


@dataclass(frozen=True, slots=True)
class Products:
    """What `mrdata products` makes of a series: a tar with an index, NIfTI with BIDS sidecars."""

    quiet_seconds: float = 600.0
    """Seconds without a new image before a series without a gap counts as complete."""
    incomplete_seconds: float = 86400.0
    """Seconds without a new image before a series with a gap in its instance numbers counts as incomplete."""
    look_seconds: float = 60.0
    """Seconds between two looks at the archive."""
    timeout_seconds: float = 3600.0
    """Seconds after which a conversion has failed."""
    scratch: str = ""
    """Folder of the worker's host for a series that is being worked on; empty: the system's.

    It holds about three times a series.
    """


@dataclass(frozen=True, slots=True)
class Bids:
    """The export of a study as a BIDS dataset."""

    rules: dict[str, list[str]] = field(default_factory=dict)
    """Data type and name (`anat/T1w`, `func/task-{task}_bold`) -> expressions for a series' description; tried before
    the built-in ones.
    """


@dataclass(frozen=True, slots=True)
class Fixity:
    """The delay rule that reads what is archived again and compares checksums, the oldest first."""

    every_seconds: int = 600
    bytes_per_day: int = 1_000_000_000_000
    """Bytes that are read in a day, at most, of all replicas."""
    run_seconds: float = 300.0
    """Seconds after which a run ends; it finishes the object that it is at."""
    rest_days: int = 30
    """Days for which a verified object is left alone, even if there is nothing else to verify."""
    oldest_days: int = 365
    """Days within which every object should be verified. Data stewards are told if the forecast is longer."""
    drill_days: int = 30
    """Days between two drills. A drill reads some objects back as a user would."""
    drill_objects: int = 20
    drill_largest_bytes: int = 50_000_000
    """Larger ones are read back by `mrdata drill`, from outside: inside the server, Python reads slowly."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The delay rule that finishes, finalizes, and erases what was withdrawn."""

    every_seconds: int = 300
    finished_hours: float = 12.0
    """Hours without a new file after which an experiment is finished. Raw data that come at night make it acquiring
    again.
    """
    finalized_days: float = 14.0
    """Days after which a finished experiment is finalized. Its owner may ask for it earlier."""
    settle_seconds: float = 60.0
    """Seconds before a finished experiment is finalized: agents believe for a minute that an experiment is open."""
    withdrawal_days: float = 30.0
    """Days after which withdrawn data are erased; until then they can be restored."""
    due_again_hours: float = 24.0
    """Hours between the first run that finds withdrawn data due and the run that erases them: a clock may have jumped.
    """


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finalized experiments have to be kept."""

    years: int = 10
    """Years from the day on which an experiment is finalized; a study may have its own (`retention_years` in its
    file).
    """
    notice_days: ClassVar[tuple[int, ...]] = (365, 91, 30)
    """Days before the end on which data stewards are told."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """Expanded Data: the trees `<folder>/<scanner>/expdata/<ExperimentID>/` of the landing zone, their attributes."""

    quiet_seconds: float = 86400.0
    """Seconds without a change in a tree before it is copied."""
    marker: str = "FINISHED"
    """Name of a file at the top of a tree that says that the tree is finished; empty: no such file is expected."""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """Attributes that a `metadata.yaml` may set, with expressions of their values; empty: all that do not look like
    personal data.
    """


@dataclass(frozen=True, slots=True)
class Board:
    """The operator's board, the health address and the metrics: what counts as a problem, and who may look without a
    log-in.
    """

    networks: list[str] = field(default_factory=list)
    """Networks (`10.1.2.0/24`) that see board and metrics without a log-in; none by default."""
    recent_minutes: int = 10
    """Minutes for which the board shows what a scanner sent."""
    silent_minutes: int = 20
    """Minutes without data after which a scanner with an experiment under way is silent."""
    session_hours: int = 4
    """Hours without data after which the experiment counts as over, and the scanner as idle."""
    raw_hour: int = 9
    """Hour of the next day from which on missing raw data are a problem; -1: no raw data are expected."""
    disk_percent: int = 10
    """Percent of free space on a disk below which there is an alarm."""
    castellum_hours: float = 3.0
    """Hours without a successful poll of Castellum after which there is a problem."""
    beat_seconds: int = 30
    """Seconds between two status reports of the landing host."""
    every_seconds: int = 60
    """Seconds between two status reports of the server."""
    days: int = 30
    """Days that the plot of the volume shows."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a site."""

    zone: str
    account: ClassVar[str] = "mrdata"
    """The service account (rodsadmin) that owns the archive; its home collection holds landing, studies and quarantine.
    """
    trusted: list[str] = field(default_factory=lambda: ["mrdata"])
    """Accounts whose files are placed at once, by the policy enforcement points; everybody else's by the sweep."""
    stewards: str = "data_stewards"
    """The group that may see the quarantine and re-file."""
    uploaders: str = "public"
    """The group that may put files into the landing collections."""
    iadmin: list[str] = field(default_factory=lambda: ["iadmin"])
    """The command that manages groups (the rule engine has no microservice for it)."""
    scanners: list[str] = field(default_factory=list)
    scan_types: list[str] = field(default_factory=lambda: ["phantom", "pilot", "measurement"])
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

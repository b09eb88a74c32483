"""What the archive has of a file of the intake: asked of the catalog, and read again.

An object is found by where it came from (`policy.ingest.origin`): its file in the vault, or its AVUs. Without either,
by the file's checksum.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from policy.ingest.origin import LANDING_BATCH, LANDING_PATH
from policy.zone import GOOD, Condition, Damaged, Zone, ZoneError, checksum_text, data_object, layout
from policy.zone.settings import Settings


class Stay(Exception):
    """Why a file has to stay."""

    NOT_REGISTERED = "not registered"
    NOT_ARCHIVED = "not archived yet"
    NOT_PLACED = "not placed yet"
    COPIES = "not on all resources of the archive"
    DAMAGED = "the archive's replicas are not what they were (mrdata rule fixity_check)"
    UNREAD = "the archive's replicas could not be read again"
    OTHER = "other bytes than the archive has"


class Archived:
    """Asks a zone."""

    def __init__(self, zone: Zone, settings: Settings) -> None:
        self._zone, self._settings = zone, settings
        roots = (layout.studies, layout.quarantine, layout.landing)
        self._studies, self._quarantine, self._landing = (root(settings) + "/" for root in roots)

    def digests(self, batch: str, landing_path: str, size: int, digest: Callable[[], str | None]) -> set[str]:
        """What a file of the intake may hold so that nothing is lost with it: SHA-256, hexadecimal. Stay where it has
        to stay.

        `digest` reads the file; None where it changes meanwhile.
        """
        file = f"{self._settings.landing.folder.rstrip('/')}/{layout.INTAKE}/{batch}/{landing_path}"
        if rows := self._zone.query(["DATA_SIZE", "DATA_CHECKSUM"], Condition("DATA_PATH", "=", file)):
            registered = all(int(length) == size and checksum in ("", text_of(digest())) for length, checksum in rows)
            raise Stay(Stay.NOT_ARCHIVED if registered else Stay.OTHER)
        if came := self._by_origin(batch, landing_path):
            fitting = [path for path in came if any(int(row[3]) == size for row in self._replicas(path))]
            return self._all_read_again(fitting, Stay.OTHER)
        return self._all_read_again(self._by_checksum(text_of(digest())), Stay.NOT_REGISTERED)

    def is_named(self, file: str) -> bool:
        """Whether a replica's file is this one."""
        return bool(self._zone.query(["DATA_ID"], Condition("DATA_PATH", "=", file)))

    def has(self, digest: str) -> bool:
        """Whether the archive has these bytes, read again."""
        try:
            return bool(self._all_read_again(self._by_checksum(text_of(digest)), Stay.NOT_REGISTERED))
        except Stay:
            return False

    def _by_origin(self, batch: str, landing_path: str) -> list[str]:
        columns = ["COLL_NAME", "DATA_NAME"]
        value, unit = (
            Condition("META_DATA_ATTR_VALUE", "=", landing_path),
            Condition("META_DATA_ATTR_UNITS", "=", batch),
        )
        found = self._zone.query(columns, Condition("META_DATA_ATTR_NAME", "=", LANDING_PATH), value, unit)
        if self._settings.archive.vault:
            file = f"{self._settings.archive.vault.rstrip('/')}/{layout.LANDED}/{batch}/{landing_path}"
            found += self._zone.query(columns, Condition("DATA_PATH", "=", file))
        value = Condition("META_DATA_ATTR_VALUE", "=", batch)
        for row in self._zone.query(columns, Condition("META_DATA_ATTR_NAME", "=", LANDING_BATCH), value):
            landed = layout.quarantined(self._settings, "/".join(row))
            found += [row] if landed and landed.landing_path == landing_path else []
        return self._own(found)

    def _by_checksum(self, checksum: str) -> list[str]:
        return (
            self._own(self._zone.query(["COLL_NAME", "DATA_NAME"], Condition("DATA_CHECKSUM", "=", checksum)))
            if checksum
            else []
        )

    def _own(self, rows: list[tuple[str, ...]]) -> list[str]:
        """Anybody may put AVUs on his own objects."""
        paths = dict.fromkeys("/".join(row) for row in rows)
        return [path for path in paths if path.startswith((self._studies, self._quarantine, self._landing))]

    def _replicas(self, path: str) -> list[tuple[str, ...]]:
        columns = ["DATA_RESC_NAME", "DATA_REPL_NUM", "DATA_CHECKSUM", "DATA_SIZE"]
        return self._zone.query(columns, *data_object(path), Condition("DATA_REPL_STATUS", "=", GOOD))

    def _all_read_again(self, paths: list[str], otherwise: str) -> set[str]:
        """The SHA-256 of those that the archive really has; Stay where it has none of them."""
        found: set[str] = set()
        reasons: list[str] = []
        for path in paths:
            try:
                found.add(self._read_again(path))
            except Stay as reason:
                reasons.append(str(reason))
        if not found:
            raise Stay(reasons[0] if reasons else otherwise)
        return found

    def _read_again(self, path: str) -> str:
        archive = self._settings.archive
        if path.startswith(self._landing):
            raise Stay(Stay.NOT_PLACED)
        rows = self._replicas(path)
        kept = {checksum for resource, _, checksum, _ in rows if resource == archive.resource and checksum}
        if len(kept) != 1:
            raise Stay(Stay.DAMAGED if kept else Stay.NOT_ARCHIVED)
        (checksum,) = kept
        # What is in quarantine waits for a data steward; its copies are made when it is in its place.
        wanted = {archive.resource} if path.startswith(self._quarantine) else {archive.resource, *archive.copies}
        if not wanted <= {resource for resource, _, one, _ in rows if one == checksum}:
            raise Stay(Stay.COPIES)
        try:
            if self._zone.checksum(path, verify=True) != checksum:
                raise Stay(Stay.DAMAGED)
            return checksum_text.hexadecimal(path, checksum)
        except Damaged as error:
            raise Stay(Stay.DAMAGED) from error
        except ZoneError as error:
            raise Stay(Stay.UNREAD) from error


def text_of(digest: str | None) -> str:
    """iRODS's text of a SHA-256 in hexadecimal; empty for None."""
    return "sha2:" + base64.b64encode(bytes.fromhex(digest)).decode() if digest else ""

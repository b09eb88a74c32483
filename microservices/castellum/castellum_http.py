"""Reads Castellum over HTTP: its studies, and the exported attributes of each study's subjects.

Each of these is an error: a redirection, a page that is not JSON, a page that is cut off, a count that does not fit.
After an error, nothing is concluded about what Castellum holds. The token goes to Castellum's own address only, and no
message holds it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from policy.castellum.mixed_use import shown
from policy.castellum.snapshot import Attributes, Listing, SeenStudy, SourceError
from policy.zone.castellum_settings import Castellum
from policy.zone.layout import NAME

_LARGEST = 64 << 20
"""Bytes of an answer."""
_PAGES = 10_000
_AGAIN = (429, 500, 502, 503, 504)
"""Answers that may be another one in a moment (RFC 9110, 15.6; RFC 6585)."""
_LONGEST_WAIT = 30.0
_QUERY = re.compile(r"\?[^\s)]*")
"""Of an address: it may hold a page's cursor, and that a pseudonym."""


class HttpSource:
    """Asks Castellum; `requests_made` counts requests, tries included."""

    lists_all = True

    def __init__(self, settings: Castellum) -> None:
        import requests

        self._settings, self._fields = settings, settings.fields
        self.requests_made = 0
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor .netrc
        self._session.verify = settings.ca_file or True
        self._session.headers["Accept"] = "application/json"
        self._session.headers[settings.token_header] = settings.token_format.format(token=_token(settings.token_file))

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def studies(self) -> Listing:
        """Returns all studies; a study that cannot be understood is listed as a fault."""
        seen: dict[str, SeenStudy] = {}
        faults: dict[str, str] = {}
        for number, record in enumerate(self._records(self._settings.studies_path), 1):
            try:
                study = self._study(record)
            except SourceError as error:
                name = str(_mapping(record).get(self._fields.study) or "")
                faults[name if NAME.fullmatch(name) else f"#{number}"] = str(error)
                continue
            if study.id in seen:
                raise SourceError(f"two studies are named {study.id}", general=True)
            seen[study.id] = study
        return Listing(sorted(seen.values(), key=lambda s: s.id), faults)

    def subjects(self, study: SeenStudy) -> Mapping[str, Attributes]:
        """None for a study without pseudonyms ("one time invitation")."""
        if not study.pseudonym_list:
            return {}
        parts = {"study": quote(study.key, safe=""), "list": quote(study.pseudonym_list, safe="")}
        found: dict[str, Attributes] = {}
        for record in self._records(self._settings.attributes_path.format(**parts)):
            pseudonym = _mapping(record).get(self._fields.pseudonym)
            attributes = _mapping(record).get(self._fields.attributes) if self._fields.attributes else record
            if not isinstance(pseudonym, str) or not isinstance(attributes, dict):
                raise SourceError(f"a subject lacks {self._fields.pseudonym!r} or {self._fields.attributes!r}")
            if pseudonym in found:
                raise SourceError("a pseudonym stands twice")
            found[pseudonym] = attributes
        return found

    def _study(self, record: object) -> SeenStudy:
        fields, held = self._fields, _mapping(record)
        name, key = str(held.get(fields.study) or ""), held.get(fields.key)
        if not NAME.fullmatch(name):
            raise SourceError(
                f"its {fields.study} is {shown(name)} and cannot be a StudyID: 1 to 50 letters, digits, `_`, `.` or `-`"
                " are expected"
            )
        if key in (None, ""):
            raise SourceError(f"has no {fields.key}")
        if fields.status not in held:
            raise SourceError(f"has no {fields.status}")
        title, members, lists = held.get(fields.title), held.get(fields.members), held.get(fields.lists)
        if members is not None and not (isinstance(members, list) and all(isinstance(m, str) for m in members)):
            raise SourceError(f"{fields.members} is not a list of account names")
        return SeenStudy(
            id=name,
            key=str(key),
            title=title if isinstance(title, str) else None,
            members=None if members is None else tuple(sorted(set(members))),
            active=str(held[fields.status]).lower() in {a.lower() for a in self._settings.active},
            pseudonym_list=self._list(name, [] if lists is None else lists),
        )

    def _list(self, study: str, lists: object) -> str:
        names = [str(each) for each in lists] if isinstance(lists, list) else [str(lists)]
        chosen = self._settings.lists.get(study, "")
        if chosen and chosen not in names:
            raise SourceError(f"has no pseudonym list {chosen!r}, which castellum.lists.{study} names")
        if not chosen and len(names) > 1:
            raise SourceError(f"has {len(names)} pseudonym lists; name the one to use in castellum.lists.{study}")
        return chosen or (names[0] if names else "")

    def _records(self, path: str) -> Iterator[object]:
        """The records of all pages."""
        address, seen, number, counts = self._settings.url.rstrip("/") + path, set[str](), 0, set[int]()
        while address:
            if address in seen or len(seen) >= _PAGES:
                raise SourceError(f"{_shown(address)}: the pages never end")
            seen.add(address)
            page = self._get(address)
            records = page if isinstance(page, list) else _mapping(page).get(self._fields.results)
            if not isinstance(records, list):
                raise SourceError(f"{_shown(address)}: holds no {self._fields.results!r}")
            number += len(records)
            yield from records
            held = _mapping(page)
            if isinstance(count := held.get(self._fields.count), int):
                counts.add(count)
            address = self._own(address, held.get(self._fields.next))
        if counts and counts != {number}:
            raise SourceError(
                f"{path}: {number} records came, and {self._fields.count} says {' and '.join(map(str, sorted(counts)))}"
            )

    def _own(self, address: str, following: object) -> str:
        """The next page's address. The token must not leave for another host."""
        if not following:
            return ""
        new = urljoin(address, str(following))
        if urlsplit(new)[:2] != urlsplit(self._settings.url)[:2]:
            raise SourceError(f"{_shown(address)}: its next page is at another address ({_shown(new)})", general=True)
        return new

    def _get(self, address: str) -> object:
        """The JSON at an address; what may pass is tried again, each time after twice the wait."""
        import requests

        wait = self._settings.retry_seconds
        for attempt in range(1, self._settings.tries + 1):
            try:
                return self._once(address)
            except _Passing as error:
                if attempt == self._settings.tries:
                    raise SourceError(f"{_shown(address)}: {error} ({attempt} tries)") from error
                time.sleep(min(max(wait, error.wait), _LONGEST_WAIT))
                wait *= 2
            except requests.RequestException as error:
                raise SourceError(f"{_shown(address)}: {_told(error)}", general=True) from error
        raise AssertionError("there is at least one try")

    def _once(self, address: str) -> object:
        import requests
        from urllib3.exceptions import HTTPError

        self.requests_made += 1
        end = time.monotonic() + self._settings.timeout_seconds
        try:
            with self._session.get(
                address, timeout=self._settings.timeout_seconds, allow_redirects=False, stream=True
            ) as answer:
                _judge(answer.status_code, answer.headers.get("Retry-After", ""), address)
                content = bytearray()
                while piece := answer.raw.read1(
                    1 << 16, decode_content=True
                ):  # what has arrived: `read` would wait for all these bytes
                    content += piece
                    if len(content) > _LARGEST:
                        raise SourceError(f"{_shown(address)}: the answer is larger than {_LARGEST} bytes")
                    if time.monotonic() > end:
                        raise _Passing(f"no whole answer within {self._settings.timeout_seconds:g} s")
        except requests.exceptions.SSLError as error:
            raise SourceError(f"{_shown(address)}: TLS: {re.sub(_QUERY, '', str(error))}", general=True) from error
        except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
            raise _Passing(_told(error)) from error
        import json

        try:
            return json.loads(bytes(content))
        except ValueError as error:
            raise SourceError(f"{_shown(address)}: the answer is not JSON: {error}") from error


class _Passing(Exception):
    """A temporary fault; the next try should wait at least `wait` seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


def _judge(status: int, retry_after: str, address: str) -> None:
    if status in _AGAIN:
        raise _Passing(f"HTTP status {status}", float(retry_after) if retry_after.isdigit() else 0.0)
    if status == 401:
        raise SourceError(
            f"{_shown(address)}: HTTP status 401: the token in castellum.token_file is not accepted", general=True
        )
    if status == 403:
        raise SourceError(f"{_shown(address)}: HTTP status 403: the account of the token may not read this")
    if status != 200:
        more = " (a redirection: to a login page?)" if 300 <= status < 400 else ""
        raise SourceError(f"{_shown(address)}: HTTP status {status}{more}")


def _token(file: str) -> str:
    try:
        with open(file, encoding="ascii") as opened:
            token = opened.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "holds characters that no token has"
        raise SourceError(f"castellum.token_file {file}: {reason}", general=True) from error
    if not token or not token.isprintable() or " " in token:
        raise SourceError(f"castellum.token_file {file}: must hold one token and nothing else", general=True)
    return token


def _mapping(record: object) -> Mapping[str, Any]:
    return record if isinstance(record, dict) else {}


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {re.sub(_QUERY, '', str(error))}"


def _shown(address: str) -> str:
    """An address without its query, which may hold a page's cursor."""
    return address.partition("?")[0]

"""A small Castellum over real sockets, with the API that MrData assumes, and faults on demand. For tests and the
demonstration.

It holds made-up studies and subjects; nothing of it is Castellum's own code.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

STUDIES = "/api/studies/"
FAULTS = (
    "slow", "drip", "half", "status 500", "status 503 once", "status 403", "status 401", "status 404", "redirect", "html", "no results",  # noqa: E501
    "empty", "smaller", "no attributes", "wrong count", "foreign next", "endless pages", "cut page", "no such name",
)  # fmt: skip
"""What can go wrong: `faults[path] = one of these`; the path is that of an answer, or `*` for all."""


@dataclass
class Study:
    """A study as this Castellum keeps it; `subjects`: pseudonym -> attributes."""

    id: int
    name: str
    title: str = ""
    status: str = "execution"
    members: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=lambda: ["d1"])
    subjects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As the list of studies shows it."""
        return {name: getattr(self, name) for name in ("id", "name", "title", "status", "members", "domains")}

    @property
    def path(self) -> str:
        """Where its export is."""
        return f"/execution/api/studies/{self.id}/domains/{self.domains[0]}/attributes/"


class PretendCastellum:
    """The server and what it holds. Change `studies` and `faults` as you like while it runs."""

    def __init__(
        self, *studies: Study, token: str = "secret-token", page: int = 100, certificate: str = "", key: str = ""
    ) -> None:
        self.studies = {study.name: study for study in studies}
        self.token, self.page = token, page
        self.faults: dict[str, str] = {}
        self.requests: Counter[str] = Counter()
        self.seen_tokens: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[PretendCastellum]:
        """Serves within the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def records(self, path: str) -> list[dict[str, Any]] | None:
        """The records behind a path; None where there is nothing."""
        if path == STUDIES:
            return [study.record() for study in self.studies.values()]
        for study in self.studies.values():
            if study.path == path:
                return [{"pseudonym": name, "attributes": attributes} for name, attributes in study.subjects.items()]
        return None


def _handler(castellum: PretendCastellum) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a small answer after its header would wait 40 ms for an acknowledgement

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            castellum.requests[parts.path] += 1
            castellum.seen_tokens.append(self.headers.get("Authorization", ""))
            fault = castellum.faults.get(parts.path, castellum.faults.get("*", ""))
            if self.headers.get("Authorization") != f"Token {castellum.token}":
                return self.answer(401, {"detail": "Invalid token."})
            if fault == "status 503 once":
                castellum.faults.pop(parts.path, castellum.faults.pop("*", None))
                return self.answer(503, {"detail": "busy"})
            if fault.startswith("status "):
                return self.answer(int(fault.split(" ")[1]), {"detail": "as you wished"})
            records = castellum.records(parts.path)
            if records is None:
                return self.answer(404, {"detail": "Not found."})
            number = int(parse_qs(parts.query).get("page", ["1"])[0])
            return self.page(parts.path, records, number, fault)

        def page(self, path: str, records: list[dict[str, Any]], number: int, fault: str) -> None:
            if fault == "empty":
                records = []
            elif fault == "smaller":
                records = records[: len(records) // 2]
            elif fault == "no attributes":
                records = [{**record, "attributes": {}} for record in records]
            elif fault == "no such name":
                records = [{name.upper(): value for name, value in record.items()} for record in records]
            first = (number - 1) * castellum.page
            shown = records[first : first + castellum.page]
            following: str | None = (
                f"{castellum.url}{path}?page={number + 1}" if first + castellum.page < len(records) else None
            )
            if fault == "foreign next":
                following = "http://localhost:9/elsewhere"
            elif fault == "endless pages":
                following = f"{castellum.url}{path}?page={number}"
            elif fault == "cut page" and number > 1:
                return self.answer(200, {"results": shown}, cut=True)
            count = len(records) + (fault == "wrong count")
            body = {"count": count, "next": following, "results": shown}
            if fault == "no results":
                del body["results"]
            if fault == "html":
                return self.send(200, b"<html><body>Please log in</body></html>", "text/html")
            if fault == "redirect":
                return self.send(302, b"", "text/html", {"Location": "/login/"})
            return self.answer(200, body, cut=fault == "half", slow=fault == "slow", drip=fault == "drip")

        def answer(
            self, status: int, body: object, *, cut: bool = False, slow: bool = False, drip: bool = False
        ) -> None:
            content = json.dumps(body).encode()
            if slow:
                time.sleep(5)
            if drip:
                self.head(status, len(content), "application/json", {})
                try:
                    for byte in content:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(0.2)
                except OSError:  # the client has given up
                    self.close_connection = True
                return
            if cut:
                self.head(status, len(content), "application/json", {})
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
                return
            self.send(status, content, "application/json")

        def send(self, status: int, content: bytes, kind: str, more: dict[str, str] | None = None) -> None:
            self.head(status, len(content), kind, more or {})
            try:
                self.wfile.write(content)
            except OSError:  # the client has given up
                self.close_connection = True

        def head(self, status: int, length: int, kind: str, more: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(length), **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    return Handler
